//! What the agent's `container` crate and the `probelet-shim` binary agree on: the files in a container's folder, the
//! messages on the two sockets in it, the sealed copy of the binary that both run from, and where a container's
//! cgroups lie.
//!
//! Invariants:
//! - One message is one packet of at most [`socket::MESSAGE_BYTES_MAX`] bytes, so neither side ever buffers for the
//!   other.
//! - Everything that must outlive the agent lies in files; a socket only carries what may be lost with it.
//!
//! It starts no process, holds no state and never waits, but for [`cgroup::Cgroup::destroy`], which says so.

pub mod cgroup;
mod message;
pub mod sealed;
pub mod socket;

pub use message::{
    ControlReply, ControlRequest, ExecEnd, ExecReply, ExecRequest, ExitRecord, Running, ShimConfig, StartReport,
    StartStage, WindowSize,
};

/// Names of the files in a container's folder, `<runtime root>/<container id>/`.
pub mod files {
    /// [`ShimConfig`](crate::ShimConfig) as JSON, written by the agent before the shim starts.
    pub const SHIM_CONFIG: &str = "shim.json";
    /// The OCI runtime configuration; the folder is the bundle, and the name is OCI's.
    pub const OCI_CONFIG: &str = "config.json";
    /// The shim's socket: who is connected sees the end of the container as the end of the connection.
    pub const CONTROL_SOCKET: &str = "control.sock";
    /// The socket of the helper that executes commands in the container; one connection is one command.
    pub const EXEC_SOCKET: &str = "exec.sock";
    /// [`ExitRecord`](crate::ExitRecord) as JSON. It appears at once and whole, when the container has ended.
    pub const EXIT_RECORD: &str = "exit.json";
    /// The container's output in CRI log format, unless [`ShimConfig::log`](crate::ShimConfig::log) is elsewhere.
    pub const LOG: &str = "container.log";
    /// What the shim and libcontainer had to complain about; quoted when a start fails.
    pub const DIAGNOSTICS: &str = "shim.log";
    /// libcontainer's own state.
    pub const LIBCONTAINER: &str = "libcontainer";
}
