//! How a run ended, and what it used.

use std::time::Duration;

use crate::{bindings::probelet::plugin::types, log::cut, uses::GrantUse};

/// As many fields as the contract promises: each may become a metric of its own.
const MAX_FIELDS: usize = 32;
/// As long as the contract promises that a field's name may be.
const MAX_FIELD_NAME: usize = 64;
/// The longest text in a field; a longer explanation is a message.
const MAX_FIELD_TEXT: usize = 256;

/// The field of a hook's outcome that says that the server wanted no TLS and that the request went there without: its
/// text is the server's host and port (B1.8).
pub const HTTP_FALLBACK: &str = "httpFallback";

/// A run's end.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What is to be said about it; for a failed probe, the text behind Kubernetes' `Liveness probe failed: `. Empty
    /// where there is nothing to say.
    pub message: String,
    /// What the plugin has measured or found.
    pub fields: Vec<Field>,
    /// What the plugin wrote to its standard output and error.
    pub log: String,
    /// What the run used.
    pub usage: Usage,
    /// Which grants it used, and which it lacked.
    pub grants: Vec<GrantUse>,
    /// What the run leaves to the next one; none leaves what there is.
    pub state: Option<Vec<u8>>,
}

/// The four outcomes, which are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The container is well, or the hook has done its work.
    Success,
    /// Counts as a success, but there is something to say.
    Warning,
    /// The container is not well, the hook failed, or the deadline passed. Counts.
    Failure,
    /// The check itself could not be done, or broke one of its limits. Says nothing of the container.
    Errored,
}

/// Something that a plugin has measured or found.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Its value.
    pub value: FieldValue,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// A text.
    Text(String),
    /// A finite number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
}

/// What a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Fuel.
    pub fuel: u64,
    /// The most linear memory that it had at once.
    pub memory_peak_bytes: u64,
    /// Time on the clock, from the call to the outcome.
    pub wall: Duration,
    /// How often the plugin called the host.
    pub host_calls: u64,
}

/// Keeps what is within the contract's bounds. Names that are none are left out, of equal ones the last is kept.
pub(crate) fn fields(said: Vec<types::Field>) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for field in said {
        let name = field.name;
        let is_name = (1..=MAX_FIELD_NAME).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let value = match field.value {
            types::Value::Text(text) => FieldValue::Text(cut(text, MAX_FIELD_TEXT)),
            types::Value::Number(number) if number.is_finite() => FieldValue::Number(number),
            // JSON knows no such numbers.
            types::Value::Number(number) => FieldValue::Text(number.to_string()),
            types::Value::Flag(flag) => FieldValue::Flag(flag),
        };
        if let Some(known) = fields.iter_mut().find(|known| known.name == name) {
            known.value = value;
        } else if is_name && fields.len() < MAX_FIELDS {
            fields.push(Field { name, value });
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_kept_within_bounds() {
        let field = |name: &str, value| types::Field {
            name: name.to_owned(),
            value,
        };
        let said = vec![
            field("lag", types::Value::Number(1.0)),
            field("", types::Value::Flag(true)),
            field("no spaces", types::Value::Flag(true)),
            field(&"n".repeat(65), types::Value::Flag(true)),
            field("lag", types::Value::Number(2.5)),
            field("rate", types::Value::Number(f64::INFINITY)),
            field("role", types::Value::Text("x".repeat(300))),
        ];
        let kept = fields(said);
        assert_eq!(kept[0].value, FieldValue::Number(2.5));
        assert_eq!(kept[1].value, FieldValue::Text("inf".to_owned()));
        assert_eq!(kept[2].value, FieldValue::Text("x".repeat(256) + "… (cut)"));
        assert_eq!(kept.len(), 3);
        let many = (0..100)
            .map(|number| field(&number.to_string(), types::Value::Flag(true)))
            .collect();
        assert_eq!(fields(many).len(), MAX_FIELDS);
    }
}
