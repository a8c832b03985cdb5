//! Probes and handlers as `kubectl describe` shows them (C5.2).

use std::fmt::Display;

use serde_json::Value;

use crate::{
    Handler, Probe,
    check::{Object, Report},
    defaults, fields, probe,
};

impl Probe {
    /// The probe on one line, such as
    /// `http-get http://:80/index.html delay=3s timeout=1s period=3s #success=1 #failure=3`.
    pub fn describe(&self) -> String {
        format!(
            "{} delay={}s timeout={}s period={}s #success={} #failure={}",
            self.handler.describe(),
            self.initial_delay.as_secs(),
            self.timeout.as_secs(),
            self.period.as_secs(),
            self.success_threshold,
            self.failure_threshold
        )
    }
}

impl Handler {
    /// The handler on one line, such as `exec [cat /tmp/health]`, `http-get http://:80/` or `tcp-socket :80`.
    pub fn describe(&self) -> String {
        match self {
            Self::Exec { command } => format!("exec [{}]", command.join(" ")),
            Self::HttpGet(get) => {
                let scheme = get.scheme.to_string().to_lowercase();
                let slash = if get.path.starts_with('/') { "" } else { "/" };
                let address = address(get.host.as_deref(), &get.port);
                // Go prints a URL's path escaped; of what stands in manifests that is the question mark.
                format!("http-get {scheme}://{address}{slash}{}", get.path.replace('?', "%3F"))
            }
            Self::TcpSocket(socket) => format!("tcp-socket {}", address(socket.host.as_deref(), &socket.port)),
            Self::Sleep { seconds } => format!("sleep {seconds}s"),
        }
    }
}

/// The probe of a container's document on one line, with defaults where it says nothing; `unknown` if it has none that
/// this crate understands, for the document may be a newer server's.
pub fn describe_probe(document: &Value) -> String {
    let (mut document, report) = (document.clone(), Report::default());
    defaults::fill_probe(&mut document);
    let object = Object::new(&document, "", &fields::PROBE, &report);
    match object.and_then(|object| probe::probe(&object, probe::Role::Readiness, &[])) {
        Some(probe) => probe.describe(),
        None => "unknown".to_owned(),
    }
}

/// `host:port`, with brackets around an IPv6 address.
fn address(host: Option<&str>, port: &dyn Display) -> String {
    match host {
        Some(host) if host.contains(':') => format!("[{host}]:{port}"),
        host => format!("{}:{port}", host.unwrap_or_default()),
    }
}
