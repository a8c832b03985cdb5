//! The handler `tcpSocket`: a connection that opens is enough (A2.21). It is closed at once; nothing is sent or read.
//!
//! In a hook Kubernetes accepts this handler and then fails with it (B1.11); here it works.

mod dial;

use dial::DialError;
use probelet_plugin_sdk::{Hook, Probe, Verdict, config, export_hook, export_probe};
use serde::Deserialize;

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
}

struct Tcp;

impl Probe for Tcp {
    fn check() -> Result<Verdict, String> {
        let Config { host, port } = config()?;
        match dial::dial(&host, port) {
            Ok(()) => Ok(Verdict::healthy()),
            Err(DialError::Failed(text)) => Ok(Verdict::unhealthy(text)),
            Err(DialError::Impossible(text)) => Err(text),
        }
    }
}

impl Hook for Tcp {
    fn run() -> Result<(), String> {
        let Config { host, port } = config()?;
        dial::dial(&host, port).map_err(|error| match error {
            DialError::Failed(text) | DialError::Impossible(text) => text,
        })
    }
}

export_probe!(Tcp);
export_hook!(Tcp);
