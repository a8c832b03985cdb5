//! [`step`]: one event, and all that follows from it.

use crate::{
    action::{Action, ActionId, PodEvent, Request},
    config::{ContainerConfig, ContainerIndex},
    container::{Container, Live, Waiting},
    derive,
    event::Event,
    messages::bounded,
    state::{Sandbox, State},
    time::Now,
};

/// Takes one event and adds what is to be done to `actions`, in order.
///
/// `now` never goes back between the steps of one pod. Events may come at any time, late and twice; what does not fit is
/// dropped.
pub fn step(state: &mut State, now: Now, event: Event, actions: &mut Vec<Action>) {
    if state.sandbox == Sandbox::Forgotten {
        // An agent that died before it could forget the pod is told once more.
        if event == Event::Wake {
            actions.push(Action::Forget);
        }
        return;
    }
    let mut machine = Machine { state, now, actions };
    if event == Event::Resume {
        return machine.spread_probes();
    }
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
        // A reply to something else would leave that for ever unanswered.
        if let Some((action, fits)) = event.answers()
            && !self.state.requests.get(&action).is_some_and(fits)
        {
            return;
        }
        match event {
            Event::Begin | Event::Resume | Event::Wake => {}
            Event::SandboxReady { action } => self.sandbox_ready(action),
            Event::SandboxFailed { action, message } => self.sandbox_failed(action, &message),
            Event::SandboxRemoved { action } => self.sandbox_removed(action),
            Event::ImageReady { action, message } => self.image_ready(action, message),
            Event::ImageFailed { action, error, message } => self.image_failed(action, error, &message),
            Event::ContainerStarted { action } => self.container_started(action),
            Event::ContainerStartFailed { action, error, message } => self.start_failed(action, error, &message),
            Event::ContainerExited {
                container,
                instance,
                exit,
            } => self.container_exited(container, instance, exit),
            Event::ProbeFinished { action, outcome } => self.probe_finished(action, outcome),
            Event::HookFinished { action, result } => self.hook_finished(action, result),
            Event::HookFellBack { host, .. } => self.hook_fell_back(&host),
            Event::Delete { grace_period } => self.delete(grace_period),
            Event::Hold { held } => self.state.held = held,
            Event::ConditionSet {
                name,
                status,
                reason,
                message,
            } => self.set_condition(name, status, &reason, &message),
        }
    }

    /// Does all that is due now, and publishes what has changed.
    fn settle(&mut self) {
        self.make_sandbox();
        for index in self.indices() {
            self.end_wait(index);
            self.end_hooks(index);
            self.run_probes(index);
        }
        self.end_at_deadline();
        self.end_by_itself();
        self.end_restart_all();
        self.start_next();
        self.end_pod();
        self.publish();
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = ContainerIndex> + use<> {
        (0..self.state.containers.len()).map(ContainerIndex)
    }

    pub(crate) fn container(&mut self, index: ContainerIndex) -> &mut Container {
        &mut self.state.containers[index.0]
    }

    pub(crate) fn live(&mut self, index: ContainerIndex) -> Option<&mut Live> {
        self.container(index).live_mut()
    }

    pub(crate) fn container_config(&self, index: ContainerIndex) -> &ContainerConfig {
        &self.state.config.containers[index.0]
    }

    /// A reason to wait is shown from now on.
    pub(crate) fn wait(&mut self, index: ContainerIndex, reason: &str, message: &str) {
        let (reason, message) = (reason.to_owned(), bounded(message));
        self.container(index).waiting = Some(Waiting { reason, message });
        self.changed();
    }

    /// Something that is shown may have changed.
    pub(crate) fn changed(&mut self) {
        self.state.unpublished = true;
    }

    /// Publishes the status if it has changed.
    pub(crate) fn publish(&mut self) {
        if !std::mem::take(&mut self.state.unpublished) {
            return;
        }
        let status = derive::status(self.state, self.now.wall);
        if self.state.published.as_ref() != Some(&status) {
            self.state.published = Some(status.clone());
            self.actions.push(Action::PublishStatus(Box::new(status)));
        }
    }

    /// Asks for something; what has changed is published first (invariant 8).
    pub(crate) fn request(&mut self, request: Request) -> ActionId {
        let id = self.state.new_action();
        self.ask(id, request);
        id
    }

    /// The same, under a name that the state knows already.
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
