//! One request and its response, with Go's words for what goes wrong (A2.17, A2.18).

use probelet_plugin::exchange::{self, Failure, Request, Response};

use crate::{headers::RequestHeaders, url::Url};

/// Of a longer body the rest is not read (A2.19).
pub(crate) const MAX_BODY: u64 = 10 << 10;

/// How the host says that the server answers without TLS; Go's words, by which the kubelet knows it too.
pub(crate) const NOT_TLS: &str = "http: server gave HTTP response to HTTPS client";
const HEADERS_TIMEOUT: &str = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
const BODY_TIMEOUT: &str = "context deadline exceeded (Client.Timeout or context cancellation while reading body)";

/// Why there is no response.
pub(crate) enum ExchangeError {
    /// The other side, or the time.
    Failed(String),
    /// It could not even be tried.
    Impossible(String),
}

/// Sends a request and waits for the response's headers.
pub(crate) fn send(url: &Url, headers: &RequestHeaders, http2: bool) -> Result<Response, ExchangeError> {
    let request = Request {
        tls: url.is_https(),
        http2,
        authority: url.authority().to_owned(),
        path_with_query: url.path_with_query(),
        headers: headers.fields(),
    };
    let failed = |text: &str| ExchangeError::Failed(format!("Get \"{url}\": {text}"));
    exchange::send(&request).map_err(|failure| match failure {
        Failure::NotGranted => ExchangeError::Impossible(format!("connecting to {} is not granted", url.authority())),
        Failure::Failed(text) => failed(&text),
        Failure::TimedOut => failed(HEADERS_TIMEOUT),
    })
}

/// Reads a response's body to its end or to the limit.
pub(crate) fn read_body(response: &Response) -> Result<Vec<u8>, ExchangeError> {
    response.body.read(MAX_BODY).map_err(|failure| {
        ExchangeError::Failed(match failure {
            Failure::Failed(text) if text == "EOF" => "unexpected EOF".to_owned(),
            Failure::Failed(text) => text,
            Failure::TimedOut | Failure::NotGranted => BODY_TIMEOUT.to_owned(),
        })
    })
}
