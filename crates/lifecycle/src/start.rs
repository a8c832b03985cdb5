//! From a queued container to a running one, and from its end to the next start (B1.1, B5).

use crate::{
    action::{ActionId, HookReason, Request},
    config::{ContainerIndex, RestartPolicy},
    container::{Ended, Live, Stage},
    event::{Exit, ImageError, StartError},
    machine::Machine,
    messages::{go_duration, normal, pod_name, warning},
    state::Sandbox,
    status::Terminated,
    time::BootTime,
};

/// The exit code of a container whose command could not be executed (B6.1).
const START_ERROR: i32 = 128;

impl Machine<'_> {
    /// Starts the first container in the queue, unless one before it is still starting (B1.1).
    pub(crate) fn start_next(&mut self) {
        let held = self.state.containers.iter().any(crate::container::Container::holds_the_line);
        if self.state.sandbox != Sandbox::Ready || self.state.deletion.is_some() || held {
            return;
        }
        let next = self.state.containers.iter().position(|container| container.stage == Stage::Queued);
        if let Some(container) = next.map(ContainerIndex) {
            let action = self.request(Request::EnsureImage { container });
            self.container(container).stage = Stage::FetchingImage { action };
        }
    }

    /// A container that has waited long enough is queued again.
    pub(crate) fn end_back_off(&mut self, index: ContainerIndex) {
        let now = self.now.boot;
        let container = self.container(index);
        if matches!(container.stage, Stage::BackingOff { until, .. } if until <= now) {
            // What is shown stays until the next start has a result.
            container.stage = Stage::Queued;
        }
    }

    pub(crate) fn image_ready(&mut self, action: ActionId, message: String) {
        let Some(Request::EnsureImage { container }) = self.answered(action) else { return };
        self.record(normal(container, "Pulled", message));
        let instance = self.container(container).instance.map_or(0, |instance| instance.saturating_add(1));
        let (config, now) = (self.state.config.restart_back_off, self.now.boot);
        self.container(container).back_off.advance(&config, now);
        let action = self.request(Request::StartContainer { container, instance });
        self.container(container).stage = Stage::Starting { action, instance };
    }

    pub(crate) fn image_failed(&mut self, action: ActionId, error: ImageError, message: &str) {
        let Some(Request::EnsureImage { container }) = self.answered(action) else { return };
        let image = self.container_config(container).image.clone();
        let reason = match error {
            ImageError::Pull => "ErrImagePull",
            ImageError::NeverPull => "ErrImageNeverPull",
            ImageError::InvalidName => "InvalidImageName",
            ImageError::Inspect => "ImageInspectError",
        };
        self.record(match error {
            ImageError::Pull => warning(container, "Failed", format!("Failed to pull image \"{image}\": {message}")),
            ImageError::NeverPull => warning(container, "ErrImageNeverPull", message),
            ImageError::InvalidName | ImageError::Inspect => warning(container, "InspectFailed", message),
        });
        self.record(warning(container, "Failed", format!("Error: {reason}")));
        let (config, now) = (self.state.config.restart_back_off, self.now.boot);
        let back_off = &mut self.container(container).image_back_off;
        back_off.advance(&config, now);
        let until = now.after(back_off.delay());
        self.back_off(container, until, reason, message.to_owned());
        if error == ImageError::Pull {
            self.publish();
            let waiting = format!("Back-off pulling image \"{image}\"");
            self.record(normal(container, "BackOff", waiting.clone()));
            self.back_off(container, until, "ImagePullBackOff", format!("{waiting}: {reason}: {message}"));
        }
    }

    pub(crate) fn container_started(&mut self, action: ActionId) {
        let Some(Request::StartContainer { container, instance }) = self.answered(action) else { return };
        let (now, state) = (self.now, &mut *self.state);
        let live = Live::new(instance, &state.config.containers[container.0], now);
        let known = &mut state.containers[container.0];
        known.instance = Some(instance);
        known.ended_before = known.ended.take();
        known.stage = Stage::Live(Box::new(live));
        self.changed();
        self.record(normal(container, "Created", "Container created"));
        self.record(normal(container, "Started", "Container started"));
        if let Some(deletion) = self.state.deletion {
            // It was deleted while it started.
            self.stop_probes_for_deletion(container);
            self.record(normal(container, "Killing", format!("Stopping container {}", self.container_config(container).name)));
            self.stop(container, HookReason::Delete, deletion.grace_period);
        } else if let Some(timeout) = self.container_config(container).post_start.as_ref().map(|hook| hook.timeout) {
            let hook = Request::RunHook { container, instance, reason: HookReason::Start, timeout };
            // Not shown as running before the hook has ended, as the kubelet does.
            let id = self.state.new_action();
            if let Some(live) = self.container(container).live_mut() {
                live.post_start = Some((id, now.boot.after(timeout)));
            }
            self.ask(id, hook);
        }
    }

    pub(crate) fn start_failed(&mut self, action: ActionId, error: StartError, message: String) {
        let Some(Request::StartContainer { container, instance }) = self.answered(action) else { return };
        self.record(warning(container, "Failed", format!("Error: {message}")));
        let reason = match error {
            StartError::Config => "CreateContainerConfigError",
            StartError::Create => "CreateContainerError",
            StartError::Run => {
                self.container(container).instance = Some(instance);
                let exit = Exit { code: START_ERROR, signal: None, oom_killed: false, lost: false, message };
                return self.ended(container, instance, &exit, "StartError", None, false);
            }
        };
        if self.state.deletion.is_some() {
            return self.finish_container(container);
        }
        let until = self.now.boot.after(self.container(container).back_off.delay());
        self.back_off(container, until, reason, message);
    }

    pub(crate) fn container_exited(&mut self, index: ContainerIndex, instance: u32, exit: &Exit) {
        let Some(live) = self.state.containers.get(index.0).and_then(|container| container.live()) else { return };
        if live.number != instance {
            return;
        }
        let condemned =
            live.stop.as_ref().is_some_and(|stop| matches!(stop.cause, HookReason::Liveness | HookReason::Startup));
        let started = live.started;
        self.cancel_runs(index);
        let reason = match exit {
            Exit { lost: true, .. } => "ContainerStatusUnknown",
            Exit { oom_killed: true, .. } => "OOMKilled",
            Exit { code: 0, .. } => "Completed",
            Exit { .. } => "Error",
        };
        self.ended(index, instance, exit, reason, Some(started), condemned);
    }

    /// An instance has ended: it is shown, then restarted, or not (B5.1).
    fn ended(
        &mut self,
        index: ContainerIndex,
        instance: u32,
        exit: &Exit,
        reason: &str,
        started: Option<crate::time::Now>,
        condemned: bool,
    ) {
        let now = self.now;
        let shown = Terminated {
            exit_code: exit.code,
            signal: exit.signal,
            reason: reason.to_owned(),
            message: exit.message.clone(),
            started_at: started.unwrap_or(now).wall,
            finished_at: now.wall,
            instance,
        };
        let container = self.container(index);
        if container.ended.is_some() {
            container.ended_before = container.ended.take();
        }
        container.ended = Some(Ended { at: now.boot, shown });
        container.stage = Stage::Queued;
        if !self.restarts(exit.code, condemned) {
            return self.finish_container(index);
        }
        self.changed();
        self.publish();
        self.restart(index, condemned);
    }

    /// Whether the policy lets a container run again. A probe's kill restarts whatever the exit code is (A4.5).
    fn restarts(&self, code: i32, condemned: bool) -> bool {
        self.state.deletion.is_none()
            && match self.state.config.restart_policy {
                RestartPolicy::Always => true,
                RestartPolicy::OnFailure => condemned || code != 0,
                RestartPolicy::Never => false,
            }
    }

    /// Queues an ended container, at once or after its back-off. A probe's kill looks at the end of the instance before,
    /// as the kubelet decides on both in one go (B5.10).
    fn restart(&mut self, index: ContainerIndex, condemned: bool) {
        let (now, config) = (self.now.boot, self.state.config.restart_back_off);
        let container = &self.state.containers[index.0];
        let measured_from = if condemned { &container.ended_before } else { &container.ended };
        let until = container.back_off.ready_at(&config, measured_from.as_ref().map(|ended| ended.at), now);
        if until <= now {
            return;
        }
        let (name, pod) = (&self.state.config.containers[index.0].name, pod_name(&self.state.config));
        let delay = go_duration(container.back_off.delay());
        let message = format!("back-off {delay} restarting failed container={name} pod={pod}");
        let event = format!("Back-off restarting failed container {name} in pod {pod}");
        self.record(warning(index, "BackOff", event));
        self.back_off(index, until, "CrashLoopBackOff", message);
    }

    fn back_off(&mut self, index: ContainerIndex, until: BootTime, reason: &str, message: String) {
        self.container(index).stage = Stage::BackingOff { until, reason: reason.to_owned(), message };
        self.changed();
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
}
