//! The component `redis`: a Redis or Valkey server answers, is what it should be, and follows its master. What it does stands in `probelet_checks::redis`.

use probelet_checks::redis::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "redis")]
fn check(config: Config) -> Result<Verdict, Failure> {
    redis::check(&config)
}
