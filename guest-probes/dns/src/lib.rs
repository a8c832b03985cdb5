//! The component `dns`: a DNS server answers what it should. What it does stands in `probelet_checks::dns`.

use probelet_checks::dns::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "dns")]
fn check(config: Config) -> Result<Verdict, Failure> {
    dns::check(&config)
}
