//! Secrets out of what is recorded: what can be known for one is replaced, wherever it turns up, by as many other
//! characters, so that lengths stay right and a replay sends what the record expects.

use serde_json::{Map, Value};

/// What a secret becomes, as long as it was.
const MASK: &str = "REDACTED";
/// A shorter text is replaced where it is the whole value only: elsewhere it would be a part of anything.
const SHORTEST: usize = 4;
/// Headers whose values are secrets.
const HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
];
/// Words in the names of a configuration's fields that hold secrets.
const WORDS: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "credential",
    "authorization",
];

/// What is to be replaced.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    secrets: Vec<Vec<u8>>,
}

impl Redaction {
    /// Takes each value for a secret: those of the granted environment variables.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut redaction = Self::default();
        for value in values {
            redaction.add(value);
        }
        redaction
    }

    /// One more secret.
    pub fn add(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.secrets.push(secret.as_bytes().to_vec());
            // A longer one may hold a shorter one.
            self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// The value of a field that is a secret by itself.
    pub fn mask(&self, value: &str) -> String {
        String::from_utf8_lossy(&mask(value.len())).into_owned()
    }

    /// A configuration: the values of fields whose names say so are secrets from here on.
    pub fn config(&mut self, config: &Value) -> Value {
        self.learn(config);
        self.value(config)
    }

    /// Any text.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// Any bytes.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for secret in &self.secrets {
            let mut at = 0;
            while at + secret.len() <= bytes.len() {
                if bytes[at..].starts_with(secret) {
                    bytes[at..at + secret.len()].copy_from_slice(&mask(secret.len()));
                    at += secret.len();
                } else {
                    at += 1;
                }
            }
        }
        bytes
    }

    /// A header's value; none if it is a secret.
    pub fn header(&self, name: &str, value: &str) -> Option<String> {
        let is_secret = HEADERS.iter().any(|secret| secret.eq_ignore_ascii_case(name));
        (!is_secret).then(|| self.text(value))
    }

    /// All texts in a value.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => {
                let map = map.iter().map(|(name, value)| (name.clone(), self.value(value)));
                Value::Object(map.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                // Headers and variables are lists of such objects.
                if let (Some(Value::String(name)), Some(Value::String(value))) = (map.get("name"), map.get("value"))
                    && is_secret(name)
                {
                    self.add(value);
                }
                for (name, value) in map {
                    match value.as_str() {
                        Some(text) if is_secret(name) => self.add(text),
                        _ => self.learn(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            _ => {}
        }
    }
}

/// Whether a name says of its value that it is a secret.
fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    HEADERS.iter().any(|header| header.eq_ignore_ascii_case(name)) || WORDS.iter().any(|word| plain.contains(word))
}

fn mask(length: usize) -> Vec<u8> {
    MASK.bytes().cycle().take(length).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_replaced_wherever_it_turns_up_by_as_much() {
        let mut redaction = Redaction::of(["hunter2-and-more", "no"]);
        let config =
            json!({"user": "app", "dbPassword": "hunter2", "nested": [{"api_key": "k", "apiKey": "key-1234"}]});
        let headers = json!([{"name": "Cookie", "value": "id=sesame"}, {"name": "Accept", "value": "text/plain"}]);
        let headers = redaction.config(&headers);
        assert_eq!(
            (&headers[0]["value"], &headers[1]["value"]),
            (&json!("REDACTEDR"), &json!("text/plain"))
        );
        let config = redaction.config(&config);
        assert_eq!(config["dbPassword"], "REDACTE");
        assert_eq!(config["nested"][0]["apiKey"], "REDACTED");
        assert_eq!(config["user"], "app");
        assert_eq!(redaction.bytes(b"AUTH hunter2\r\n"), b"AUTH REDACTE\r\n");
        assert_eq!(redaction.text("hunter2-and-more, no"), "REDACTEDREDACTED, no");
        assert_eq!(redaction.mask("no"), "RE");
    }

    #[test]
    fn some_headers_are_secrets_by_their_names() {
        let redaction = Redaction::of(["hunter2"]);
        assert_eq!(redaction.header("Authorization", "Basic x"), None);
        assert_eq!(redaction.header("Set-Cookie", "a=b"), None);
        assert_eq!(redaction.header("X-Trace", "of hunter2").as_deref(), Some("of REDACTE"));
    }
}
