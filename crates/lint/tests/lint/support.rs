//! What the tests share: the examples, and the patches of fixes.

use std::{fs, path::PathBuf};

use probelet_lint::{Finding, lint};
use probelet_manifest::parse_yaml;
use serde_json::Value;

/// `tests/data/RULE/NAME.yaml`.
pub(crate) fn example(rule: &str, name: &str) -> String {
    let path = folder().join(rule).join(name).with_extension("yaml");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folder with an example of each rule.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"))
}

/// What is found in a manifest that is taken.
pub(crate) fn findings(text: &str) -> Vec<Finding> {
    let pods = parse_yaml(text, "pod.yaml").unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"));
    pods.iter().flat_map(lint).collect()
}

/// The names of the rules that find something in a manifest.
pub(crate) fn rules_of(text: &str) -> Vec<&'static str> {
    findings(text).iter().map(|finding| finding.rule).collect()
}

/// A manifest with the fix of a finding.
pub(crate) fn fixed(text: &str, finding: &Finding) -> String {
    let mut document: Value = serde_yaml::from_str(text).unwrap();
    let fix = finding.fix.as_ref().unwrap_or_else(|| panic!("no fix: {finding}"));
    apply(&mut document, &fix.patch);
    serde_yaml::to_string(&document).unwrap()
}

/// A strategic merge patch as `kubectl patch` applies it, as far as pods need it.
fn apply(document: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *document = patch.clone();
        return;
    };
    if !document.is_object() {
        *document = Value::Object(serde_json::Map::new());
    }
    for (name, change) in patch {
        match (name.as_str(), change) {
            (_, Value::Null) => {
                document.as_object_mut().unwrap().shift_remove(name);
            }
            ("containers" | "initContainers" | "ports", Value::Array(items)) => apply_items(&mut document[name], items),
            _ => apply(&mut document[name], change),
        }
    }
}

fn apply_items(list: &mut Value, items: &[Value]) {
    let key = |item: &Value| {
        let protocol = item["protocol"].as_str().unwrap_or("TCP").to_owned();
        match item.get("containerPort") {
            Some(port) => (port.to_string(), protocol),
            None => (item["name"].to_string(), protocol),
        }
    };
    let list = list.as_array_mut().unwrap();
    for item in items {
        match list.iter_mut().find(|old| key(old) == key(item)) {
            Some(old) => apply(old, item),
            None => list.push(item.clone()),
        }
    }
}
