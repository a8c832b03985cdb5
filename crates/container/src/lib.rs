//! Containers: an OCI configuration from a [`ContainerSpec`], and the client side of the shim that creates and watches
//! the container.
//!
//! Invariants:
//! - Nothing of a container depends on this process: the shim owns its output and records its end, so that an agent
//!   that was killed finds everything again with [`Runtime::attach`].
//! - A command executed with [`Container::exec`] is gone, with all that it started, when its answer is here, however it
//!   ended; dropping the future ends it too.
//! - Whatever a container writes is bounded before it is kept.
//! - What is read of a container's files lies below what was granted, whatever the container does to its links, and
//!   nothing but regular files and folders is ever opened.
//! - Waiting is for events (sockets, pipes, cgroup notifications), never by asking again and again.
//!
//! It does not do: images, pod namespaces, and any decision about when a container is to run. libcontainer is not
//! linked here; it clones and changes the calling process, which an agent with threads cannot bear.

mod capabilities;
mod container;
mod error;
mod exec;
mod files;
pub mod log_tail;
mod oci;
mod root;
mod runtime;
mod seccomp;
mod session;
mod shim;
mod socket;
mod spec;
mod stats;

pub use container::Container;
pub use error::{ExecError, FilesError, RuntimeError, StartError, StatsError};
pub use exec::{ExecOutput, ExecRequest};
pub use files::{FileKind, FileMetadata, Files, LIST_NAMES_MAX, READ_BYTES_MAX, Space};
pub use probelet_shim_protocol::{ExitRecord, WindowSize};
pub use runtime::{Attachment, Runtime, RuntimeConfig};
pub use session::{ExecSession, ExecSessionRequest, SessionInput, SessionOutput, SessionStatus, Terminal};
pub use spec::{Capabilities, ContainerSpec, Mount, MountKind, Resources, User};
pub use stats::{CpuStats, MemoryStats, ProcessStats, Stats};
