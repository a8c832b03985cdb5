//! A unary gRPC call over a connection of its own: HTTP/2, one message each way.
//!
//! The call drives its connection itself, so nothing is left of it when it ends or is dropped.

use std::{
    io,
    net::TcpStream,
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h2::{RecvStream, client};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONTENT_TYPE, TE, USER_AGENT},
    uri::Scheme,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time,
};

use super::{
    Network,
    connection::Connection,
    http::Stream,
    tls::{self, Protocols},
};
use crate::bindings::builtin::probelet::builtin::exchange::{CallFailure, Failure, Reply, Unary};

/// Of a message from the server: a health check's has two bytes. Less than HTTP/2's first window, so that none needs to
/// be opened.
const MAX_MESSAGE: usize = 16 << 10;
/// Of a response's headers and of its trailers, which the text of an error is in.
const MAX_HEADERS: u32 = 16 << 10;
/// Before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// The length and the type of a frame, which is what a frame begins with.
const FRAME_START: usize = 4;
/// The type of the frame that a server must begin with.
const SETTINGS: u8 = 4;

/// gRPC's own statuses, for what its libraries say in place of the server.
mod status {
    pub(super) const OK: u32 = 0;
    pub(super) const UNKNOWN: u32 = 2;
    pub(super) const PERMISSION_DENIED: u32 = 7;
    pub(super) const UNIMPLEMENTED: u32 = 12;
    pub(super) const INTERNAL: u32 = 13;
    pub(super) const UNAVAILABLE: u32 = 14;
    pub(super) const UNAUTHENTICATED: u32 = 16;
}

/// The call's request, or why there is none.
pub(super) fn request(call: &Unary, deadline: time::Instant) -> Result<Request<()>, String> {
    let uri = Uri::builder()
        .scheme(if call.tls { Scheme::HTTPS } else { Scheme::HTTP })
        .authority(&*call.authority)
        .path_and_query(&*call.path)
        .build()
        .map_err(|_| format!("invalid address \"{}\"", call.authority))?;
    let milliseconds = deadline.saturating_duration_since(time::Instant::now()).as_millis();
    // Eight digits are the most that gRPC allows.
    let timeout = format!("{}m", milliseconds.clamp(1, 99_999_999));
    Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(uri)
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, &call.user_agent)
        .header("grpc-timeout", timeout)
        .body(())
        .map_err(|error| error.to_string())
}

/// Opens TLS where that is asked for. The error is in gRPC's words.
pub(super) async fn secured(
    stream: TcpStream,
    network: &Network,
    host: &str,
    is_tls: bool,
    deadline: time::Instant,
) -> Result<Stream, Failure> {
    let stream = Connection::new(stream);
    if !is_tls {
        return Ok(Box::pin(stream));
    }
    let handshake = tls::connect(host, stream, Protocols::Http2, network.verifies_tls());
    match time::timeout_at(deadline, handshake).await {
        Ok(Ok(stream)) => Ok(Box::pin(stream)),
        Ok(Err(error)) => {
            let why = if tls::is_not_tls(&error) {
                "first record does not look like a TLS handshake".to_owned()
            } else {
                error.to_string()
            };
            let text = format!("connection error: desc = \"transport: authentication handshake failed: tls: {why}\"");
            Err(Failure::Failed(text))
        }
        Err(_) => Err(Failure::TimedOut),
    }
}

/// Makes the call, and closes the connection.
pub(super) async fn call(
    stream: Stream,
    request: Request<()>,
    message: Vec<u8>,
    deadline: time::Instant,
) -> Result<Reply, CallFailure> {
    let greeting = Arc::new(OnceLock::new());
    let stream = Greeted {
        connection: stream,
        start: Vec::with_capacity(FRAME_START),
        speaks_http2: Arc::clone(&greeting),
    };
    let exchanged = time::timeout_at(deadline, exchange(stream, request, message)).await;
    let is_connected = greeting.get() == Some(&true);
    match exchanged {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) if is_connected => Ok(lost(&error)),
        Ok(Err(error)) => {
            let text = format!("connection error: desc = \"error reading server preface: {error}\"");
            Err(CallFailure::Connecting(Failure::Failed(text)))
        }
        Err(_) if is_connected => Err(CallFailure::TimedOut),
        Err(_) => Err(CallFailure::Connecting(Failure::TimedOut)),
    }
}

async fn exchange(stream: Greeted, request: Request<()>, message: Vec<u8>) -> Result<Reply, h2::Error> {
    let (mut sender, connection) = client::Builder::new()
        .enable_push(false)
        .max_header_list_size(MAX_HEADERS)
        .handshake::<_, Bytes>(stream)
        .await?;
    let mut connection = pin!(connection);
    let exchange = async move {
        let (response, mut body) = sender.send_request(request, false)?;
        body.send_data(framed(&message), true)?;
        receive(response.await?).await
    };
    let mut exchange = pin!(exchange);
    let reply = tokio::select! {
        biased;
        reply = &mut exchange => reply,
        // Its streams know how it ended.
        _ = &mut connection => return exchange.await,
    };
    // All streams are gone: it says goodbye and waits for nobody.
    let _ = connection.await;
    reply
}

