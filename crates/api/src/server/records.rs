//! What is known of a pod's past, which no Kubernetes object has.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use probelet_node::handle::{PodKey, RequestError};
use serde::Serialize;
use serde_json::json;

use super::{Shared, refusal::Refusal};
use crate::PROBELET_API;

/// The pod that a path names.
type PodPath = Path<(String, String)>;

/// `GET …/pods/NAME/history`.
pub(super) async fn history(State(shared): State<Arc<Shared>>, path: PodPath) -> Result<Response, Refusal> {
    let key = key(path);
    document(&key, "PodHistory", "items", shared.agent.history(&key))
}

/// `GET …/pods/NAME/usage`.
pub(super) async fn usage(State(shared): State<Arc<Shared>>, path: PodPath) -> Result<Response, Refusal> {
    let key = key(path);
    document(&key, "PodUsage", "items", shared.agent.usage(&key))
}

/// `GET …/pods/NAME/journal`.
pub(super) async fn journal(State(shared): State<Arc<Shared>>, path: PodPath) -> Result<Response, Refusal> {
    let key = key(path);
    document(&key, "PodJournal", "journal", shared.agent.journal(&key))
}

fn key(Path((namespace, name)): PodPath) -> PodKey {
    PodKey { namespace, name }
}

/// A document about a pod that only probelet has, with one field.
pub(super) fn document(
    key: &PodKey,
    kind: &str,
    field: &str,
    content: Result<impl Serialize, RequestError>,
) -> Result<Response, Refusal> {
    let content = content.map_err(|error| Refusal::of_pod(key, error))?;
    let metadata = json!({"namespace": key.namespace, "name": key.name});
    let mut document = json!({ "kind": kind, "apiVersion": PROBELET_API, "metadata": metadata });
    document[field] = json!(content);
    Ok(Json(document).into_response())
}
