//! The component `log-pattern`: what the container writes. What it does stands in `probelet_checks::log_pattern`.

use probelet_checks::log_pattern::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "log-pattern", grants("logs: true"))]
fn check(config: Config) -> Result<Verdict, Failure> {
    log_pattern::check(&config)
}
