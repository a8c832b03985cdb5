//! Single pods: reading, creating, updating and deleting.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions as WireDeleteOptions;
use probelet_manifest::{Diagnostic, parse_json};
use probelet_node::handle::{Collection, DeleteOptions, Document, PodKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    collections::single,
    refusal::Refusal,
    request::{Body, Form, Parameters},
    unchanged::{is_unchanged, patch_changes_nothing},
};
pub(super) const JSON: &[&str] = &["application/json"];
pub(super) const MERGE_PATCHES: &[&str] = &["application/merge-patch+json", "application/strategic-merge-patch+json"];

/// Warnings that one answer carries: clients bound the size of all headers, and nobody reads more.
const MAX_WARNINGS: usize = 32;

/// Of a longer warning the rest is cut off, for the same reason.
const MAX_WARNING: usize = 1024;

/// `GET …/pods/NAME`.
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (_, pod) = shared.pod(namespace, name)?;
    Ok(single(Collection::Pods, &pod, Form::of(&headers, &parameters)?))
}

/// `POST …/pods`.
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Path(namespace): Path<String>,
    parameters: Parameters,
    body: Body,
) -> Result<Response, Refusal> {
    parameters.refuse(&["dryRun"])?;
    let document = pod_of(&body, &namespace)?;
    let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let key = PodKey { namespace, name };
    let created = shared
        .agent
        .create(document)
        .await
        .map_err(|error| Refusal::of_pod(&key, error))?;
    Ok((StatusCode::CREATED, warnings(&created.warnings), Json(&*created.pod)).into_response())
}

/// `PUT …/pods/NAME`: succeeds if nothing would change.
pub(super) async fn replace(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Parameters,
    body: Body,
) -> Result<Response, Refusal> {
    parameters.refuse(&["dryRun"])?;
    let document = pod_of(&body, &namespace)?;
    if document["metadata"]["name"] != name {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            document["metadata"]["name"],
        )));
    }
    let (key, present) = shared.pod(namespace, name)?;
    let wanted = parse_json(document).map_err(|faults| Refusal::invalid(&key.name, faults))?;
    unless_changed(&key, present, |present| is_unchanged(present, &wanted.document))
}

/// `PATCH …/pods/NAME`: succeeds if nothing would change.
pub(super) async fn patch(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Parameters,
    body: Body,
) -> Result<Response, Refusal> {
    parameters.refuse(&["dryRun"])?;
    let patch = body.json(MERGE_PATCHES)?.unwrap_or_else(|| json!({}));
    let (key, present) = shared.pod(namespace, name)?;
    unless_changed(&key, present, |present| patch_changes_nothing(present, &patch))
}

/// `DELETE …/pods/NAME`.
pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Parameters,
    body: Body,
) -> Result<Response, Refusal> {
    parameters.refuse(&["dryRun"])?;
    let (key, pod) = shared.pod(namespace, name)?;
    let options = delete_options(&body, &parameters, &key, &pod)?;
    let pod = shared
        .agent
        .delete(&key, options)
        .await
        .map_err(|error| Refusal::of_pod(&key, error))?;
    Ok(Json(&*pod).into_response())
}

/// The pod in a body. Its namespace is that of the path, and it may not say another.
fn pod_of(body: &Body, namespace: &str) -> Result<Value, Refusal> {
    let mut document = body
        .json(JSON)?
        .ok_or_else(|| Refusal::bad_request("the body is empty, it is to be a Pod"))?;
    if !document.is_object() || document.get("metadata").is_some_and(|metadata| !metadata.is_object()) {
        return Err(Refusal::bad_request("the body is no object with metadata"));
    }
    match &document["metadata"]["namespace"] {
        Value::Null => document["metadata"]["namespace"] = json!(namespace),
        Value::String(own) if own == namespace => {}
        own => {
            return Err(Refusal::bad_request(format!(
                "the namespace of the provided object ({own}) does not match the namespace sent on the request \
                 ({namespace})"
            )));
        }
    }
    Ok(document)
}

fn unless_changed(key: &PodKey, present: Document, is_same: impl Fn(&Value) -> bool) -> Result<Response, Refusal> {
    if is_same(&present) {
        return Ok(Json(&*present).into_response());
    }
    let message = "Forbidden: a pod cannot be changed while it is there, its labels and annotations neither: \
                   delete it, then apply it again";
    Err(Refusal::invalid(&key.name, vec![Diagnostic::error("spec", message)]))
}

/// The options in the body, or else in the query.
fn delete_options(
    body: &Body,
    parameters: &Parameters,
    key: &PodKey,
    pod: &Document,
) -> Result<DeleteOptions, Refusal> {
    let invalid = |error| Refusal::bad_request(format!("the body is no DeleteOptions: {error}"));
    let wire = match body.json(JSON)? {
        Some(body) => WireDeleteOptions::deserialize(body).map_err(invalid)?,
        None => WireDeleteOptions::default(),
    };
    if wire.dry_run.is_some_and(|dry_run| !dry_run.is_empty()) {
        return Err(Refusal::bad_request("dryRun is not supported yet"));
    }
    let expected = wire.preconditions.and_then(|preconditions| preconditions.uid);
    if expected.is_some_and(|expected| pod["metadata"]["uid"] != expected) {
        return Err(Refusal::conflict(format!(
            "pods \"{}\" is another one by now: its uid is not the expected",
            key.name
        )));
    }
    let grace_period_seconds = match wire.grace_period_seconds {
        Some(seconds) => Some(u64::try_from(seconds).map_err(|_| {
            Refusal::invalid(
                &key.name,
                vec![Diagnostic::error(
                    "gracePeriodSeconds",
                    "must be greater than or equal to 0",
                )],
            )
        })?),
        None => parameters.number("gracePeriodSeconds")?,
    };
    Ok(DeleteOptions { grace_period_seconds })
}

fn warnings(texts: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for text in texts.iter().take(MAX_WARNINGS) {
        if let Ok(value) = HeaderValue::try_from(quoted_warning(text)) {
            headers.append::<HeaderName>(header::WARNING, value);
        }
    }
    headers
}

/// `299 - "text"`, without what a header cannot hold.
fn quoted_warning(text: &str) -> Vec<u8> {
    let mut quoted = String::from("299 - \"");
    for character in text.chars() {
        if quoted.len() >= MAX_WARNING {
            quoted.push('…');
            break;
        }
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => quoted.push(' '),
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted.into_bytes()
}
