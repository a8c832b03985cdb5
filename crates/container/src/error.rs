//! What can go wrong, by what the caller can do about it.

use std::io;
use std::path::PathBuf;

use probelet_shim_protocol::cgroup::HierarchiesError;

/// A runtime could not be opened, or a container not looked after.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The host's cgroups cannot be used.
    #[error(transparent)]
    Cgroups(#[from] HierarchiesError),
    /// The shim's binary cannot be read.
    #[error("cannot read the shim {path}: {source}; it is built with `cargo build -p probelet-shim`", path = path.display())]
    Shim {
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No container has this id.
    #[error("no container {id} in {directory}", directory = directory.display())]
    Unknown {
        /// The id.
        id: String,
        /// Where containers are.
        directory: PathBuf,
    },
    /// The container has ended.
    #[error("container {id} does not run")]
    NotRunning {
        /// The id.
        id: String,
    },
    /// The shim refused to send the signal.
    #[error("container {id} could not be signalled: {message}")]
    Signal {
        /// The id.
        id: String,
        /// Its words.
        message: String,
    },
    /// The container's folder cannot be used.
    #[error("{action} {path}: {source}", path = path.display())]
    File {
        /// What was tried, as a verb: `cannot read`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// A container could not be started. Nothing of it is left. The kinds are those that Kubernetes' reasons tell apart.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The specification cannot be carried out: CreateContainerConfigError.
    #[error("{message}")]
    Config {
        /// What is wrong with it.
        message: String,
    },
    /// The container could not be set up: CreateContainerError.
    #[error("{message}")]
    Create {
        /// What failed.
        message: String,
    },
    /// Its command could not be executed: RunContainerError, then StartError with exit code 128.
    #[error("{message}")]
    Run {
        /// What failed, in runc's words: `exec: "nosuch": executable file not found in $PATH`.
        message: String,
    },
}

/// A command could not be executed, or not to its end. A program that does not exist or cannot be executed is none of
/// these but an ordinary end with code 127 or 126.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The deadline passed; the command and all that it started are gone.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// The container does not run, or ended while the command ran.
    #[error("container {id} does not run")]
    NotRunning {
        /// The container's id.
        id: String,
    },
    /// There is no command, or one of more than 128 KiB.
    #[error("{message}")]
    Command {
        /// What is wrong with it.
        message: String,
    },
    /// Too many commands run or wait in this container already; try again later.
    #[error("too many commands at once in container {id}")]
    Busy {
        /// The container's id.
        id: String,
    },
    /// The command could not be brought into the container.
    #[error("cannot execute in container {id}: {message}")]
    Failed {
        /// The container's id.
        id: String,
        /// What failed.
        message: String,
    },
}

/// What a container uses could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// The container has ended.
    #[error("container {id} does not run")]
    NotRunning {
        /// The container's id.
        id: String,
    },
    /// The kernel does not count it.
    #[error(
        "there is no {path}: the {controller} controller is not enabled for the container; \
         write +{controller} to cgroup.subtree_control in the folders above, or boot with cgroup_enable={controller}",
        path = path.display()
    )]
    NoController {
        /// The controller.
        controller: &'static str,
        /// The file that would tell.
        path: PathBuf,
    },
    /// A file of the cgroup cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the cgroup says something else than what kernels say.
    #[error("{path} tells no number for {field}; this kernel may be newer than probelet: please report it", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The counter's name, or the file's if it is to hold a number alone.
        field: &'static str,
    },
}

/// A file of a container could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// There is nothing.
    #[error("there is nothing at {path} in the container")]
    NotFound {
        /// Where.
        path: String,
    },
    /// It lies outside of what is granted.
    #[error("{path} is not granted: {way_out}")]
    NotGranted {
        /// What was asked for.
        path: String,
        /// Why it is not, and what would grant it.
        way_out: String,
    },
    /// It is not of the kind that was asked for.
    #[error("{path} is no {wanted}")]
    WrongKind {
        /// What was asked for.
        path: String,
        /// The kind that it should be of.
        wanted: &'static str,
    },
    /// The container has ended.
    #[error("container {id} does not run")]
    NotRunning {
        /// The container's id.
        id: String,
    },
    /// It is none of these: the path cannot be one, or the kernel refuses.
    #[error("{reason}")]
    Host {
        /// What failed, where and why.
        reason: String,
    },
}
