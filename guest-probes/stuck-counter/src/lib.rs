//! The component `stuck-counter`: a counter moves while there is work. What it does stands in `probelet_checks::stuck_counter`.

use probelet_checks::stuck_counter::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "stuck-counter")]
fn check(config: Config) -> Result<Verdict, Failure> {
    stuck_counter::check(&config)
}
