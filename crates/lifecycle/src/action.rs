//! What the machine asks for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::ContainerIndex, status::PodStatus, time::BootTime};

/// Names an action for good: it is never used twice in a pod's life. A reply carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionId(pub u64);

/// One thing to do. Actions are carried out in their order; those with an [`ActionId`] are answered by an event, are
/// idempotent, and stay in [`State::outstanding`](crate::State::outstanding) until answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Something that an event will answer.
    Request {
        /// Its name.
        id: ActionId,
        /// What to do.
        request: Request,
    },
    /// Stop a probe or hook run that is under way; its reply is no longer awaited.
    Cancel {
        /// The run.
        id: ActionId,
    },
    /// Send a signal to all or the first process of a container. Without effect if that instance has ended.
    Signal {
        /// Which container.
        container: ContainerIndex,
        /// Which instance of it.
        instance: u32,
        /// What to send.
        signal: StopSignal,
    },
    /// Tell people of something.
    RecordEvent(PodEvent),
    /// The status has changed; it is published before the actions behind this one are taken (invariant 8).
    PublishStatus(Box<PodStatus>),
    /// The pod has ended for good: a deleted one can be forgotten.
    Forget,
}

/// What an event will answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Make the pod's namespaces, network and volumes.
    CreateSandbox,
    /// Have the container's image.
    EnsureImage {
        /// Which container.
        container: ContainerIndex,
    },
    /// Create and start a new instance of a container.
    StartContainer {
        /// Which container.
        container: ContainerIndex,
        /// The new instance: 0 for the first, and so also the restart count.
        instance: u32,
    },
    /// Run a probe once.
    RunProbe {
        /// Which container.
        container: ContainerIndex,
        /// Which instance of it.
        instance: u32,
        /// Which probe.
        kind: ProbeKind,
        /// When it was due.
        due: BootTime,
        /// How many runs of this probe this instance has seen, this one included.
        attempt: u64,
        /// How long it may take.
        timeout: Duration,
    },
    /// Run a hook.
    RunHook {
        /// Which container.
        container: ContainerIndex,
        /// Which instance of it.
        instance: u32,
        /// Why it runs.
        reason: HookReason,
        /// How long it may take.
        timeout: Duration,
    },
    /// Remove the pod's namespaces, network and volumes.
    RemoveSandbox,
}

/// The three kinds of probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProbeKind {
    /// `startupProbe`.
    Startup,
    /// `livenessProbe`.
    Liveness,
    /// `readinessProbe`.
    Readiness,
}

/// Why a hook runs. `Start` is for postStart, all others for preStop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookReason {
    /// The container has started.
    Start,
    /// The pod is deleted.
    Delete,
    /// The pod ends by itself: no regular container is left to run, or an init container has failed for good (B4.5).
    Completed,
    /// The liveness probe failed.
    Liveness,
    /// The startup probe failed.
    Startup,
    /// The postStart hook failed.
    PostStart,
    /// The pod has been active for longer than it may (B6.6).
    Deadline,
    /// A rule restarts all containers. They have no grace period, so no hook runs for this reason (B2.10).
    Restart,
}

/// A signal that ends containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopSignal {
    /// The image's stop signal, else SIGTERM, to the first process.
    Stop,
    /// SIGKILL, to every process.
    Kill,
}

/// A Kubernetes event, before it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodEvent {
    /// `Normal` or `Warning`.
    pub severity: Severity,
    /// Kubernetes' reason.
    pub reason: String,
    /// Kubernetes' message.
    pub message: String,
    /// The container that it is about, if it is about one.
    pub container: Option<ContainerIndex>,
    /// Whether it says only that something goes on as it was: people can do without some of these (C6.3, F31).
    pub repeated: bool,
}

/// The type of a Kubernetes event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Severity {
    /// Something that belongs to normal life.
    Normal,
    /// Something that somebody may want to look at.
    Warning,
}
