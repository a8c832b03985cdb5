//! One run of a component against a pod, and the record of a pod's own run.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use probelet_node::handle::{CheckRequest, PodKey, RecordOptions};
use serde::Deserialize;

use super::{
    Shared,
    pods::JSON,
    records::document,
    refusal::Refusal,
    request::{Body, Parameters},
};

/// `POST …/pods/NAME/check`: a run that is not part of the pod's life.
pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Refusal> {
    let key = PodKey { namespace, name };
    let body = body
        .json(JSON)?
        .ok_or_else(|| Refusal::bad_request("the body is empty, it is to say what is run"))?;
    let request = CheckRequest::deserialize(body).map_err(|error| Refusal::bad_request(error.to_string()))?;
    document(&key, "PodCheck", "outcome", shared.agent.check(&key, request).await)
}

/// `GET …/pods/NAME/record?check=liveness`: answers when there has been such a run.
pub(super) async fn record(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let key = PodKey { namespace, name };
    let word = |name: &str| parameters.text(name).map(str::to_owned);
    let options = RecordOptions {
        container: word("container"),
        kind: word("check").ok_or_else(|| Refusal::bad_request("check is missing, such as check=liveness"))?,
        outcome: word("outcome"),
    };
    document(&key, "PodRecord", "case", shared.agent.record(&key, options).await)
}
