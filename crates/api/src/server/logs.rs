//! `GET …/pods/NAME/log`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use http::{HeaderValue, header};
use probelet_node::handle::{LogOptions, PodKey};

use super::{Shared, refusal::Refusal, request::Parameters};

/// What a request for logs can ask for that is not there yet.
const UNSUPPORTED: &[&str] = &["sinceSeconds", "sinceTime", "limitBytes", "stream"];

/// A container's log as text, for as long as it grows if that is asked for.
pub(super) async fn log(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.refuse(UNSUPPORTED)?;
    let options = LogOptions {
        container: parameters
            .text("container")
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        follow: parameters.flag("follow"),
        previous: parameters.flag("previous"),
        tail_lines: parameters
            .number("tailLines")?
            .map(|lines| usize::try_from(lines).unwrap_or(usize::MAX)),
        timestamps: parameters.flag("timestamps"),
    };
    let permit = shared
        .watches
        .clone()
        .try_acquire_owned()
        .map_err(|_| Refusal::too_many("logs and watches"))?;
    let key = PodKey { namespace, name };
    let log = shared
        .agent
        .logs(&key, options)
        .await
        .map_err(|error| Refusal::of_container(&key, error))?;
    let log = log.map(move |piece| {
        // Held for as long as the log is read.
        let _ = &permit;
        piece
    });
    Ok((
        [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))],
        Body::from_stream(log),
    )
        .into_response())
}
