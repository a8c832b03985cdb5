//! `cargo xtask`: set-up, build, tests, images, demo and measurements, with nothing to install beforehand but rustup.
//!
//! It keeps three rules: it says what it is about to do; it can be run again at any time, and does nothing where
//! nothing is missing; and what it installs for itself stays in `~/.cache/probelet`, not in anybody's `PATH`.
//! It knows nothing of how probelet works: it runs the same binaries and commands as a user.

mod bench;
mod build;
mod checks;
mod demo;
mod guests;
mod images;
mod languages;
mod mutants;
mod process;
mod setup;
mod tally;
mod test;
mod tools;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};

/// A command, its arguments and what it does, in the order in which a newcomer needs them.
const COMMANDS: &[(&str, &str, &str)] = &[
    (
        "setup",
        "[--check] [--bench]",
        "say what is missing and why, and install it; --check only says",
    ),
    (
        "build",
        "[--release]",
        "build the built-in components, then probelet and its shim",
    ),
    (
        "images",
        "",
        "make the images that the demo and the tests run, from Debian packages",
    ),
    (
        "demo",
        "",
        "set up, build, and watch a liveness probe restart a real container",
    ),
    (
        "test",
        "[SUITE…]",
        "set up, then run every suite or those named: lint, unit, e2e, seed, hostile, leftovers",
    ),
    (
        "lint",
        "",
        "formatting, clippy, dependencies, documentation: the same as `test lint`",
    ),
    (
        "mutants",
        "[OPTION…]",
        "change the state machine in one place at a time, and see a test fail; one to two hours",
    ),
    (
        "bench",
        "[exec|plugin|simulate]",
        "measure an exec probe beside crun and runc, plugins beside the same done natively, a simulated day",
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> anyhow::Result<()> {
    let root = repository()?;
    match arguments {
        [] | ["help" | "--help" | "-h"] => {
            print!("{}", usage());
            Ok(())
        }
        ["setup", options @ ..] => setup::run(&root, setup::Options::parse(options)?),
        ["build"] => build::run(&root, build::Profile::Dev).map(drop),
        ["build", "--release"] => build::run(&root, build::Profile::Release).map(drop),
        ["images"] => images::run_for_tests(&root).map(drop),
        ["demo"] => demo::run(&root),
        ["test", suites @ ..] => test::run(&root, suites),
        ["lint"] => test::run(&root, &["lint"]),
        ["mutants", options @ ..] => mutants::run(&root, options),
        ["bench"] => {
            bench::plugin(&root)?;
            bench::simulate(&root)?;
            bench::run(&root)
        }
        ["bench", "exec"] => bench::run(&root),
        ["bench", "plugin"] => bench::plugin(&root),
        ["bench", "simulate"] => bench::simulate(&root),
        [bench::RUNTIMES, bundle, samples] => bench::runtimes::run(Path::new(bundle), samples.parse()?),
        other => bail!("cannot do `{}`\n\n{}", other.join(" "), usage()),
    }
}

fn usage() -> String {
    let mut text = String::from("cargo xtask COMMAND\n\n");
    for (name, arguments, purpose) in COMMANDS {
        text.push_str(&format!("  {:28}{purpose}\n", format!("{name} {arguments}")));
    }
    text
}

/// The repository that this xtask was built from: what it does does not depend on the current directory.
fn repository() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the repository")?;
    Ok(root.to_owned())
}
