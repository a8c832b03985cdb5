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
    /// The longer ones first: one may hold a shorter one.
    secrets: Vec<Secret>,
}

#[derive(Clone, Debug)]
struct Secret {
    text: String,
    mask: String,
}

impl Redaction {
    /// Takes each value for a secret: those of the granted environment variables.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut redaction = Self::default();
        for value in values {
            redaction.add(value, mask(value.len()));
        }
        redaction
    }

    fn add(&mut self, secret: &str, mask: String) {
        let (text, is_known) = (secret.to_owned(), self.secrets.iter().any(|known| known.text == secret));
        if !secret.is_empty() && !is_known {
            self.secrets.push(Secret { text, mask });
            self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.text.len()));
        }
    }

    /// The value of a field that is a secret by itself.
    pub fn mask(&self, value: &str) -> String {
        mask(value.len())
    }

    /// A configuration: what stands in fields whose names say so is a secret from here on.
    pub fn config(&mut self, config: &Value) -> Value {
        self.learn(config, false);
        self.value(config)
    }

    /// Any text.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// Any bytes.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let is_whole = |secret: &&Secret| secret.text.as_bytes() == bytes;
        if let Some(secret) = self.secrets.iter().find(is_whole) {
            return secret.mask.clone().into_bytes();
        }
        let mut bytes = bytes.to_vec();
        for Secret { text, mask } in self.secrets.iter().filter(|secret| secret.text.len() >= SHORTEST) {
            let mut at = 0;
            while at + text.len() <= bytes.len() {
                if bytes[at..].starts_with(text.as_bytes()) {
                    bytes[at..at + text.len()].copy_from_slice(mask.as_bytes());
                    at += text.len();
                } else {
                    at += 1;
                }
            }
        }
        bytes
    }

    /// A header's value; none if it is a secret by its name.
    pub fn header(&self, name: &str, value: &str) -> Option<String> {
        (!is_secret(name)).then(|| self.text(value))
    }

    /// All texts in a value, and numbers that are secrets.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Number(number) => {
                let text = number.to_string();
                let secret = self.secrets.iter().find(|secret| secret.text == text);
                let masked = secret.and_then(|secret| secret.mask.parse().ok());
                Value::Number(masked.unwrap_or_else(|| number.clone()))
            }
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => {
                let map = map.iter().map(|(name, value)| (name.clone(), self.value(value)));
                Value::Object(map.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    /// All that stands in a secret field, however deep, is one.
    fn learn(&mut self, value: &Value, in_secret: bool) {
        match value {
            Value::Object(map) => {
                // Headers and variables are lists of such objects.
                let name = map.get("name").and_then(Value::as_str);
                let value_is = name.is_some_and(is_secret);
                for (name, value) in map {
                    self.learn(value, in_secret || is_secret(name) || value_is && name == "value");
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item, in_secret)),
            Value::String(text) if in_secret => self.add(text, mask(text.len())),
            Value::Number(number) if in_secret => {
                let text = number.to_string();
                self.add(&text, number_mask(&text));
            }
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

fn mask(length: usize) -> String {
    MASK.chars().cycle().take(length).collect()
}

/// A number of the same form.
fn number_mask(number: &str) -> String {
    let digit = |letter: char| if letter.is_ascii_digit() { '9' } else { letter };
    number.chars().map(digit).collect()
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
        assert_eq!(config["nested"][0]["api_key"], "R");
        assert_eq!(config["user"], "app");
        assert_eq!(redaction.bytes(b"AUTH hunter2\r\n"), b"AUTH REDACTE\r\n");
        assert_eq!(redaction.text("hunter2-and-more, no"), "REDACTEDREDACTED, no");
        assert_eq!(redaction.mask("no"), "RE");
    }

    #[test]
    fn a_secret_may_be_short_a_number_or_one_of_several() {
        let mut redaction = Redaction::default();
        let config = json!({"password": "abc", "pinToken": 12345678, "tokens": ["aaaa", {"of": "bbbb"}], "port": 6379});
        let masked =
            json!({"password": "RED", "pinToken": 99_999_999, "tokens": ["REDA", {"of": "REDA"}], "port": 6379});
        assert_eq!(redaction.config(&config), masked);
        assert_eq!(redaction.text("abc"), "RED");
        assert_eq!(
            redaction.text("abcd"),
            "abcd",
            "a short one elsewhere would be a part of anything"
        );
        assert_eq!(redaction.text("AUTH 12345678"), "AUTH 99999999");
        assert_eq!(redaction.text("bbbb and aaaa"), "REDA and REDA");
    }

    #[test]
    fn some_headers_are_secrets_by_their_names() {
        let redaction = Redaction::of(["hunter2"]);
        assert_eq!(redaction.header("Authorization", "Basic x"), None);
        assert_eq!(redaction.header("Set-Cookie", "a=b"), None);
        assert_eq!(redaction.header("X-Vault-Token", "s.1"), None);
        assert_eq!(redaction.header("X-Trace", "of hunter2").as_deref(), Some("of REDACTE"));
    }
}
