//! `crun exec` and `runc exec`, measured in turn, so that what disturbs the machine disturbs both.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::{IDLE, processor};
use crate::process;

/// Runs of one kind.
pub(crate) struct Sample {
    pub(crate) name: String,
    /// Wall time of each run.
    pub(crate) wall: Vec<Duration>,
    /// Processor time of a run, on average.
    pub(crate) processor: Duration,
}

impl Sample {
    pub(crate) fn median(&self) -> Duration {
        let mut sorted = self.wall.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    fn to_line(&self) -> String {
        let wall: Vec<u128> = self.wall.iter().map(Duration::as_micros).collect();
        json!({ "name": self.name, "wall": wall, "processor": self.processor.as_micros() }).to_string()
    }

    pub(crate) fn parse(line: &str) -> anyhow::Result<Sample> {
        let value: Value = serde_json::from_str(line)?;
        let micros = |value: &Value| value.as_u64().map(Duration::from_micros).context("a time is a number");
        Ok(Sample {
            name: value["name"].as_str().context("a sample has a name")?.to_owned(),
            wall: value["wall"]
                .as_array()
                .context("a sample has runs")?
                .iter()
                .map(micros)
                .collect::<Result<_, _>>()?,
            processor: micros(&value["processor"])?,
        })
    }
}

/// Measures both in a container each, made from the same bundle, and prints one line for each.
pub(crate) fn run(bundle: &Path, samples: usize) -> anyhow::Result<()> {
    write_configuration(bundle)?;
    let runtimes = [Runtime::start("crun", bundle)?, Runtime::start("runc", bundle)?];
    let mut results = runtimes.each_ref().map(|runtime| Sample {
        name: format!("{} exec", runtime.program),
        wall: Vec::new(),
        processor: Duration::ZERO,
    });
    for _ in 0..samples {
        for (runtime, result) in runtimes.iter().zip(&mut results) {
            sleep(IDLE);
            let (begin, before) = (Instant::now(), processor::of_children()?);
            let status = runtime.command(&["exec", &runtime.container, "/bin/true"]).status()?;
            result.wall.push(begin.elapsed());
            result.processor += processor::of_children()? - before;
            ensure!(status.success(), "{} exec ended with {status}", runtime.program);
        }
    }
    for mut result in results {
        result.processor /= u32::try_from(samples)?;
        println!("{}", result.to_line());
    }
    Ok(())
}

/// runc's own default bundle, with a command that stays.
fn write_configuration(bundle: &Path) -> anyhow::Result<()> {
    process::output(Command::new("runc").args(["spec", "--bundle"]).arg(bundle))?;
    let path = bundle.join("config.json");
    let mut configuration: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    configuration["process"]["terminal"] = json!(false);
    configuration["process"]["args"] = json!(["/bin/sleep", "3600"]);
    Ok(std::fs::write(path, configuration.to_string())?)
}

/// A runtime with a running container. Dropping it removes the container.
struct Runtime {
    program: &'static str,
    container: String,
    state: std::path::PathBuf,
}

impl Runtime {
    fn start(program: &'static str, bundle: &Path) -> anyhow::Result<Runtime> {
        let container = format!("probelet-bench-{program}-{}", std::process::id());
        let runtime = Runtime {
            program,
            container,
            state: bundle.with_file_name(program),
        };
        let status = runtime
            .command(&["run", "--detach", "--bundle"])
            .arg(bundle)
            .arg(&runtime.container)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("cannot run {program}"))?;
        ensure!(status.success(), "{program} run ended with {status}");
        Ok(runtime)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.arg("--root").arg(&self.state).args(arguments);
        command
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Err(error) = process::output(&mut self.command(&["delete", "--force", &self.container])) {
            eprintln!("cannot clean up: {error:#}");
        }
    }
}
