//! A request over HTTP/2, by h2 itself: hyper starts a task for each connection of that kind.

use std::{
    io,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{RecvStream, client};
use http::{
    HeaderMap, HeaderName, Request, Uri, Version,
    header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE},
    uri::Authority,
};
use hyper::body::Frame;
use wasmtime_wasi_http::{Error, WasiBody};

use super::{
    Place,
    http::{Answer, Connecting, Received, Stream, respond},
};

/// Of a response's headers: as with HTTP/1.1.
const MAX_HEADERS_BYTES: u32 = 64 << 10;

/// Sends a request without a body and waits for the response's headers. The place is held for as long as the connection.
pub(super) async fn send(stream: Stream, request: Request<WasiBody>, place: Place) -> Result<Answer, Error> {
    let request = without_body(request)?;
    let (mut sender, connection) = client::Builder::new()
        .enable_push(false)
        .max_header_list_size(MAX_HEADERS_BYTES)
        .handshake::<_, Bytes>(stream)
        .await
        .map_err(explain)?;
    let connection: Connecting = Box::pin(async move {
        let _place = place;
        connection.await.map_err(explain)
    });
    let (response, _) = sender.send_request(request, true).map_err(explain)?;
    let response = async { Ok(response.await.map_err(explain)?.map(Received::Http2)) };
    respond(response, connection).await
}

/// The request as HTTP/2 has it: the virtual host is a part of the URL, and of the connection headers say nothing.
fn without_body(request: Request<WasiBody>) -> Result<Request<()>, Error> {
    let (mut parts, _) = request.into_parts();
    if let Some(host) = parts.headers.remove(HOST) {
        let authority = Authority::try_from(host.as_bytes()).map_err(|_| Error::HttpRequestUriInvalid)?;
        let mut uri = parts.uri.into_parts();
        uri.authority = Some(authority);
        parts.uri = Uri::from_parts(uri).map_err(|_| Error::HttpRequestUriInvalid)?;
    }
    remove_connection_headers(&mut parts.headers);
    parts.version = Version::HTTP_2;
    Ok(Request::from_parts(parts, ()))
}

/// As Go's client does: a request with one of them would be no request of HTTP/2.
fn remove_connection_headers(headers: &mut HeaderMap) {
    const OTHERS: [HeaderName; 2] = [
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE].iter().chain(&OTHERS) {
        headers.remove(name);
    }
}

/// The next piece of a response's body; what has been taken is given back to the server's window.
pub(super) fn poll_frame(
    body: &mut RecvStream,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
    let Some(chunk) = ready!(body.poll_data(context)) else {
        return Poll::Ready(None);
    };
    Poll::Ready(Some(chunk.map_err(explain).map(|chunk| {
        // It fails for a stream that is over, which needs no window.
        let _ = body.flow_control().release_capacity(chunk.len());
        Frame::data(chunk)
    })))
}

fn explain(error: h2::Error) -> Error {
    match error.get_io().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => Error::ConnectionTerminated,
        Some(io::ErrorKind::UnexpectedEof) => Error::HttpResponseIncomplete,
        _ => Error::InternalError(Some(format!("http2: {error}"))),
    }
}
