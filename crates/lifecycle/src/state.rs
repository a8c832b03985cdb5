//! What is remembered of a pod between two steps.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::{
    action::{ActionId, HookReason, ProbeKind, Request},
    back_off::BackOff,
    config::{ContainerConfig, ContainerIndex, PodConfig},
    container::{Container, Stage},
    derive,
    probe::ProbeResult,
    status::{OtherCondition, PodStatus},
    time::{BootTime, Now},
};

/// The version of what is stored; another one is refused rather than misread.
const VERSION: u32 = 1;

/// A stored state is of a version that this agent does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pod's state has version {found}, this agent knows version {VERSION}; run the agent that wrote it, or delete \
     the pod and apply it again"
)]
pub struct UnknownVersion {
    /// The version that was found.
    pub found: u32,
}

/// A pod's state. It can be stored between any two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    #[serde(deserialize_with = "known_version")]
    version: u32,
    pub(crate) config: PodConfig,
    /// When the pod was accepted.
    pub(crate) accepted: Now,
    pub(crate) sandbox: Sandbox,
    pub(crate) sandbox_back_off: BackOff,
    pub(crate) containers: Vec<Container>,
    /// How many containers, from the first one on, have let the one behind them start: none but init containers and
    /// sidecars are counted. It falls only if all containers are restarted, so that a sidecar that is restarted holds
    /// nobody back (B4.3).
    #[serde(default)]
    pub(crate) initialized: usize,
    pub(crate) deletion: Option<Deletion>,
    /// A rule restarts all containers, and some of them still run (B5.4).
    #[serde(default)]
    pub(crate) restarting_all: bool,
    /// The pod ends by itself.
    #[serde(default)]
    pub(crate) termination: Option<Termination>,
    /// Restarts because of liveness are held back (F34).
    #[serde(default)]
    pub(crate) held: bool,
    /// The conditions that others have set.
    #[serde(default)]
    pub(crate) other_conditions: Vec<OtherCondition>,
    /// What has been asked for and not been answered. At most one for the sandbox, and for each container one for its
    /// start, one for a hook and one for each probe.
    pub(crate) requests: BTreeMap<ActionId, Request>,
    next_action: u64,
    /// Set when something that is shown may have changed.
    pub(crate) unpublished: bool,
    /// What is shown. The times of its conditions are kept nowhere else.
    pub(crate) published: Option<PodStatus>,
}

/// The pod's namespaces, network and volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sandbox {
    /// There is none yet.
    Absent,
    /// It is being made.
    Creating,
    /// It could not be made; the next try waits.
    BackingOff { until: BootTime },
    /// It is there.
    Ready,
    /// It is being removed.
    Removing,
    /// It is gone for good.
    Removed,
    /// The pod is gone; nothing follows.
    Forgotten,
}

/// Somebody has deleted the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deletion {
    /// When it was asked for with the grace period below.
    pub(crate) asked: Now,
    /// As it was asked for.
    pub(crate) grace_period: Duration,
}

/// The pod ends by itself, and what still runs of it is ended (B4.2, B4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Termination {
    /// Why.
    pub(crate) cause: HookReason,
    pub(crate) grace_period: Duration,
}

impl State {
    /// A pod that has just been accepted. [`Event::Begin`](crate::event::Event::Begin) sets it going.
    pub fn new(config: PodConfig, now: Now) -> Self {
        let containers = config.containers.iter().map(|_| Container::default()).collect();
        Self {
            version: VERSION,
            config,
            accepted: now,
            sandbox: Sandbox::Absent,
            sandbox_back_off: BackOff::default(),
            containers,
            initialized: 0,
            deletion: None,
            restarting_all: false,
            termination: None,
            held: false,
            other_conditions: Vec::new(),
            requests: BTreeMap::new(),
            next_action: 0,
            unpublished: true,
            published: None,
        }
    }

    /// The same state with other numbers, to see what would come of them: all that follows goes by them. `None` if that
    /// configuration has other containers, or they have other kinds of probes: what has begun could not go on.
    #[must_use]
    pub fn with_config(mut self, config: PodConfig) -> Option<Self> {
        let alike = |one: &ContainerConfig, other: &ContainerConfig| {
            let probes =
                |config: &ContainerConfig| [&config.startup, &config.liveness, &config.readiness].map(Option::is_some);
            (&one.name, one.kind, probes(one)) == (&other.name, other.kind, probes(other))
        };
        let (own, others) = (&self.config.containers, &config.containers);
        let fits = own.len() == others.len() && own.iter().zip(others).all(|(one, other)| alike(one, other));
        fits.then(|| {
            self.config = config;
            self
        })
    }

    /// Whether a stored state can be read, by its field `version`. Reading one that cannot be fails too, but a
    /// deserializer's error cannot be told from that of a damaged file.
    ///
    /// # Errors
    /// If the version is another than this agent's.
    pub fn check_version(found: u32) -> Result<(), UnknownVersion> {
        if found == VERSION {
            Ok(())
        } else {
            Err(UnknownVersion { found })
        }
    }

