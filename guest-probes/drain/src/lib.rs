//! The component `drain`: waits until no request is under way. What it does stands in `probelet_checks::drain`.

use probelet_checks::drain::{self, Config};
use probelet_plugin::Failure;

#[probelet_plugin::hook(name = "drain")]
fn run(config: Config) -> Result<(), Failure> {
    drain::run(&config)
}
