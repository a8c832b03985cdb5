//! The component `nats`: a NATS server answers. What it does stands in `probelet_checks::nats`.

use probelet_checks::nats::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "nats")]
fn check(config: Config) -> Result<Verdict, Failure> {
    nats::check(&config)
}
