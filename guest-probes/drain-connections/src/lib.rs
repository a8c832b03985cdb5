//! The component `drain-connections`: waits until a port has no open connections. What it does stands in `probelet_checks::drain_connections`.

use probelet_checks::drain_connections::{self, Config};
use probelet_plugin::Failure;

#[probelet_plugin::hook(name = "drain-connections", grants("exec: [[cat, /proc/net/tcp, /proc/net/tcp6]]"))]
fn run(config: Config) -> Result<(), Failure> {
    drain_connections::run(&config)
}
