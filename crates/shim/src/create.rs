//! Creating and starting the container, with libcontainer.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::oci_spec::runtime::{Process, Spec};
use libcontainer::syscall::syscall::SyscallType;
use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use probelet_shim_protocol::{ShimConfig, StartStage, files};
use rustix::pipe::PipeFlags;
use rustix::process::Pid;

use crate::program;
use crate::system;

/// How much process 1 may say about why its command cannot be executed.
const FAILURE_BYTES_MAX: u64 = 4 * 1024;

/// How much of the diagnostics is quoted.
const QUOTE_BYTES_MAX: usize = 1024;

/// A start that failed, and how far it came.
pub(crate) struct Failed {
    pub(crate) stage: StartStage,
    pub(crate) message: String,
}

impl Failed {
    pub(crate) fn create(message: impl ToString) -> Self {
        Self {
            stage: StartStage::Create,
            message: message.to_string(),
        }
    }
}

/// A container whose process 1 waits for [`Created::start`].
pub(crate) struct Created {
    container: Container,
    failure: File,
    pub(crate) init: Pid,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Creates the container in `directory`, which is its OCI bundle.
pub(crate) fn create(directory: &Path, config: &ShimConfig) -> Result<Created, Failed> {
    collect_diagnostics(directory).map_err(Failed::create)?;
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(Failed::create);
    let (stdout, stdout_end) = pipe()?;
    let (stderr, stderr_end) = pipe()?;
    let (failure, failure_end) = pipe()?;
    let mut failure = File::from(failure);
    for pipe in [&stdout, &stderr] {
        rustix::io::ioctl_fionbio(pipe, true).map_err(Failed::create)?;
    }
    let stdin = File::open("/dev/null").map_err(Failed::create)?;
    let built = ContainerBuilder::new(config.id.clone(), SyscallType::default())
        .with_root_path(directory.join(files::LIBCONTAINER))
        .map(|builder| {
            builder
                .with_executor(FirstProgram {
                    failure: Arc::new(failure_end),
                })
                .with_stdin(stdin)
                .with_stdout(stdout_end)
                .with_stderr(stderr_end)
                .as_init(directory)
                .with_systemd(false)
                .with_detach(true)
        })
        .and_then(|builder| builder.build());
    let container = match built {
        Ok(container) => container,
        Err(error) => {
            said(&mut failure)?;
            return Err(Failed::create(with_diagnostics(directory, &error.to_string())));
        }
    };
    let pid = container.pid().and_then(|pid| Pid::from_raw(pid.as_raw()));
    let init = pid.ok_or_else(|| Failed::create("libcontainer has created a container without a process"))?;
    Ok(Created {
        container,
        failure,
        init,
        stdout,
        stderr,
    })
}

impl Created {
    /// Lets process 1 execute its command, and waits until it has.
    pub(crate) fn start(&mut self) -> Result<(), Failed> {
        self.container.start().map_err(Failed::create)?;
        said(&mut self.failure)
    }
}

/// What process 1 says about its command. The pipe ends, with nothing in it, when the command is executed.
fn said(failure: &mut File) -> Result<(), Failed> {
    let mut text = String::new();
    failure
        .take(FAILURE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(Failed::create)?;
    if text.is_empty() {
        Ok(())
    } else {
        Err(Failed {
            stage: StartStage::Run,
            message: text,
        })
    }
}

/// libcontainer's errors leave out what failed and why, which it only logs. The log needs a descriptor that stays what
/// it is when process 1 puts the container's streams in the place of ours.
fn collect_diagnostics(directory: &Path) -> io::Result<()> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(directory.join(files::DIAGNOSTICS))?;
    tracing_subscriber::fmt()
        .with_writer(Arc::new(file))
        .with_max_level(tracing_subscriber::filter::LevelFilter::ERROR)
        .with_ansi(false)
        .with_level(false)
        .with_target(false)
        .without_time()
        .init();
    Ok(())
}

/// The first that was logged is the nearest to the cause.
fn with_diagnostics(directory: &Path, error: &str) -> String {
    let logged = std::fs::read_to_string(directory.join(files::DIAGNOSTICS)).unwrap_or_default();
    match logged.lines().next() {
        Some(first) if !error.contains(first) => {
            let first: String = first.chars().take(QUOTE_BYTES_MAX).collect();
            format!("{error}: {first}")
        }
        _ => error.to_owned(),
    }
}

/// Executes the container's command as its process 1.
#[derive(Clone)]
struct FirstProgram {
    failure: Arc<OwnedFd>,
}

impl FirstProgram {
    fn say(&self, text: &str) {
        // The shim reads this, or is gone.
        let _ = rustix::io::write(&*self.failure, text.as_bytes());
    }
}

impl Executor for FirstProgram {
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        let (command, search) = command(spec);
        let name = command.first().map(String::as_str).unwrap_or_default();
        program::find(name, search).map(drop).map_err(|failure| {
            self.say(&failure.text);
            ExecutorValidationError::ArgValidationError(failure.text)
        })
    }

    fn setup_envs(&self, _: std::collections::HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // The environment goes straight to the command, in its own order.
        Ok(())
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let (command, search) = command(spec);
        let variables = spec
            .process()
            .as_ref()
            .and_then(|process| process.env().as_deref())
            .unwrap_or_default();
        let environment: Vec<CString> = variables
            .iter()
            .filter_map(|variable| program::c_string(variable.as_ref()).ok())
            .collect();
        system::reset_signals();
        let failure = program::execute(command, search, &environment);
        self.say(&failure.text);
        Err(ExecutorError::Other(failure.text))
    }
}

/// The command of a specification, and where its program is looked for.
fn command(spec: &Spec) -> (&[String], &str) {
    let process: Option<&Process> = spec.process().as_ref();
    let command = process
        .and_then(|process| process.args().as_deref())
        .unwrap_or_default();
    let variables = process.and_then(|process| process.env().as_deref()).unwrap_or_default();
    let search = variables.iter().find_map(|variable| variable.strip_prefix("PATH="));
    (command, search.unwrap_or_default())
}
