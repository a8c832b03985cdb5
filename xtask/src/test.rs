//! `cargo xtask test`: the suites, one after the other, and what they came to.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::Command,
    time::Instant,
};

use anyhow::bail;

use crate::{build, checks, guests, images, languages, process, setup, tally, tally::Tally};

/// A suite's name and what it runs.
struct Suite {
    name: &'static str,
    run: fn(&Path) -> anyhow::Result<Tally>,
}

/// The quick ones come first; `leftovers` counts what is on the machine, so nothing may run beside it.
const SUITES: [Suite; 8] = [
    Suite {
        name: "lint",
        run: checks::run,
    },
    Suite {
        name: "unit",
        run: unit,
    },
    Suite {
        name: "checks",
        run: |root| end_to_end(root, "checks"),
    },
    Suite {
        name: "e2e",
        run: |root| end_to_end(root, "e2e"),
    },
    Suite {
        name: "seed",
        run: |root| end_to_end(root, "seed"),
    },
    Suite {
        name: "hostile",
        run: |root| end_to_end(root, "hostile"),
    },
    Suite {
        name: "languages",
        run: languages,
    },
    Suite {
        name: "leftovers",
        run: |root| end_to_end(root, "leftovers"),
    },
];

/// Crates whose tests make namespaces, mounts, cgroups or containers.
const NEED_ROOT: [&str; 6] = [
    "probelet-container",
    "probelet-engine",
    "probelet-image",
    "probelet-network",
    "probelet-node",
    "probelet-shim",
];

/// Most of an end-to-end test is waiting for a probe's next turn, so far more of them run at once than there are cores.
const END_TO_END_THREADS: &str = "--test-threads=16";

/// Sets up and runs the named suites, or all. Fails if anything failed.
pub(crate) fn run(root: &Path, names: &[&str]) -> anyhow::Result<()> {
    let known = SUITES.map(|suite| suite.name);
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        bail!("there is no suite `{unknown}`; there are: {}", known.join(", "));
    }
    setup::run(root, setup::Options::TEST)?;
    // Every suite compiles the crate that embeds them.
    guests::run(root)?;
    let chosen: Vec<&Suite> = SUITES
        .iter()
        .filter(|suite| names.is_empty() || names.contains(&suite.name))
        .collect();
    let mut sum = Tally::default();
    let mut report = Vec::new();
    for (index, suite) in chosen.iter().enumerate() {
        println!("\n==> suite {} of {}: {}", index + 1, chosen.len(), suite.name);
        let begin = Instant::now();
        let tally = (suite.run)(root).unwrap_or_else(|error| {
            println!("the suite {} could not be run: {error:#}", suite.name);
            Tally::check(false)
        });
        sum += tally;
        let line = describe(suite.name, tally, begin.elapsed().as_secs());
        println!("<== {line}");
        report.push(line);
    }
    println!("\n{}", report.join("\n"));
    println!("{} passed, {} failed", sum.passed, sum.failed);
    if sum.failed > 0 {
        bail!("tests failed: see above");
    }
    Ok(())
}

fn describe(name: &str, tally: Tally, seconds: u64) -> String {
    let ignored = if tally.ignored > 0 {
        format!(", {} ignored", tally.ignored)
    } else {
        String::new()
    };
    format!(
        "{name}: {} passed, {} failed{ignored} ({}m{:02}s)",
        tally.passed,
        tally.failed,
        seconds / 60,
        seconds % 60
    )
}

/// The tests beside the code and the examples in its documentation.
fn unit(root: &Path) -> anyhow::Result<Tally> {
    let workspace = || {
        let mut cargo = cargo_test(root);
        cargo.args(["--workspace", "--exclude", "probelet-tests"]);
        cargo
    };
    let guests = tally::run(&mut guests::native_tests(root))?;
    if process::is_root() {
        let mut sum = tally::run(&mut workspace())?;
        sum += guests;
        return Ok(sum);
    }
    let mut unprivileged = workspace();
    for package in NEED_ROOT {
        unprivileged.args(["--exclude", package]);
    }
    let mut sum = tally::run(&mut unprivileged)?;
    sum += guests;
    match process::as_root() {
        Ok(prefix) => {
            let mut privileged = cargo_test(root);
            for package in NEED_ROOT {
                privileged.args(["--package", package]);
            }
            sum += tally::run(with_runner(&mut privileged, &prefix))?;
        }
        Err(reason) => println!("skipped: the tests of {}: {reason}", NEED_ROOT.join(", ")),
    }
    Ok(sum)
}

/// Checks in each language, built with its compiler.
fn languages(root: &Path) -> anyhow::Result<Tally> {
    let mut variables = guests::environment(root)?;
    variables.push(("PATH", languages::path()?));
    // Under `sudo` the compilers are this user's all the same.
    variables.extend(std::env::var_os("HOME").map(|home| ("HOME", home)));
    let mut lines = OsString::new();
    for (name, value) in variables {
        lines.push(name);
        lines.push("=");
        lines.push(value);
        lines.push("\n");
    }
    end_to_end_with(root, "languages", &lines)
}

fn end_to_end(root: &Path, suite: &str) -> anyhow::Result<Tally> {
    end_to_end_with(root, suite, OsStr::new(""))
}

/// One suite of the crate `probelet-tests`, against the built binaries and the made images. The lines `NAME=VALUE` are for
/// the compilers that the tests run: the cargo that builds the tests must not take them for its own.
fn end_to_end_with(root: &Path, suite: &str, compilers: &OsStr) -> anyhow::Result<Tally> {
    let prefix = match process::as_root() {
        Ok(prefix) => prefix,
        Err(reason) => {
            println!("skipped: {suite}: {reason}");
            return Ok(Tally::default());
        }
    };
    let binaries = build::run(root, build::Profile::Dev)?;
    let images = images::run_for_tests(root)?;
    let mut cargo = cargo_test(root);
    cargo.args(["--package", "probelet-tests", "--test", suite]);
    with_runner(&mut cargo, &prefix);
    cargo.args(["--", END_TO_END_THREADS]);
    cargo
        .env("PROBELET_BIN_DIR", binaries)
        .env("PROBELET_COMPILERS", compilers)
        .env("PROBELET_IMAGES", images.archives_variable()?);
    tally::run(&mut cargo)
}

fn cargo_test(root: &Path) -> Command {
    let mut cargo = process::cargo(root);
    cargo.args(["test", "--no-fail-fast", "--locked"]);
    cargo
}

/// Has cargo build the tests as this user, and run them through `sudo`.
fn with_runner<'a>(cargo: &'a mut Command, prefix: &[&str]) -> &'a mut Command {
    if !prefix.is_empty() {
        let keep = "--preserve-env=PATH,PROBELET_BIN_DIR,PROBELET_COMPILERS,PROBELET_IMAGES";
        let words = [prefix, &[keep]].concat().join("\", \"");
        cargo.args(["--config", &format!("target.'cfg(all())'.runner = [\"{words}\"]")]);
    }
    cargo
}
