//! `RestartAllContainers`: a rule of one container that ends all and starts them again from the first (B5.4).

use std::time::Duration;

use crate::{
    action::HookReason,
    config::{ContainerIndex, ContainerKind},
    container::{Container, Stage},
    machine::Machine,
    messages::normal,
};

/// Why a container waits, and how it ended, while all are restarted.
pub(crate) const RESTARTING_ALL: &str = "RestartingAllContainers";

impl Machine<'_> {
    /// The exit of this container restarts all: the others are ended without a grace period, and so without hooks
    /// (B2.10). Its own back-off goes on, so that a rule that matches again and again does not turn without a rest.
    pub(crate) fn restart_all(&mut self, trigger: ContainerIndex) {
        self.state.restarting_all = true;
        self.state.initialized = 0;
        self.changed();
        for index in self.indices() {
            match self.container(index).stage {
                _ if index == trigger => self.restart(index, false),
                Stage::Live(_) => self.end_to_restart(index),
                Stage::FetchingImage { action } => {
                    self.answered(action);
                    self.await_restart(index);
                }
                Stage::Queued | Stage::CrashLoop { .. } | Stage::Retrying { .. } | Stage::Done => {
                    self.await_restart(index);
                }
                // The reply is awaited: what has started must be ended.
                Stage::Starting => {}
            }
        }
        if self.container(trigger).stage == Stage::Queued {
            self.wait(trigger, RESTARTING_ALL, "");
        }
        self.publish();
    }

    /// Ends an instance that is to start again with all others.
    pub(crate) fn end_to_restart(&mut self, index: ContainerIndex) {
        let config = self.container_config(index);
        let what = match config.kind {
            ContainerKind::Regular => "Container",
            ContainerKind::Init | ContainerKind::Sidecar => "Init container",
        };
        let message = format!("{what} {} is ended, all containers will be restarted", config.name);
        self.record(normal(index, "Killing", message));
        self.stop(index, HookReason::Restart, Duration::ZERO);
    }

    /// A container that does not run waits for the others to end.
    pub(crate) fn await_restart(&mut self, index: ContainerIndex) {
        let container = self.container(index);
        container.stage = Stage::Queued;
        if container.ended.is_some() {
            self.wait(index, RESTARTING_ALL, "");
        }
        self.changed();
    }

    /// Once none runs any more they start again, the first one first.
    pub(crate) fn end_restart_all(&mut self) {
        if self.state.restarting_all && !self.state.containers.iter().any(Container::is_up) {
            self.state.restarting_all = false;
            self.changed();
        }
    }
}
