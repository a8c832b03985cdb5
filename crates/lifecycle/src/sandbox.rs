//! The pod's beginning and its end: its sandbox.

use crate::{
    action::{Action, ActionId, Request},
    config::BackOffConfig,
    container::Stage,
    machine::Machine,
    messages::pod_warning,
    state::Sandbox,
};

impl Machine<'_> {
    pub(crate) fn make_sandbox(&mut self) {
        let due = match self.state.sandbox {
            Sandbox::Absent => true,
            Sandbox::BackingOff { until } => until <= self.now.boot,
            _ => false,
        };
        if due && self.state.ending().is_none() {
            self.request(Request::CreateSandbox);
            self.state.sandbox = Sandbox::Creating;
        }
    }

    pub(crate) fn sandbox_ready(&mut self, action: ActionId) {
        if self.answered(action).is_some() {
            self.state.sandbox = Sandbox::Ready;
            self.changed();
        }
    }

    pub(crate) fn sandbox_failed(&mut self, action: ActionId, message: &str) {
        if self.answered(action).is_some() {
            self.record(pod_warning(
                "FailedCreatePodSandBox",
                format!("Failed to create pod sandbox: {message}"),
            ));
            let until = self
                .state
                .sandbox_back_off
                .retry_at(&BackOffConfig::default(), self.now.boot);
            self.state.sandbox = Sandbox::BackingOff { until };
        }
    }

    pub(crate) fn sandbox_removed(&mut self, action: ActionId) {
        if self.answered(action).is_some() {
            self.state.sandbox = Sandbox::Removed;
        }
    }

    /// Once all containers have ended for good the sandbox goes, and after it a pod that was deleted.
    pub(crate) fn end_pod(&mut self) {
        if self
            .state
            .containers
            .iter()
            .any(|container| container.stage != Stage::Done)
        {
            return;
        }
        match self.state.sandbox {
            // A sandbox that could not be made may be there in part.
            Sandbox::Ready | Sandbox::BackingOff { .. } => {
                self.state.sandbox = Sandbox::Removing;
                self.changed();
                self.request(Request::RemoveSandbox);
            }
            Sandbox::Absent => self.state.sandbox = Sandbox::Removed,
            Sandbox::Creating | Sandbox::Removing | Sandbox::Removed | Sandbox::Forgotten => {}
        }
        if self.state.sandbox == Sandbox::Removed && self.state.deletion.is_some() {
            self.publish();
            self.state.sandbox = Sandbox::Forgotten;
            self.actions.push(Action::Forget);
        }
    }
}
