//! What a caller says about a container.

use std::path::PathBuf;

/// A container to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Unique among the containers of a runtime: letters, digits, `_`, `-`, `.`; names its folder and cgroup.
    pub id: String,
    /// The pod it belongs to, in the same letters; the cgroups of its containers lie together.
    pub pod_uid: String,
    /// The root file system, mounted and writable (unless `read_only_root`).
    pub root: PathBuf,
    /// Program and arguments.
    pub args: Vec<String>,
    /// The environment. `PATH` and `HOME` are added where they are missing.
    pub environment: Vec<(String, String)>,
    /// Made, if it does not exist.
    pub working_directory: PathBuf,
    /// Whom the container runs as.
    pub user: User,
    /// Mounts, in this order, after the default ones; one with the destination of a default mount replaces it.
    pub mounts: Vec<Mount>,
    /// The network namespace to join; the host's without one.
    pub network_namespace: Option<PathBuf>,
    /// The IPC namespace to join; a new one without.
    pub ipc_namespace: Option<PathBuf>,
    /// The UTS namespace to join, which holds the host name; the host's without one.
    pub uts_namespace: Option<PathBuf>,
    /// Changes to the default capabilities.
    pub capabilities: Capabilities,
    /// All capabilities that this process may hand on, all devices, no seccomp filter, nothing masked.
    pub privileged: bool,
    /// Whether a program may gain rights that its parent lacks; `false` sets no_new_privs.
    pub allow_privilege_escalation: bool,
    /// Whether the root file system cannot be written.
    pub read_only_root: bool,
    /// Limits and weights.
    pub resources: Resources,
    /// Recorded in the OCI configuration, for other tools.
    pub annotations: Vec<(String, String)>,
    /// Where the container's output goes, in CRI log format; the file outlives
    /// [`Runtime::remove`](crate::Runtime::remove). Without one it lies in the container's folder and goes with it.
    pub log_path: Option<PathBuf>,
}

/// Whom a process runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub additional_gids: Vec<u32>,
}

/// Something mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it appears in the container.
    pub destination: PathBuf,
    /// Whether it cannot be written there.
    pub read_only: bool,
    /// What appears.
    pub kind: MountKind,
}

/// The kinds of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// A file or folder of the host, with all that is mounted below it.
    Bind {
        /// The file or folder.
        source: PathBuf,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Its largest size; half of the machine's memory without one.
        size_bytes: Option<u64>,
    },
}

/// Changes to the default capabilities, by name, with or without `CAP_`; `ALL` names all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// To add.
    pub add: Vec<String>,
    /// To take away.
    pub drop: Vec<String>,
}

/// Limits and weights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// The most memory, in bytes.
    pub memory_limit: Option<u64>,
    /// Memory that is taken from others first, in bytes.
    pub memory_request: Option<u64>,
    /// The most CPU time, in thousandths of a CPU.
    pub cpu_limit_millis: Option<u64>,
    /// The weight where CPU time is scarce, in thousandths of a CPU.
    pub cpu_request_millis: Option<u64>,
    /// The most processes and threads.
    pub pids_limit: Option<u64>,
}
