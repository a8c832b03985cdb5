//! One request and its response, with Go's words for what goes wrong (A2.17, A2.18).

use probelet_plugin_sdk::{
    wait,
    wasip2::{
        http::{
            outgoing_handler,
            types::{
                DnsErrorPayload, ErrorCode, IncomingBody, IncomingResponse, OutgoingRequest, Scheme, http_error_code,
            },
        },
        io::streams::{InputStream, StreamError},
    },
};

use crate::{headers::RequestHeaders, url::Url};

/// Of a longer body the rest is not read (A2.19).
pub(crate) const MAX_BODY: usize = 10 << 10;

const HEADERS_TIMEOUT: &str = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
const BODY_TIMEOUT: &str = "context deadline exceeded (Client.Timeout or context cancellation while reading body)";

/// Why there is no response.
pub(crate) enum ExchangeError {
    /// The other side, or the time.
    Failed(String),
    /// It could not even be tried.
    Impossible(String),
}

/// A response up to its headers.
pub(crate) struct Exchange {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) declared_length: Option<u64>,
    pub(crate) body: Body,
}

/// A response's body; the stream belongs to the body and goes first.
pub(crate) struct Body {
    stream: InputStream,
    _body: IncomingBody,
}

/// Sends a request and waits for the response's headers.
pub(crate) fn send(url: &Url, headers: &RequestHeaders) -> Result<Exchange, ExchangeError> {
    let failed = |text: &str| ExchangeError::Failed(format!("Get \"{url}\": {text}"));
    let request = OutgoingRequest::new(headers.to_fields(url)?);
    let scheme = if url.is_https() { Scheme::Https } else { Scheme::Http };
    request
        .set_scheme(Some(&scheme))
        .and_then(|()| request.set_authority(Some(url.authority())))
        .and_then(|()| request.set_path_with_query(Some(&url.path_with_query())))
        .map_err(|()| failed("invalid URL"))?;
    let future = outgoing_handler::handle(request, None).map_err(|error| explain(error, url))?;
    if !wait(&future.subscribe()) {
        return Err(failed(HEADERS_TIMEOUT));
    }
    match future.get() {
        Some(Ok(Ok(response))) => received(&response).ok_or_else(|| failed("the response has no body")),
        Some(Ok(Err(error))) => Err(explain(error, url)),
        Some(Err(())) | None => Err(failed("no response")),
    }
}

fn received(response: &IncomingResponse) -> Option<Exchange> {
    let headers = response.headers();
    let header = |name| Some(String::from_utf8_lossy(headers.get(name).first()?).into_owned());
    let (location, length) = (header("location"), header("content-length"));
    let body = response.consume().ok()?;
    let stream = body.stream().ok()?;
    Some(Exchange {
        status: response.status(),
        location: location.filter(|location| !location.is_empty()),
        declared_length: length.and_then(|length| length.parse().ok()),
        body: Body { stream, _body: body },
    })
}

/// Reads a body to its end or to the limit.
pub(crate) fn read(body: Body, limit: usize) -> Result<Vec<u8>, ExchangeError> {
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        match body.stream.read((limit - bytes.len()) as u64) {
            Ok(chunk) if !chunk.is_empty() => bytes.extend_from_slice(&chunk),
            Ok(_) if wait(&body.stream.subscribe()) => {}
            Ok(_) => return Err(ExchangeError::Failed(BODY_TIMEOUT.to_owned())),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                let text = match http_error_code(&error) {
                    Some(ErrorCode::ConnectionTerminated) => "read: connection reset by peer".to_owned(),
                    Some(ErrorCode::InternalError(Some(text))) => text,
                    _ => "unexpected EOF".to_owned(),
                };
                return Err(ExchangeError::Failed(text));
            }
        }
    }
    Ok(bytes)
}

/// What Go's client says in such a case.
fn explain(error: ErrorCode, url: &Url) -> ExchangeError {
    let dial = |text: &str| format!("dial tcp {}: {text}", url.authority());
    let text = match error {
        ErrorCode::DestinationIpProhibited | ErrorCode::HttpRequestDenied => {
            return ExchangeError::Impossible(format!("connecting to {} is not granted", url.authority()));
        }
        ErrorCode::ConnectionRefused => dial("connect: connection refused"),
        ErrorCode::ConnectionTimeout => dial("connect: connection timed out"),
        ErrorCode::DestinationIpUnroutable => dial("connect: no route to host"),
        ErrorCode::DestinationNotFound => format!("dial tcp: lookup {}: no such host", url.hostname()),
        ErrorCode::DnsError(DnsErrorPayload { rcode: Some(rcode), .. }) => {
            format!("dial tcp: lookup {}: {rcode}", url.hostname())
        }
        ErrorCode::ConnectionTerminated => "read: connection reset by peer".to_owned(),
        ErrorCode::HttpResponseIncomplete => "EOF".to_owned(),
        ErrorCode::InternalError(Some(text)) => text,
        other => format!("{other:?}"),
    };
    ExchangeError::Failed(format!("Get \"{url}\": {text}"))
}
