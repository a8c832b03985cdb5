//! Whole exchanges in one call: what the built-in components have in place of wasi:sockets and wasi:http.

use std::{
    io,
    net::{SocketAddr, TcpStream},
};

use http::{
    HeaderName, HeaderValue, Request, Uri,
    header::{CONTENT_LENGTH, LOCATION},
    uri::{Authority, Scheme},
};
use http_body_util::BodyExt;
use tokio::time;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi_http::{Error, RequestOptions};

use super::{
    DialError, Network, grpc,
    http::{Driven, Outgoing, no_body, send},
    share,
    sockets::network,
    tls::Protocols,
};
use crate::{
    bindings::builtin::probelet::builtin::exchange::{
        self, CallFailure, Failure, Host, HostBody, Reply, Request as BuiltinRequest, Response, Unary,
    },
    bindings::probelet::plugin::types::{self, Value},
    state::RunState,
};

/// How imports begin that are for the built-in components alone.
pub(crate) const BUILTIN_PREFIX: &str = "probelet:builtin/";
/// Read in one call: more than any probe wants of a body.
const MAX_BODY_BYTES: u64 = 1 << 20;

/// Links it.
pub(super) fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    exchange::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)
}

impl Host for RunState {
    async fn connect(&mut self, host: String, port: u16) -> wasmtime::Result<Result<(), Failure>> {
        let network = network(self)?;
        let deadline = self.context.soft_deadline.into();
        Ok(dial(&network, &host, port, deadline).await.map(drop))
    }

    async fn call(&mut self, call: Unary) -> wasmtime::Result<Result<Reply, CallFailure>> {
        let network = network(self)?;
        let deadline = self.context.soft_deadline.into();
        let request = match grpc::request(&call, deadline) {
            Ok(request) => request,
            Err(text) => return Ok(Err(CallFailure::Connecting(Failure::Failed(text)))),
        };
        let Some(_place) = network.place() else {
            let text = "too many connections at once".to_owned();
            return Ok(Err(CallFailure::Connecting(Failure::Failed(text))));
        };
        let host = request.uri().host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = request.uri().port_u16().unwrap_or(80);
        let stream = match dial(&network, host, port, deadline).await {
            Ok(stream) => grpc::secured(stream, &network, host, call.tls, deadline).await,
            Err(Failure::Failed(_)) if time::Instant::now() >= deadline => Err(Failure::TimedOut),
            Err(failure) => Err(failure),
        };
        Ok(match stream {
            Ok(stream) => grpc::call(stream, request, call.message, deadline).await,
            Err(failure) => Err(CallFailure::Connecting(failure)),
        })
    }

    async fn note(&mut self, name: String, text: String) -> wasmtime::Result<()> {
        let value = Value::Text(text);
        self.notes.push(types::Field { name, value });
        Ok(())
    }

    async fn send(&mut self, request: BuiltinRequest) -> wasmtime::Result<Result<Response, Failure>> {
        let network = network(self)?;
        let request = match outgoing(request) {
            Ok(request) => request,
            Err(text) => return Ok(Err(Failure::Failed(text))),
        };
        let deadline = self.context.soft_deadline.into();
        let authority = request.http.uri().authority().cloned();
        let sent = time::timeout_at(deadline, send(network, request, RequestOptions::default())).await;
        let sent = sent.map(|sent| sent.map_err(|error| failure(error, authority.as_ref())));
        let (parts, body) = match sent.unwrap_or(Err(Failure::TimedOut)) {
            Ok(answer) => answer.into_parts(),
            Err(failure) => return Ok(Err(failure)),
        };
        let header = |name| Some(String::from_utf8_lossy(parts.headers.get(name)?.as_bytes()).into_owned());
        Ok(Ok(Response {
            status: parts.status.as_u16(),
            location: header(LOCATION).filter(|location| !location.is_empty()),
            declared_length: header(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            body: self.table.push(body)?,
        }))
    }
}

impl HostBody for RunState {
    async fn read(&mut self, body: Resource<Driven>, limit: u64) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        let limit = limit.min(MAX_BODY_BYTES) as usize;
        let deadline = self.context.soft_deadline.into();
        let body = self.table.get_mut(&body)?;
        let read = async {
            let mut bytes = Vec::new();
            while bytes.len() < limit {
                let Some(frame) = body.frame().await else { break };
                if let Ok(chunk) = frame.map_err(|error| failure(error, None))?.into_data() {
                    bytes.extend_from_slice(&chunk[..chunk.len().min(limit - bytes.len())]);
                }
            }
            Ok(bytes)
        };
        Ok(time::timeout_at(deadline, read).await.unwrap_or(Err(Failure::TimedOut)))
    }

