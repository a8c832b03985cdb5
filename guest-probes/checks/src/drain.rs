//! A hook before the stop: waits until no request is under way, by what the application's metrics say.
//!
//! It ends early when all is quiet. If time runs out first, it fails with what is still under way; the container is
//! stopped then all the same.

use probelet_plugin::Failure;

use crate::{quiet::Wait, source::Source};

/// What is waited for.
#[probelet_plugin::config]
pub struct Config {
    /// The number of requests that are under way.
    pub requests: Source,
    /// How it is waited for.
    #[serde(default)]
    pub wait: Wait,
}

/// Waits.
pub fn run(config: &Config) -> Result<(), Failure> {
    config.wait.until_quiet("requests", || config.requests.read())
}
