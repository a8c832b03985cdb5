//! A command that has ended, and what it said.

use std::process::Command;

/// What came of a command.
#[derive(Debug)]
pub struct Finished {
    /// The command, for messages.
    pub line: String,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Finished {
    /// Runs a command to its end.
    pub fn run(command: &mut Command) -> Finished {
        let line = format!("{command:?}");
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("cannot run {line}: {error}"));
        Finished {
            line,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts that it succeeded, and returns what it printed.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    /// Asserts that it failed with this exit code, and that its complaint holds each of these texts.
    #[track_caller]
    pub fn failure(self, code: i32, texts: &[&str]) -> String {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in texts {
            assert!(self.stderr.contains(text), "`{text}` is missing: {self:#?}");
        }
        self.stderr
    }
}
