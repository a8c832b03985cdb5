//! The host's side of a native test: what the contract's functions answer while a check runs in it.
//!
//! ```
//! use probelet_plugin::{Verdict, config, context, testing::Host};
//!
//! fn check() -> Result<Verdict, String> {
//!     let limit: u64 = config()?;
//!     Ok(match context::attempt() {
//!         attempt if attempt > limit => Verdict::unhealthy("too often"),
//!         _ => Verdict::healthy(),
//!     })
//! }
//!
//! let mut host = Host { config: "3".to_owned(), attempt: 4, ..Host::default() };
//! assert_eq!(host.run(check), Ok(Verdict::unhealthy("too often")));
//! ```
//!
//! Connections and requests are real ones here, made by the standard library: a test listens on 127.0.0.1, or runs the
//! server that the check is for. Nothing of this is in a component.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    mem,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    bindings::probe::probelet::plugin::{
        container_exec, container_files, container_logs, container_stats,
        context::{CheckKind, Outcome, Port},
    },
    tls,
};

/// What a test says of the run. The fields are the contract's functions.
#[derive(Clone, Debug)]
pub struct Host {
    /// `context`: the pod's namespace.
    pub namespace: String,
    /// `context`: the pod's name.
    pub pod: String,
    /// `context`: the container's name.
    pub container: String,
    /// `context`: the container's restarts.
    pub restart_count: u32,
    /// `context`: the pod's address; at first 127.0.0.1.
    pub address: Option<String>,
    /// `context`: the container's ports.
    pub ports: Vec<Port>,
    /// `context`: when the container started.
    pub started_at: Option<SystemTime>,
    /// `context`: what is run.
    pub kind: CheckKind,
    /// `context`: which run this is, from 1.
    pub attempt: u64,
    /// `context`: how the last run ended.
    pub previous_outcome: Option<Outcome>,
    /// `context`: the configuration as JSON.
    pub config: String,
    /// `context`: how long the run may take; at first a second.
    pub timeout: Duration,
    /// `context`: why a hook runs.
    pub hook_reason: Option<String>,
    /// `context`: the rest of the grace period.
    pub grace_left: Option<Duration>,
    /// What the last run has left; after a run what that has left.
    pub state: Option<Vec<u8>>,
    /// What commands come to. Any other is not granted.
    pub commands: Vec<(Vec<String>, Result<container_exec::Output, container_exec::Error>)>,
    /// What the container uses, if it is known.
    pub memory: Option<container_stats::MemoryUsage>,
    /// The processor time it used, if it is known.
    pub cpu: Option<container_stats::CpuUsage>,
    /// Its processes, if they are known.
    pub processes: Option<container_stats::ProcessCount>,
    /// What it has written, oldest first.
    pub logs: Vec<container_logs::Line>,
    /// Its files by their paths, with the time when they were changed.
    pub files: BTreeMap<String, (Vec<u8>, SystemTime)>,
    /// How full its file systems are, by path.
    pub spaces: BTreeMap<String, container_files::FileSystemSpace>,
    /// The variables that are granted.
    pub environment: BTreeMap<String, String>,
    /// What servers show when TLS is begun, or why it fails. What is said then goes over the connection as it is.
    pub tls: Option<Result<tls::Session, tls::Error>>,
    /// What time it is; the real one if it is none.
    pub now: Option<SystemTime>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            namespace: "default".to_owned(),
            pod: "pod".to_owned(),
            container: "container".to_owned(),
            restart_count: 0,
            address: Some("127.0.0.1".to_owned()),
            ports: Vec::new(),
            started_at: None,
            kind: CheckKind::Liveness,
            attempt: 1,
            previous_outcome: None,
            config: "{}".to_owned(),
            timeout: Duration::from_secs(1),
            hook_reason: None,
            grace_left: None,
            state: None,
            commands: Vec::new(),
            memory: None,
            cpu: None,
            processes: None,
            logs: Vec::new(),
            files: BTreeMap::new(),
            spaces: BTreeMap::new(),
            environment: BTreeMap::new(),
            tls: None,
            now: None,
        }
    }
}

thread_local! {
    /// The host of the check that this thread runs, and when that began.
    static CURRENT: RefCell<(Host, Instant)> = RefCell::new((Host::default(), Instant::now()));
}

impl Host {
    /// Runs a check, or a part of one, as this host, and returns what it returns. Its time begins now.
    pub fn run<T>(&mut self, check: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace((mem::take(self), Instant::now()));
        let answer = check();
        *self = CURRENT.replace(outer).0;
        answer
    }
}

/// How much of its time is left.
pub(crate) fn time_left() -> Duration {
    CURRENT.with_borrow(|(host, begin)| host.timeout.saturating_sub(begin.elapsed()))
}

/// Asks the host of the running check.
pub(crate) fn ask<T>(question: impl FnOnce(&Host) -> T) -> T {
    CURRENT.with_borrow(|(host, _)| question(host))
}

/// Tells it something.
pub(crate) fn tell(change: impl FnOnce(&mut Host)) {
    CURRENT.with_borrow_mut(|(host, _)| change(host));
}
