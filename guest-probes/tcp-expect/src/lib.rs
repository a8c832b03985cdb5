//! The component `tcp-expect`: a server says what it should say. What it does stands in `probelet_checks::tcp_expect`.

use probelet_checks::tcp_expect::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "tcp-expect")]
fn check(config: Config) -> Result<Verdict, Failure> {
    tcp_expect::check(&config)
}
