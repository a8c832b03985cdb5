//! From the end of an instance to its restart, or to the container's end (B5).

use crate::{
    action::{HookReason, Request},
    config::{ContainerIndex, ContainerKind, RestartAction, RestartPolicy},
    container::{Ended, Stage},
    event::Exit,
    machine::Machine,
    messages::{bounded, go_duration, pod_name, warning},
    restart_all::RESTARTING_ALL,
    status::Terminated,
};

/// The message of an instance that has vanished (B6.3).
const VANISHED: &str = "The container could not be located when the pod was deleted.  The container used to be Running";

/// What follows the end of an instance.
enum Sequel {
    /// The container starts again, at once or after a wait.
    Restart,
    /// All containers are ended and start again.
    RestartAll,
    /// All containers are being ended to start again, this one with them.
    Together,
    /// It never runs again.
    Finish,
}

impl Machine<'_> {
    pub(crate) fn container_exited(&mut self, index: ContainerIndex, instance: u32, exit: Exit) {
        let Some(live) = self
            .state
            .containers
            .get(index.0)
            .and_then(|container| container.live())
        else {
            return;
        };
        if live.number != instance {
            return;
        }
        let (cause, started) = (live.stop.as_ref().map(|stop| stop.cause), live.started);
        self.cancel_runs(index);
        let (reason, message) = match exit {
            Exit { lost: true, .. } if exit.message.is_empty() => (exit.reason(), VANISHED),
            Exit { lost: false, .. } if cause == Some(HookReason::Restart) => (RESTARTING_ALL, exit.message.as_str()),
            Exit { .. } => (exit.reason(), exit.message.as_str()),
        };
        let shown = Terminated {
            exit_code: exit.code,
            signal: exit.signal,
            reason: reason.to_owned(),
            message: bounded(message),
            started_at: started.wall,
            finished_at: self.now.wall,
            instance,
        };
        self.ended(index, shown, cause);
    }

    /// The instance has ended, and with it all runs that were about it.
    fn cancel_runs(&mut self, index: ContainerIndex) {
        let of_this_container = self.state.requests.iter().filter(|(_, request)| match request {
            Request::RunProbe { container, .. } | Request::RunHook { container, .. } => *container == index,
            _ => false,
        });
        let runs: Vec<_> = of_this_container.map(|(id, _)| *id).collect();
        runs.into_iter().for_each(|run| self.cancel(run));
    }

    /// An instance has ended, for a cause or by itself: it is shown, then restarted, or not.
    pub(crate) fn ended(&mut self, index: ContainerIndex, shown: Terminated, cause: Option<HookReason>) {
        let at = self.now.boot;
        let condemned = matches!(cause, Some(HookReason::Liveness | HookReason::Startup));
        let sequel = self.sequel(index, &shown, condemned);
        let container = self.container(index);
        if let Some(before) = container.ended.take() {
            container.ended_before = Some(before);
        }
        container.ended = Some(Ended { at, shown });
        // What the kubelet shows after a failed postStart hook is the hook (B1.3).
        if cause != Some(HookReason::PostStart) {
            container.waiting = None;
        }
        container.stage = Stage::Queued;
        self.changed();
        match sequel {
            Sequel::Restart => {
                self.publish();
                self.restart(index, condemned);
            }
            Sequel::RestartAll => {
                self.publish();
                self.restart_all(index);
            }
            Sequel::Together => self.await_restart(index),
            Sequel::Finish => self.finish(index),
        }
    }

    /// Whether the policy lets a container run again (B5.1, B5.2). A probe's kill restarts whatever the exit code is (B5.10), a
    /// sidecar runs again in every case (B4.4), and an init container until it has ended well (B4.2).
    /// A rule goes before the policy, but not after a probe's kill (B5.3).
    fn sequel(&self, index: ContainerIndex, end: &Terminated, condemned: bool) -> Sequel {
        if self.state.ending().is_some() {
            return Sequel::Finish;
        }
        if self.state.restarting_all {
            return Sequel::Together;
        }
        let config = self.container_config(index);
        let mut rules = config.restart_rules.iter().filter(|_| !condemned);
        let rule = rules.find(|rule| rule.matches(end.exit_code)).map(|rule| rule.action);
        let is_init = config.kind == ContainerKind::Init;
        let restarts = match (rule, self.state.config.restart_policy_of(index)) {
            (Some(RestartAction::RestartAllContainers), _) => return Sequel::RestartAll,
            _ if is_init && !end.has_failed() => false,
            (Some(RestartAction::Restart), _) | (None, RestartPolicy::Always) => true,
            (None, RestartPolicy::OnFailure) => condemned || is_init || end.exit_code != 0,
            (None, RestartPolicy::Never) => false,
        };
        if restarts { Sequel::Restart } else { Sequel::Finish }
    }

    /// Leaves an ended container in the queue, or makes it wait.
    ///
    /// The kubelet decides on a probe's kill and on the restart in one go, and so on what had ended before the kill
    /// (B5.10). Only if that tells it to wait does it look again, at the end that the kill has brought about.
    pub(crate) fn restart(&mut self, index: ContainerIndex, condemned: bool) {
        let (config, now) = (self.state.config.restart_back_off, self.now.boot);
        let container = &mut self.state.containers[index.0];
        let decisive = if condemned {
            &container.ended_before
        } else {
            &container.ended
        };
        let Some(decisive) = decisive.as_ref().map(|ended| ended.at) else {
            return;
        };
        let back_off = &mut container.restart_back_off;
        if back_off.ready_at(&config, decisive) <= now {
            return back_off.advance(&config, decisive, now);
        }
        let (until, delay) = (back_off.ready_at(&config, now), go_duration(back_off.delay()));
        container.stage = Stage::CrashLoop { until };
        let (name, pod) = (
            &self.state.config.containers[index.0].name,
            pod_name(&self.state.config),
        );
        let message = format!("back-off {delay} restarting failed container={name} pod={pod}");
        let event = format!("Back-off restarting failed container {name} in pod {pod}");
        self.record(warning(index, "BackOff", event));
        self.wait(index, "CrashLoopBackOff", &message);
    }

    /// A container that has waited long enough is queued again. Why it waited is shown until its start has a result.
    pub(crate) fn end_wait(&mut self, index: ContainerIndex) {
        let (config, now) = (self.state.config.restart_back_off, self.now.boot);
        let container = self.container(index);
        match container.stage {
            Stage::CrashLoop { until } if until <= now => {
                let ended = container.ended.as_ref().map_or(now, |ended| ended.at);
                container.restart_back_off.advance(&config, ended, now);
                container.stage = Stage::Queued;
            }
            Stage::Retrying { until } if until <= now => container.stage = Stage::Queued,
            _ => {}
        }
    }

    /// The container never runs again.
    pub(crate) fn finish(&mut self, index: ContainerIndex) {
        let container = self.container(index);
        container.stage = Stage::Done;
        if container.ended.is_some() {
            container.waiting = None;
        }
        self.changed();
    }
}
