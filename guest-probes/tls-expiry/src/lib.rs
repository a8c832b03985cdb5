//! The component `tls-expiry`: a server's certificate is valid for long enough. What it does stands in `probelet_checks::tls_expiry`.

use probelet_checks::tls_expiry::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "tls-expiry")]
fn check(config: Config) -> Result<Verdict, Failure> {
    tls_expiry::check(&config)
}
