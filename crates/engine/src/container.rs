//! What the container that is checked offers to a plugin, as its callers provide it, and the imported interfaces that are
//! answered from it.

mod exec;
mod files;
mod logs;
mod stats;

use std::time::{Duration, Instant};

use futures::future::BoxFuture;

/// Runs commands in the container that is checked.
pub trait ContainerExec: Send + Sync {
    /// Runs a command to its end, or to the deadline. Of each of its two outputs, at most `max_output` bytes are kept.
    ///
    /// Dropping the future must end the command with all of its descendants, as the deadline does.
    fn exec(
        &self,
        command: Vec<String>,
        deadline: Instant,
        max_output: usize,
    ) -> BoxFuture<'static, Result<ExecOutput, ExecError>>;
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code; 128 and the signal's number if a signal ended it, 127 or 126 if it could not be executed.
    pub exit_code: i32,
    /// The beginning of its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: Vec<u8>,
    /// Whether an output was longer than what was kept.
    pub truncated: bool,
}

/// Why there is no exit code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// The deadline passed first; the command has been ended.
    #[error("the command's deadline has passed")]
    DeadlineExceeded,
    /// The container is not running, so that nothing can run in it.
    #[error("the container is not running")]
    NotRunning,
    /// The host could not run the command; the command is not to blame.
    #[error("the host could not run the command: {reason}")]
    Host {
        /// What went wrong.
        reason: String,
    },
}

/// Knows what the container uses.
pub trait ContainerStats: Send + Sync {
    /// All of it, as of now. The error says why the host does not know.
    fn stats(&self) -> BoxFuture<'static, Result<Stats, String>>;
}

/// What a container uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Memory in use, page cache included, in bytes.
    pub memory_usage: u64,
    /// The same without page cache that can be dropped at once.
    pub memory_working_set: u64,
    /// The limit in bytes, if there is one.
    pub memory_limit: Option<u64>,
    /// Processes that the kernel has killed for want of memory.
    pub oom_kills: u64,
    /// Processor time used since the container's start.
    pub cpu_usage: Duration,
    /// How often the container was held back by its limit.
    pub throttled_periods: u64,
    /// How long it was held back.
    pub throttled_time: Duration,
    /// Processes and threads.
    pub processes: u64,
    /// How many there may be, if that is limited.
    pub processes_limit: Option<u64>,
}

/// Reads the container's output.
pub trait ContainerLogs: Send + Sync {
    /// Its last lines, at most so many, oldest first. The error says why the host cannot read them.
    fn tail(&self, lines: usize) -> BoxFuture<'static, Result<Vec<LogLine>, String>>;
}

/// One line of a container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// Whether to standard error.
    pub stderr: bool,
    /// Its text, without the line's end.
    pub text: String,
}

/// Looks at the container's files, and keeps to the paths that are granted.
pub trait ContainerFiles: Send + Sync {
    /// What is at a path.
    fn metadata(&self, path: String) -> BoxFuture<'static, Result<Metadata, FileError>>;
    /// A part of a file, of at most `length` bytes.
    fn read(&self, path: String, offset: u64, length: usize) -> BoxFuture<'static, Result<Vec<u8>, FileError>>;
    /// The names in a folder, sorted.
    fn list(&self, path: String) -> BoxFuture<'static, Result<Vec<String>, FileError>>;
    /// How full the file system at a path is.
    fn space(&self, path: String) -> BoxFuture<'static, Result<Space, FileError>>;
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Its size in bytes.
    pub size: u64,
    /// When its content was changed last, in milliseconds since the Unix epoch.
    pub modified: u64,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link that leads out of what is granted, or to nothing.
    SymbolicLink,
    /// A device, a pipe, a socket.
    Other,
}

/// How full a file system is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total: u64,
    /// What an unprivileged process can still write.
    pub available: u64,
}

/// Why there is nothing to say of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is nothing at that path.
    #[error("there is no such file")]
    NotFound,
    /// It lies outside of what is granted.
    #[error("the path is not granted")]
    NotGranted,
    /// It is not of the kind that the question is for.
    #[error("it is a file of another kind")]
    WrongKind,
    /// The container is not running.
    #[error("the container is not running")]
    NotRunning,
    /// The host could not look at it.
    #[error("the host could not read it: {reason}")]
    Host {
        /// What went wrong.
        reason: String,
    },
}
