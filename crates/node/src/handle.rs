//! What the API and the command line see of the agent.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::Stream;
use probelet_histogram::Histogram;
use probelet_manifest::Diagnostic;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
};

/// A pod's or an event's JSON document, as it is stored and handed out.
pub type Document = Arc<serde_json::Value>;

/// Names a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodKey {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl std::fmt::Display for PodKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// A list and the version from which a watch goes on without a gap.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The list's `metadata.resourceVersion`.
    pub resource_version: u64,
    /// The documents, by namespace and name.
    pub items: Vec<Document>,
}

/// Which collection is listed or watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// Pods.
    Pods,
    /// Events (core/v1).
    Events,
}

/// One change to a collection.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// The document after the change; the last one for a deletion.
    pub object: Document,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It has changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// An endless stream of changes. It ends with [`WatchError::Expired`] when the reader falls too far behind.
pub type Changes = Pin<Box<dyn Stream<Item = Result<Change, WatchError>> + Send>>;

/// Why a watch cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The version asked for is older than what is kept: list again, then watch from there (HTTP 410).
    #[error("resource version {0} is too old; list again and watch from the list's version")]
    Expired(u64),
}

/// What `apply` did.
#[derive(Debug)]
pub struct Created {
    /// The pod as it was stored.
    pub pod: Document,
    /// Warnings for people.
    pub warnings: Vec<String>,
}

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There is no such pod or container (404).
    #[error("{0}")]
    NotFound(String),
    /// A pod of that name is there already (409).
    #[error("pods \"{0}\" already exists")]
    AlreadyExists(String),
    /// The document is not a valid pod (422). One entry for each fault.
    #[error("{}", lines(.0))]
    Invalid(Vec<Diagnostic>),
    /// The request does not fit the pod's present state (409 or 400), with what to do about it.
    #[error("{0}")]
    Conflict(String),
    /// The agent failed (500).
    #[error("{0}")]
    Internal(String),
}

fn lines(faults: &[Diagnostic]) -> String {
    let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

pub use probelet_lifecycle::{OWN_CONDITIONS, status::ConditionStatus};

/// A condition that a client sets in a pod's status (C2.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionUpdate {
    /// `type`; none of [`OWN_CONDITIONS`].
    pub name: String,
    /// `status`.
    pub status: ConditionStatus,
    /// `reason`; may be empty.
    pub reason: String,
    /// `message`; may be empty.
    pub message: String,
}

/// Options of a deletion.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeleteOptions {
    /// `gracePeriodSeconds`; `None` is the pod's own; 0 forces.
    pub grace_period_seconds: Option<u64>,
}

/// Options of a log request.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Which container; `None` is the only one.
    pub container: Option<String>,
    /// Go on as the log grows.
    pub follow: bool,
    /// The instance before the present one.
    pub previous: bool,
    /// Only that many lines from the end.
    pub tail_lines: Option<usize>,
    /// Put an RFC 3339 time before each line.
    pub timestamps: bool,
}

/// A log, in pieces. Ends when the container's log ends, with `follow` only then.
pub type LogStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// A command to run in a container.
#[derive(Clone, Debug, Default)]
pub struct ExecOptions {
    /// Which container; `None` is the only one.
    pub container: Option<String>,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Whether its stdin is connected.
    pub stdin: bool,
    /// Whether it gets a terminal; stderr then comes with stdout.
    pub tty: bool,
}

/// A running command. Dropping it ends the command and all that it started.
pub struct ExecSession {
    /// Its stdin, if asked for. Shutting it down is the end of file.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Its stdout; everything, if it has a terminal.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its stderr; `None` if it has a terminal.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Tells the terminal its size (columns, rows); does nothing without one.
    pub resize: Box<dyn Fn(u16, u16) + Send + Sync>,
    /// Its exit code, or why it could not be run.
    pub exit: oneshot::Receiver<Result<i32, String>>,
}

/// One run of a probe or hook, as history keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// When it was started, RFC 3339 with milliseconds.
    pub time: String,
    /// The container.
    pub container: String,
    /// The instance of the container (its restart count).
    pub instance: u32,
    /// `startup`, `liveness`, `readiness`, `postStart` or `preStop`.
    pub kind: String,
    /// The number of this run for its probe and instance, from 1.
    pub attempt: u64,
    /// `success`, `warning`, `failure` or `errored`.
    pub outcome: String,
    /// What the check said.
    pub message: String,
    /// Wall time in microseconds, from the run's due time to its recording.
    pub wall_micros: u64,
    /// Fuel that the guest used.
    pub fuel: u64,
    /// The guest's peak memory, in bytes.
    pub memory_bytes: u64,
    /// Calls from the guest into the host.
    pub host_calls: u64,
    /// The component's name, such as `exec`.
    pub component: String,
    /// The component's digest, `sha256:…`.
    pub digest: String,
    /// How often the check was tried, errored tries included (A3.13).
    pub tries: u32,
    /// What the plugin has measured or found, by name.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// Which grants it used, and which it lacked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<GrantRecord>,
    /// The beginning of what the plugin wrote to its standard output and error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
}

/// One run of a component of somebody's choice against a running container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckRequest {
    /// Which container; `None` is the only one.
    #[serde(default)]
    pub container: Option<String>,
    /// What it is run as: `startup`, `liveness`, `readiness`, `postStart` or `preStop`. `None` is `liveness`, or `postStart`
    /// if it is a hook only.
    #[serde(default)]
    pub kind: Option<String>,
    /// What stands below `wasm` in a manifest; a path in it is absolute, and of the agent's machine.
    pub handler: serde_json::Value,
    /// How long it may take.
    pub timeout_milliseconds: u64,
}

/// Which run of a pod's check is to be recorded: the next one that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordOptions {
    /// Which container; `None` is the only one.
    pub container: Option<String>,
    /// Which of its checks: `startup`, `liveness`, `readiness`, `postStart` or `preStop`.
    pub kind: String,
    /// How it has to end: `healthy`, `degraded`, `unhealthy` or `errored` of a probe, `succeeded`, `failed` or `errored`
    /// of a hook; any way if `None`.
    pub outcome: Option<String>,
}

/// What the runs of a check have taken since the agent's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckUsage {
    /// The container.
    pub container: String,
    /// `startup`, `liveness`, `readiness`, `postStart` or `preStop`.
    pub kind: String,
    /// How many there were.
    pub runs: u64,
    /// Wall time in microseconds, from the run's due time to its recording.
    pub wall_micros: Percentiles,
    /// Fuel.
    pub fuel: Percentiles,
    /// The guest's peak memory, in bytes.
    pub memory_bytes: Percentiles,
}

/// Of many numbers, those that so many percent are not above, a sixteenth too much at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of them.
    pub p50: u64,
    /// 90 percent.
    pub p90: u64,
    /// 99 percent.
    pub p99: u64,
    /// All of them: it is exact.
    pub max: u64,
}

impl From<&Histogram> for Percentiles {
    fn from(histogram: &Histogram) -> Self {
        Self {
            p50: histogram.percentile(50.0),
            p90: histogram.percentile(90.0),
            p99: histogram.percentile(99.0),
            max: histogram.greatest(),
        }
    }
}

/// A grant that a run used or lacked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantRecord {
    /// Its name below `allow`, such as `network`.
    pub grant: String,
    /// What of it: a command as a JSON list, `HOST:PORT`, a path, a variable's name; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// How often it was granted.
    pub granted: u32,
    /// How often it was refused.
    pub refused: u32,
}
