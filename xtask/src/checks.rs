//! The suite `lint`: what can be said of the source without running it.

use std::{path::Path, process::Command};

use crate::{process, tally::Tally, tools};

/// Runs all checks, even after one has failed, and counts each as one.
pub(crate) fn run(root: &Path) -> anyhow::Result<Tally> {
    let mut sum = Tally::default();
    let mut check = |command: &mut Command| {
        let result = process::run(command);
        if let Err(error) = &result {
            println!("FAILED: {error:#}");
        }
        sum += Tally::check(result.is_ok());
    };
    check(process::cargo(root).args(["fmt", "--all", "--check"]));
    check(process::cargo(root).args(["fmt", "--all", "--check", "--manifest-path", "guest-probes/Cargo.toml"]));
    check(process::cargo(root).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]));
    check(deny(root)?.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]));
    check(
        process::cargo(root)
            .args([
                "doc",
                "--workspace",
                "--no-deps",
                "--locked",
                "--document-private-items",
            ])
            .env("RUSTDOCFLAGS", "-D warnings"),
    );
    if let Some(tally) = advisories(root)? {
        sum += tally;
    }
    Ok(sum)
}

/// Known faults in dependencies. The database of them lies on GitHub; where that cannot be reached, this says so and
/// counts nothing, since it is no fault of the source.
fn advisories(root: &Path) -> anyhow::Result<Option<Tally>> {
    if process::output(deny(root)?.arg("fetch").arg("db")).is_err() {
        println!("skipped: cargo deny check advisories: the advisory database cannot be fetched from here");
        return Ok(None);
    }
    let result = process::run(deny(root)?.args(["check", "--hide-inclusion-graph", "advisories"]));
    if let Err(error) = &result {
        println!("FAILED: {error:#}");
    }
    Ok(Some(Tally::check(result.is_ok())))
}

fn deny(root: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(tools::cargo_deny()?);
    command.current_dir(root);
    Ok(command)
}
