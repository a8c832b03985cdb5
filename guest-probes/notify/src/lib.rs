//! The component `notify`: tells somebody by HTTP. What it does stands in `probelet_checks::notify`.

use probelet_checks::notify::{self, Config};
use probelet_plugin::Failure;

#[probelet_plugin::hook(name = "notify", grants("network: [\"host.of.the.url:443\"]"))]
fn run(config: Config) -> Result<(), Failure> {
    notify::run(&config)
}
