//! Kubernetes' types and our own, with what the table of fields says of them.

use k8s_openapi::api::core::v1::Pod;
use probelet_manifest::{Field, Kind, table};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::own;

/// How a reference to a definition begins.
const DEFINITIONS: &str = "#/$defs/";

/// All types that a pod is made of, by their short names.
pub(crate) struct Types(Map<String, Value>);

impl Types {
    /// Kubernetes' types, as k8s-openapi has them, with our own additions.
    pub(crate) fn new() -> Self {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        generator.subschema_for::<Pod>();
        let definitions = generator.take_definitions(true);
        let mut types: Map<String, Value> = definitions
            .into_iter()
            .map(|(name, definition)| (short(&name).to_owned(), shorten(definition)))
            .collect();
        for source in [own::definitions(), own::additions()] {
            for (name, addition) in source.as_object().into_iter().flatten() {
                merge(types.entry(name.as_str()).or_insert_with(|| addition.clone()), addition);
            }
        }
        Self(types)
    }

    /// A type by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The name of the type that a schema leads to, through lists and maps.
    pub(crate) fn target(schema: &Value) -> Option<&str> {
        let inner = [&schema["items"], &schema["additionalProperties"]];
        let reference = schema["$ref"]
            .as_str()
            .and_then(|reference| reference.strip_prefix(DEFINITIONS));
        reference.or_else(|| {
            inner
                .into_iter()
                .filter(|inner| inner.is_object())
                .find_map(Self::target)
        })
    }

    /// The fields of a type, if it is an object of known fields.
    pub(crate) fn fields(&self, name: &str) -> Option<&Map<String, Value>> {
        self.get(name)?["properties"].as_object()
    }

    /// What `kubectl explain` calls the type of a schema: `string`, `[]Container`, `map[string]string`, `Object`.
    pub(crate) fn label(&self, schema: &Value) -> String {
        if let Some(name) = schema["$ref"]
            .as_str()
            .and_then(|reference| reference.strip_prefix(DEFINITIONS))
        {
            return match self.get(name).map(|definition| &definition["type"]) {
                // As there, a type that is a plain value is called by that: a time is a string.
                Some(Value::String(plain)) if plain != "object" => plain.clone(),
                _ => name.to_owned(),
            };
        }
        if schema["items"].is_object() && schema["type"] == "array" {
            return format!("[]{}", self.label(&schema["items"]));
        }
        if schema["additionalProperties"].is_object() {
            return format!("map[string]{}", self.label(&schema["additionalProperties"]));
        }
        match &schema["type"] {
            Value::String(name) if name != "object" => name.clone(),
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            _ => "Object".to_owned(),
        }
    }
}

/// What the table says of a type.
pub(crate) fn kind(name: &str) -> Option<&'static Kind> {
    table().iter().copied().find(|kind| kind.name == name)
}

/// What the table says of a field of a type.
pub(crate) fn field(type_name: &str, name: &str) -> Option<&'static Field> {
    kind(type_name)?.fields.iter().find(|field| field.name == name)
}

/// `io.k8s.api.core.v1.Probe` without what comes before the last dot.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// References by the short names.
fn shorten(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(map) => {
            for (name, value) in map {
                match value.as_str().and_then(|text| text.strip_prefix(DEFINITIONS)) {
                    Some(long) if name == "$ref" => *value = format!("{DEFINITIONS}{}", short(long)).into(),
                    _ => *value = shorten(value.take()),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = shorten(item.take())),
        _ => {}
    }
    schema
}

/// Puts an addition into a type. What it says wins, and a reference takes the place of all but the description.
fn merge(into: &mut Value, addition: &Value) {
    let (Some(into), Some(addition)) = (into.as_object_mut(), addition.as_object()) else {
        return;
    };
    if addition.contains_key("$ref") {
        into.retain(|name, _| name == "description");
    }
    for (name, value) in addition {
        match into.get_mut(name) {
            Some(old) if old.is_object() && value.is_object() => merge(old, value),
            _ => {
                into.insert(name.clone(), value.clone());
            }
        }
    }
}
