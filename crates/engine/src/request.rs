//! What is to be run: which check, of whom, with which limits and grants.

use std::{
    io,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    container::{ContainerExec, ContainerFiles, ContainerLogs, ContainerStats},
    network::{Destination, NetworkStandIn},
};

/// One run of a plugin.
pub struct RunRequest {
    /// Which kind of check, and so which of the plugin's exports is called.
    pub check: Check,
    /// Who is checked.
    pub subject: Subject,
    /// Which run of this check for this instance of the container, counted from 1.
    pub attempt: u64,
    /// How the last run of this check for this instance of the container ended, if there was one.
    pub previous: Option<crate::Verdict>,
    /// The handler's configuration; the plugin reads it as JSON.
    pub config: serde_json::Value,
    /// How long the run may take as the manifest says it: for texts ("timed out after 1s").
    pub timeout: Duration,
    /// When the run ends for good. The plugin is told of a moment [`SOFT_DEADLINE_MARGIN`](crate::SOFT_DEADLINE_MARGIN)
    /// earlier, so that it can still say what it was waiting for. To give it the whole of `timeout`, add that margin.
    pub deadline: Instant,
    /// How much of the host the run may use.
    pub limits: Limits,
    /// What the run may reach.
    pub grants: Grants,
    /// A hook's share in the pod's grace period: how much of it is left.
    pub grace_left: Option<Duration>,
    /// What the last run of this check for this instance of the container has left ([`Outcome::state`]).
    ///
    /// [`Outcome::state`]: crate::Outcome::state
    pub state: Option<Arc<[u8]>>,
}

/// A probe or a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// One of the three probes: the plugin's export `probe`.
    Probe(ProbeKind),
    /// A hook: the plugin's export `hook`.
    Hook(HookReason),
}

/// The three kinds of probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// `startupProbe`.
    Startup,
    /// `livenessProbe`.
    Liveness,
    /// `readinessProbe`.
    Readiness,
}

/// Why a hook runs. `Start` is for postStart, all others for preStop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookReason {
    /// The container has started.
    Start,
    /// The pod is deleted.
    Delete,
    /// The pod ends by itself, and a sidecar with it.
    Completed,
    /// The liveness probe failed.
    Liveness,
    /// The startup probe failed.
    Startup,
    /// The postStart hook failed.
    PostStart,
    /// The pod has been active for longer than it may.
    Deadline,
    /// All containers of the pod are restarted.
    Restart,
}

/// The container that is checked. The plugin can ask for all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The container's id.
    pub container_id: String,
    /// How often the container has been restarted.
    pub restart_count: u32,
    /// The pod's first address, once it has one.
    pub address: Option<IpAddr>,
    /// The container's ports, in the manifest's order.
    pub ports: Vec<Port>,
    /// When this instance of the container started.
    pub started_at: Option<SystemTime>,
}

/// A port that a container declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its number inside the pod.
    pub number: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

/// How much of the host one run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Fuel: roughly one unit per WebAssembly instruction.
    pub fuel: u64,
    /// Linear memory, all of the component's memories together.
    pub memory_bytes: usize,
    /// The longest message, and the longest log, that are kept. What is longer is cut.
    pub output_bytes: usize,
}

impl Default for Limits {
    /// 100 million units of fuel are some tenths of a second of computing, a thousand times what the built-in probes
    /// need; 32 MiB hold the runtimes of most languages; 10 KiB is as much as Kubernetes keeps of a probe (A2.19).
    fn default() -> Self {
        Self {
            fuel: 100_000_000,
            memory_bytes: 32 << 20,
            output_bytes: 10 << 10,
        }
    }
}

/// What a run may reach beyond clocks, random numbers and its own log. Nothing by default.
#[derive(Clone, Default)]
pub struct Grants {
    /// Commands in the container.
    pub exec: Option<ExecGrant>,
    /// Connections: WASI sockets and HTTP.
    pub network: Option<NetworkGrant>,
    /// What the container uses.
    pub stats: Option<Arc<dyn ContainerStats>>,
    /// The container's last lines.
    pub logs: Option<Arc<dyn ContainerLogs>>,
    /// Files of the container; which ones is theirs to check.
    pub files: Option<Arc<dyn ContainerFiles>>,
    /// Environment variables, which WASI's environment holds.
    pub environment: Vec<(String, String)>,
    /// Who stands between the run and the network, to answer in its place or to write down what it says. Nobody in a pod
    /// that is not recorded.
    pub stand_in: Option<Arc<dyn NetworkStandIn>>,
    /// What WASI's wall clock says, if it is to stand still: for tests of plugins.
    pub stopped_clock: Option<SystemTime>,
}

/// Commands in the container.
#[derive(Clone)]
pub struct ExecGrant {
    /// Runs them.
    pub container: Arc<dyn ContainerExec>,
    /// What a command must begin with, word by word; one of these is enough. None: any command.
    pub prefixes: Option<Vec<Vec<String>>>,
}

/// What a run may connect to: the pod's own addresses, its loopback, and what its handler names.
#[derive(Clone, Default)]
pub struct NetworkGrant {
    /// The pod's network namespace; none if the pod uses the host's. Then the node's loopback can be reached only if
    /// `hosts` names it.
    pub namespace: Option<Arc<dyn NetworkNamespace>>,
    /// The pod's addresses: always reachable, from inside its namespace.
    pub pod_addresses: Vec<IpAddr>,
    /// Further destinations, such as a handler's `host`: reachable from the host's namespace, as for the kubelet, unless
    /// they are the pod's own.
    pub destinations: Vec<Destination>,
    /// Whether HTTPS goes without a check of the server's certificate, as Kubernetes' probes do (A2.13). Without this
    /// grant certificates are checked against the machine's own authorities.
    pub tls_unverified: bool,
}

/// A network namespace in which sockets can be made.
pub trait NetworkNamespace: Send + Sync {
    /// Runs a short synchronous section, which makes a socket, with this thread inside the namespace.
    fn run(&self, section: &mut dyn FnMut()) -> io::Result<()>;
}
