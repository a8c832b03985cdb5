//! The handler `httpGet`: a GET request; the status decides (A2.5 to A2.20, B1.6 to B1.10). Over HTTP/2 if that is asked
//! for or, with TLS, agreed on (F16).
//!
//! What the guest cannot do by itself is the host's part: a fresh connection with `Connection: close`, no compression,
//! no proxy, no check of the server's certificate.
//!
//! Otherwise than in Kubernetes, an error while the body is read counts as a failure (A2.20).

mod exchange;
mod headers;
mod url;

use exchange::{ExchangeError, MAX_BODY, NOT_TLS};
use headers::RequestHeaders;
use probelet_plugin::{
    Hook, Probe, Verdict, config,
    exchange::{Response, note},
    export_hook, export_probe,
};
use serde::Deserialize;
use url::Url;

/// As Go's client (A2.16).
const MAX_REDIRECTS: usize = 10;
const PROBE_USER_AGENT: &str = "kube-probe/1.36";
const HOOK_USER_AGENT: &str = "kube-lifecycle/1.36";
/// The field that tells the agent of a request without TLS: its `HTTP_FALLBACK`.
const HTTP_FALLBACK: &str = "httpFallback";

#[derive(Deserialize)]
struct Config {
    scheme: String,
    host: String,
    port: u16,
    path: String,
    #[serde(default)]
    headers: Vec<Header>,
    /// Whether the server speaks nothing but HTTP/2; with `https` both sides agree on it anyway.
    #[serde(default)]
    http2: bool,
}

/// A header of the manifest.
#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

struct Http;

impl Probe for Http {
    fn check() -> Result<Verdict, String> {
        let config: Config = config()?;
        let verdict = get(&config, PROBE_USER_AGENT).and_then(|response| {
            let body = exchange::read_body(&response)?;
            Ok(judge(response.status, &body))
        });
        match verdict {
            Ok(verdict) => Ok(verdict),
            Err(ExchangeError::Failed(text)) => Ok(Verdict::unhealthy(text)),
            Err(ExchangeError::Impossible(text)) => Err(text),
        }
    }
}

impl Hook for Http {
    /// Any status will do (B1.10).
    fn run() -> Result<(), String> {
        let config: Config = config()?;
        let response = match get(&config, HOOK_USER_AGENT) {
            Ok(response) => response,
            Err(ExchangeError::Failed(text)) if text.ends_with(NOT_TLS) => without_tls(config).ok_or(text)?,
            Err(ExchangeError::Failed(text) | ExchangeError::Impossible(text)) => return Err(text),
        };
        // The server may still be at work while it answers; how that ends does not matter (B1.9).
        if response.declared_length.is_none_or(|length| length <= MAX_BODY) {
            let _ = exchange::read_body(&response);
        }
        Ok(())
    }
}

export_probe!(Http);
export_hook!(Http);

/// An HTTPS hook's request once more without TLS, and without what proves who asks; none if that fails too (B1.8).
fn without_tls(mut config: Config) -> Option<Response> {
    config.scheme = "http".to_owned();
    config
        .headers
        .retain(|header| !header.name.eq_ignore_ascii_case("Authorization"));
    let response = get(&config, HOOK_USER_AGENT).ok()?;
    let url = Url::of_probe(&config.scheme, &config.host, config.port, &config.path);
    note(HTTP_FALLBACK, url.authority());
    Some(response)
}

/// A2.14, A2.15: the body is shown only when a redirect to elsewhere was not followed.
fn judge(status: u16, body: &[u8]) -> Verdict {
    match status {
        200..300 => Verdict::healthy(),
        300..400 => Verdict::degraded(format!(
            "Probe terminated redirects, Response body: {}",
            String::from_utf8_lossy(body)
        )),
        _ => Verdict::unhealthy(format!("HTTP probe failed with statuscode: {status}")),
    }
}

/// Sends the request, and again for each redirect to the same host (A2.16).
fn get(config: &Config, user_agent: &str) -> Result<Response, ExchangeError> {
    if config.host.is_empty() {
        // Go would dial the local host (A2.31).
        return Err(ExchangeError::Impossible("the pod has no address yet".to_owned()));
    }
    let mut url = Url::of_probe(&config.scheme, &config.host, config.port, &config.path);
    let mut headers = RequestHeaders::new(&config.headers, user_agent);
    let mut redirects = 0;
    loop {
        let response = exchange::send(&url, &headers, config.http2)?;
        let location = response.location.as_ref();
        let next = match location.filter(|_| matches!(response.status, 301 | 302 | 303 | 307 | 308)) {
            Some(location) => {
                let next = url.join(location).ok_or_else(|| {
                    ExchangeError::Failed(format!("Get \"{url}\": failed to parse Location header \"{location}\""))
                })?;
                Some((next, location)).filter(|(next, _)| next.hostname() == url.hostname())
            }
            None => None,
        };
        let Some((next, location)) = next else {
            return Ok(response);
        };
        redirects += 1;
        if redirects >= MAX_REDIRECTS {
            return Err(ExchangeError::Failed(format!(
                "Get \"{location}\": stopped after 10 redirects"
            )));
        }
        headers.set_referer(&url, &next);
        url = next;
    }
}
