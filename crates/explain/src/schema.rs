//! The JSON schema of manifests, for editors.

use std::collections::BTreeSet;

use probelet_manifest::{Field, Support};
use serde_json::{Map, Value, json};

use crate::{
    explanation::sentence,
    own::EXCLUSIVE,
    types::{Types, kind},
};

/// The JSON schema, of draft 2020-12, of a manifest's document: a Pod, or a `List` of them. A field without effect is marked
/// as deprecated and may be anything; a field that is refused may have only what changes nothing. `deprecationMessage`,
/// `errorMessage` and `doNotSuggest` are not JSON Schema's own, but what Visual Studio Code and others read.
pub fn schema() -> Value {
    let types = Types::new();
    let mut definitions = Map::new();
    let mut due = vec!["Pod".to_owned()];
    let mut seen: BTreeSet<String> = due.iter().cloned().collect();
    while let Some(name) = due.pop() {
        let Some(definition) = definition(&types, &name) else {
            continue;
        };
        let targets = definition["properties"].as_object().into_iter().flatten();
        let targets = targets.filter_map(|(_, schema)| Types::target(schema));
        due.extend(
            targets
                .filter(|target| seen.insert((*target).to_owned()))
                .map(str::to_owned),
        );
        definitions.insert(name, definition);
    }
    definitions.sort_keys();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A pod for probelet",
        "description": concat!("Pod manifests as probelet ", env!("CARGO_PKG_VERSION"), " takes them."),
        "if": {"properties": {"kind": {"const": "List"}}, "required": ["kind"]},
        "then": {
            "type": "object",
            "required": ["apiVersion", "kind", "items"],
            "properties": {
                "apiVersion": {"const": "v1"},
                "kind": {"const": "List"},
                "metadata": {"type": "object"},
                "items": {"type": "array", "items": {"$ref": "#/$defs/Pod"}},
            },
        },
        "else": {"$ref": "#/$defs/Pod"},
        "$defs": definitions,
    })
}

/// A type, with what becomes of its fields.
fn definition(types: &Types, name: &str) -> Option<Value> {
    let mut definition = types.get(name)?.clone();
    let Some(kind) = kind(name) else {
        // A plain value, such as a quantity.
        return Some(definition);
    };
    let fields = kind.fields.iter().map(|field| {
        let schema = definition["properties"]
            .get(field.name)
            .cloned()
            .unwrap_or_else(|| json!({}));
        (field.name.to_owned(), property(field, schema))
    });
    let properties: Map<String, Value> = fields.collect();
    definition["properties"] = properties.into();
    definition["additionalProperties"] = false.into();
    let rules: Vec<_> = EXCLUSIVE
        .iter()
        .filter(|(of, ..)| *of == name)
        .flat_map(|(_, names, must)| exclusive(names, *must))
        .collect();
    if !rules.is_empty() {
        definition["allOf"] = rules.into();
    }
    Some(definition)
}

/// A field, by what becomes of it.
fn property(field: &Field, mut schema: Value) -> Value {
    let text = schema["description"].as_str().map(str::to_owned).unwrap_or_default();
    let described = |remark: &str| {
        [remark, &text]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join("\n\n")
    };
    match field.support {
        Support::Supported | Support::Own if field.name != "status" => {
            schema["description"] = described(&sentence(field.note)).into();
            schema
        }
        // Servers write them.
        Support::Supported | Support::Own | Support::Set => json!({
            "description": described(&sentence(field.note)),
            "doNotSuggest": true,
        }),
        Support::Warned => {
            let remark = format!("Without effect in probelet: {}.", field.note);
            json!({
                "description": described(&remark),
                "deprecated": true,
                "deprecationMessage": remark,
                "doNotSuggest": true,
            })
        }
        Support::Refused => {
            let remark = format!("Refused by probelet: {}.", field.note);
            json!({
                "description": described(&remark),
                "enum": nothing(field),
                "errorMessage": remark,
                "doNotSuggest": true,
            })
        }
    }
}

/// The values of a refused field that say only what is so anyway, as the manifest crate has it.
fn nothing(field: &Field) -> Vec<Value> {
    let default = serde_json::from_str(field.default).unwrap_or(Value::Null);
    let mut values = vec![Value::Null, json!([]), json!("")];
    if !values.contains(&default) {
        values.push(default);
    }
    values
}

/// That an object has one of these fields at most, and whether it must have one.
fn exclusive(names: &[&str], must: bool) -> Vec<Value> {
    let message = format!("only one of {} may be given", names.join(", "));
    let pairs: Vec<_> = names
        .iter()
        .enumerate()
        .flat_map(|(at, one)| {
            names[at + 1..]
                .iter()
                .map(move |other| json!({"required": [one, other]}))
        })
        .collect();
    let mut rules = vec![json!({"not": {"anyOf": pairs}, "errorMessage": message})];
    if must {
        let any: Vec<_> = names.iter().map(|name| json!({"required": [name]})).collect();
        rules.push(json!({"anyOf": any, "errorMessage": format!("one of {} must be given", names.join(", "))}));
    }
    rules
}
