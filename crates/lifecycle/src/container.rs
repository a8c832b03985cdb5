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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) stage: Stage,
    /// What is shown while no instance is, if it is more than how the last one ended.
    pub(crate) waiting: Option<Waiting>,
    /// How the newest instance ended, until the next one is shown.
    pub(crate) ended: Option<Ended>,
    /// How the instance before it ended.
    pub(crate) ended_before: Option<Ended>,
    pub(crate) restart_back_off: BackOff,
    /// For what precedes an instance: its image, its creation.
    pub(crate) start_back_off: BackOff,
}

/// A reason to wait, as it is shown (B6.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// The end of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) at: BootTime,
    pub(crate) shown: Terminated,
}

/// Where a container stands between two instances, or in one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// It is to be started, as soon as it is its turn (B1.1).
    #[default]
    Queued,
    /// It has ended too often, and waits before it is queued again (B5.5).
    CrashLoop { until: BootTime },
    /// Its image or its creation failed, and is tried again after a wait.
    Retrying { until: BootTime },
    /// Its image is being looked for.
    FetchingImage { action: ActionId },
    /// It is being created and started.
    Starting,
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
    pub(crate) post_start: PostStart,
    pub(crate) workers: Vec<Worker>,
    pub(crate) stop: Option<Stop>,
}

/// How far the postStart hook is. The instance is shown as running, and probed, only when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PostStart {
    /// It runs, until this time at most.
    Running { action: ActionId, until: BootTime },
    /// It has failed, and the instance is on its way out (B1.3).
    Failed,
    /// It went well, there is none, or it matters no more since the pod is deleted.
    Over,
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
    /// The preStop hook is over since then, or there is none, and the container waits for others to end first (B4.6).
    AwaitingTurn { since: BootTime },
    /// The stop signal was sent; SIGKILL follows.
    Signalled { kill_at: BootTime },
    /// SIGKILL was sent, and is sent again until the end is known.
    Killed { again_at: BootTime },
}

impl Container {
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

    /// The instance that people see as running.
    pub(crate) fn shown(&self) -> Option<&Live> {
        self.live().filter(|live| live.is_shown())
    }

    /// The number of the next instance.
    pub(crate) fn next_instance(&self) -> u32 {
        self.ended
            .as_ref()
            .map_or(0, |ended| ended.shown.instance.saturating_add(1))
    }

    /// Whether it has ended for good, and well.
    pub(crate) fn has_ended_well(&self) -> bool {
        self.stage == Stage::Done && self.ended.as_ref().is_some_and(|ended| !ended.shown.has_failed())
    }

    /// Whether an instance lives, or will before long.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Live(_) | Stage::Starting)
    }

    /// Whether it keeps the containers behind it from starting (B1.1).
    pub(crate) fn holds_the_line(&self) -> bool {
        match &self.stage {
            Stage::FetchingImage { .. } | Stage::Starting => true,
            Stage::Live(live) => matches!(live.post_start, PostStart::Running { .. }),
            Stage::Queued | Stage::CrashLoop { .. } | Stage::Retrying { .. } | Stage::Done => false,
        }
    }

    /// When a wait before a start is over.
    pub(crate) fn waits_until(&self) -> Option<BootTime> {
        match self.stage {
            Stage::CrashLoop { until } | Stage::Retrying { until } => Some(until),
            _ => None,
        }
    }

    /// The next moment at which something is to be done.
    pub(crate) fn next_wake(&self) -> Option<BootTime> {
        match &self.stage {
            Stage::CrashLoop { until } | Stage::Retrying { until } => Some(*until),
            Stage::Live(live) => live.next_wake(),
            Stage::Queued | Stage::FetchingImage { .. } | Stage::Starting | Stage::Done => None,
        }
    }
}

impl Live {
    /// An instance that has just started.
    pub(crate) fn new(number: u32, config: &ContainerConfig, started: Now) -> Self {
        // In the order in which the kubelet makes them (A3.2).
        let kinds = [ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness];
        let workers = kinds
            .into_iter()
            .filter_map(|kind| Some(Worker::new(kind, probe_config(config, kind)?, started.boot)))
            .collect();
        Self {
            number,
            started,
            post_start: PostStart::Over,
            workers,
            stop: None,
        }
    }

    pub(crate) fn worker(&self, kind: ProbeKind) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.kind == kind)
    }

    pub(crate) fn worker_mut(&mut self, kind: ProbeKind) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.kind == kind)
    }

    /// Whether people see it as running.
    pub(crate) fn is_shown(&self) -> bool {
        self.post_start == PostStart::Over
    }

    /// Past its postStart hook and its startup probe (A3.31).
    pub(crate) fn is_started(&self) -> bool {
        let startup = self.worker(ProbeKind::Startup);
        self.is_shown() && startup.is_none_or(|startup| startup.result == ProbeResult::Success)
    }

    /// Whether it can take work (A3.32). An instance that a probe has condemned cannot (F26).
    pub(crate) fn is_ready(&self) -> bool {
        let condemned = self.stop.as_ref().is_some_and(|stop| match stop.cause {
            HookReason::Liveness | HookReason::Startup | HookReason::PostStart | HookReason::Restart => true,
            HookReason::Start | HookReason::Delete | HookReason::Completed | HookReason::Deadline => false,
        });
        let readiness = self.worker(ProbeKind::Readiness);
        self.is_started() && !condemned && readiness.is_none_or(|readiness| readiness.result == ProbeResult::Success)
    }

    /// When a probe runs next; `None` while it rests, runs, or is held back by the postStart hook or the startup probe
    /// (A3.10).
    pub(crate) fn due(&self, worker: &Worker) -> Option<BootTime> {
        let open = self.is_shown() && (worker.kind == ProbeKind::Startup || self.is_started());
        worker.due().filter(|_| open)
    }

    fn next_wake(&self) -> Option<BootTime> {
        let hook = match self.post_start {
            PostStart::Running { until, .. } => Some(until),
            PostStart::Failed | PostStart::Over => None,
        };
        let stop = self.stop.as_ref().map(Stop::next_wake);
        let probes = self.workers.iter().filter_map(|worker| self.due(worker)).min();
        [stop, hook, probes].into_iter().flatten().min()
    }
}

impl Stop {
    /// When the process has had its time; `None` before the stop signal, and after SIGKILL.
    pub(crate) fn kill_at(&self) -> Option<BootTime> {
        match self.phase {
            StopPhase::Signalled { kill_at } => Some(kill_at),
            StopPhase::PreStop { .. } | StopPhase::AwaitingTurn { .. } | StopPhase::Killed { .. } => None,
        }
    }

    /// When the time of the preStop hook, of the wait or of the signal is over.
    pub(crate) fn next_wake(&self) -> BootTime {
        match self.phase {
            StopPhase::PreStop { limit, .. } => self.began.after(limit.min(self.grace_period)),
            StopPhase::AwaitingTurn { .. } => self.began.after(self.grace_period),
            StopPhase::Signalled { kill_at } => kill_at,
            StopPhase::Killed { again_at } => again_at,
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
