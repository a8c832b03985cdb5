//! [`step`]: one event, and all that follows from it.

use crate::{
    action::{Action, ActionId, HookReason, PodEvent, ProbeKind, Request},
    config::{ContainerConfig, ContainerIndex},
    container::{Container, Stage, probe_config},
    derive,
    event::{Event, ProbeOutcome, Verdict},
    messages::{normal, pod_warning, probe_name, warning},
    probe::ProbeResult,
    state::{Deletion, Sandbox, State},
    time::{BootTime, Now},
};

/// Takes one event and adds what is to be done to `actions`, in order.
///
/// `now` never goes back between the steps of one pod. Events may come at any time, late and twice; what does not fit is
/// dropped.
pub fn step(state: &mut State, now: Now, event: Event, actions: &mut Vec<Action>) {
    if state.sandbox == Sandbox::Forgotten {
        return;
    }
    let mut machine = Machine { state, now, actions };
    machine.take(event);
    machine.settle();
}

/// A state in the middle of a step.
pub(crate) struct Machine<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) now: Now,
    pub(crate) actions: &'a mut Vec<Action>,
}

impl Machine<'_> {
    fn take(&mut self, event: Event) {
        match event {
            Event::Begin | Event::Wake => {}
            Event::SandboxReady { action } => self.sandbox_made(action, Ok(())),
            Event::SandboxFailed { action, message } => self.sandbox_made(action, Err(message)),
            Event::SandboxRemoved { action } => self.sandbox_removed(action),
            Event::ImageReady { action, message } => self.image_ready(action, message),
            Event::ImageFailed { action, error, message } => self.image_failed(action, error, &message),
            Event::ContainerStarted { action } => self.container_started(action),
            Event::ContainerStartFailed { action, error, message } => self.start_failed(action, error, message),
            Event::ContainerExited { container, instance, exit } => self.container_exited(container, instance, &exit),
            Event::ProbeFinished { action, outcome } => self.probe_finished(action, outcome),
            Event::HookFinished { action, result } => self.hook_finished(action, result),
            Event::Delete { grace_period } => self.delete(grace_period.unwrap_or(self.state.config.termination_grace_period)),
        }
    }

    /// Does all that is due now, and publishes what has changed.
    fn settle(&mut self) {
        self.make_sandbox();
        for index in (0..self.state.containers.len()).map(ContainerIndex) {
            self.end_back_off(index);
            self.end_hooks(index);
            self.run_probes(index);
        }
        self.start_next();
        self.publish();
        self.end_pod();
        self.publish();
    }

    fn make_sandbox(&mut self) {
        let due = match self.state.sandbox {
            Sandbox::Absent => true,
            Sandbox::BackingOff { until } => until <= self.now.boot,
            _ => false,
        };
        if due && self.state.deletion.is_none() {
            let action = self.request(Request::CreateSandbox);
            self.state.sandbox = Sandbox::Creating { action };
        }
    }

    fn sandbox_made(&mut self, action: ActionId, made: Result<(), String>) {
        if self.answered(action).is_none() {
            return;
        }
        self.changed();
        match made {
            Ok(()) => self.state.sandbox = Sandbox::Ready,
            Err(message) => {
                self.record(pod_warning(
                    "FailedCreatePodSandBox",
                    format!("Failed to create pod sandbox: {message}"),
                ));
                let config = self.state.config.restart_back_off;
                self.state.sandbox_back_off.advance(&config, self.now.boot);
                let until = self.state.sandbox_back_off.ready_at(&config, Some(self.now.boot), self.now.boot);
                self.state.sandbox = Sandbox::BackingOff { until };
            }
        }
    }

    fn sandbox_removed(&mut self, action: ActionId) {
        if self.answered(action).is_some() {
            self.state.sandbox = Sandbox::Removed;
            self.changed();
        }
    }

    /// Once all containers have ended for good the sandbox goes, and after it a pod that was deleted.
    fn end_pod(&mut self) {
        if self.state.containers.iter().any(|container| container.stage != Stage::Done) {
            return;
        }
        match self.state.sandbox {
            Sandbox::Ready => {
                let action = self.request(Request::RemoveSandbox);
                self.state.sandbox = Sandbox::Removing { action };
            }
            Sandbox::Absent | Sandbox::BackingOff { .. } => self.state.sandbox = Sandbox::Removed,
            Sandbox::Creating { .. } | Sandbox::Removing { .. } | Sandbox::Removed | Sandbox::Forgotten => {}
        }
        if self.state.sandbox == Sandbox::Removed && self.state.deletion.is_some() {
            self.publish();
            self.state.sandbox = Sandbox::Forgotten;
            self.actions.push(Action::Forget);
        }
    }

    /// Starts the runs that are due (A3.7 to A3.11).
    fn run_probes(&mut self, index: ContainerIndex) {
        let now = self.now.boot;
        let mut due = Vec::new();
        if let Some(live) = self.state.containers[index.0].live() {
            let workers = live.workers.iter().enumerate();
            due.extend(workers.filter_map(|(at, worker)| Some((at, live.due(worker)?))).filter(|(_, due)| *due <= now));
        }
        for (at, due) in due {
            self.run_probe(index, at, due);
        }
    }

    fn run_probe(&mut self, index: ContainerIndex, at: usize, due: BootTime) {
        let id = self.state.new_action();
        let now = self.now.boot;
        let Some(live) = self.state.containers[index.0].live_mut() else { return };
        let (instance, worker) = (live.number, &mut live.workers[at]);
        let kind = worker.kind;
        let Some(config) = probe_config(&self.state.config.containers[index.0], kind) else { return };
        worker.begin(config, now, id);
        let (attempt, timeout) = (worker.attempts, config.timeout);
        self.ask(id, Request::RunProbe { container: index, instance, kind, due, attempt, timeout });
    }

    fn probe_finished(&mut self, action: ActionId, outcome: ProbeOutcome) {
        let Some(Request::RunProbe { container, kind, .. }) = self.answered(action) else { return };
        self.record_outcome(container, kind, &outcome);
        let state = &mut *self.state;
        let Some(live) = state.containers[container.0].live_mut() else { return };
        let Some(config) = probe_config(&state.config.containers[container.0], kind) else { return };
        let Some(worker) = live.workers.iter_mut().find(|worker| worker.kind == kind) else { return };
        if !worker.finish(config, outcome.verdict) {
            return;
        }
        let result = worker.result;
        self.changed();
        match (kind, result) {
            (ProbeKind::Startup, ProbeResult::Success) => self.startup_succeeded(container),
            (ProbeKind::Startup, ProbeResult::Failure) => self.condemn(container, HookReason::Startup),
            (ProbeKind::Liveness, ProbeResult::Failure) => self.condemn(container, HookReason::Liveness),
            _ => {}
        }
    }

    /// Lets the other probes go: readiness at once, liveness on its own grid.
    fn startup_succeeded(&mut self, index: ContainerIndex) {
        let (state, now) = (&mut *self.state, self.now.boot);
        let Some(live) = state.containers[index.0].live_mut() else { return };
        let started = live.started.boot;
        for worker in &mut live.workers {
            if let Some(config) = probe_config(&state.config.containers[index.0], worker.kind) {
                worker.keep_grid(config, now);
                worker.startup_succeeded(config, started, now);
            }
        }
    }

    /// Every attempt that did not succeed is an event (A3.16, A4.1 to A4.3).
    fn record_outcome(&mut self, container: ContainerIndex, kind: ProbeKind, outcome: &ProbeOutcome) {
        let (name, message) = (probe_name(kind), &outcome.message);
        let event = match outcome.verdict {
            Verdict::Success => return,
            Verdict::Warning => warning(container, "ProbeWarning", format!("{name} probe warning: {message}")),
            Verdict::Failure => warning(container, "Unhealthy", format!("{name} probe failed: {message}")),
            Verdict::Errored => warning(
                container,
                "Unhealthy",
                format!("{name} probe errored and resulted in unknown state: {message}"),
            ),
        };
        self.record(event);
    }

    fn delete(&mut self, grace_period: std::time::Duration) {
        if self.state.deletion.is_some_and(|earlier| earlier.grace_period <= grace_period) {
            return;
        }
        let first = self.state.deletion.is_none();
        self.state.deletion = Some(Deletion { asked: self.now, grace_period });
        self.changed();
        for index in (0..self.state.containers.len()).map(ContainerIndex) {
            if first {
                self.delete_container(index, grace_period);
            } else {
                self.shorten(index, grace_period);
            }
        }
    }

    fn delete_container(&mut self, index: ContainerIndex, grace_period: std::time::Duration) {
        match &self.state.containers[index.0].stage {
            Stage::FetchingImage { action } => {
                let action = *action;
                self.state.requests.remove(&action);
                self.finish_container(index);
            }
            Stage::Queued | Stage::BackingOff { .. } => self.finish_container(index),
            // Its reply is awaited: what has started must be ended.
            Stage::Starting { .. } | Stage::Done => {}
            Stage::Live(_) => {
                self.stop_probes_for_deletion(index);
                self.record(normal(index, "Killing", format!("Stopping container {}", self.container_config(index).name)));
                self.stop(index, HookReason::Delete, grace_period);
            }
        }
    }

    /// Liveness and startup end with the deletion, readiness goes on (A3.24, A3.25).
    pub(crate) fn stop_probes_for_deletion(&mut self, index: ContainerIndex) {
        let Some(live) = self.state.containers[index.0].live_mut() else { return };
        let workers = live.workers.iter_mut().filter(|worker| worker.kind != ProbeKind::Readiness);
        let cancelled: Vec<_> = workers.filter_map(crate::probe::Worker::stop).collect();
        cancelled.into_iter().for_each(|run| self.cancel(run));
    }

    /// The container never runs again.
    pub(crate) fn finish_container(&mut self, index: ContainerIndex) {
        self.container(index).stage = Stage::Done;
        self.changed();
    }

    /// Publishes the status if it has changed.
    pub(crate) fn publish(&mut self) {
        if !std::mem::take(&mut self.state.unpublished) {
            return;
        }
        let status = derive::status(self.state, self.now.wall);
        if self.state.published.as_ref() == Some(&status) {
            return;
        }
        self.state.conditions.clone_from(&status.conditions);
        self.state.published = Some(status.clone());
        self.actions.push(Action::PublishStatus(Box::new(status)));
    }

    /// Something that is shown may have changed.
    pub(crate) fn changed(&mut self) {
        self.state.unpublished = true;
    }

    pub(crate) fn container(&mut self, index: ContainerIndex) -> &mut Container {
        &mut self.state.containers[index.0]
    }

    pub(crate) fn container_config(&self, index: ContainerIndex) -> &ContainerConfig {
        &self.state.config.containers[index.0]
    }

    /// Asks for something; what has changed is published first (invariant 8).
    pub(crate) fn request(&mut self, request: Request) -> ActionId {
        let id = self.state.new_action();
        self.ask(id, request);
        id
    }

    pub(crate) fn ask(&mut self, id: ActionId, request: Request) {
        self.publish();
        self.state.requests.insert(id, request.clone());
        self.actions.push(Action::Request { id, request });
    }

    /// The request that a reply answers, if it is outstanding.
    pub(crate) fn answered(&mut self, action: ActionId) -> Option<Request> {
        self.state.requests.remove(&action)
    }

    /// Ends a run; its reply is no longer awaited.
    pub(crate) fn cancel(&mut self, id: ActionId) {
        if self.state.requests.remove(&id).is_some() {
            self.actions.push(Action::Cancel { id });
        }
    }

    pub(crate) fn record(&mut self, event: PodEvent) {
        self.actions.push(Action::RecordEvent(event));
    }
}
