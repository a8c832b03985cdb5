//! Reaching for what is somebody else's.

use std::io::Read;

use probelet_plugin::{
    Verdict, container_exec, container_files, container_logs, container_stats,
    wasip2::{
        cli::{environment, stdin::get_stdin, terminal_stdin::get_terminal_stdin},
        filesystem::preopens::get_directories,
    },
};
use serde::Deserialize;

/// What other programs have.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Thing {
    /// Environment variables.
    Environment,
    /// Arguments.
    Arguments,
    /// A working directory.
    WorkingDirectory,
    /// Files of the host.
    Preopens,
    /// The same by the standard library.
    File,
    /// Somebody who types.
    Input,
    /// A terminal.
    Terminal,
}

fn list<T: std::fmt::Debug>(what: &str, found: &[T]) -> Verdict {
    match found {
        [] => Verdict::unhealthy(format!("there are no {what}")),
        found => Verdict::degraded(format!("{found:?}")),
    }
}

pub(crate) fn find(what: Thing) -> Verdict {
    match what {
        Thing::Environment => list("variables", &environment::get_environment()),
        Thing::Arguments => list("arguments", environment::get_arguments().get(1..).unwrap_or_default()),
        Thing::WorkingDirectory => match environment::initial_cwd() {
            Some(directory) => Verdict::degraded(directory),
            None => Verdict::unhealthy("there is no working directory"),
        },
        Thing::Preopens => list(
            "directories",
            &get_directories().iter().map(|one| &one.1).collect::<Vec<_>>(),
        ),
        Thing::File => match std::fs::read_to_string("/etc/passwd") {
            Ok(text) => Verdict::degraded(text),
            Err(error) => Verdict::unhealthy(format!("no file: {error}")),
        },
        Thing::Input => {
            let mut text = String::new();
            match std::io::stdin().read_to_string(&mut text) {
                Ok(0) => Verdict::unhealthy(format!("there is no input: {:?}", get_stdin().read(1).err())),
                Ok(_) => Verdict::degraded(text),
                Err(error) => Verdict::unhealthy(format!("no input: {error}")),
            }
        }
        Thing::Terminal => match get_terminal_stdin() {
            Some(_) => Verdict::degraded("a terminal"),
            None => Verdict::unhealthy("there is no terminal"),
        },
    }
}

pub(crate) fn exec(command: &[String], times: u32) -> Verdict {
    let mut verdict = Verdict::healthy();
    for _ in 0..times {
        verdict = match container_exec::exec(command, u32::MAX) {
            Ok(output) => Verdict::degraded(format!("ran and wrote {} bytes", output.stdout.len())),
            Err(error) => return Verdict::unhealthy(format!("{error:?}")),
        };
    }
    verdict
}

pub(crate) fn read(path: &str, length: u32) -> Verdict {
    match container_files::read(path, 0, length) {
        Ok(bytes) => Verdict::degraded(format!("read {} bytes", bytes.len())),
        Err(error) => Verdict::unhealthy(format!("{error:?}")),
    }
}

pub(crate) fn look(path: &str) -> Verdict {
    let found = [
        container_files::metadata(path).map(|found| format!("{found:?}")),
        container_files::list(path).map(|names| names.join(" ")),
        container_files::space(path).map(|space| format!("{space:?}")),
        container_files::read(path, u64::MAX, u32::MAX).map(|bytes| format!("{} bytes", bytes.len())),
    ];
    let got: Vec<&String> = found.iter().flatten().collect();
    match &found[0] {
        Err(error) if got.is_empty() => Verdict::unhealthy(format!("{error:?}")),
        _ => Verdict::degraded(format!("{got:?}")),
    }
}

pub(crate) fn logs(lines: u32) -> Verdict {
    match container_logs::tail(lines) {
        Ok(lines) => Verdict::degraded(format!("read {} lines", lines.len())),
        Err(error) => Verdict::unhealthy(error),
    }
}

pub(crate) fn stats(times: u32) -> Verdict {
    for _ in 0..times {
        if let Err(error) = container_stats::memory() {
            return Verdict::unhealthy(error);
        }
    }
    Verdict::degraded("knows what the container uses")
}
