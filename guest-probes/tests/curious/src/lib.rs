//! A plugin that uses everything that the contract offers, as its configuration says: the engine's tests are driven with
//! it, and its first build is kept to prove that later hosts still run it.

use probelet_plugin::{
    Describe, Hook, Probe, Verdict, config, container_exec, container_files, container_logs, container_stats, context,
    export_description, export_hook, export_probe, state,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "look")]
enum Look {
    /// Count the runs of this check for this instance of the container.
    State,
    /// Leave this much to the next run.
    Keep { bytes: usize },
    /// Leave something, and trap.
    KeepAndTrap,
    /// Run a command.
    Exec { command: Vec<String> },
    /// Say what the container uses.
    Stats,
    /// Say what the container has written.
    Logs { lines: u32 },
    /// Read a file.
    Read { path: String, offset: u64, length: u32 },
    /// Say what is at a path.
    Metadata { path: String },
    /// Say what is in a folder.
    List { path: String },
    /// Say how full a file system is.
    Space { path: String },
    /// Say what an environment variable is.
    Variable { name: String },
}

struct Curious;

impl Probe for Curious {
    fn check() -> Result<Verdict, String> {
        Ok(match config()? {
            Look::State => {
                let last = state::get().map_or(0, |kept| kept[0]);
                state::set(&[last + 1])?;
                Verdict::degraded("counted").with("runs", u32::from(last + 1))
            }
            Look::Keep { bytes } => {
                state::set(&vec![7; bytes])?;
                Verdict::healthy().with("kept", true)
            }
            Look::KeepAndTrap => {
                state::set(&[99])?;
                panic!("on purpose")
            }
            Look::Exec { command } => match container_exec::exec(&command, 1000) {
                Ok(output) => Verdict::degraded(String::from_utf8_lossy(&output.stdout))
                    .with("exit-code", f64::from(output.exit_code)),
                Err(error) => Verdict::unhealthy(format!("{error:?}")),
            },
            Look::Stats => stats()?,
            Look::Logs { lines } => {
                let lines = container_logs::tail(lines)?;
                let text: Vec<String> = lines
                    .iter()
                    .map(|line| format!("{} {:?} {}", line.time, line.stream, line.text))
                    .collect();
                Verdict::degraded(text.join("\n"))
            }
            Look::Read { path, offset, length } => told(container_files::read(&path, offset, length), |bytes| {
                String::from_utf8_lossy(&bytes).into_owned()
            }),
            Look::Metadata { path } => told(container_files::metadata(&path), |found| format!("{found:?}")),
            Look::List { path } => told(container_files::list(&path), |names| names.join(" ")),
            Look::Space { path } => told(container_files::space(&path), |space| {
                format!("{} of {}", space.available, space.total)
            }),
            Look::Variable { name } => match std::env::var(&name) {
                Ok(value) => Verdict::degraded(value),
                Err(_) => Verdict::unhealthy(format!("{name} is not set")),
            },
        })
    }
}

fn stats() -> Result<Verdict, String> {
    let (memory, cpu, processes) = (
        container_stats::memory()?,
        container_stats::cpu()?,
        container_stats::processes()?,
    );
    Ok(Verdict::healthy()
        .with("memory", memory.usage)
        .with("working-set", memory.working_set)
        .with("limited", memory.limit.is_some())
        .with("oom-kills", memory.oom_kills)
        .with("cpu", cpu.usage)
        .with("throttled", cpu.throttled_periods)
        .with("processes", processes.current))
}

fn told<T>(found: Result<T, container_files::Error>, text: impl FnOnce(T) -> String) -> Verdict {
    match found {
        Ok(found) => Verdict::degraded(text(found)),
        Err(error) => Verdict::unhealthy(format!("{error:?}")),
    }
}

impl Hook for Curious {
    fn run() -> Result<(), String> {
        let reason = context::hook_reason().unwrap_or_default();
        match Curious::check()?.message {
            message if message.is_empty() => Ok(()),
            message => Err(format!("{reason}: {message}")),
        }
    }
}

impl Describe for Curious {
    fn name() -> String {
        "curious".to_owned()
    }

    fn version() -> String {
        "0.1.0".to_owned()
    }

    fn config_schema() -> Option<String> {
        let schema = r#"{"type":"object","required":["look"],"properties":{"look":{"type":"string"},"lines":{"type":"integer","minimum":1}}}"#;
        Some(schema.to_owned())
    }

    fn grants() -> Vec<String> {
        vec!["stats: true".to_owned(), "logs: true".to_owned()]
    }
}

export_probe!(Curious);
export_hook!(Curious);
export_description!(Curious);
