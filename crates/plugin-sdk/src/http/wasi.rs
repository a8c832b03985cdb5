//! Requests by `wasi:http`.

use wasip2::{
    http::{
        outgoing_handler,
        types::{ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme},
    },
    io::streams::{InputStream, OutputStream, StreamError},
};

use super::{Request, Response, SendError, url::Url};
use crate::wait;

impl From<ErrorCode> for SendError {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
                Self::Impossible("the host is not granted".to_owned())
            }
            ErrorCode::DnsTimeout
            | ErrorCode::ConnectionTimeout
            | ErrorCode::ConnectionReadTimeout
            | ErrorCode::ConnectionWriteTimeout
            | ErrorCode::HttpResponseTimeout => Self::TimedOut,
            ErrorCode::ConnectionRefused => Self::Failed("connection refused".to_owned()),
            ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => Self::Failed("no such host".to_owned()),
            ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => {
                Self::Failed("no route to host".to_owned())
            }
            ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => {
                Self::Failed("the connection was closed".to_owned())
            }
            ErrorCode::TlsCertificateError => Self::Failed("the certificate is not trusted".to_owned()),
            ErrorCode::InternalError(Some(reason)) => Self::Failed(reason),
            other => Self::Failed(format!("{other:?}")),
        }
    }
}

pub(super) fn send(request: &Request, url: &Url<'_>, limit: usize) -> Result<Response, SendError> {
    let outgoing = outgoing(request, url).map_err(SendError::Impossible)?;
    let body = outgoing
        .body()
        .map_err(|()| SendError::Impossible("there is no body".to_owned()))?;
    let answer = outgoing_handler::handle(outgoing, None)?;
    if !request.body.is_empty() {
        let stream = body
            .write()
            .map_err(|()| SendError::Impossible("the body cannot be written".to_owned()))?;
        // A server need not read it all before it answers.
        let _ = write(&stream, &request.body);
    }
    // Where the other side is gone, that is the response's to say: here it would only be a body that nobody took.
    let _ = OutgoingBody::finish(body, None);
    if !wait(&answer.subscribe()) {
        return Err(SendError::TimedOut);
    }
    match answer.get() {
        Some(Ok(response)) => read(&response?, limit),
        _ => Err(SendError::Failed("there is no response".to_owned())),
    }
}

fn outgoing(request: &Request, url: &Url<'_>) -> Result<OutgoingRequest, String> {
    let headers = Fields::new();
    for (name, value) in &request.headers {
        headers
            .append(name, value.as_bytes())
            .map_err(|error| format!("the header `{name}` is not possible: {error:?}"))?;
    }
    if !request.body.is_empty() {
        // The length is right, so the only error would be that the host sets it by itself.
        let _ = headers.append("content-length", request.body.len().to_string().as_bytes());
    }
    let outgoing = OutgoingRequest::new(headers);
    let scheme = if url.is_https { Scheme::Https } else { Scheme::Http };
    outgoing
        .set_method(&method(&request.method))
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(url.authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&url.path_with_query)))
        .map_err(|()| "that is no request".to_owned())?;
    Ok(outgoing)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = stream.check_write()?;
        let count = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        stream.write(&bytes[..count])?;
        bytes = &bytes[count..];
        if count == 0 && !wait(&stream.subscribe()) {
            break;
        }
    }
    stream.flush()
}

fn read(response: &IncomingResponse, limit: usize) -> Result<Response, SendError> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let headers = response.headers().entries().into_iter();
    let headers = headers.map(|(name, value)| (name, text(value))).collect();
    let status = response.status();
    let body = response
        .consume()
        .map_err(|()| SendError::Failed("there is no body".to_owned()))?;
    let stream = body
        .stream()
        .map_err(|()| SendError::Failed("there is no body".to_owned()))?;
    let mut body = read_body(&stream, limit)?;
    let truncated = body.len() > limit;
    body.truncate(limit);
    Ok(Response {
        status,
        headers,
        body,
        truncated,
    })
}

/// At most one byte more than the limit, by which it shows that there is more.
fn read_body(stream: &InputStream, limit: usize) -> Result<Vec<u8>, SendError> {
    let mut body = Vec::new();
    while body.len() <= limit {
        match stream.read((limit + 1 - body.len()) as u64) {
            Ok(bytes) if bytes.is_empty() => {
                if !wait(&stream.subscribe()) {
                    return Err(SendError::TimedOut);
                }
            }
            Ok(bytes) => body.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(SendError::Failed(error.to_debug_string())),
        }
    }
    Ok(body)
}
