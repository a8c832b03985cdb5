//! Bytes in YAML: as text where they are text, else in base64.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes that are mostly text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content(pub Vec<u8>);

/// Bytes that are written in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.trim());
        bytes
            .map(Self)
            .map_err(|error| de::Error::custom(format!("no base64: {error}")))
    }
}

/// One of the two spellings, of which a file has at most one.
pub(crate) fn either(text: Option<String>, base64: Option<Base64>) -> Option<Content> {
    match (text, base64) {
        (Some(text), _) => Some(Content(text.into_bytes())),
        (None, Some(bytes)) => Some(Content(bytes.0)),
        (None, None) => None,
    }
}

/// That a field is not written in both spellings, of which one would be dropped.
pub(crate) fn one_spelling(field: &str, text: &Option<String>, base64: &Option<Base64>) -> Result<(), String> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(format!("write either {field} or {field}Base64")),
        _ => Ok(()),
    }
}

/// The spelling that fits: text if it is UTF-8 without control characters that YAML would have to escape beyond those of
/// line protocols.
pub(crate) fn spelled(content: &[u8]) -> (Option<String>, Option<Base64>) {
    let is_plain = |text: &&str| {
        text.chars()
            .all(|character| !character.is_control() || matches!(character, '\n' | '\r' | '\t'))
    };
    match std::str::from_utf8(content).ok().filter(is_plain) {
        Some(text) => (Some(text.to_owned()), None),
        None => (None, Some(Base64(content.to_vec()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_the_rest_is_base64() {
        assert_eq!(spelled(b"+PONG\r\n").0.as_deref(), Some("+PONG\r\n"));
        let (text, base64) = spelled(b"\x00\x01");
        assert_eq!(text, None);
        assert_eq!(either(None, base64), Some(Content(vec![0, 1])));
        assert_eq!(either(None, None), None);
    }
}
