//! Requests by HTTP, one answer each, in bounds.
//!
//! In a component the host sends them: `https` is its business, and certificates are checked against the node's
//! authorities. In a native test they are sent over a plain connection, and `https` is refused.
//!
//! ```
//! use std::{io::{Read, Write}, net::TcpListener};
//! use probelet_plugin::{http::Request, testing::Host};
//!
//! let listener = TcpListener::bind("127.0.0.1:0").unwrap();
//! let url = format!("http://{}/healthz", listener.local_addr().unwrap());
//! let server = std::thread::spawn(move || {
//!     let (mut client, _) = listener.accept().unwrap();
//!     client.read(&mut [0; 1024]).unwrap();
//!     client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"up\":true}").unwrap();
//! });
//!
//! let response = Host::default().run(|| Request::get(url).send(1024)).unwrap();
//! assert_eq!(response.status, 200);
//! assert_eq!(response.json().unwrap()["up"], true);
//! # server.join().unwrap();
//! ```

#[cfg(not(target_family = "wasm"))]
mod native;
mod url;
#[cfg(target_family = "wasm")]
mod wasi;

#[cfg(not(target_family = "wasm"))]
use native as system;
#[cfg(target_family = "wasm")]
use wasi as system;

use crate::{Failure, timeout_text};
use url::Url;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request with any method. The URL has a scheme and a host: `http://10.0.0.7:8080/healthz`.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// `GET`, without a body.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// `POST`.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", url).body(body)
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it, and reads the response with at most `limit` bytes of its body. Redirects are not followed.
    ///
    /// A server that does not answer is unhealthy. A URL that is none, and a host that is not granted, are errors of the
    /// check.
    pub fn send(&self, limit: usize) -> Result<Response, Failure> {
        let url = Url::parse(&self.url).ok_or_else(|| Failure::Errored(format!("`{}` is no http URL", self.url)))?;
        let no_text = |text: &str| text.bytes().any(|byte| byte.is_ascii_control());
        if let Some((name, _)) = self
            .headers
            .iter()
            .find(|(name, value)| no_text(name) || no_text(value))
        {
            return Err(Failure::Errored(format!(
                "the header `{}` has control characters in it",
                name.escape_debug()
            )));
        }
        system::send(self, &url, limit).map_err(|error| match error {
            SendError::Impossible(reason) => Failure::Errored(format!("{} {}: {reason}", self.method, self.url)),
            SendError::TimedOut => Failure::Unhealthy(format!(
                "{} {}: no answer within {}",
                self.method,
                self.url,
                timeout_text()
            )),
            SendError::Failed(reason) => Failure::Unhealthy(format!("{} {}: {reason}", self.method, self.url)),
        })
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, as they came.
    pub headers: Vec<(String, String)>,
    /// The body's beginning.
    pub body: Vec<u8>,
    /// Whether the body was longer than the limit.
    pub truncated: bool,
}

impl Response {
    /// The first header of a name, whose case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON. One that is none, or is longer than the limit, is unhealthy.
    pub fn json(&self) -> Result<serde_json::Value, Failure> {
        if self.truncated {
            return Err(Failure::Unhealthy(format!(
                "the body has more than {} bytes",
                self.body.len()
            )));
        }
        serde_json::from_slice(&self.body).map_err(|error| Failure::Unhealthy(format!("the body is no JSON: {error}")))
    }
}

/// Why there is no response.
// Without a host nothing is refused.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
enum SendError {
    Impossible(String),
    TimedOut,
    Failed(String),
}
