//! The component `warm-up`: asks for pages until they come as they should. What it does stands in `probelet_checks::warm_up`.

use probelet_checks::warm_up::{self, Config};
use probelet_plugin::Failure;

#[probelet_plugin::hook(name = "warm-up")]
fn run(config: Config) -> Result<(), Failure> {
    warm_up::run(&config)
}
