//! Hooks: postStart before an instance is shown, preStop before its stop signal, both surely ended in time (F22).

use std::time::Duration;

use crate::{
    action::{ActionId, HookReason, Request},
    config::ContainerIndex,
    container::{PostStart, StopPhase},
    machine::Machine,
    messages::{bounded, normal, pod_warning, warning},
};

/// What is said of a hook that was cancelled.
const OUT_OF_TIME: &str = "the hook did not end in time and was cancelled";

impl Machine<'_> {
    pub(crate) fn run_post_start(&mut self, index: ContainerIndex, instance: u32, timeout: Duration) {
        let until = self.now.boot.after(timeout);
        let reason = HookReason::Start;
        let action = self.request(Request::RunHook {
            container: index,
            instance,
            reason,
            timeout,
        });
        self.set_post_start(index, PostStart::Running { action, until });
    }

    pub(crate) fn hook_finished(&mut self, action: ActionId, result: Result<(), String>) {
        let Some(Request::RunHook { container, reason, .. }) = self.answered(action) else {
            return;
        };
        let error = result.as_ref().err().map(String::as_str);
        if reason == HookReason::Start {
            self.post_start_finished(container, error);
        } else {
            self.pre_stop_finished(container, error);
        }
    }

    /// It is told, of the pod itself as the kubelet does (A4.13), since a secret in the request has not been kept.
    pub(crate) fn hook_fell_back(&mut self, host: &str) {
        let message = format!(
            "request to HTTPS lifecycle hook {} got HTTP response, retry with HTTP succeeded",
            bounded(host)
        );
        self.record(pod_warning("LifecycleHTTPFallback", message));
    }

    /// Cancels hooks whose time is over, sends the stop signal to those whose turn has come, and SIGKILL when the grace
    /// period is over.
    pub(crate) fn end_hooks(&mut self, index: ContainerIndex) {
        let now = self.now.boot;
        let Some(live) = self.live(index) else { return };
        if let PostStart::Running { action, until } = live.post_start
            && until <= now
        {
            self.cancel(action);
            return self.post_start_finished(index, Some(OUT_OF_TIME));
        }
        let Some(stop) = &live.stop else { return };
        let is_due = stop.next_wake() <= now;
        match stop.phase {
            StopPhase::AwaitingTurn { .. } => self.end_turn(index),
            _ if !is_due => {}
            StopPhase::PreStop { action, .. } => {
                self.cancel(action);
                self.pre_stop_finished(index, Some(OUT_OF_TIME));
            }
            StopPhase::Signalled { .. } | StopPhase::Killed { .. } => self.kill(index),
        }
    }

    /// A failed postStart hook ends its container in the usual way (B1.3).
    fn post_start_finished(&mut self, index: ContainerIndex, error: Option<&str>) {
        let Some(error) = error else { return self.show(index) };
        self.set_post_start(index, PostStart::Failed);
        // Why it failed is kept out of the events: it may hold secrets, and could not be counted (A4.7, F31).
        self.record(warning(index, "FailedPostStartHook", "PostStartHook failed"));
        self.record(normal(index, "Killing", "FailedPostStartHook"));
        self.wait(index, "PostStartHookError", error);
        let grace_period = self.state.config.termination_grace_period;
        self.stop(index, HookReason::PostStart, grace_period);
    }

    /// The stop signal follows whatever the hook came to (B1.14).
    fn pre_stop_finished(&mut self, index: ContainerIndex, error: Option<&str>) {
        if error.is_some() {
            self.record(warning(index, "FailedPreStopHook", "PreStopHook failed"));
        }
        self.signal_in_turn(index);
    }

    fn set_post_start(&mut self, index: ContainerIndex, post_start: PostStart) {
        if let Some(live) = self.live(index) {
            live.post_start = post_start;
        }
    }
}
