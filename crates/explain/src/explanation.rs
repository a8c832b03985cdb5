//! A path through the types, and what there is at its end.

use probelet_manifest::{Support, nearest};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::types::{Types, field};

/// How deep fields are followed. Kubernetes' pods have at most ten levels, and no type that contains itself.
const MAX_DEPTH: usize = 16;

/// The words that mean the pod itself.
const POD: [&str; 4] = ["pod", "pods", "po", "Pod"];

/// What there is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// `Pod`.
    pub kind: &'static str,
    /// `v1`.
    pub version: &'static str,
    /// The path, from `pod`.
    pub path: String,
    /// The field at its end; `None` for the pod itself. Its own list of fields is empty: it is the one below.
    pub field: Option<FieldExplanation>,
    /// The descriptions of the field and of its type, a paragraph for each.
    pub description: String,
    /// The fields of its type, by name.
    pub fields: Vec<FieldExplanation>,
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldExplanation {
    /// Its name.
    pub name: String,
    /// Its type as `kubectl explain` has it, such as `[]Container`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether a manifest must have it.
    pub required: bool,
    /// The only words that it may have, if they are fixed.
    #[serde(rename = "enum")]
    pub words: Vec<String>,
    /// What becomes of it: `supported`, `own`, `kept`, `warned` or `refused`, as in `docs/fields.md`. Below a field that is
    /// warned of or refused, everything is.
    pub support: &'static str,
    /// Why, or what differs; may be empty.
    pub note: String,
    /// What Kubernetes says of it, or of our own what we say.
    pub description: String,
    /// Its own fields, if they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldExplanation>,
}

/// A path that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExplainError {
    /// It does not begin with a pod.
    #[error("\"{0}\" is not known: only pods are; begin with \"pod\", as in pod.spec.containers")]
    Kind(String),
    /// An object has no such field.
    #[error("field \"{name}\" does not exist in {parent}{help} {}", known.join(", "))]
    Field {
        /// The name that is not there.
        name: String,
        /// The path to where it is not.
        parent: String,
        /// What to say of it, between the place and the names that are there.
        help: String,
        /// The names that are there.
        known: Vec<String>,
    },
    /// What comes before has no fields.
    #[error("field \"{name}\" does not exist: {parent} is of type {type_name}, which has no fields")]
    Leaf {
        /// The name that is not there.
        name: String,
        /// The path to where it is not.
        parent: String,
        /// What is there.
        type_name: String,
    },
}

/// What becomes of what lies below a field.
#[derive(Clone, Copy)]
struct Fate {
    support: Support,
    note: &'static str,
}

const SUPPORTED: Fate = Fate {
    support: Support::Supported,
    note: "",
};

impl Fate {
    /// That of a field of a type; nothing below one that has no effect has an effect.
    fn of(self, type_name: &str, name: &str) -> Self {
        match self.support {
            Support::Warned | Support::Refused => self,
            Support::Supported | Support::Own | Support::Set => {
                field(type_name, name).map_or(Self { note: "", ..self }, |field| Self {
                    support: field.support,
                    note: field.note,
                })
            }
        }
    }

    fn word(self) -> &'static str {
        match self.support {
            Support::Supported => "supported",
            Support::Own => "own",
            Support::Set => "kept",
            Support::Warned => "warned",
            Support::Refused => "refused",
        }
    }
}

/// Explains what there is at a path such as `pod.spec.containers.livenessProbe`. The paths of messages, such as
/// `spec.containers[0].livenessProbe`, are taken too.
///
/// # Errors
///
/// If the path leads nowhere, with what there is where it ends.
pub fn explain(path: &str, recursive: bool) -> Result<Explanation, ExplainError> {
    let types = Types::new();
    let names = names(path);
    let names = match names.split_first() {
        Some((first, rest)) if POD.contains(first) => rest,
        Some((first, _)) if types.fields("Pod").is_some_and(|fields| fields.contains_key(*first)) => &names[..],
        _ => {
            return Err(ExplainError::Kind(
                names.first().copied().unwrap_or_default().to_owned(),
            ));
        }
    };
    let depth = if recursive { MAX_DEPTH } else { 1 };
    let Place {
        type_name,
        field,
        fate,
        path,
    } = walk(&types, names)?;
    let own = type_name.as_deref().and_then(|name| types.get(name));
    let texts = [
        field.as_ref().map(|field| field.description.as_str()),
        own.and_then(|own| own["description"].as_str()),
    ];
    let texts: Vec<_> = texts.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    Ok(Explanation {
        kind: "Pod",
        version: "v1",
        path,
        description: texts.join("\n"),
        fields: type_name
            .map(|name| list(&types, &name, fate, depth))
            .unwrap_or_default(),
        field,
    })
}