    async fn drop(&mut self, body: Resource<Driven>) -> wasmtime::Result<()> {
        self.table.delete(body)?;
        Ok(())
    }
}

/// Opens a connection, with Go's words for what goes wrong (A2.22).
async fn dial(network: &Network, host: &str, port: u16, deadline: time::Instant) -> Result<TcpStream, Failure> {
    let lookup = |text: &str| Failure::Failed(format!("dial tcp: lookup {host}: {text}"));
    let addresses = match time::timeout_at(deadline, network.resolve(host)).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(DialError::NotGranted)) => return Err(Failure::NotGranted),
        Ok(Err(_)) => return Err(lookup("no such host")),
        Err(_) => return Err(lookup("i/o timeout")),
    };
    let mut result = Err(lookup("no such host"));
    let count = addresses.len();
    for (at, address) in addresses.into_iter().enumerate() {
        let destination = SocketAddr::new(address, port);
        let failed = |text: &str| Failure::Failed(format!("dial tcp {destination}: {text}"));
        let socket = match network.socket(destination) {
            Ok(socket) => socket,
            Err(DialError::Io(error)) => {
                result = Err(failed(&format!("socket: {}", system_text(&error))));
                continue;
            }
            Err(DialError::NotGranted | DialError::NoSuchHost) => return Err(Failure::NotGranted),
        };
        let connect = socket.connect(destination);
        let part = share(deadline.into_std(), count - at).map(|part| time::Instant::now() + part);
        result = match time::timeout_at(part.unwrap_or(deadline), connect).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => Err(failed(&format!("connect: {}", system_text(&error)))),
            Err(_) => Err(failed("i/o timeout")),
        };
    }
    result
}

/// The request as it goes to the server, or why there is none.
fn outgoing(request: BuiltinRequest) -> Result<Outgoing, String> {
    let scheme = if request.tls { Scheme::HTTPS } else { Scheme::HTTP };
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(request.authority)
        .path_and_query(request.path_with_query)
        .build()
        .map_err(|_| "invalid URL".to_owned())?;
    let mut http = Request::new(no_body());
    *http.uri_mut() = uri;
    for (name, value) in request.headers {
        let header = HeaderName::try_from(&name).ok().zip(HeaderValue::try_from(value).ok());
        let (header, value) = header.ok_or_else(|| format!("net/http: invalid header field value for \"{name}\""))?;
        http.headers_mut().append(header, value);
    }
    Ok(Outgoing {
        http,
        is_streamed: false,
        protocols: match (request.tls, request.http2) {
            (_, true) => Protocols::Http2,
            (true, false) => Protocols::Negotiated,
            (false, false) => Protocols::Http1,
        },
    })
}

/// What Go's client says in such a case (A2.17).
fn failure(error: Error, authority: Option<&Authority>) -> Failure {
    let dial = |text: &str| match authority {
        Some(authority) => format!("dial tcp {authority}: connect: {text}"),
        None => text.to_owned(),
    };
    Failure::Failed(match error {
        Error::DestinationIpProhibited | Error::HttpRequestDenied => return Failure::NotGranted,
        Error::DestinationNotFound => {
            let host = authority.map_or("", Authority::host);
            format!("dial tcp: lookup {host}: no such host")
        }
        Error::ConnectionRefused => dial("connection refused"),
        Error::ConnectionTimeout => dial("connection timed out"),
        Error::DestinationIpUnroutable => dial("no route to host"),
        Error::ConnectionTerminated => "read: connection reset by peer".to_owned(),
        Error::HttpResponseIncomplete => "EOF".to_owned(),
        Error::InternalError(Some(text)) => text,
        other => other.to_string(),
    })
}

/// As Go prints the system's errors: in small letters, without their number.
fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
