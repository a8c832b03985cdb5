//! The container's answers: commands, stats, logs, files.

use std::{sync::Arc, time::Instant};

use futures::future::BoxFuture;
use probelet_engine::{
    ContainerExec, ContainerFiles, ContainerLogs, ContainerStats, ExecError, ExecOutput, FileError, FileKind, LogLine,
    Metadata, Space, Stats,
};
use probelet_plugin_case::{
    ExecAnswer, FileAnswer, FileKind as CaseFileKind, LogLine as CaseLine, Space as CaseSpace, Stats as CaseStats,
};

use super::recorder::{MAX_BYTES, Record};

/// Writes down what another one answers.
pub(super) struct RecordedExec(pub(super) Arc<dyn ContainerExec>, pub(super) Arc<Record>);

impl ContainerExec for RecordedExec {
    fn exec(
        &self,
        command: Vec<String>,
        deadline: Instant,
        max_output: usize,
    ) -> BoxFuture<'static, Result<ExecOutput, ExecError>> {
        let real = self.0.exec(command.clone(), deadline, max_output);
        let record = self.1.clone();
        Box::pin(async move {
            let length = command.iter().map(String::len).sum();
            let answer = ExecAnswer {
                command,
                error: Some("timed out".to_owned()),
                ..ExecAnswer::default()
            };
            let Some(at) = record.add(length, |host| &mut host.exec, answer) else {
                return real.await;
            };
            let answer = real.await;
            let mut taken = record.lock();
            let length = answer
                .as_ref()
                .map_or(0, |output| output.stdout.len() + output.stderr.len());
            if taken.has_room(length) {
                let recorded = &mut taken.host.exec[at];
                match &answer {
                    Ok(output) => {
                        recorded.error = None;
                        recorded.exit_code = output.exit_code;
                        recorded.stdout = String::from_utf8_lossy(&output.stdout).into_owned();
                        recorded.stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                    }
                    Err(ExecError::DeadlineExceeded) => {}
                    Err(ExecError::NotRunning) => recorded.error = Some("not running".to_owned()),
                    Err(ExecError::Host { reason }) => recorded.error = Some(reason.clone()),
                }
            }
            drop(taken);
            answer
        })
    }
}

/// Writes down what another one answers.
pub(super) struct RecordedStats(pub(super) Arc<dyn ContainerStats>, pub(super) Arc<Record>);

impl ContainerStats for RecordedStats {
    fn stats(&self) -> BoxFuture<'static, Result<Stats, String>> {
        let (real, record) = (self.0.stats(), self.1.clone());
        Box::pin(async move {
            let stats = real.await;
            record.lock().host.stats = Some(match &stats {
                Ok(stats) => CaseStats {
                    memory_bytes: stats.memory_usage,
                    memory_working_set_bytes: Some(stats.memory_working_set),
                    memory_limit_bytes: stats.memory_limit,
                    oom_kills: stats.oom_kills,
                    cpu_nanoseconds: u64::try_from(stats.cpu_usage.as_nanos()).unwrap_or(u64::MAX),
                    throttled_periods: stats.throttled_periods,
                    throttled_nanoseconds: u64::try_from(stats.throttled_time.as_nanos()).unwrap_or(u64::MAX),
                    processes: stats.processes,
                    processes_limit: stats.processes_limit,
                    error: None,
                },
                Err(reason) => CaseStats {
                    error: Some(reason.clone()),
                    ..CaseStats::default()
                },
            });
            stats
        })
    }
}

/// Writes down what another one answers.
pub(super) struct RecordedLogs(pub(super) Arc<dyn ContainerLogs>, pub(super) Arc<Record>);