/// The names in a path, without indexes and keys.
fn names(path: &str) -> Vec<&str> {
    let (mut names, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, letter) in path.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => {
                names.push(&path[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    names.push(&path[start..]);
    let name = |part: &'_ str| part.find('[').unwrap_or(part.len());
    names.into_iter().map(|part| &part[..name(part)]).collect()
}

/// The end of a path.
struct Place {
    /// The type there, if it has fields or a description.
    type_name: Option<String>,
    field: Option<FieldExplanation>,
    fate: Fate,
    path: String,
}

fn walk(types: &Types, names: &[&str]) -> Result<Place, ExplainError> {
    let mut place = Place {
        type_name: Some("Pod".to_owned()),
        field: None,
        fate: SUPPORTED,
        path: "pod".to_owned(),
    };
    for name in names {
        let parent = place.type_name.as_deref().unwrap_or_default();
        let Some(fields) = types.fields(parent) else {
            let label = place.field.map(|field| field.type_name).unwrap_or_default();
            return Err(ExplainError::Leaf {
                name: (*name).to_owned(),
                parent: place.path,
                type_name: label,
            });
        };
        let Some(schema) = fields.get(*name) else {
            return Err(unknown(name, parent, &place.path, fields.keys()));
        };
        let fate = place.fate.of(parent, name);
        place = Place {
            field: Some(one(types, parent, name, schema, fate)),
            type_name: Types::target(schema).map(str::to_owned),
            fate,
            path: format!("{}.{name}", place.path),
        };
    }
    Ok(place)
}

fn unknown<'a>(name: &str, type_name: &str, path: &str, known: impl Iterator<Item = &'a String>) -> ExplainError {
    let mut known: Vec<String> = known.cloned().collect();
    known.sort();
    let near = nearest(name, known.iter().map(String::as_str));
    let help = match (near, field(type_name, name)) {
        // The table knows some that Kubernetes does not have, and says why.
        (_, Some(field)) => format!(": {}. There are", field.note),
        (Some(near), None) => format!("; did you mean \"{near}\"? There are"),
        (None, None) => "; there are".to_owned(),
    };
    ExplainError::Field {
        name: name.to_owned(),
        parent: path.to_owned(),
        help,
        known,
    }
}

/// The fields of a type, and theirs, so many levels of them.
fn list(types: &Types, type_name: &str, fate: Fate, depth: usize) -> Vec<FieldExplanation> {
    let Some(fields) = types.fields(type_name).filter(|_| depth > 0) else {
        return Vec::new();
    };
    let mut list: Vec<_> = fields
        .iter()
        .map(|(name, schema)| {
            let fate = fate.of(type_name, name);
            let mut one = one(types, type_name, name, schema, fate);
            if let Some(target) = Types::target(schema) {
                one.fields = list(types, target, fate, depth - 1);
            }
            one
        })
        .collect();
    list.sort_by(|one, other| one.name.cmp(&other.name));
    list
}

/// One field, without its own.
fn one(types: &Types, type_name: &str, name: &str, schema: &Value, fate: Fate) -> FieldExplanation {
    let required = types.get(type_name).and_then(|parent| parent["required"].as_array());
    let words = schema["enum"].as_array().into_iter().flatten();
    let is_own = fate.support == Support::Own;
    let description = schema["description"].as_str().map(str::to_owned);
    FieldExplanation {
        name: name.to_owned(),
        type_name: types.label(schema),
        required: required.is_some_and(|required| required.iter().any(|required| required == name)),
        words: words.filter_map(Value::as_str).map(str::to_owned).collect(),
        support: fate.word(),
        note: if is_own { String::new() } else { fate.note.to_owned() },
        description: description.unwrap_or_else(|| sentence(fate.note)),
        fields: Vec::new(),
    }
}

/// A note as a sentence.
pub(crate) fn sentence(note: &str) -> String {
    let mut letters = note.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => String::new(),
    }
}
