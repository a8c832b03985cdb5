//! The handler `exec`: runs a command in the container; the exit code decides (A2.29 to A2.34, B1.5).

use probelet_plugin::{
    Hook, Probe, Verdict, config,
    container_exec::{self, Error, Output},
    export_hook, export_probe, timeout_text,
};
use serde::Deserialize;

/// As much output as the kubelet keeps (A2.32).
const MAX_OUTPUT: usize = 10 << 10;

#[derive(Deserialize)]
struct Config {
    command: Vec<String>,
}

struct Exec;

impl Probe for Exec {
    fn check() -> Result<Verdict, String> {
        let Config { command } = config()?;
        match run(&command)? {
            Ended::InTime { exit_code: 0, .. } => Ok(Verdict::healthy()),
            Ended::InTime { exit_code, output } if output.is_empty() => Ok(Verdict::unhealthy(format!(
                "command '{}' exited with {exit_code}",
                command.join(" ")
            ))),
            Ended::InTime { output, .. } => Ok(Verdict::unhealthy(output)),
            Ended::TimedOut => Ok(Verdict::unhealthy(timed_out(&command))),
        }
    }
}

impl Hook for Exec {
    fn run() -> Result<(), String> {
        let Config { command } = config()?;
        match run(&command)? {
            Ended::InTime { exit_code: 0, .. } => Ok(()),
            Ended::InTime { exit_code, output } => Err(format!(
                "command '{}' exited with {exit_code}: {output}",
                command.join(" ")
            )),
            Ended::TimedOut => Err(timed_out(&command)),
        }
    }
}

export_probe!(Exec);
export_hook!(Exec);

enum Ended {
    InTime { exit_code: i32, output: String },
    TimedOut,
}

/// Runs the command. An error is not the command's.
fn run(command: &[String]) -> Result<Ended, String> {
    match container_exec::exec(command, MAX_OUTPUT as u32) {
        Ok(output) => Ok(Ended::InTime {
            exit_code: output.exit_code,
            output: text(output),
        }),
        Err(Error::TimedOut) => Ok(Ended::TimedOut),
        Err(Error::NotRunning) => Err("the container is not running".to_owned()),
        Err(Error::NotGranted(reason) | Error::Host(reason)) => Err(reason),
    }
}

/// Standard output, then standard error, cut (A2.32).
fn text(output: Output) -> String {
    let mut bytes = output.stdout;
    bytes.extend_from_slice(&output.stderr);
    bytes.truncate(MAX_OUTPUT);
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// The kubelet's words (A2.33).
fn timed_out(command: &[String]) -> String {
    format!(
        "command timed out: \"{}\" timed out after {}",
        command.join(" "),
        timeout_text()
    )
}
