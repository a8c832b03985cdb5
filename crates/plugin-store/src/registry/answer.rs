//! Reading a registry's answers: never more than what is expected.

use reqwest::{Response, header::HeaderMap};
use serde::Deserialize;

use crate::{
    Progress,
    registry::{connection, silent},
};

/// How much of an answer that refuses is read for its words.
const MAX_REFUSAL: usize = 16 << 10;

/// How long the words of a registry may be in an error of ours.
const MAX_WORDS: usize = 300;

/// Why an answer was not read.
pub(crate) enum Unread {
    /// It has more bytes than the limit.
    TooLarge,
    /// The connection broke.
    Broken(String),
}

/// The body, if it has no more than `limit` bytes.
pub(crate) async fn body(mut response: Response, limit: usize, progress: &Progress<'_>) -> Result<Vec<u8>, Unread> {
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(Unread::TooLarge);
    }
    // At most `limit`, by the comparison above.
    let mut bytes = Vec::with_capacity(announced as usize);
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Unread::Broken(connection::reason(&error.without_url())))?
    {
        if bytes.len() + chunk.len() > limit {
            return Err(Unread::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
        progress(bytes.len() as u64, announced.max(bytes.len() as u64));
    }
    Ok(bytes)
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The status and what the registry says to it.
pub(crate) async fn refusal(response: Response) -> String {
    let status = response.status().to_string();
    let words = body(response, MAX_REFUSAL, &silent)
        .await
        .ok()
        .and_then(|body| words(&body));
    words.map_or_else(|| status.clone(), |words| format!("{status}: {words}"))
}

fn words(body: &[u8]) -> Option<String> {
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let first = errors.errors.into_iter().next()?;
    let words = if first.message.is_empty() {
        first.code
    } else {
        first.message
    };
    // They come from anywhere and go to a terminal.
    let words: String = words
        .chars()
        .filter(|letter| !letter.is_control())
        .take(MAX_WORDS)
        .collect();
    (!words.is_empty()).then_some(words)
}

/// How a registry wants to be signed in to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// With a token from elsewhere.
    Bearer {
        /// Where.
        realm: String,
        /// For which of those who take its tokens.
        service: Option<String>,
        /// For what.
        scope: Option<String>,
    },
    /// With a name and a password.
    Basic,
}

/// What an answer asks for: a token rather than a password, if it takes either.
pub(crate) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for header in headers.get_all(reqwest::header::WWW_AUTHENTICATE) {
        let Some(challenges) = header
            .to_str()
            .ok()
            .and_then(|text| http_auth::parse_challenges(text).ok())
        else {
            continue;
        };
        for challenge in challenges {
            let parameter = |wanted: &str| {
                let mut parameters = challenge.params.iter();
                let found = parameters.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("Bearer") {
                let Some(realm) = parameter("realm") else { continue };
                return Some(Challenge::Bearer {
                    realm,
                    service: parameter("service"),
                    scope: parameter("scope"),
                });
            }
            if challenge.scheme.eq_ignore_ascii_case("Basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_understood() {
        let of = |values: &[&'static str]| {
            let header = |value: &&'static str| {
                (
                    reqwest::header::WWW_AUTHENTICATE,
                    reqwest::header::HeaderValue::from_static(value),
                )
            };
            challenge(
                &values
                    .iter()
                    .map(header)
                    .fold(HeaderMap::new(), |mut headers, (name, value)| {
                        headers.append(name, value);
                        headers
                    }),
            )
        };
        let bearer = r#"Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push""#;
        let expected = Some(Challenge::Bearer {
            realm: "https://auth.example/token".to_owned(),
            service: Some("registry".to_owned()),
            scope: Some("repository:a/b:pull,push".to_owned()),
        });
        assert_eq!(of(&[bearer]), expected);
        assert_eq!(of(&[r#"Basic realm="x""#, bearer]), expected);
        assert_eq!(of(&[r#"basic realm="x""#]), Some(Challenge::Basic));
        for nothing in [&[][..], &["Bearer"], &["Negotiate"], &["=,=\""]] {
            assert_eq!(of(nothing), None);
        }
    }

    #[test]
    fn a_registry_cannot_write_to_the_terminal() {
        let body = br#"{"errors": [{"code": "X", "message": "no \u001b[31m\nway"}]}"#;
        assert_eq!(words(body).as_deref(), Some("no [31mway"));
        assert_eq!(words(br#"{"errors": [{"code": "DENIED"}]}"#).as_deref(), Some("DENIED"));
        for nothing in [&b""[..], b"<html>", br#"{"errors": []}"#, b"{}"] {
            assert_eq!(words(nothing), None);
        }
    }
}