impl ContainerLogs for RecordedLogs {
    fn tail(&self, lines: usize) -> BoxFuture<'static, Result<Vec<LogLine>, String>> {
        let (real, record) = (self.0.tail(lines), self.1.clone());
        Box::pin(async move {
            let lines = real.await;
            if let Ok(lines) = &lines {
                let mut taken = record.lock();
                let length = lines.iter().map(|line| line.text.len()).sum();
                // The longest look at it is all that there was to see.
                let is_longer = taken.host.logs.as_ref().is_none_or(|logs| logs.len() <= lines.len());
                if taken.has_room(length) && is_longer {
                    let lines = lines.iter().map(|line| CaseLine {
                        text: line.text.clone(),
                        stderr: line.stderr,
                        time: line.time,
                    });
                    taken.host.logs = Some(lines.collect());
                }
            }
            lines
        })
    }
}

/// Writes down what another one answers.
pub(super) struct RecordedFiles(pub(super) Arc<dyn ContainerFiles>, pub(super) Arc<Record>);

impl RecordedFiles {
    fn note<T: Send + 'static>(
        &self,
        path: String,
        real: BoxFuture<'static, Result<T, FileError>>,
        note: impl FnOnce(&mut FileAnswer, &T) + Send + 'static,
    ) -> BoxFuture<'static, Result<T, FileError>> {
        let record = self.1.clone();
        Box::pin(async move {
            let found = real.await;
            // What is not granted is refused by the engine again.
            if matches!(found, Err(FileError::NotGranted)) {
                return found;
            }
            let mut taken = record.lock();
            if taken.has_room(path.len()) {
                let answer = taken.host.files.entry(path).or_default();
                let before = answer.bytes().map_or(0, |content| content.len());
                match &found {
                    Ok(found) => note(answer, found),
                    Err(FileError::NotFound) => answer.missing = true,
                    Err(FileError::WrongKind) => answer.kind = answer.kind.or(Some(CaseFileKind::Other)),
                    Err(error) => answer.error = Some(error.to_string()),
                }
                let length = answer.bytes().map_or(0, |content| content.len());
                taken.bytes = taken.bytes.saturating_add(length.saturating_sub(before));
            }
            drop(taken);
            found
        })
    }
}

impl ContainerFiles for RecordedFiles {
    fn metadata(&self, path: String) -> BoxFuture<'static, Result<Metadata, FileError>> {
        let real = self.0.metadata(path.clone());
        self.note(path, real, |answer, found| {
            answer.kind = Some(match found.kind {
                FileKind::File => CaseFileKind::File,
                FileKind::Directory => CaseFileKind::Directory,
                FileKind::SymbolicLink => CaseFileKind::SymbolicLink,
                FileKind::Other => CaseFileKind::Other,
            });
            answer.size = Some(found.size);
            let modified = i64::try_from(found.modified).ok();
            let modified = modified.and_then(|modified| jiff::Timestamp::from_millisecond(modified).ok());
            answer.modified = modified.map(|modified| modified.to_string());
        })
    }

    fn read(&self, path: String, offset: u64, length: usize) -> BoxFuture<'static, Result<Vec<u8>, FileError>> {
        let real = self.0.read(path.clone(), offset, length);
        self.note(path, real, move |answer, found| {
            let mut content = answer.bytes().unwrap_or_default();
            // What was not read is not known; it only has to be there for the rest to stand where it did.
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(MAX_BYTES);
            content.resize(content.len().max(start + found.len()), 0);
            content[start..start + found.len()].copy_from_slice(found);
            answer.set_bytes(&content);
        })
    }

    fn list(&self, path: String) -> BoxFuture<'static, Result<Vec<String>, FileError>> {
        let real = self.0.list(path.clone());
        self.note(path, real, |answer, found| answer.entries = Some(found.clone()))
    }

    fn space(&self, path: String) -> BoxFuture<'static, Result<Space, FileError>> {
        let real = self.0.space(path.clone());
        self.note(path, real, |answer, found| {
            answer.space = Some(CaseSpace {
                total: found.total,
                available: found.available,
            });
        })
    }
}
