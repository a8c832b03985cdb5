//! Ending an instance: preStop, the stop signal, SIGKILL, within the grace period (B2, B3).

use std::time::Duration;

use crate::{
    action::{Action, HookReason, ProbeKind, Request, StopSignal},
    config::{ContainerIndex, ContainerKind, HookConfig, RestartPolicy},
    container::{PostStart, Stage, Stop, StopPhase, probe_config},
    machine::Machine,
    messages::normal,
    state::{Deletion, Termination},
};

/// A process always has so long between the stop signal and SIGKILL (B2.6).
const MINIMUM_GRACE_PERIOD: Duration = Duration::from_secs(2);

/// The shortest grace period of a deletion; "force" is this too (B2.7).
const SHORTEST_DELETION: Duration = Duration::from_secs(1);

/// How long after SIGKILL an end must be known, or SIGKILL is sent again (B3.3): the agent may have died before it sent
/// it. Long enough that a slow end does not look like a lost signal.
const KILL_AGAIN_AFTER: Duration = Duration::from_secs(10);

impl Machine<'_> {
    /// Somebody deletes the pod. A later deletion can only take time away (B2.7, B2.8).
    pub(crate) fn delete(&mut self, grace_period: Option<Duration>) {
        let grace_period = grace_period.unwrap_or(self.state.config.termination_grace_period);
        if self
            .state
            .deletion
            .is_some_and(|earlier| earlier.grace_period <= grace_period)
        {
            return;
        }
        let earlier = self.state.ending();
        self.state.deletion = Some(Deletion {
            asked: self.now,
            grace_period,
        });
        self.changed();
        self.end_containers(earlier);
    }

    /// The pod ends by itself, for this reason, with the grace period that is its own.
    pub(crate) fn terminate(&mut self, cause: HookReason) {
        let earlier = self.state.ending();
        self.state.termination = Some(Termination {
            cause,
            grace_period: self.state.config.termination_grace_period,
        });
        self.changed();
        self.end_containers(earlier);
    }

    /// Ends all containers, in parallel but for the order of the sidecars (B3.2, B4.6), or in less time than it was to
    /// take earlier.
    fn end_containers(&mut self, earlier: Option<Termination>) {
        let Some(ending) = self.state.ending() else { return };
        self.state.restarting_all = false;
        for index in self.indices() {
            match self.container(index).stage {
                Stage::FetchingImage { action } => {
                    self.answered(action);
                    self.finish(index);
                }
                Stage::Queued | Stage::CrashLoop { .. } | Stage::Retrying { .. } => self.finish(index),
                Stage::Live(_) if earlier.is_some() => self.shorten(index, ending.grace_period.max(SHORTEST_DELETION)),
                Stage::Live(_) => self.end_with_pod(index, ending),
                // The reply is awaited: what has started must be ended.
                Stage::Starting | Stage::Done => {}
            }
        }
    }

    pub(crate) fn end_with_pod(&mut self, index: ContainerIndex, ending: Termination) {
        self.stop_probes_for_the_end(index);
        let message = format!("Stopping container {}", self.container_config(index).name);
        self.record(normal(index, "Killing", message));
        self.stop(index, ending.cause, ending.grace_period.max(SHORTEST_DELETION));
    }

    /// A probe has reached its verdict against the container: it is ended, and restarted if the policy allows (A4.5).
    pub(crate) fn condemn(&mut self, index: ContainerIndex, kind: ProbeKind) {
        let (cause, probe) = match kind {
            ProbeKind::Startup => (HookReason::Startup, "startup"),
            ProbeKind::Liveness => (HookReason::Liveness, "liveness"),
            ProbeKind::Readiness => return,
        };
        if self.live(index).is_none_or(|live| live.stop.is_some()) {
            return;
        }
        let config = self.container_config(index);
        let (what, again) = match (config.kind, self.state.config.restart_policy_of(index)) {
            // A4.6: a sidecar always comes again, and nobody says so.
            (ContainerKind::Init | ContainerKind::Sidecar, _) => ("Init container", ""),
            (ContainerKind::Regular, RestartPolicy::Never) => ("Container", ""),
            (ContainerKind::Regular, _) => ("Container", ", will be restarted"),
        };
        let message = format!("{what} {} failed {probe} probe{again}", config.name);
        let own = probe_config(config, kind).and_then(|probe| probe.termination_grace_period);
        let grace_period = own.unwrap_or(self.state.config.termination_grace_period);
        self.record(normal(index, "Killing", message));
        self.stop(index, cause, grace_period);
    }

    /// Begins to end an instance; one that is being ended already gets no more time than it had.
    pub(crate) fn stop(&mut self, index: ContainerIndex, cause: HookReason, grace_period: Duration) {
        let began = self.now.boot;
        let hook = self.container_config(index).pre_stop.clone();
        let Some(live) = self.live(index) else { return };
        if live.stop.is_some() {
            return self.shorten(index, grace_period);
        }
        let instance = live.number;
        if let PostStart::Running { action, .. } = live.post_start {
            self.cancel(action);
            self.show(index);
        }
        self.changed();
        // Without a grace period there is no time for a hook (B2.3).
        let Some(HookConfig { timeout: limit }) = hook.filter(|_| !grace_period.is_zero()) else {
            let phase = StopPhase::AwaitingTurn { since: began };
            self.set_stop(
                index,
                Stop {
                    cause,
                    began,
                    grace_period,
                    phase,
                },
            );
            return self.signal_in_turn(index);
        };
        let action = self.state.new_action();
        let phase = StopPhase::PreStop { action, limit };
        self.set_stop(
            index,
            Stop {
                cause,
                began,
                grace_period,
                phase,
            },
        );
        let timeout = limit.min(grace_period);
        self.ask(
            action,
            Request::RunHook {
                container: index,
                instance,
                reason: cause,
                timeout,
            },
        );
    }

    /// The grace period becomes as short as one that begins now, if it is not shorter already.
    fn shorten(&mut self, index: ContainerIndex, grace_period: Duration) {
        let now = self.now.boot;
        let Some(stop) = self.live(index).and_then(|live| live.stop.as_mut()) else {
            return;
        };
        stop.grace_period = stop
            .grace_period
            .min(now.since(stop.began).saturating_add(grace_period));
        if let StopPhase::Signalled { kill_at } = &mut stop.phase {
            *kill_at = (*kill_at).min(now.after(grace_period.max(MINIMUM_GRACE_PERIOD)));
        }
    }

    /// The preStop hook is over: the stop signal follows, at once or when it is the container's turn (B4.6).
    pub(crate) fn signal_in_turn(&mut self, index: ContainerIndex) {
        let since = self.now.boot;
        self.set_phase(index, StopPhase::AwaitingTurn { since });
        self.end_turn(index);
    }

    /// Sends the stop signal to a container that has waited for its turn, if that has come or the time is over.
    pub(crate) fn end_turn(&mut self, index: ContainerIndex) {
        let now = self.now.boot;
        let out_of_time = self
            .live(index)
            .and_then(|live| live.stop.as_ref())
            .is_none_or(|stop| stop.next_wake() <= now);
        if out_of_time || !self.waits_for_others(index) {
            self.send_stop_signal(index);
        }
    }

    /// Sends the stop signal; SIGKILL follows when what is left of the grace period is over. The whole seconds that the
    /// hook and the wait for the turn took are taken off (B2.3, B2.5), and at least two are left (B2.6).
    fn send_stop_signal(&mut self, index: ContainerIndex) {
        let now = self.now.boot;
        let Some(stop) = self.live(index).and_then(|live| live.stop.as_ref()) else {
            return;
        };
        let hook_ended = match stop.phase {
            StopPhase::AwaitingTurn { since } => since,
            StopPhase::PreStop { .. } | StopPhase::Signalled { .. } | StopPhase::Killed { .. } => now,
        };
        let used = whole_seconds(hook_ended.since(stop.began)) + whole_seconds(now.since(hook_ended));
        let left = stop.grace_period.saturating_sub(used).max(MINIMUM_GRACE_PERIOD);
        self.set_phase(
            index,
            StopPhase::Signalled {
                kill_at: now.after(left),
            },
        );
        self.signal(index, StopSignal::Stop);
    }

    pub(crate) fn kill(&mut self, index: ContainerIndex) {
        let again_at = self.now.boot.after(KILL_AGAIN_AFTER);
        self.set_phase(index, StopPhase::Killed { again_at });
        self.signal(index, StopSignal::Kill);
    }

    fn signal(&mut self, container: ContainerIndex, signal: StopSignal) {
        let Some(instance) = self.live(container).map(|live| live.number) else {
            return;
        };
        self.publish();
        self.actions.push(Action::Signal {
            container,
            instance,
            signal,
        });
    }

    fn set_stop(&mut self, index: ContainerIndex, stop: Stop) {
        if let Some(live) = self.live(index) {
            live.stop = Some(stop);
        }
    }

    fn set_phase(&mut self, index: ContainerIndex, phase: StopPhase) {
        if let Some(stop) = self.live(index).and_then(|live| live.stop.as_mut()) {
            stop.phase = phase;
        }
    }
}

/// Grace periods are counted in whole seconds, and parts of one are given away (B2.3).
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}
