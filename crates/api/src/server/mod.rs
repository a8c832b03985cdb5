//! The server: routes, and connections.

mod checks;
mod collections;
mod connections;
mod discovery;
mod exec;
mod logs;
mod pods;
mod records;
mod refusal;
mod request;
mod selector;
mod status;
#[cfg(test)]
mod tests;
pub(crate) mod unchanged;

use std::sync::Arc;

use axum::{Router, extract::State, response::IntoResponse, routing};
pub use connections::serve;
use http::header;
use probelet_node::handle::{Document, PodKey};
use refusal::Refusal;
use tokio::sync::Semaphore;

use crate::Agent;

/// Watches, and logs that are being read, at one time. Each holds a connection and a place in the agent's stream of
/// changes; a person with a terminal for each pod of a full machine needs 110.
const MAX_WATCHES: usize = 256;

/// Commands that run at one time for clients. Each is a process, three pipes and a connection.
const MAX_SESSIONS: usize = 64;

/// What all requests share.
struct Shared {
    agent: Arc<dyn Agent>,
    watches: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
}

impl Shared {
    fn pod(&self, namespace: String, name: String) -> Result<(PodKey, Document), Refusal> {
        let key = PodKey { namespace, name };
        match self.agent.pod(&key) {
            Ok(pod) => Ok((key, pod)),
            Err(error) => Err(Refusal::of_pod(&key, error)),
        }
    }
}

/// The API of an agent.
pub fn router(agent: Arc<dyn Agent>) -> Router {
    let shared = Arc::new(Shared {
        agent,
        watches: Arc::new(Semaphore::new(MAX_WATCHES)),
        sessions: Arc::new(Semaphore::new(MAX_SESSIONS)),
    });
    let pod = routing::get(pods::get)
        .put(pods::replace)
        .patch(pods::patch)
        .delete(pods::delete);
    let namespaced = Router::new()
        .route("/pods", routing::get(collections::pods).post(pods::create))
        .route("/pods/{name}", pod)
        .route("/pods/{name}/status", routing::get(pods::get).patch(status::patch))
        .route("/pods/{name}/log", routing::get(logs::log))
        .route("/pods/{name}/exec", routing::get(exec::exec))
        .route("/events", routing::get(collections::events))
        .route("/events/{name}", routing::get(collections::event));
    let core = Router::new()
        .route("/", routing::get(discovery::core_resources))
        .route("/pods", routing::get(collections::pods))
        .route("/events", routing::get(collections::events))
        .nest("/namespaces/{namespace}", namespaced);
    let probelet = Router::new()
        .route("/", routing::get(discovery::probelet_resources))
        .route(
            "/namespaces/{namespace}/pods/{name}/history",
            routing::get(records::history),
        )
        .route(
            "/namespaces/{namespace}/pods/{name}/usage",
            routing::get(records::usage),
        )
        .route(
            "/namespaces/{namespace}/pods/{name}/journal",
            routing::get(records::journal),
        )
        .route(
            "/namespaces/{namespace}/pods/{name}/check",
            routing::post(checks::check),
        )
        .route(
            "/namespaces/{namespace}/pods/{name}/record",
            routing::get(checks::record),
        );
    Router::new()
        .route("/healthz", routing::get("ok"))
        .route("/metrics", routing::get(metrics))
        .route("/metrics/probes", routing::get(probe_metrics))
        .route("/version", routing::get(discovery::version))
        .route("/api", routing::get(discovery::core_versions))
        .nest("/api/v1", core)
        .route("/apis", routing::get(discovery::groups))
        .route("/apis/probelet.dev", routing::get(discovery::group))
        .nest(&format!("/apis/{}", crate::PROBELET_API), probelet)
        .fallback(async || Refusal::no_such_path())
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .with_state(shared)
}

/// `GET /metrics`, as Prometheus asks for it.
async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    as_metrics(shared.agent.metrics())
}

/// `GET /metrics/probes`, where a kubelet has its metrics of probes (A5.3).
async fn probe_metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    as_metrics(shared.agent.probe_metrics())
}

fn as_metrics(text: String) -> impl IntoResponse {
    const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, FORMAT)], text)
}
