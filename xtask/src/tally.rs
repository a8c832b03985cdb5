//! Counts of what passed and what failed, taken from what the tests themselves print.

use std::{
    io::{BufRead, BufReader},
    ops::AddAssign,
    process::{Command, Stdio},
};

use anyhow::Context;

use crate::process;

/// What a run of tests came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tally {
    /// One check that either holds or does not.
    pub(crate) fn check(holds: bool) -> Tally {
        Tally {
            passed: u64::from(holds),
            failed: u64::from(!holds),
            ignored: 0,
        }
    }

    /// Reads libtest's closing line: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn parse(line: &str) -> Option<Tally> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut tally = Tally::default();
        for part in counts.split("; ") {
            let (number, word) = part.split_once(' ')?;
            match word {
                "passed" => tally.passed = number.parse().ok()?,
                "failed" => tally.failed = number.parse().ok()?,
                "ignored" => tally.ignored = number.parse().ok()?,
                _ => {}
            }
        }
        Some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Runs `cargo test` with its output shown as it comes, and adds up what its test programs report.
///
/// A failure that no report accounts for (a program that does not compile, or that a signal ends) counts as one.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Tally> {
    let line = process::line(command);
    println!("$ {line}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let stdout = child.stdout.take().context("stdout was asked for as a pipe")?;
    let mut sum = Tally::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(tally) = Tally::parse(&line) {
            sum += tally;
        }
    }
    let status = child.wait()?;
    if !status.success() && sum.failed == 0 {
        println!("`{line}` ended with {status}: counted as one failure");
        sum.failed = 1;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_closing_line_of_a_test_program() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.31s";
        assert_eq!(
            Tally::parse(line),
            Some(Tally {
                passed: 12,
                failed: 2,
                ignored: 1
            })
        );
        assert_eq!(Tally::parse("test seed::row ... ok"), None);
    }

    #[test]
    fn counts_a_program_that_ends_without_a_report_as_a_failure() {
        let tally = run(Command::new("sh").args(["-c", "echo 'test result: ok. 3 passed; 0 failed'; kill -9 $$"]));
        assert_eq!(
            tally.expect("sh runs"),
            Tally {
                passed: 3,
                failed: 1,
                ignored: 0
            }
        );
    }
}
