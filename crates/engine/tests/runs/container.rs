//! A container that answers as told, and remembers what it was asked.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use probelet_engine::{
    ContainerExec, ContainerFiles, ContainerLogs, ContainerStats, ExecError, ExecGrant, ExecOutput, FileError,
    FileKind, Grants, LogLine, Metadata, RunRequest, Space, Stats,
};

/// What was asked, and what stats and logs answer.
pub(crate) struct Double {
    pub(crate) commands: Mutex<Vec<Vec<String>>>,
    pub(crate) tails: Mutex<Vec<usize>>,
    pub(crate) reads: Mutex<Vec<usize>>,
    pub(crate) stats: Result<Stats, String>,
    pub(crate) lines: Result<Vec<LogLine>, String>,
}

impl Default for Double {
    fn default() -> Self {
        Self {
            commands: Mutex::default(),
            tails: Mutex::default(),
            reads: Mutex::default(),
            stats: Ok(Stats {
                memory_usage: 3000,
                memory_working_set: 2000,
                memory_limit: Some(1 << 20),
                oom_kills: 1,
                cpu_usage: Duration::from_millis(5),
                throttled_periods: 4,
                throttled_time: Duration::from_millis(6),
                processes: 7,
                processes_limit: None,
            }),
            lines: Ok(Vec::new()),
        }
    }
}

impl Double {
    /// Grants a run all that this container offers.
    pub(crate) fn grants(self: &Arc<Self>) -> Grants {
        Grants {
            exec: Some(ExecGrant {
                container: Arc::clone(self) as Arc<dyn ContainerExec>,
                prefixes: None,
            }),
            stats: Some(Arc::clone(self) as Arc<dyn ContainerStats>),
            logs: Some(Arc::clone(self) as Arc<dyn ContainerLogs>),
            files: Some(Arc::clone(self) as Arc<dyn ContainerFiles>),
            ..Grants::default()
        }
    }
}

/// The request with all that a container offers.
pub(crate) fn with_all(request: RunRequest) -> RunRequest {
    RunRequest {
        grants: Arc::new(Double::default()).grants(),
        ..request
    }
}

impl ContainerExec for Double {
    fn exec(&self, command: Vec<String>, _: Instant, _: usize) -> BoxFuture<'static, Result<ExecOutput, ExecError>> {
        let output = ExecOutput {
            exit_code: 3,
            stdout: command.join(" ").into_bytes(),
            ..ExecOutput::default()
        };
        let result = match command[0].as_str() {
            "slow" => Err(ExecError::DeadlineExceeded),
            "stopped" => Err(ExecError::NotRunning),
            "broken" => Err(ExecError::Host {
                reason: "no cgroup left".to_owned(),
            }),
            _ => Ok(output),
        };
        self.commands.lock().expect("not poisoned").push(command);
        std::future::ready(result).boxed()
    }
}

impl ContainerStats for Double {
    fn stats(&self) -> BoxFuture<'static, Result<Stats, String>> {
        std::future::ready(self.stats.clone()).boxed()
    }
}

impl ContainerLogs for Double {
    fn tail(&self, lines: usize) -> BoxFuture<'static, Result<Vec<LogLine>, String>> {
        self.tails.lock().expect("not poisoned").push(lines);
        std::future::ready(self.lines.clone()).boxed()
    }
}

/// What is at a path is in its name.
fn at<T>(path: &str, found: T) -> BoxFuture<'static, Result<T, FileError>>
where
    T: Send + 'static,
{
    let result = match path {
        "/missing" => Err(FileError::NotFound),
        "/elsewhere" => Err(FileError::NotGranted),
        "/device" => Err(FileError::WrongKind),
        "/stopped" => Err(FileError::NotRunning),
        "/broken" => Err(FileError::Host {
            reason: "input/output error".to_owned(),
        }),
        _ => Ok(found),
    };
    std::future::ready(result).boxed()
}

impl ContainerFiles for Double {
    fn metadata(&self, path: String) -> BoxFuture<'static, Result<Metadata, FileError>> {
        let kind = match path.as_str() {
            "/folder" => FileKind::Directory,
            "/link" => FileKind::SymbolicLink,
            "/pipe" => FileKind::Other,
            _ => FileKind::File,
        };
        let found = Metadata {
            kind,
            size: 12,
            modified: 34,
        };
        at(&path, found)
    }

    fn read(&self, path: String, offset: u64, length: usize) -> BoxFuture<'static, Result<Vec<u8>, FileError>> {
        self.reads.lock().expect("not poisoned").push(length);
        let content = b"0123456789";
        let from = (offset as usize).min(content.len());
        let to = from.saturating_add(length).min(content.len());
        at(&path, content[from..to].to_vec())
    }

    fn list(&self, path: String) -> BoxFuture<'static, Result<Vec<String>, FileError>> {
        let count = if path == "/many" { 2000 } else { 2 };
        at(&path, (0..count).map(|number| format!("n{number}")).collect())
    }

    fn space(&self, path: String) -> BoxFuture<'static, Result<Space, FileError>> {
        at(
            &path,
            Space {
                total: 100,
                available: 40,
            },
        )
    }
}
