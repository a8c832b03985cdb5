//! Compiling components, by a process of its own where there is a program for it: a compiler cannot be stopped from
//! outside, and a component can be made to keep it busy for minutes. A process can be ended, and it leaves the processors
//! to the probes.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitCode, Stdio},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, Signal, nice, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use wasmtime::Engine;

use crate::{
    EngineError, LoadError,
    config::{self, CHECK_CONFIG},
    engine::MAX_COMPONENT_BYTES,
    flavour::Flavour,
    log::cut,
};

/// How long the compiling process may take on a machine whose processors are busy with what comes first. It is the end
/// of one that waits for anything else.
pub(crate) const COMPILE_TIMEOUT: Duration = Duration::from_secs(600);
/// What the compiling process may compute in all, its threads together: what bounds an honest machine's time for a
/// hostile component. An interpreter with its library takes half of this in a debug build.
const MAX_PROCESSOR_SECONDS: u64 = 240;
/// What the compiling process may have of memory. Python with its library takes a third of it.
const MAX_COMPILER_MEMORY: u64 = 3 << 30;
/// The largest component that is compiled makes less than this.
pub(crate) const MAX_CODE_BYTES: u64 = 1 << 30;
/// A compiler's reason is a few lines long.
const MAX_REASON: usize = 4 << 10;

/// The program that compiles: it is started with `arguments` and one more, and has to call [`compiler_main`] with that.
#[derive(Clone, Debug)]
pub struct CompilerProgram {
    /// The program.
    pub program: PathBuf,
    /// What it is started with.
    pub arguments: Vec<OsString>,
}

/// Why a process of ours has nothing to give.
pub(crate) enum WorkerError {
    /// What it was given is to blame.
    Input(String),
    /// Something else is.
    Host(String),
}

/// Compiles in a process of its own, and gives the code.
pub(crate) async fn in_process(
    compiler: &CompilerProgram,
    flavour: Flavour,
    name: &str,
    bytes: &[u8],
) -> Result<Vec<u8>, LoadError> {
    let name = || name.to_owned();
    let code = ask(compiler, flavour.name(), bytes).await;
    code.map_err(|error| match error {
        WorkerError::Input(reason) => LoadError::Invalid { name: name(), reason },
        WorkerError::Host(reason) => LoadError::Compiler { name: name(), reason },
    })
}

/// Hands a task to a process of its own, and gives its answer. Dropping the future ends the process.
pub(crate) async fn ask(compiler: &CompilerProgram, task: &str, input: &[u8]) -> Result<Vec<u8>, WorkerError> {
    let cannot = |error: io::Error| WorkerError::Host(format!("cannot run {}: {error}", compiler.program.display()));
    let mut process = tokio::process::Command::new(&compiler.program)
        .args(&compiler.arguments)
        .arg(task)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(cannot)?;
    let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // One that has ended says why by itself.
            let _ = stdin.write_all(input).await;
        }
    };
    let ((), answer, reason) = tokio::join!(write, read(stdout, MAX_CODE_BYTES), read_beginning(stderr, MAX_REASON));
    let status = process.wait().await.map_err(cannot)?;
    let reason = String::from_utf8_lossy(&reason).trim().to_owned();
    if status.success() {
        return answer.map_err(|error| WorkerError::Host(error.to_string()));
    }
    Err(match status.code() {
        Some(INVALID) => WorkerError::Input(reason),
        None if status.signal() == Some(Signal::XCPU.as_raw()) => {
            WorkerError::Host(format!("it takes more than {MAX_PROCESSOR_SECONDS}s of processor time"))
        }
        _ => WorkerError::Host(format!("{status}: {}", cut(reason, MAX_REASON))),
    })
}

/// The beginning of what a process says; the rest is taken too, so that it does not wait for a reader.
async fn read_beginning(from: Option<impl AsyncRead + Unpin>, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What was read before an error is all there is to say.
        let _ = (&mut from).take(limit as u64).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    }
    bytes
}

async fn read(from: Option<impl AsyncRead + Unpin>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let length = from.take(limit + 1).read_to_end(&mut bytes).await?;
        if length as u64 > limit {
            return Err(io::Error::other(format!("it makes more than {limit} bytes of code")));
        }
    }
    Ok(bytes)
}

/// The exit code that says that the component is to blame.
const INVALID: i32 = 2;

/// What the program of [`CompilerProgram`] does for a task: takes its input from standard input, such as a component, and
/// gives the answer on standard output, or the reason for which there is none on standard error.
pub fn compiler_main(task: &str) -> ExitCode {
    match perform(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(WorkerError::Input(reason)) => {
            eprintln!("{reason}");
            ExitCode::from(INVALID as u8)
        }
        Err(WorkerError::Host(reason)) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

impl From<io::Error> for WorkerError {
    fn from(error: io::Error) -> Self {
        Self::Host(error.to_string())
    }
}

fn perform(task: &str) -> Result<(), WorkerError> {
    limit_this_process()?;
    let mut input = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_COMPONENT_BYTES as u64)
        .read_to_end(&mut input)?;
    let answer = match Flavour::named(task) {
        Some(flavour) => compile(flavour, &input)?,
        None if task == CHECK_CONFIG => config::check_task(&input).map_err(WorkerError::Input)?,
        None => return Err(WorkerError::Host(format!("there is no task `{task}`"))),
    };
    Ok(io::stdout().lock().write_all(&answer)?)
}

fn compile(flavour: Flavour, component: &[u8]) -> Result<Vec<u8>, WorkerError> {
    let setup = |error: wasmtime::Error| EngineError::Setup {
        reason: format!("{error:#}"),
    };
    let engine = Engine::new(&flavour.compile_config()).map_err(|error| WorkerError::Host(setup(error).to_string()))?;
    let code = engine.precompile_component(component);
    code.map_err(|error| WorkerError::Input(format!("{error:#}")))
}

/// Everything else on the machine comes first, and there is an end to it even if the agent is gone.
fn limit_this_process() -> io::Result<()> {
    const LOWEST_PRIORITY: i32 = 19;
    nice(LOWEST_PRIORITY)?;
    for (resource, most, reserve) in [
        // The first signal tells what it is for; the one at the end of the reserve is SIGKILL.
        (Resource::Cpu, MAX_PROCESSOR_SECONDS, 1),
        (Resource::Data, MAX_COMPILER_MEMORY, 0),
        (Resource::Core, 0, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most + reserve),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_computes_too_long_is_told_so() {
        let compiler = CompilerProgram {
            program: "/bin/sh".into(),
            arguments: ["-c", "kill -XCPU $$"].map(OsString::from).to_vec(),
        };
        match ask(&compiler, "plain", b"").await {
            Err(WorkerError::Host(reason)) => assert_eq!(reason, "it takes more than 240s of processor time"),
            other => panic!("{:?}", other.map_err(|_| "another error")),
        }
    }
}
