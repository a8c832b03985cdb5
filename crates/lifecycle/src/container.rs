//! What is known of one container.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    action::{ActionId, HookReason, ProbeKind},
    back_off::BackOff,
    config::{ContainerConfig, ProbeConfig},
    probe::{ProbeResult, Worker},
    status::Terminated,
    time::{BootTime, Now},
};

/// One container through all of its instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) stage: Stage,
    /// The newest instance that has started.
    pub(crate) instance: Option<u32>,
    /// How the newest instance ended, until the next one has started.
    pub(crate) ended: Option<Ended>,
    /// How the instance before it ended.
    pub(crate) ended_before: Option<Ended>,
    pub(crate) back_off: BackOff,
    pub(crate) image_back_off: BackOff,
}

/// The end of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) at: BootTime,
    pub(crate) shown: Terminated,
}

/// Where a container stands between two instances, or in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// It is to be started, as soon as it is its turn (B1.1).
    Queued,
    /// It waits before it is queued again.
    BackingOff {
        until: BootTime,
        /// What is shown meanwhile.
        reason: String,
        message: String,
    },
    /// Its image is being looked for.
    FetchingImage { action: ActionId },
    /// It is being created and started.
    Starting { action: ActionId, instance: u32 },
    /// It runs.
    Live(Box<Live>),
    /// It has ended for good, or never starts.
    Done,
}

/// A running instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) number: u32,
    pub(crate) started: Now,
    /// The postStart hook, while it runs, and when it must have ended. Probes wait for it.
    pub(crate) post_start: Option<(ActionId, BootTime)>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) stop: Option<Stop>,
}

/// The end of an instance, as we bring it about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stop {
    pub(crate) cause: HookReason,
    pub(crate) began: BootTime,
    /// The whole grace period; it can only shrink (B2.7).
    pub(crate) grace_period: Duration,
    pub(crate) phase: StopPhase,
}

/// The steps of ending an instance (B3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StopPhase {
    /// The preStop hook runs, for so long by its own limit.
    PreStop { action: ActionId, limit: Duration },
    /// The stop signal was sent; SIGKILL follows.
    Signalled { kill_at: BootTime },
    /// SIGKILL was sent.
    Killed,
}

impl Container {
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Queued,
            instance: None,
            ended: None,
            ended_before: None,
            back_off: BackOff::default(),
            image_back_off: BackOff::default(),
        }
    }

    pub(crate) fn live(&self) -> Option<&Live> {
        match &self.stage {
            Stage::Live(live) => Some(live),
            _ => None,
        }
    }

    pub(crate) fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.stage {
            Stage::Live(live) => Some(live),
            _ => None,
        }
    }

    /// Whether it keeps the containers behind it from starting (B1.1).
    pub(crate) fn holds_the_line(&self) -> bool {
        match &self.stage {
            Stage::FetchingImage { .. } | Stage::Starting { .. } => true,
            Stage::Live(live) => live.post_start.is_some(),
            Stage::Queued | Stage::BackingOff { .. } | Stage::Done => false,
        }
    }

    /// The next moment at which something is to be done.
    pub(crate) fn next_wake(&self) -> Option<BootTime> {
        match &self.stage {
            Stage::BackingOff { until, .. } => Some(*until),
            Stage::Live(live) => live.next_wake(),
            Stage::Queued | Stage::FetchingImage { .. } | Stage::Starting { .. } | Stage::Done => None,
        }
    }
}

impl Live {
    /// An instance that has just started.
    pub(crate) fn new(number: u32, config: &ContainerConfig, started: Now) -> Self {
        let kinds = [ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness];
        let workers = kinds
            .into_iter()
            .filter_map(|kind| Some(Worker::new(kind, probe_config(config, kind)?, started.boot)))
            .collect();
        Self { number, started, post_start: None, workers, stop: None }
    }

    pub(crate) fn worker(&self, kind: ProbeKind) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.kind == kind)
    }

    /// Past its postStart hook and its startup probe (A3.31).
    pub(crate) fn is_started(&self) -> bool {
        self.post_start.is_none()
            && self.worker(ProbeKind::Startup).is_none_or(|startup| startup.result == ProbeResult::Success)
    }

    /// Whether it can take work (A3.32). An instance that a probe or its postStart hook has condemned cannot (F26).
    pub(crate) fn is_ready(&self) -> bool {
        let condemned = self.stop.as_ref().is_some_and(|stop| stop.cause != HookReason::Delete);
        self.is_started()
            && !condemned
            && self.worker(ProbeKind::Readiness).is_none_or(|readiness| readiness.result == ProbeResult::Success)
    }

    /// When a probe of this kind runs next.
    pub(crate) fn due(&self, worker: &Worker) -> Option<BootTime> {
        worker.due(self.post_start.is_none() && (worker.kind == ProbeKind::Startup || self.is_started()))
    }

    fn next_wake(&self) -> Option<BootTime> {
        let stop = self.stop.as_ref().and_then(Stop::next_wake);
        let hook = self.post_start.map(|(_, limit)| limit);
        let probes = self.workers.iter().filter_map(|worker| self.due(worker)).min();
        [stop, hook, probes].into_iter().flatten().min()
    }
}

impl Stop {
    /// When the preStop hook's time is over, or the stop signal's.
    pub(crate) fn next_wake(&self) -> Option<BootTime> {
        match self.phase {
            StopPhase::PreStop { limit, .. } => Some(self.began.after(limit.min(self.grace_period))),
            StopPhase::Signalled { kill_at } => Some(kill_at),
            StopPhase::Killed => None,
        }
    }
}

/// The configuration of a kind of probe.
pub(crate) fn probe_config(config: &ContainerConfig, kind: ProbeKind) -> Option<&ProbeConfig> {
    match kind {
        ProbeKind::Startup => config.startup.as_ref(),
        ProbeKind::Liveness => config.liveness.as_ref(),
        ProbeKind::Readiness => config.readiness.as_ref(),
    }
}
