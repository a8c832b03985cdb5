//! Whether an update would change a pod. Updates that do are refused: a pod's spec cannot change under its containers, and
//! changes to labels and annotations are not taken yet.

use serde_json::{Map, Value};

/// Whether `document`, with its defaults filled in, asks for the pod that is there.
pub fn is_unchanged(present: &Value, document: &Value) -> bool {
    let same = |path: &str| is_same(&present.pointer(path).cloned(), &document.pointer(path).cloned());
    same("/spec") && same("/metadata/labels") && same("/metadata/annotations")
}

/// Whether a merge patch, strategic or not, leaves a document as it is. Lists are compared whole: what a strategic patch
/// would merge by key counts as a change, since clients name only the elements that differ.
pub(super) fn patch_changes_nothing(present: &Value, patch: &Value) -> bool {
    match (present, patch) {
        (Value::Object(_), Value::Object(patch)) => patch.iter().all(|(name, patch)| {
            // Directives of a strategic merge patch say in which order lists are to be, and say nothing of values.
            name.starts_with("$setElementOrder/") || patch_changes_nothing(&present[name], patch)
        }),
        (present, patch) => present == patch,
    }
}

/// Equal, where a missing map and an empty one are the same.
fn is_same(one: &Option<Value>, other: &Option<Value>) -> bool {
    let empty = |value: &Option<Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map == &Map::new(),
        Some(_) => false,
    };
    one == other || empty(one) && empty(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "metadata": {"name": "a", "labels": {"app": "x"}, "uid": "1"},
            "spec": {"containers": [{"name": "c", "image": "i", "command": ["sh", "-c"]}], "restartPolicy": "Always"},
        })
    }

    #[test]
    fn what_the_agent_has_added_is_no_change() {
        let mut document = pod();
        document["metadata"].as_object_mut().unwrap().remove("uid");
        document["metadata"]["annotations"] = json!({});
        assert!(is_unchanged(&pod(), &document));
    }

    #[test]
    fn the_spec_and_the_labels_count() {
        for (path, value) in [
            ("/spec/restartPolicy", json!("Never")),
            ("/metadata/labels/app", json!("y")),
        ] {
            let mut document = pod();
            *document.pointer_mut(path).unwrap() = value;
            assert!(!is_unchanged(&pod(), &document), "{path}");
        }
    }

    #[test]
    fn a_patch_is_compared_with_what_is_there() {
        for (patch, expected) in [
            (json!({}), true),
            (json!({"metadata": {"labels": {"app": "x", "gone": null}}}), true),
            (json!({"metadata": {"labels": {"app": null}}}), false),
            (
                json!({"spec": {"$setElementOrder/containers": [{"name": "c"}], "restartPolicy": "Always"}}),
                true,
            ),
            (json!({"spec": {"containers": [{"name": "c", "image": "j"}]}}), false),
            (json!({"spec": {"hostNetwork": true}}), false),
        ] {
            assert_eq!(patch_changes_nothing(&pod(), &patch), expected, "{patch}");
        }
    }
}
