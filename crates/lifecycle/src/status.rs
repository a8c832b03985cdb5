//! What is shown of a pod: derived from the state alone (invariant 8).

use serde::{Deserialize, Serialize};

use crate::{config::ContainerKind, time::WallTime};

/// The status of a pod; the node agent adds addresses and identifiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodStatus {
    /// `status.phase` (C1).
    pub phase: Phase,
    /// `status.reason`; empty where there is none.
    pub reason: String,
    /// `status.message`; empty where there is none.
    pub message: String,
    /// `status.startTime`.
    pub start_time: WallTime,
    /// `metadata.deletionTimestamp`: when the pod will be gone at the latest, if it is being deleted.
    pub deletion_time: Option<WallTime>,
    /// `metadata.deletionGracePeriodSeconds`.
    pub deletion_grace_seconds: Option<u64>,
    /// `status.conditions` (C2), in Kubernetes' order.
    pub conditions: Vec<Condition>,
    /// The conditions that others have set, as they were told (C2.7).
    #[serde(default)]
    pub other_conditions: Vec<OtherCondition>,
    /// One for each container, in the order of the configuration: init containers and sidecars first.
    pub containers: Vec<ContainerStatus>,
}

/// `status.phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Not every container has started yet.
    Pending,
    /// At least one container runs or will run again.
    Running,
    /// All ended well, for good.
    Succeeded,
    /// All ended, at least one not well.
    Failed,
}

/// One of `status.conditions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// `type`, such as `Ready`.
    pub name: String,
    /// `status`.
    pub status: bool,
    /// `reason`; empty where there is none.
    pub reason: String,
    /// `message`; empty where there is none.
    pub message: String,
    /// `lastTransitionTime`: when the status last changed.
    pub last_transition: WallTime,
}

/// A condition that somebody else has set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherCondition {
    /// `type`.
    pub name: String,
    /// `status`.
    pub status: ConditionStatus,
    /// `reason`; empty where there is none.
    pub reason: String,
    /// `message`; empty where there is none.
    pub message: String,
    /// `lastTransitionTime`: when the status last changed.
    pub last_transition: WallTime,
}

/// `status` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// The status of a container (C3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub kind: ContainerKind,
    /// `state`.
    pub state: ContainerState,
    /// `lastState`, if an instance has ended before.
    pub last_termination: Option<Terminated>,
    /// `ready`; of an init container, whether it has ended well (A3.32).
    pub ready: bool,
    /// `started`.
    pub started: bool,
    /// `restartCount`, which is also the number of the present instance.
    pub restart_count: u32,
}

/// `state` of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerState {
    /// Not there yet, or not there again yet.
    Waiting {
        /// Kubernetes' reason, such as `ContainerCreating` or `CrashLoopBackOff`.
        reason: String,
        /// More about it; may be empty.
        message: String,
    },
    /// It runs.
    Running {
        /// Since when.
        started_at: WallTime,
    },
    /// It has ended.
    Terminated(Terminated),
}

/// How an instance ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminated {
    /// `exitCode`.
    pub exit_code: i32,
    /// `signal`.
    pub signal: Option<i32>,
    /// `reason`, such as `Completed`, `Error` or `OOMKilled`.
    pub reason: String,
    /// `message`; may be empty.
    pub message: String,
    /// `startedAt`.
    pub started_at: WallTime,
    /// `finishedAt`.
    pub finished_at: WallTime,
    /// Which instance it was.
    pub instance: u32,
}

impl Terminated {
    /// Whether it is a failure: what the kernel kills for want of memory is one whatever its code is (B4.2).
    pub fn has_failed(&self) -> bool {
        self.exit_code != 0 || self.reason == OOM_KILLED
    }
}

/// The reason of an end for want of memory (B6.1).
pub(crate) const OOM_KILLED: &str = "OOMKilled";
