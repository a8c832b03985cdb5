//! The component `memory-trend`: memory that grows and grows. What it does stands in `probelet_checks::memory_trend`.

use probelet_checks::memory_trend::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "memory-trend", grants("stats: true"))]
fn check(config: Config) -> Result<Verdict, Failure> {
    memory_trend::check(&config)
}
