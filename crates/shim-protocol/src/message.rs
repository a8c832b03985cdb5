//! The messages, all of them JSON.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// What the shim must know beside the OCI configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimConfig {
    /// The container's id.
    pub id: String,
    /// The container's cgroup, from the root of each hierarchy: `/probelet/<pod>/<container>`.
    pub cgroup: String,
    /// Where the container's output goes.
    pub log: PathBuf,
}

/// The one line that a shim writes to its standard output when the start has succeeded or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartReport {
    /// The container's command was executed.
    Running(Running),
    /// It was not, and nothing of the container runs.
    Failed {
        /// How far it came.
        stage: StartStage,
        /// What went wrong, for people.
        message: String,
    },
}

/// How far a failed start came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartStage {
    /// The container could not be set up: a mount, a namespace, a cgroup.
    Create,
    /// It was set up, but its command could not be executed.
    Run,
}

/// A running container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process 1, as the host numbers it.
    pub pid: u32,
    /// When its command was executed.
    pub started_at: SystemTime,
}

/// What the agent asks the shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlRequest {
    /// Answered by [`ControlReply::Status`].
    Status,
    /// Answered by [`ControlReply::Done`] or [`ControlReply::Failed`].
    Signal {
        /// The signal's number.
        signal: i32,
        /// To every process of the container, commands executed in it included, instead of process 1 alone.
        all: bool,
    },
}

/// What the shim answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlReply {
    /// The container runs.
    Status(Running),
    /// The signal was sent.
    Done,
    /// The signal could not be sent, and why.
    Failed(String),
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The exit code of process 1; 128 + the signal if one ended it (B6.2); 137 if it was lost (B6.3).
    pub code: i32,
    /// The signal that ended process 1.
    pub signal: Option<i32>,
    /// The kernel killed a process of the container for want of memory, and process 1 did not end well.
    pub oom_killed: bool,
    /// Nobody saw the end: the shim itself was killed, or the machine went down.
    pub lost: bool,
    /// When the command had been executed; absent when the container was lost before anybody could ask.
    pub started_at: Option<SystemTime>,
    /// When the end was seen.
    pub finished_at: SystemTime,
}

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    /// Characters per line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// One command to execute, first and only request of a connection to the helper. Without a terminal it carries three
/// descriptors: standard input, output and error. The end of the connection, from the agent's side, kills the command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecRequest {
    /// Program and arguments; no shell is involved.
    pub command: Vec<String>,
    /// When the command and all that it started is killed, in nanoseconds of CLOCK_MONOTONIC.
    pub deadline: Option<u64>,
    /// Run on a new terminal of this size.
    pub terminal: Option<WindowSize>,
}

/// What the helper answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecReply {
    /// The command's terminal exists; the message carries its controlling side. Precedes [`ExecReply::Ended`].
    Terminal,
    /// The command has ended and nothing of it is left.
    Ended(ExecEnd),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecEnd {
    /// By itself, or because the program could not be executed: then the code is 126 or 127, and the reason was written
    /// to standard error.
    Exited(i32),
    /// By a signal.
    Signaled(i32),
    /// The deadline passed.
    DeadlinePassed,
    /// The container has ended, before or while the command ran.
    NotRunning,
    /// The command could not be brought into the container, which is no fault of the command.
    Failed(String),
}
