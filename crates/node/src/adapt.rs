//! The engine's view of containers and of pods' networks: the engine knows neither crate.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Instant, SystemTime},
};

use futures::future::BoxFuture;
use probelet_container::{Container, ExecRequest, Files, FilesError, StatsError, log_tail};
use probelet_engine::{
    ContainerExec, ContainerFiles, ContainerLogs, ContainerStats, ExecError, ExecOutput, FileError, FileKind, LogLine,
    Metadata, NetworkNamespace, Space, Stats,
};
use probelet_network::NamespaceHandle;

/// Commands in one instance of a container; `None` if it has ended.
pub(crate) struct ExecIn(pub(crate) Option<Container>);

impl ContainerExec for ExecIn {
    fn exec(
        &self,
        command: Vec<String>,
        deadline: Instant,
        max_output: usize,
    ) -> BoxFuture<'static, Result<ExecOutput, ExecError>> {
        let container = self.0.clone();
        Box::pin(async move {
            let container = container.ok_or(ExecError::NotRunning)?;
            let request = ExecRequest {
                command,
                deadline,
                max_output_bytes: max_output,
            };
            match container.exec(request).await {
                Ok(output) => Ok(ExecOutput {
                    exit_code: output.exit_code,
                    stdout: output.stdout,
                    stderr: output.stderr,
                    truncated: output.truncated,
                }),
                Err(probelet_container::ExecError::DeadlineExceeded) => Err(ExecError::DeadlineExceeded),
                Err(probelet_container::ExecError::NotRunning { .. }) => Err(ExecError::NotRunning),
                Err(error) => Err(ExecError::Host {
                    reason: error.to_string(),
                }),
            }
        })
    }
}

/// What one instance of a container uses; `None` if it has ended.
pub(crate) struct StatsOf(pub(crate) Option<Container>);

impl ContainerStats for StatsOf {
    fn stats(&self) -> BoxFuture<'static, Result<Stats, String>> {
        let container = self.0.clone();
        Box::pin(async move {
            let container = container.ok_or("the container is not running")?;
            // A few files of the kernel's, which never wait for a disk.
            let stats = container.stats().map_err(|error: StatsError| error.to_string())?;
            Ok(Stats {
                memory_usage: stats.memory.usage,
                memory_working_set: stats.memory.working_set,
                memory_limit: stats.memory.limit,
                oom_kills: stats.memory.oom_kills,
                cpu_usage: stats.cpu.usage,
                throttled_periods: stats.cpu.throttled_periods,
                throttled_time: stats.cpu.throttled_time,
                processes: stats.processes.current,
                processes_limit: stats.processes.limit,
            })
        })
    }
}

/// The last lines of a container's log.
pub(crate) struct LogsIn(pub(crate) PathBuf);

impl ContainerLogs for LogsIn {
    fn tail(&self, lines: usize) -> BoxFuture<'static, Result<Vec<LogLine>, String>> {
        let path = self.0.clone();
        Box::pin(async move {
            let lines = log_tail::tail(&path, lines).await;
            let lines = lines.map_err(|error| format!("{}: {error}", path.display()))?;
            let lines = lines.into_iter().map(|line| LogLine {
                time: since_epoch(line.time).as_nanos().try_into().unwrap_or(u64::MAX),
                stderr: line.stderr,
                text: line.text,
            });
            Ok(lines.collect())
        })
    }
}

/// The granted files of one instance of a container; `None` if it has ended.
pub(crate) struct FilesOf(pub(crate) Option<Arc<Files>>);

impl ContainerFiles for FilesOf {
    fn metadata(&self, path: String) -> BoxFuture<'static, Result<Metadata, FileError>> {
        let files = self.0.clone();
        Box::pin(async move {
            let found = running(&files)?.metadata(&path).await.map_err(file_error)?;
            Ok(Metadata {
                kind: match found.kind {
                    probelet_container::FileKind::File => FileKind::File,
                    probelet_container::FileKind::Directory => FileKind::Directory,
                    probelet_container::FileKind::SymbolicLink => FileKind::SymbolicLink,
                    probelet_container::FileKind::Other => FileKind::Other,
                },
                size: found.size,
                modified: since_epoch(found.modified).as_millis().try_into().unwrap_or(u64::MAX),
            })
        })
    }

    fn read(&self, path: String, offset: u64, length: usize) -> BoxFuture<'static, Result<Vec<u8>, FileError>> {
        let files = self.0.clone();
        Box::pin(async move { running(&files)?.read(&path, offset, length).await.map_err(file_error) })
    }

    fn list(&self, path: String) -> BoxFuture<'static, Result<Vec<String>, FileError>> {
        let files = self.0.clone();
        Box::pin(async move { running(&files)?.list(&path).await.map_err(file_error) })
    }

    fn space(&self, path: String) -> BoxFuture<'static, Result<Space, FileError>> {
        let files = self.0.clone();
        Box::pin(async move {
            let space = running(&files)?.space(&path).await.map_err(file_error)?;
            Ok(Space {
                total: space.total,
                available: space.available,
            })
        })
    }
}

fn running(files: &Option<Arc<Files>>) -> Result<&Files, FileError> {
    files.as_deref().ok_or(FileError::NotRunning)
}

fn file_error(error: FilesError) -> FileError {
    match error {
        FilesError::NotFound { .. } => FileError::NotFound,
        FilesError::NotGranted { .. } => FileError::NotGranted,
        FilesError::WrongKind { .. } => FileError::WrongKind,
        FilesError::NotRunning { .. } => FileError::NotRunning,
        error => FileError::Host {
            reason: error.to_string(),
        },
    }
}

/// A container sets its files' times as it likes, those before 1970 included.
fn since_epoch(time: SystemTime) -> std::time::Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// A pod's network namespace.
pub(crate) struct PodNamespace(pub(crate) NamespaceHandle);

impl NetworkNamespace for PodNamespace {
    fn run(&self, section: &mut dyn FnMut()) -> io::Result<()> {
        let entered = self.0.enter()?;
        section();
        drop(entered);
        Ok(())
    }
}

/// The namespace that is pinned at `path`, as the engine takes it.
pub(crate) fn namespace(path: &Path) -> io::Result<Arc<dyn NetworkNamespace>> {
    Ok(Arc::new(PodNamespace(NamespaceHandle::open(path)?)))
}
