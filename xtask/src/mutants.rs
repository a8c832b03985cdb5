//! Mutants of the state machine: each is the machine with one thing wrong, and a test must notice it.
//!
//! It takes one to two hours, so no suite runs it. What is let pass, and why, stands in `.cargo/mutants.toml`.

use std::{path::Path, process::Command};

use crate::{process, tools};

/// Cases of the property test for each mutant: a second's worth. The property test is for what nobody thought of; a
/// mutant that only luck finds has no test of its own yet.
const PROPERTY_CASES: &str = "8";

/// Runs the mutants, or those that `options` of cargo-mutants choose, such as `--shard 0/4` or `--file`.
pub(crate) fn run(root: &Path, options: &[&str]) -> anyhow::Result<()> {
    tools::install_cargo_mutants(root)?;
    let mut command = Command::new(tools::cargo_mutants()?);
    command
        .current_dir(root)
        .args(["mutants", "--package", "probelet-lifecycle", "--output", "target"])
        .args(options)
        // The exploration of small pods finds most of them too, but takes as long as all other tests together.
        .args(["--", "--lib", "--test", "machine", "--", "--skip", "explore"])
        .env("PROPTEST_CASES", PROPERTY_CASES)
        .env("CARGO_PROFILE_DEV_DEBUG", "none");
    process::run(&mut command)
}
