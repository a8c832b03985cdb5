//! The component `file-freshness`: a file is written again and again. What it does stands in `probelet_checks::file_freshness`.

use probelet_checks::file_freshness::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "file-freshness", grants("files: [\"/path/of/the/file\"]"))]
fn check(config: Config) -> Result<Verdict, Failure> {
    file_freshness::check(&config)
}