    /// When [`Event::Wake`](crate::event::Event::Wake) is due; `None` while the pod waits for replies only.
    pub fn next_wake(&self) -> Option<BootTime> {
        let sandbox = match self.sandbox {
            Sandbox::BackingOff { until } => Some(until),
            _ => None,
        };
        self.containers
            .iter()
            .filter_map(Container::next_wake)
            .chain(sandbox)
            .chain(self.deadline())
            .min()
    }

    /// When the pod has been active for as long as it may; `None` if it may be for ever, or is ending already (B6.6).
    pub(crate) fn deadline(&self) -> Option<BootTime> {
        let deadline = self.accepted.boot.after(self.config.active_deadline?);
        let has_ended = || self.containers.iter().all(|container| container.stage == Stage::Done);
        (self.ending().is_none() && !has_ended()).then_some(deadline)
    }

    /// What has been asked for and not been answered, in the order of asking. An agent that comes back asks again.
    pub fn outstanding(&self) -> Vec<(ActionId, Request)> {
        self.requests
            .iter()
            .map(|(id, request)| (*id, request.clone()))
            .collect()
    }

    /// What an action has asked for; `None` if that has been answered or cancelled, or was never asked for.
    pub fn request(&self, id: ActionId) -> Option<&Request> {
        self.requests.get(&id)
    }

    /// Whether there is a sandbox that an agent that comes back must find again.
    pub fn has_sandbox(&self) -> bool {
        self.sandbox == Sandbox::Ready
    }

    /// The instances that an agent that comes back must find again: all that have started and not ended, those included
    /// that the status does not show as running yet, since their postStart hook still runs.
    pub fn instances(&self) -> impl Iterator<Item = (ContainerIndex, u32)> + '_ {
        let containers = self.containers.iter().enumerate();
        containers.filter_map(|(index, container)| Some((ContainerIndex(index), container.live()?.number)))
    }

    /// Whether restarts because of liveness are held back.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Whether the present instance of a container is being ended since its liveness probe has failed.
    pub fn is_condemned(&self, container: ContainerIndex) -> bool {
        let live = self.containers.get(container.0).and_then(Container::live);
        let stop = live.and_then(|live| live.stop.as_ref());
        stop.is_some_and(|stop| stop.cause == HookReason::Liveness)
    }

    /// What is shown of the pod.
    pub fn status(&self) -> PodStatus {
        self.published
            .clone()
            .unwrap_or_else(|| derive::status(self, self.accepted.wall))
    }

    /// What the runs of a probe of the present instance add up to; `None` if there is no such probe or instance.
    pub fn probe_result(&self, container: ContainerIndex, kind: ProbeKind) -> Option<ProbeResult> {
        Some(self.containers.get(container.0)?.live()?.worker(kind)?.result)
    }

    /// How many outcomes of one sort, up to the last one, a probe of the present instance has had in a row; `None` if
    /// there is no such probe or instance.
    pub fn probe_streak(&self, container: ContainerIndex, kind: ProbeKind) -> Option<u32> {
        Some(self.containers.get(container.0)?.live()?.worker(kind)?.streak())
    }

    /// Until when a container waits before it is started again, or tried again; `None` if it does not wait.
    pub fn waits_until(&self, container: ContainerIndex) -> Option<BootTime> {
        self.containers.get(container.0)?.waits_until()
    }

    /// Whether a container has ended for good, or never starts.
    pub fn is_done(&self, container: ContainerIndex) -> bool {
        let container = self.containers.get(container.0);
        container.is_some_and(|container| container.stage == Stage::Done)
    }

    /// When SIGKILL follows the stop signal that the present instance was sent; `None` if it was sent none, or has been
    /// killed already.
    pub fn kill_due(&self, container: ContainerIndex) -> Option<BootTime> {
        self.containers.get(container.0)?.live()?.stop.as_ref()?.kill_at()
    }

    /// Why the whole pod is being ended, and within which grace period; `None` while it is not. Nothing starts any more
    /// once it is (B3.5).
    pub(crate) fn ending(&self) -> Option<Termination> {
        let deletion = self.deletion.map(|deletion| Termination {
            cause: HookReason::Delete,
            grace_period: deletion.grace_period,
        });
        match (deletion, self.termination) {
            (Some(deletion), Some(earlier)) => Some(Termination {
                grace_period: deletion.grace_period.min(earlier.grace_period),
                ..deletion
            }),
            (deletion, termination) => deletion.or(termination),
        }
    }

    /// A name for a new action.
    pub(crate) fn new_action(&mut self) -> ActionId {
        self.next_action += 1;
        ActionId(self.next_action)
    }
}

fn known_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(deserializer)?;
    State::check_version(version)
        .map(|()| version)
        .map_err(D::Error::custom)
}
