//! One run of a component against a pod, and the record of a pod's own run.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use probelet_node::handle::{CheckRequest, PodKey, RecordOptions};
use serde::Deserialize;
use serde_json::json;

use super::{
    Shared,
    pods::{JSON, of_pod},
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
    let outcome = shared.agent.check(&key, request).await;
    let outcome = outcome.map_err(|error| Refusal::of_pod(&key, error))?;
    Ok(of_pod(&key, "PodCheck", [("outcome", outcome)]))
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
    let case = shared.agent.record(&key, options).await;
    let case = case.map_err(|error| Refusal::of_pod(&key, error))?;
    Ok(of_pod(&key, "PodRecord", [("case", json!(case))]))
}
