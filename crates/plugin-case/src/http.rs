//! Exchanges of HTTP, as they stand in a case file below `host.http`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bytes::{Base64, either, one_spelling, spelled};

/// A request and its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpExchange {
    /// The request.
    pub request: HttpRequest,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<HttpResponse>,
    /// Whether the connection is refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Whether nothing ever answers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// What else goes wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether it can be used any number of times, or not at all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeat: bool,
}

impl HttpExchange {
    /// What is wrong with how its bodies are written.
    pub(crate) fn fault(&self) -> Option<String> {
        let request = one_spelling("body", &self.request.body, &self.request.body_base64).err();
        let response = self.response.as_ref();
        let response =
            || response.and_then(|response| one_spelling("body", &response.body, &response.body_base64).err());
        request.or_else(response)
    }
}

/// Headers by their names.
pub type Headers = BTreeMap<String, HeaderTexts>;

/// The values of a header: a text, or a list of texts where it is there more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RawTexts", into = "RawTexts")]
pub struct HeaderTexts(pub Vec<String>);

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "the value of a header is a text, or a list of texts")]
enum RawTexts {
    One(String),
    Many(Vec<String>),
}

impl From<RawTexts> for HeaderTexts {
    fn from(raw: RawTexts) -> Self {
        Self(match raw {
            RawTexts::One(text) => vec![text],
            RawTexts::Many(texts) => texts,
        })
    }
}

impl From<HeaderTexts> for RawTexts {
    fn from(HeaderTexts(mut texts): HeaderTexts) -> Self {
        match texts.len() {
            1 => Self::One(texts.remove(0)),
            _ => Self::Many(texts),
        }
    }
}

/// Headers out of names and values, of which names may come again.
pub fn headers_of(pairs: impl IntoIterator<Item = (String, String)>) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in pairs {
        headers.entry(name).or_default().0.push(value);
    }
    headers
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRequest {
    /// The method; none is `GET`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The whole URL.
    pub url: String,
    /// Headers that it has to have, in small letters; `*` is any value. It may have others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: Headers,
    /// The body that it has to have, if that matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<Base64>,
}

impl HttpRequest {
    /// A request with such a body; an empty one does not matter.
    pub fn new(method: &str, url: &str, headers: Headers, body: &[u8]) -> Self {
        let (body, body_base64) = if body.is_empty() { (None, None) } else { spelled(body) };
        Self {
            method: Some(method.to_owned()),
            url: url.to_owned(),
            headers,
            body,
            body_base64,
        }
    }

    /// Puts another body in its place.
    pub(crate) fn set_bytes(&mut self, content: &[u8]) {
        (self.body, self.body_base64) = spelled(content);
    }

    /// The body that it has to have, if that matters.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        either(self.body.clone(), self.body_base64.clone()).map(|content| content.0)
    }
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpResponse {
    /// Its status.
    pub status: u16,
    /// Its headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: Headers,
    /// Its body as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<Base64>,
}

impl HttpResponse {
    /// A response with such a body.
    pub fn new(status: u16, headers: Headers, body: &[u8]) -> Self {
        let (body, body_base64) = if body.is_empty() { (None, None) } else { spelled(body) };
        Self {
            status,
            headers,
            body,
            body_base64,
        }
    }

    /// Its body.
    pub fn bytes(&self) -> Vec<u8> {
        either(self.body.clone(), self.body_base64.clone())
            .unwrap_or_default()
            .0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_header_may_be_there_more_than_once() {
        let pairs = [("a", "1"), ("b", "2"), ("a", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = headers_of(pairs);
        let written = serde_json::to_value(&headers).expect("JSON");
        assert_eq!(written, json!({"a": ["1", "3"], "b": "2"}));
        assert_eq!(serde_json::from_value::<Headers>(written).expect("headers"), headers);
        let wrong = serde_json::from_value::<Headers>(json!({"a": 1})).expect_err("a number");
        assert!(wrong.to_string().contains("a text, or a list of texts"), "{wrong}");
    }

    #[test]
    fn a_body_that_is_no_text_stays_what_it_is() {
        let request = HttpRequest::new("POST", "http://a/", Headers::new(), &[0xff, 0]);
        assert_eq!(request.bytes(), Some(vec![0xff, 0]));
        let written = serde_json::to_value(&request).expect("JSON");
        assert_eq!(written["bodyBase64"], "/wA=");
        let both = json!({"request": {"url": "http://a/", "body": "a", "bodyBase64": "Yg=="}});
        let both: HttpExchange = serde_json::from_value(both).expect("an exchange");
        assert!(both.fault().is_some_and(|fault| fault.contains("bodyBase64")));
    }
}
