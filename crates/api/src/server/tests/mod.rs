//! The server is driven as its clients drive it: requests by hand where their form matters, else by our own client on a
//! unix socket.

mod exec;
mod fake;
mod objects;
mod watches;

use std::{path::PathBuf, sync::Arc};

use axum::{Router, body::Body};
use fake::Fake;
use http::{Request, Response, StatusCode};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{router, serve};
use crate::{client::Client, unix::OwnerSocket};

/// A request and what came of it.
async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, http::HeaderMap, Value) {
    let response: Response<Body> = TowerToHyperService::new(router.clone()).call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (
        parts.status,
        parts.headers,
        serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body))),
    )
}

async fn get(router: &Router, path: &str) -> (StatusCode, Value) {
    let (status, _, body) = ask(router, Request::get(path).body(Body::empty()).unwrap()).await;
    (status, body)
}

async fn send(router: &Router, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let content_type = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", content_type);
    let (status, _, body) = ask(router, request.body(Body::from(body.to_string())).unwrap()).await;
    (status, body)
}

fn pod(name: &str) -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}")},
        "spec": {"containers": [{"name": "c", "image": "i", "ourOwn": {"wasm": true}}]},
        "status": {"phase": "Running"},
    })
}

/// A server on a socket. Dropping it ends the server.
struct Server {
    socket: PathBuf,
    _folder: tempfile::TempDir,
    _shutdown: oneshot::Sender<()>,
}

impl Server {
    fn start(agent: &Arc<Fake>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent.sock");
        let listener = OwnerSocket::bind(&socket).unwrap();
        let (shutdown, ends) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, router(agent.clone()), async { drop(ends.await) }));
        Self {
            socket,
            _folder: folder,
            _shutdown: shutdown,
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.socket)
    }
}