/// A message as gRPC puts it onto the wire.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(PREFIX + message.len());
    bytes.push(0);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(message);
    bytes.into()
}

async fn receive(response: Response<RecvStream>) -> Result<Reply, h2::Error> {
    let (parts, mut body) = response.into_parts();
    // A response that is nothing but trailers.
    if let Some(reply) = end(&parts.headers, Vec::new()) {
        return Ok(reply);
    }
    if let Some(reply) = no_grpc(parts.status, &parts.headers) {
        return Ok(reply);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > PREFIX + MAX_MESSAGE {
            let text = format!("received message larger than max ({MAX_MESSAGE} bytes)");
            return Ok(said(status::INTERNAL, text));
        }
        bytes.extend_from_slice(&chunk);
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    Ok(end(&trailers, bytes)
        .unwrap_or_else(|| said(status::INTERNAL, "server closed the stream without sending trailers")))
}

/// What headers that end a call say, with the bytes before them; none if they do not end it.
fn end(headers: &HeaderMap, bytes: Vec<u8>) -> Option<Reply> {
    let code = headers.get("grpc-status")?;
    let Some(code) = code.to_str().ok().and_then(|code| code.parse().ok()) else {
        return Some(said(status::INTERNAL, format!("malformed grpc-status: {code:?}")));
    };
    let text = headers.get("grpc-message").map(HeaderValue::as_bytes);
    if code != status::OK {
        return Some(said(code, unescaped(text.unwrap_or_default())));
    }
    let mut message = Bytes::from(bytes);
    if message.len() < PREFIX {
        return Some(said(status::INTERNAL, "the server sent no message"));
    }
    let (is_compressed, length) = (message.get_u8() != 0, message.get_u32());
    if is_compressed {
        return Some(said(
            status::INTERNAL,
            "the message is compressed, which was not asked for",
        ));
    }
    if usize::try_from(length).ok() != Some(message.len()) {
        return Some(said(
            status::INTERNAL,
            "the server sent something else than one whole message",
        ));
    }
    Some(Reply {
        message: message.into(),
        ..said(status::OK, "")
    })
}

/// What is said of a server that answers, but not with gRPC; none if it does.
fn no_grpc(code: StatusCode, headers: &HeaderMap) -> Option<Reply> {
    if code != StatusCode::OK {
        let reason = code.canonical_reason().unwrap_or_default();
        let text = format!(
            "unexpected HTTP status code received from server: {} ({reason})",
            code.as_u16()
        );
        return Some(said(of_http(code), text));
    }
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    (!kind.starts_with(b"application/grpc")).then(|| {
        let kind = String::from_utf8_lossy(kind);
        said(
            status::UNKNOWN,
            format!("transport: received unexpected content-type \"{kind}\""),
        )
    })
}

/// gRPC's "HTTP to gRPC Status Code Mapping".
fn of_http(code: StatusCode) -> u32 {
    match code.as_u16() {
        400 => status::INTERNAL,
        401 => status::UNAUTHENTICATED,
        403 => status::PERMISSION_DENIED,
        404 => status::UNIMPLEMENTED,
        429 | 502..=504 => status::UNAVAILABLE,
        _ => status::UNKNOWN,
    }
}

/// What is said of a call whose stream or connection ended first.
fn lost(error: &h2::Error) -> Reply {
    let is_refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    let code = if error.is_reset() && !is_refused {
        status::INTERNAL
    } else {
        status::UNAVAILABLE
    };
    said(code, format!("error reading from server: {error}"))
}

fn said(grpc_status: u32, text: impl Into<String>) -> Reply {
    Reply {
        grpc_status,
        grpc_message: text.into(),
        message: Vec::new(),
    }
}

/// A status' text, whose bytes are percent-encoded where they are not printable ASCII; what is no code stays.
fn unescaped(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) if *first == b'%' => {
                bytes.push(code);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A connection that notes whether the other side begins as a server of HTTP/2 must. Until then there is no connection
/// in gRPC's sense.
struct Greeted {
    connection: Stream,
    start: Vec<u8>,
    speaks_http2: Arc<OnceLock<bool>>,
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.connection.as_mut().poll_read(context, buffer))?;
        if self.start.len() < FRAME_START {
            let missing = FRAME_START - self.start.len();
            self.start.extend(buffer.filled()[before..].iter().take(missing));
            if let [_, _, _, kind] = self.start[..] {
                // It is set here only, and once.
                let _ = self.speaks_http2.set(kind == SETTINGS);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.connection.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.as_mut().poll_shutdown(context)
    }
}
