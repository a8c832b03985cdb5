//! Field selectors: which objects a list or a watch is about.

use probelet_node::handle::{Collection, Document};
use serde_json::Value;

use super::refusal::Refusal;

/// Requirements that an object meets all of.
#[derive(Debug, Default)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Debug)]
struct Requirement {
    field: String,
    equal: bool,
    value: String,
}

/// Fields of an object never change, so that a watch needs not follow objects in and out of the selection.
const OF_ANY: &[&str] = &["metadata.name", "metadata.namespace"];
const OF_EVENTS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.fieldPath",
    "reason",
    "type",
];

impl Selector {
    /// Reads `a=x,b!=y`.
    pub(crate) fn parse(text: &str, collection: Collection) -> Result<Self, Refusal> {
        let terms = text.split(',').filter(|term| !term.is_empty());
        terms
            .map(|term| Requirement::parse(term, collection))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether an object meets the requirements.
    pub(crate) fn matches(&self, object: &Document) -> bool {
        self.0.iter().all(|requirement| requirement.is_met(object))
    }
}

impl Requirement {
    fn parse(term: &str, collection: Collection) -> Result<Self, Refusal> {
        let (field, equal, value) = if let Some((field, value)) = term.split_once("!=") {
            (field, false, value)
        } else if let Some((field, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (field, true, value)
        } else {
            return Err(Refusal::bad_request(format!(
                "invalid field selector: {term:?} is neither a=b nor a!=b"
            )));
        };
        let known = OF_ANY.contains(&field) || collection == Collection::Events && OF_EVENTS.contains(&field);
        if !known {
            return Err(Refusal::bad_request(format!("field label not supported: {field}")));
        }
        Ok(Self {
            field: field.to_owned(),
            equal,
            value: value.to_owned(),
        })
    }

    fn is_met(&self, object: &Value) -> bool {
        let found = self.field.split('.').fold(object, |value, name| &value[name]);
        (found.as_str().unwrap_or_default() == self.value) == self.equal
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn all_requirements_are_to_be_met() {
        let event = Arc::new(json!({"metadata": {"name": "e"}, "involvedObject": {"name": "p", "uid": "1"}}));
        for (text, expected) in [
            ("", true),
            ("involvedObject.name=p,involvedObject.uid=1", true),
            ("involvedObject.name==p,involvedObject.uid=2", false),
            ("metadata.name!=e", false),
            ("involvedObject.fieldPath=", true),
        ] {
            assert_eq!(
                Selector::parse(text, Collection::Events).unwrap().matches(&event),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for text in ["involvedObject.name=p", "status.phase=Running", "name"] {
            assert_eq!(
                Selector::parse(text, Collection::Pods).unwrap_err().status().code,
                Some(400),
                "{text}"
            );
        }
    }
}
