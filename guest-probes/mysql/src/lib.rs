//! The component `mysql`: a MySQL or MariaDB server takes connections. What it does stands in `probelet_checks::mysql`.

use probelet_checks::mysql::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "mysql")]
fn check(config: Config) -> Result<Verdict, Failure> {
    mysql::check(&config)
}
