//! The component `http-assert`: an HTTP server's answer is what it should be. What it does stands in `probelet_checks::http_assert`.

use probelet_checks::http_assert::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "http-assert")]
fn check(config: Config) -> Result<Verdict, Failure> {
    http_assert::check(&config)
}
