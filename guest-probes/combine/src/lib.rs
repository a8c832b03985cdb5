//! The component `combine`: several checks as one. What it does stands in `probelet_checks::combine`.

use probelet_checks::combine::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "combine")]
fn check(config: Config) -> Result<Verdict, Failure> {
    combine::check(&config)
}
