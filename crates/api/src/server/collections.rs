//! Listing and watching pods and events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use probelet_node::handle::{Change, ChangeKind, Changes, Collection, Document, Listing, WatchError};
use serde_json::json;

use super::{
    Shared,
    refusal::Refusal,
    request::{Form, Parameters},
    selector::Selector,
};
use crate::render;

/// What a list or a watch asks for that is not there yet.
const UNSUPPORTED: &[&str] = &["labelSelector", "continue", "sendInitialEvents"];

/// `GET …/pods`.
pub(super) async fn pods(
    State(shared): State<Arc<Shared>>,
    namespace: Option<Path<String>>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    Query::new(Collection::Pods, namespace, &parameters, &headers)?.answer(&shared, &parameters)
}

/// `GET …/events`.
pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
    namespace: Option<Path<String>>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    Query::new(Collection::Events, namespace, &parameters, &headers)?.answer(&shared, &parameters)
}

/// `GET …/events/NAME`.
pub(super) async fn event(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mut listing = shared.agent.list(Collection::Events, Some(&namespace));
    listing.items.retain(|event| event["metadata"]["name"] == name);
    let event = listing.items.pop().ok_or_else(|| Refusal::not_found("events", &name))?;
    Ok(single(Collection::Events, &event, Form::of(&headers, &parameters)?))
}

/// The answer that is one object.
pub(super) fn single(collection: Collection, object: &Document, form: Form) -> Response {
    match form {
        Form::Objects => Json(&**object).into_response(),
        Form::Table(include) => {
            let version = object["metadata"]["resourceVersion"]
                .as_str()
                .and_then(|version| version.parse().ok());
            let objects = std::slice::from_ref(object);
            let table = render::table(
                collection,
                objects,
                version.unwrap_or_default(),
                include,
                Timestamp::now(),
            );
            Json(table).into_response()
        }
    }
}

/// What a list or a watch is about, and the form of its answer.
struct Query {
    collection: Collection,
    namespace: Option<String>,
    selector: Selector,
    form: Form,
}

impl Query {
    fn new(
        collection: Collection,
        namespace: Option<Path<String>>,
        parameters: &Parameters,
        headers: &HeaderMap,
    ) -> Result<Self, Refusal> {
        parameters.refuse(UNSUPPORTED)?;
        Ok(Self {
            collection,
            namespace: namespace.map(|Path(namespace)| namespace),
            selector: Selector::parse(parameters.text("fieldSelector").unwrap_or_default(), collection)?,
            form: Form::of(headers, parameters)?,
        })
    }

    fn answer(self, shared: &Shared, parameters: &Parameters) -> Result<Response, Refusal> {
        if parameters.flag("watch") {
            self.watch(shared, parameters)
        } else {
            Ok(self.list(shared))
        }
    }

    /// The whole list, also for clients that ask for a part of it (`limit`), which may be given more.
    fn list(self, shared: &Shared) -> Response {
        let listing = self.listing(shared);
        match self.form {
            Form::Objects => Json(json!({
                "kind": match self.collection { Collection::Pods => "PodList", Collection::Events => "EventList" },
                "apiVersion": "v1",
                "metadata": {"resourceVersion": listing.resource_version.to_string()},
                "items": listing.items.iter().map(|item| &**item).collect::<Vec<_>>(),
            }))
            .into_response(),
            Form::Table(include) => {
                let now = Timestamp::now();
                let table = render::table(self.collection, &listing.items, listing.resource_version, include, now);
                Json(table).into_response()
            }
        }
    }

    fn listing(&self, shared: &Shared) -> Listing {
        let mut listing = shared.agent.list(self.collection, self.namespace.as_deref());
        listing.items.retain(|item| self.selector.matches(item));
        listing
    }

    /// The changes after a version; without one, all that is there comes first, as if it had just been added.
    fn watch(self, shared: &Shared, parameters: &Parameters) -> Result<Response, Refusal> {
        let permit = shared
            .watches
            .clone()
            .try_acquire_owned()
            .map_err(|_| Refusal::too_many("watches"))?;
        let (first, after) = match parameters.number("resourceVersion")?.unwrap_or_default() {
            0 => {
                let listing = self.listing(shared);
                (listing.items, listing.resource_version)
            }
            version => (Vec::new(), version),
        };
        let changes = shared.agent.watch(self.collection, self.namespace.as_deref(), after)?;
        let first = first.into_iter().map(move |object| {
            Ok(Change {
                kind: ChangeKind::Added,
                resource_version: after,
                object,
            })
        });
        let changes: Changes = Box::pin(stream::iter(first).chain(changes));
        let lines = self.lines(changes).map(move |line| {
            // Held for as long as the watch lasts.
            let _ = &permit;
            Ok::<_, Infallible>(line)
        });
        let body = match parameters.number("timeoutSeconds")? {
            None | Some(0) => Body::from_stream(lines),
            Some(seconds) => {
                Body::from_stream(lines.take_until(Box::pin(tokio::time::sleep(Duration::from_secs(seconds)))))
            }
        };
        Ok((
            [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body,
        )
            .into_response())
    }

    /// Watch events, one to a line. A watch that has expired ends with an event that says so.
    fn lines(self, changes: Changes) -> impl Stream<Item = Bytes> + Send {
        let mut is_first = true;
        changes.filter_map(move |change| {
            let line = match change {
                Ok(change) if !self.selector.matches(&change.object) => None,
                Ok(change) => Some(self.line(&change, std::mem::take(&mut is_first))),
                Err(error) => Some(expired(error)),
            };
            std::future::ready(line)
        })
    }

    fn line(&self, change: &Change, is_first: bool) -> Bytes {
        let kind = match change.kind {
            ChangeKind::Added => "ADDED",
            ChangeKind::Modified => "MODIFIED",
            ChangeKind::Deleted => "DELETED",
        };
        match self.form {
            Form::Objects => event_line(kind, &*change.object),
            Form::Table(include) => {
                let objects = std::slice::from_ref(&change.object);
                let mut table = render::table(
                    self.collection,
                    objects,
                    change.resource_version,
                    include,
                    Timestamp::now(),
                );
                if !is_first {
                    table.column_definitions.clear();
                }
                event_line(kind, &table)
            }
        }
    }
}

fn expired(error: WatchError) -> Bytes {
    event_line("ERROR", &Refusal::from(error).status())
}

fn event_line(kind: &str, object: &impl serde::Serialize) -> Bytes {
    let mut line = serde_json::to_vec(&json!({"type": kind, "object": object}))
        .expect("documents, Tables and Statuses have string keys only");
    line.push(b'\n');
    line.into()
}
