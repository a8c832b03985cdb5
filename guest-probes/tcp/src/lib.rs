//! The handler `tcpSocket`: a connection that opens is enough (A2.21). It is closed at once; nothing is sent or read.
//!
//! In a hook Kubernetes accepts this handler and then fails with it (B1.11); here it works.

use std::net::IpAddr;

use probelet_plugin::{
    Hook, Probe, Verdict, config,
    exchange::{Failure, connect},
    export_hook, export_probe,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
}

struct Tcp;

impl Probe for Tcp {
    fn check() -> Result<Verdict, String> {
        match dial(&config()?) {
            Ok(()) => Ok(Verdict::healthy()),
            Err(DialError::Failed(text)) => Ok(Verdict::unhealthy(text)),
            Err(DialError::Impossible(text)) => Err(text),
        }
    }
}

impl Hook for Tcp {
    fn run() -> Result<(), String> {
        dial(&config()?).map_err(|error| match error {
            DialError::Failed(text) | DialError::Impossible(text) => text,
        })
    }
}

export_probe!(Tcp);
export_hook!(Tcp);

/// Why there is no connection.
enum DialError {
    /// The other side, or the time.
    Failed(String),
    /// It could not even be tried.
    Impossible(String),
}

fn dial(Config { host, port }: &Config) -> Result<(), DialError> {
    if host.is_empty() {
        // Go would dial the local host (A2.31).
        return Err(DialError::Impossible("the pod has no address yet".to_owned()));
    }
    connect(host, *port).map_err(|failure| match failure {
        Failure::Failed(text) => DialError::Failed(text),
        Failure::TimedOut => DialError::Failed(format!("dial tcp {host}:{port}: i/o timeout")),
        Failure::NotGranted if host.parse::<IpAddr>().is_err() => {
            DialError::Impossible(format!("looking up {host} is not granted"))
        }
        Failure::NotGranted => DialError::Impossible(format!("connecting to {host}:{port} is not granted")),
    })
}
