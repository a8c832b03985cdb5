//! What happens to a pod, as the machine is told it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    action::{ActionId, Request},
    config::ContainerIndex,
    status::{ConditionStatus, OOM_KILLED},
};

/// One thing that happened. A reply names the [`ActionId`] that it answers; one that answers nothing outstanding came
/// too late and is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The pod was accepted. Always the first event.
    Begin,
    /// The pod's namespaces, network and volumes are there.
    SandboxReady {
        /// The action that this answers.
        action: ActionId,
    },
    /// They could not be made.
    SandboxFailed {
        /// The action that this answers.
        action: ActionId,
        /// Why, and what to do about it.
        message: String,
    },
    /// The image is there.
    ImageReady {
        /// The action that this answers.
        action: ActionId,
        /// The text of the `Pulled` event.
        message: String,
    },
    /// The image cannot be had.
    ImageFailed {
        /// The action that this answers.
        action: ActionId,
        /// Which waiting reason it makes.
        error: ImageError,
        /// Why, and what to do about it.
        message: String,
    },
    /// The container runs.
    ContainerStarted {
        /// The action that this answers.
        action: ActionId,
    },
    /// The container could not be created or started.
    ContainerStartFailed {
        /// The action that this answers.
        action: ActionId,
        /// How far it came.
        error: StartError,
        /// Why, and what to do about it.
        message: String,
    },
    /// A container that ran has ended.
    ContainerExited {
        /// Which container.
        container: ContainerIndex,
        /// Which instance of it; another than the present one is dropped.
        instance: u32,
        /// How it ended.
        exit: Exit,
    },
    /// A probe run came to its end. All tries of a check that could not be run are included (A3.13).
    ProbeFinished {
        /// The action that this answers.
        action: ActionId,
        /// What it found.
        outcome: ProbeOutcome,
    },
    /// A hook came to its end.
    HookFinished {
        /// The action that this answers.
        action: ActionId,
        /// `Err` holds why it failed, its time-out included.
        result: Result<(), String>,
    },
    /// The server of an HTTPS hook wanted no TLS, and the request went there without (B1.8). The hook's end is told after
    /// that.
    HookFellBack {
        /// The action that the hook's end will answer.
        action: ActionId,
        /// The server's host and port.
        host: String,
    },
    /// Somebody deletes the pod.
    Delete {
        /// The grace period asked for; `None` is the pod's own. Zero forces.
        grace_period: Option<Duration>,
    },
    /// Somebody else sets a condition of the pod, such as one that a readiness gate waits for (C2.7).
    ConditionSet {
        /// `type`; one of [`OWN_CONDITIONS`](crate::OWN_CONDITIONS) is dropped.
        name: String,
        /// `status`.
        status: ConditionStatus,
        /// `reason`; may be empty.
        reason: String,
        /// `message`; may be empty.
        message: String,
    },
    /// The pod's namespaces, network and volumes are gone.
    SandboxRemoved {
        /// The action that this answers.
        action: ActionId,
    },
    /// Restarts because of liveness are held back from now on, or no longer (F34). What is held back is decided anew with
    /// the probe's next failure.
    Hold {
        /// Whether they are held back.
        held: bool,
    },
    /// The agent has come back to a pod that an earlier one left, and tells so before all else. Probes that became due
    /// meanwhile are spread (F6); nothing is done before the next event.
    Resume,
    /// The time asked for by [`Schedule`](crate::State::next_wake) has come; harmless at any other.
    Wake,
}

/// Whether a request can be answered by an event.
type Fits = fn(&Request) -> bool;

impl Event {
    /// The action that a reply, or news of one under way, names, and which requests it fits; `None` of anything else.
    pub(crate) fn answers(&self) -> Option<(ActionId, Fits)> {
        let (action, fits): (_, Fits) = match self {
            Self::SandboxReady { action } | Self::SandboxFailed { action, .. } => {
                (action, |request| matches!(request, Request::CreateSandbox))
            }
            Self::ImageReady { action, .. } | Self::ImageFailed { action, .. } => {
                (action, |request| matches!(request, Request::EnsureImage { .. }))
            }
            Self::ContainerStarted { action } | Self::ContainerStartFailed { action, .. } => {
                (action, |request| matches!(request, Request::StartContainer { .. }))
            }
            Self::ProbeFinished { action, .. } => (action, |request| matches!(request, Request::RunProbe { .. })),
            Self::HookFinished { action, .. } | Self::HookFellBack { action, .. } => {
                (action, |request| matches!(request, Request::RunHook { .. }))
            }
            Self::SandboxRemoved { action } => (action, |request| matches!(request, Request::RemoveSandbox)),
            Self::Begin
            | Self::ContainerExited { .. }
            | Self::Delete { .. }
            | Self::ConditionSet { .. }
            | Self::Hold { .. }
            | Self::Resume
            | Self::Wake => return None,
        };
        Some((*action, fits))
    }
}

/// Why an image cannot be had (B6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageError {
    /// `ErrImagePull`, and between tries `ImagePullBackOff`.
    Pull,
    /// `ErrImageNeverPull`.
    NeverPull,
    /// `InvalidImageName`.
    InvalidName,
    /// `ImageInspectError`.
    Inspect,
}

/// Why a container does not run (B6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartError {
    /// `CreateContainerConfigError`: the manifest and the image do not fit together.
    Config,
    /// `CreateContainerError`: it could not be set up.
    Create,
    /// `RunContainerError`: it was set up, but its process could not be started. Shown as terminated with 128 and the
    /// reason `StartError` (B6.1).
    Run,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code; 128 + n after signal n.
    pub code: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
    /// Whether its true end is unknown, as after the loss of its shim (B6.3).
    pub lost: bool,
    /// More about it, for people; may be empty.
    pub message: String,
}

impl Exit {
    /// An end of which no more is known than its exit code; above 128 that tells the signal too.
    pub fn with_code(code: i32) -> Self {
        Self {
            code,
            signal: (code > 128).then(|| code - 128),
            oom_killed: false,
            lost: false,
            message: String::new(),
        }
    }

    /// The `reason` of an end that nobody has asked for: `Completed`, `Error`, `OOMKilled` or `ContainerStatusUnknown`
    /// (B6.1, B6.3).
    pub fn reason(&self) -> &'static str {
        match self {
            Self { lost: true, .. } => "ContainerStatusUnknown",
            Self { oom_killed: true, .. } => OOM_KILLED,
            Self { code: 0, .. } => "Completed",
            Self { .. } => "Error",
        }
    }
}

/// What a probe run found. Four outcomes, never mixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeOutcome {
    /// Which of the four.
    pub verdict: Verdict,
    /// The text for events and history.
    pub message: String,
}

/// The four outcomes of a probe run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Healthy.
    Success,
    /// Counts as a success, but people are told (`ProbeWarning`).
    Warning,
    /// Counts against the container.
    Failure,
    /// The check could not be run, or broke its limits. Counts for nothing, unless
    /// [`errored_is_failure`](crate::config::ProbeConfig::errored_is_failure) is set.
    Errored,
}
