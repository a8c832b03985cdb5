//! The component `disk-space`: how full a file system is. What it does stands in `probelet_checks::disk_space`.

use probelet_checks::disk_space::{self, Config};
use probelet_plugin::{Failure, Verdict};

#[probelet_plugin::probe(name = "disk-space", grants("files: [\"/path/on/the/file/system\"]"))]
fn check(config: Config) -> Result<Verdict, Failure> {
    disk_space::check(&config)
}
