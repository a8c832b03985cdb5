//! What a request asks for: its parameters, its body, and the form of the answer.

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Query, Request},
};
use http::{HeaderMap, header, request::Parts};
use serde_json::Value;

use super::refusal::Refusal;
use crate::render::Include;

/// The largest body, as at a Kubernetes API server. No pod that etcd can store comes near it.
const MAX_BODY: usize = 3 * 1024 * 1024;

/// The parameters of the query.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The first of this name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All of this name, in their order.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A flag; one that is there without a value is set.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|value| !matches!(value, "0" | "false" | "False" | "FALSE"))
    }

    /// A number that is not negative.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let invalid = || Refusal::bad_request(format!("{name}: {text:?} is no number from 0 on"));
        text.parse().map(Some).map_err(|_| invalid())
    }

    /// Refuses a request that asks for what is not served yet, instead of answering as if it had not.
    pub(crate) fn refuse(&self, names: &[&str]) -> Result<(), Refusal> {
        match names
            .iter()
            .find(|name| self.text(name).is_some_and(|value| !value.is_empty()))
        {
            Some(name) => Err(Refusal::bad_request(format!(
                "the parameter {name} is not supported yet"
            ))),
            None => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let query = Query::try_from_uri(&parts.uri);
        query
            .map(|Query(pairs)| Self(pairs))
            .map_err(|error| Refusal::bad_request(error.body_text()))
    }
}

/// A body of at most [`MAX_BODY`] bytes, and what it says it is.
pub(crate) struct Body {
    content_type: Option<String>,
    content: Bytes,
}

impl Body {
    /// Reads it as JSON; `None` if it is empty.
    pub(crate) fn json(&self, media_types: &[&str]) -> Result<Option<Value>, Refusal> {
        if self.content.is_empty() {
            return Ok(None);
        }
        if let Some(content_type) = &self.content_type {
            let media_type = content_type.split(';').next().unwrap_or_default().trim();
            if !media_types.contains(&media_type) {
                return Err(Refusal::unsupported_media_type(media_type, media_types));
            }
        }
        let parsed = serde_json::from_slice(&self.content);
        parsed
            .map(Some)
            .map_err(|error| Refusal::bad_request(format!("the body is not JSON: {error}")))
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        // A body that breaks off has nobody left to be told.
        let content = to_bytes(request.into_body(), MAX_BODY)
            .await
            .map_err(|_| Refusal::too_large(MAX_BODY))?;
        Ok(Self { content_type, content })
    }
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The objects themselves.
    Objects,
    /// A Table of them.
    Table(Include),
}

impl Form {
    /// The first form in the Accept header that is served.
    pub(crate) fn of(headers: &HeaderMap, parameters: &Parameters) -> Result<Self, Refusal> {
        let Some(accept) = headers.get(header::ACCEPT) else {
            return Ok(Self::Objects);
        };
        let accept = String::from_utf8_lossy(accept.as_bytes());
        let include = match parameters.text("includeObject") {
            Some("None") => Include::None,
            Some("Object") => Include::Object,
            _ => Include::Metadata,
        };
        let mut forms = accept.split(',').filter_map(|range| Self::of_range(range, include));
        forms.next().ok_or_else(|| Refusal::not_acceptable(&accept))
    }

    fn of_range(range: &str, include: Include) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
            return None;
        }
        let mut target = [None; 3];
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name {
                "as" => target[0] = Some(value),
                "g" => target[1] = Some(value),
                "v" => target[2] = Some(value),
                _ => {}
            }
        }
        match target {
            [None, ..] => Some(Self::Objects),
            [Some("Table"), Some("meta.k8s.io"), Some("v1")] => Some(Self::Table(include)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn form(accept: &'static str) -> Result<Form, Refusal> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        Form::of(&headers, &Parameters(Vec::new()))
    }

    #[test]
    fn the_first_form_that_is_served_is_taken() {
        let table = Form::Table(Include::Metadata);
        for (accept, expected) in [
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", table),
            (
                "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                Form::Objects,
            ),
            ("application/vnd.kubernetes.protobuf,application/json", Form::Objects),
            ("*/*", Form::Objects),
        ] {
            assert_eq!(form(accept).ok(), Some(expected), "{accept}");
        }
        assert_eq!(
            form("application/vnd.kubernetes.protobuf").unwrap_err().status().code,
            Some(406)
        );
    }

    #[test]
    fn a_flag_without_a_value_is_set() {
        let parameters = Parameters(vec![("watch".into(), String::new()), ("follow".into(), "false".into())]);
        assert!(parameters.flag("watch"));
        assert!(!parameters.flag("follow"));
        assert!(!parameters.flag("previous"));
    }
}
