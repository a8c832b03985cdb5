//! Ending an instance: preStop, the stop signal, SIGKILL, within the grace period (B2, B3).

use std::time::Duration;

use crate::{
    action::{Action, ActionId, HookReason, Request, StopSignal},
    config::{ContainerIndex, RestartPolicy},
    container::{Stop, StopPhase, probe_config},
    machine::Machine,
    messages::{normal, warning},
    time::BootTime,
};

/// A process always has so long between the stop signal and SIGKILL (B2.6).
const MINIMUM_GRACE_PERIOD: Duration = Duration::from_secs(2);

/// The shortest grace period that can be asked for; "force" is this too (B2.7).
const SHORTEST_GRACE_PERIOD: Duration = Duration::from_secs(1);

impl Machine<'_> {
    /// A probe has reached its verdict against the container: it is ended, and restarted if the policy allows (A4.5).
    pub(crate) fn condemn(&mut self, index: ContainerIndex, cause: HookReason) {
        let probe = match cause {
            HookReason::Startup => crate::action::ProbeKind::Startup,
            _ => crate::action::ProbeKind::Liveness,
        };
        if self.state.containers[index.0].live().is_none_or(|live| live.stop.is_some()) {
            return;
        }
        let config = self.container_config(index);
        let name = if cause == HookReason::Startup { "startup" } else { "liveness" };
        let again = match self.state.config.restart_policy {
            RestartPolicy::Never => "",
            RestartPolicy::Always | RestartPolicy::OnFailure => ", will be restarted",
        };
        let message = format!("Container {} failed {name} probe{again}", config.name);
        let own = probe_config(config, probe).and_then(|probe| probe.termination_grace_period);
        let grace_period = own.unwrap_or(self.state.config.termination_grace_period);
        self.record(normal(index, "Killing", message));
        self.stop(index, cause, grace_period);
    }

    /// Begins to end an instance; one that is being ended already gets no more time than it had.
    pub(crate) fn stop(&mut self, index: ContainerIndex, cause: HookReason, grace_period: Duration) {
        let now = self.now.boot;
        let hook = self.container_config(index).pre_stop.clone();
        let Some(live) = self.state.containers[index.0].live_mut() else { return };
        if live.stop.is_some() {
            return self.shorten(index, grace_period);
        }
        let post_start = live.post_start.take();
        let instance = live.number;
        let grace_period = grace_period.max(SHORTEST_GRACE_PERIOD);
        if let Some((hook, _)) = post_start {
            self.cancel(hook);
        }
        self.changed();
        let stop = |phase| Some(Stop { cause, began: now, grace_period, phase });
        let Some(limit) = hook.map(|hook| hook.timeout) else {
            self.signal(index, instance, StopSignal::Stop);
            let kill_at = now.after(grace_period.max(MINIMUM_GRACE_PERIOD));
            return self.set_stop(index, stop(StopPhase::Signalled { kill_at }));
        };
        let action = self.state.new_action();
        self.set_stop(index, stop(StopPhase::PreStop { action, limit }));
        let timeout = limit.min(grace_period);
        self.ask(action, Request::RunHook { container: index, instance, reason: cause, timeout });
    }

    fn set_stop(&mut self, index: ContainerIndex, stop: Option<Stop>) {
        if let Some(live) = self.container(index).live_mut() {
            live.stop = stop;
        }
    }

    /// A later deletion with less time takes the rest away (B2.7, B2.8).
    pub(crate) fn shorten(&mut self, index: ContainerIndex, grace_period: Duration) {
        let now = self.now.boot;
        let Some(stop) = self.container(index).live_mut().and_then(|live| live.stop.as_mut()) else { return };
        let grace_period = grace_period.max(SHORTEST_GRACE_PERIOD);
        stop.grace_period = stop.grace_period.min(now.since(stop.began).saturating_add(grace_period));
        if let StopPhase::Signalled { kill_at } = &mut stop.phase {
            *kill_at = (*kill_at).min(now.after(grace_period.max(MINIMUM_GRACE_PERIOD)));
        }
    }

    pub(crate) fn hook_finished(&mut self, action: ActionId, result: Result<(), String>) {
        let Some(Request::RunHook { container, reason, .. }) = self.answered(action) else { return };
        if reason == HookReason::Start {
            self.post_start_finished(container, result);
        } else {
            self.pre_stop_finished(container, result);
        }
    }

    /// Hooks whose time is over are cancelled for sure (F22), and SIGKILL follows the stop signal.
    pub(crate) fn end_hooks(&mut self, index: ContainerIndex) {
        let now = self.now.boot;
        let Some(live) = self.state.containers[index.0].live() else { return };
        if let Some((hook, limit)) = live.post_start
            && limit <= now
        {
            self.cancel(hook);
            return self.post_start_finished(index, Err("the hook's time is over".to_owned()));
        }
        let Some(stop) = live.stop.as_ref().filter(|stop| stop.next_wake().is_some_and(|due| due <= now)) else {
            return;
        };
        match stop.phase {
            StopPhase::PreStop { action, .. } => {
                self.cancel(action);
                self.pre_stop_finished(index, Err("the hook's time is over".to_owned()));
            }
            StopPhase::Signalled { .. } => {
                let instance = live.number;
                self.signal(index, instance, StopSignal::Kill);
                self.set_phase(index, StopPhase::Killed);
            }
            StopPhase::Killed => {}
        }
    }

    /// A failed postStart hook ends its container in the usual way (B1.3).
    fn post_start_finished(&mut self, index: ContainerIndex, result: Result<(), String>) {
        if let Some(live) = self.container(index).live_mut() {
            live.post_start = None;
        }
        self.changed();
        // Why it failed stands in the history; events of it could not be counted (A4.7, F31).
        if result.is_err() {
            self.record(warning(index, "FailedPostStartHook", "PostStartHook failed"));
            self.record(normal(index, "Killing", "FailedPostStartHook"));
            let grace_period = self.state.config.termination_grace_period;
            self.stop(index, HookReason::PostStart, grace_period);
        }
    }

    /// The stop signal follows whatever the hook came to (B1.14), with what is left of the grace period (B2.3, B2.6).
    fn pre_stop_finished(&mut self, index: ContainerIndex, result: Result<(), String>) {
        let now = self.now.boot;
        if result.is_err() {
            self.record(warning(index, "FailedPreStopHook", "PreStopHook failed"));
        }
        let Some(live) = self.container(index).live_mut() else { return };
        let instance = live.number;
        let Some(stop) = live.stop.as_mut() else { return };
        let kill_at = kill_time(stop.began, stop.grace_period, now);
        stop.phase = StopPhase::Signalled { kill_at };
        self.signal(index, instance, StopSignal::Stop);
    }

    fn set_phase(&mut self, index: ContainerIndex, phase: StopPhase) {
        if let Some(stop) = self.container(index).live_mut().and_then(|live| live.stop.as_mut()) {
            stop.phase = phase;
        }
    }

    fn signal(&mut self, container: ContainerIndex, instance: u32, signal: StopSignal) {
        self.publish();
        self.actions.push(Action::Signal { container, instance, signal });
    }
}

/// When SIGKILL follows a stop signal that is sent now: the hook's whole seconds are taken off the grace period, and at
/// least 2 s are left.
fn kill_time(began: BootTime, grace_period: Duration, now: BootTime) -> BootTime {
    let used = Duration::from_secs(now.since(began).as_secs());
    now.after(grace_period.saturating_sub(used).max(MINIMUM_GRACE_PERIOD))
}
