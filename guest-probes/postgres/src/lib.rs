//! The component `postgres`: a PostgreSQL server takes connections, and what a query comes to. What it does stands in `probelet_checks::postgres`.

use probelet_checks::postgres::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "postgres")]
fn check(config: Config) -> Result<Verdict, Failure> {
    postgres::check(&config)
}
