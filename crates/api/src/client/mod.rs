//! The other side: a client of the API on a unix socket. One connection for each request, as there is no cost in it.

mod exec;
mod path;
mod watch;

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
pub use exec::{ExecInput, ExecOutput};
use futures::{Stream, TryStreamExt};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, BodyStream, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
pub use path::{Target, check, collection, history, journal, pod, record, usage};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
pub use watch::{WatchEvent, WatchEventKind};

/// The largest answer that is read whole: 110 pods of etcd's largest size would be 165 MiB, but real ones are some 10 KiB.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// What to accept where a Table is wanted.
pub const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// What to accept where the objects are wanted.
pub const OBJECTS: &str = "application/json";

/// Speaks to the agent behind a socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// What a request that succeeded gave.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The object.
    pub object: T,
    /// What the agent warns of.
    pub warnings: Vec<String>,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no agent behind the socket, or it may not be used.
    #[error("cannot connect to {}: {error}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why it cannot be used.
        error: io::Error,
    },
    /// The agent refused.
    #[error("{}", .0.message.as_deref().unwrap_or("the agent refused without a reason"))]
    Refused(Box<Status>),
    /// The connection broke, as it does when the agent ends.
    #[error("the connection to the agent broke: {0}")]
    Broken(String),
    /// What the agent said makes no sense: it is no agent, or one of another version.
    #[error("the agent's answer is not understood ({0}); is it of another version?")]
    Answer(String),
}

impl ClientError {
    /// Whether the agent said that there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == Some(404))
    }

    /// Whether a watch has missed changes, and is to begin anew with what is there.
    pub fn is_expired(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == Some(410))
    }
}

impl Client {
    /// A client of the agent behind this socket.
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// Reads what is at a path.
    pub async fn get<T: DeserializeOwned>(&self, target: &Target, accept: &str) -> Result<T, ClientError> {
        let response = self.send(Method::GET, target, accept, None).await?;
        read(response).await.map(|answer| answer.object)
    }

    /// Creates, replaces or deletes what is at a path.
    pub async fn change(&self, method: Method, target: &Target, body: &Value) -> Result<Answer<Value>, ClientError> {
        let response = self.send(method, target, OBJECTS, Some(body)).await?;
        read(response).await
    }

    /// Follows a collection.
    pub async fn watch<T: DeserializeOwned>(
        &self,
        target: &Target,
        accept: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<T>, ClientError>> + Unpin + use<T>, ClientError> {
        let response = self
            .send(Method::GET, &target.clone().with("watch", "true"), accept, None)
            .await?;
        Ok(watch::events(pieces(response)))
    }

    /// Reads text as it comes.
    pub async fn read_text(
        &self,
        target: &Target,
    ) -> Result<impl Stream<Item = Result<Bytes, ClientError>> + Unpin + use<>, ClientError> {
        self.send(Method::GET, target, "*/*", None).await.map(pieces)
    }

    /// Runs a command.
    pub async fn exec(&self, target: &Target) -> Result<(ExecInput, ExecOutput), ClientError> {
        exec::start(self.connect().await?, target).await
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        let connected = UnixStream::connect(&self.socket).await;
        connected.map_err(|error| ClientError::Connect {
            socket: self.socket.clone(),
            error,
        })
    }

    /// Sends a request; a refusal is an error.
    async fn send(
        &self,
        method: Method,
        target: &Target,
        accept: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, ClientError> {
        let stream = self.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // Ends with the answer, or when that is dropped.
        tokio::spawn(connection);
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(target.to_string())
            .header(header::HOST, "probelet")
            .header(header::ACCEPT, accept)
            .header(header::CONTENT_TYPE, OBJECTS)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| ClientError::Answer(format!("the path cannot be asked for: {error}")))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(refusal(response).await)
        }
    }
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<Answer<T>, ClientError> {
    let headers = response.headers().get_all(header::WARNING).into_iter();
    let warnings = headers
        .filter_map(|value| warning(&String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| ClientError::Broken(error.to_string()))?.to_bytes();
    let object = serde_json::from_slice(&body).map_err(|error| ClientError::Answer(error.to_string()))?;
    Ok(Answer { object, warnings })
}

async fn refusal(response: Response<Incoming>) -> ClientError {
    let code = response.status();
    match read::<Status>(response).await {
        Ok(answer) => ClientError::Refused(Box::new(answer.object)),
        Err(ClientError::Answer(_)) => unexpected(code),
        Err(error) => error,
    }
}

fn pieces(response: Response<Incoming>) -> impl Stream<Item = Result<Bytes, ClientError>> + Unpin + use<> {
    let frames = TryStreamExt::map_err(BodyStream::new(response.into_body()), broken);
    Box::pin(frames.try_filter_map(|frame| std::future::ready(Ok(frame.into_data().ok()))))
}

fn unexpected(code: StatusCode) -> ClientError {
    ClientError::Answer(format!("status {code}"))
}

fn broken(error: hyper::Error) -> ClientError {
    ClientError::Broken(error.to_string())
}

/// The text of a `Warning` header: `299 - "text"`.
fn warning(header: &str) -> Option<String> {
    let quoted = header.split_once('"')?.1.strip_suffix('"')?;
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' {
            characters.next()
        } else {
            Some(character)
        });
    }
    Some(text)
}
