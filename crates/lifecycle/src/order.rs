//! Whose turn it is: to start, one behind the other (B4.1, B4.3), and to be ended, the other way round (B4.6).

use crate::{
    action::HookReason,
    config::{ContainerIndex, ContainerKind},
    container::{Container, Live, Stage},
    machine::Machine,
    messages::{DEADLINE_EXCEEDED, pod_normal},
};

impl Machine<'_> {
    /// Goes on behind the init containers that have ended well and the sidecars that have started.
    pub(crate) fn initialize(&mut self) {
        let state = &mut *self.state;
        let behind = state
            .containers
            .iter()
            .zip(&state.config.containers)
            .skip(state.initialized);
        let passed = behind.take_while(|(container, config)| lets_others_start(container, config.kind));
        let passed = passed.count();
        state.initialized += passed;
    }

    /// Whether a container's turn has come: the first init container that has not been passed, the sidecars before it,
    /// and the regular containers behind all of them.
    pub(crate) fn may_start(&self, at: usize) -> bool {
        match self.state.config.containers[at].kind {
            ContainerKind::Init | ContainerKind::Sidecar => at <= self.state.initialized,
            ContainerKind::Regular => self.state.initialized >= self.state.config.init_containers(),
        }
    }

    /// Whether a container that is to end with its pod must let others end first: a sidecar all regular containers, and
    /// all sidecars behind it (B4.6). Those that do not run have ended (B4.7).
    pub(crate) fn waits_for_others(&self, index: ContainerIndex) -> bool {
        if self.state.ending().is_none() || self.container_config(index).kind != ContainerKind::Sidecar {
            return false;
        }
        let all = self.state.containers.iter().zip(&self.state.config.containers);
        all.skip(index.0 + 1)
            .any(|(container, config)| config.kind != ContainerKind::Init && container.is_up())
    }

    /// Ends a pod that has been active for longer than it may (B6.6).
    pub(crate) fn end_at_deadline(&mut self) {
        if self.state.deadline().is_some_and(|deadline| deadline <= self.now.boot) {
            let (reason, message) = DEADLINE_EXCEEDED;
            self.record(pod_normal(reason, message));
            self.terminate(HookReason::Deadline);
        }
    }

    /// Ends a pod of which no regular container is left to run (B4.5), or whose initialization has failed (B4.2).
    pub(crate) fn end_by_itself(&mut self) {
        let init_containers = self.state.config.init_containers();
        if init_containers == 0 || self.state.ending().is_some() {
            return;
        }
        let (init, regular) = self.state.containers.split_at(init_containers);
        let failed = |container: &Container| {
            let end = container.ended.as_ref().map(|ended| &ended.shown);
            container.stage == Stage::Done && end.is_some_and(|end| end.has_failed())
        };
        if init.iter().any(failed) || regular.iter().all(|container| container.stage == Stage::Done) {
            self.terminate(HookReason::Completed);
        }
    }
}

/// Whether the container behind this one may start.
fn lets_others_start(container: &Container, kind: ContainerKind) -> bool {
    match kind {
        ContainerKind::Init => container.has_ended_well(),
        ContainerKind::Sidecar => container.live().is_some_and(Live::is_started),
        ContainerKind::Regular => false,
    }
}
