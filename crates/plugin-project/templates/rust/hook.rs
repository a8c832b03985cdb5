//! Tells a server, by a line, that the container has started or is to stop, and waits for its answer.

use probelet_plugin::Failure;
use probelet_plugin::net::{Endpoint, Port};

/// What stands below `config` in the manifest.
#[probelet_plugin::config]
struct Config {
    /// Where the server listens.
    port: Port,
    /// What it is told.
    #[serde(default)]
    send: String,
}

#[probelet_plugin::hook]
fn run(config: Config) -> Result<(), Failure> {
    let mut server = Endpoint::new(None, Some(&config.port), 0)?.converse()?;
    server.send(&config.send)?;
    server.line(4096)?;
    Ok(())
}
