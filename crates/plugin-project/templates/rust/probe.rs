//! Asks a server that answers by lines, and is content if the answer begins as it should.

use probelet_plugin::net::{Endpoint, Port};
use probelet_plugin::{Failure, Verdict};

/// What stands below `config` in the manifest.
#[probelet_plugin::config]
struct Config {
    /// Where the server listens.
    port: Port,
    /// What it is asked.
    #[serde(default)]
    send: String,
    /// How its answer begins.
    #[serde(default)]
    expect: String,
}

#[probelet_plugin::probe]
fn check(config: Config) -> Result<Verdict, Failure> {
    let mut server = Endpoint::new(None, Some(&config.port), 0)?.converse()?;
    server.send(&config.send)?;
    let answer = server.line(4096)?;
    if !answer.starts_with(&config.expect) {
        return Ok(Verdict::unhealthy(format!("it answered `{answer}`")));
    }
    Ok(Verdict::healthy().with("answer", answer))
}
