//! The library of checks against the real servers: healthy, sick and gone; and the cases that come with the checks.
//!
//! Each check runs as its author would run it, by `probelet plugin run`: no agent, no pod.

mod cases;
mod containers;
mod databases;
mod logins;
mod names;
mod secure;
mod server;
mod web;

use std::process::Command;

use probelet_tests::{agent::binary, finished::Finished};
use serde_json::Value;

/// What came of one run.
pub(crate) struct Run {
    pub(crate) outcome: String,
    pub(crate) message: String,
    pub(crate) fields: Value,
}

/// Runs a check of the library against an address. `more` are further options.
#[track_caller]
pub(crate) fn run(check: &str, config: &Value, address: &str, more: &[&str]) -> Run {
    run_with(check, config, address, more, &[])
}

/// The same with variables of the environment.
#[track_caller]
pub(crate) fn run_with(check: &str, config: &Value, address: &str, more: &[&str], environment: &[(&str, &str)]) -> Run {
    let mut command = Command::new(binary("probelet"));
    command.args([
        "--state-dir",
        "/nonexistent",
        "plugin",
        "run",
        &format!("builtin:{check}"),
        "--output",
        "json",
    ]);
    command
        .envs(environment.iter().copied())
        .args(["--against", address, "--config", &config.to_string()])
        .args(more);
    let finished = Finished::run(&mut command);
    let answer: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:#?}"));
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let outcome = text("outcome");
    let is_good = ["healthy", "degraded", "succeeded"].contains(&outcome.as_str());
    assert_eq!(finished.code == Some(0), is_good, "{finished:#?}");
    Run {
        outcome,
        message: text("message"),
        fields: answer["fields"].clone(),
    }
}

impl Run {
    /// Asserts the outcome, and that the message has a text in it.
    #[track_caller]
    pub(crate) fn is(self, outcome: &str, text: &str) -> Value {
        let Self { message, fields, .. } = &self;
        assert_eq!(self.outcome, outcome, "{message} {fields}");
        assert!(message.contains(text), "`{text}` is missing in: {message}");
        self.fields
    }
}

/// What each check finds when its server is silent, and when it is gone.
#[track_caller]
pub(crate) fn silent_then_gone(check: &str, config: &Value, server: server::Server) {
    let address = server.address();
    server.freeze();
    run(check, config, &address, &["--timeout", "300ms"]).is("unhealthy", "within 300ms");
    drop(server);
    run(check, config, &address, &[]).is("unhealthy", "connection refused");
}
