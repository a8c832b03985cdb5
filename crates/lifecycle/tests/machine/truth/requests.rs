//! What may be asked for, and when.

use probelet_lifecycle::{
    action::{HookReason, ProbeKind, Request},
    config::{ContainerIndex, ContainerKind, RestartPolicy},
    status::ContainerState,
};

use super::{Truth, is_terminal};

impl Truth {
    pub(super) fn check_request(&mut self, request: &Request) {
        match request {
            Request::EnsureImage { .. } => assert!(!self.ending, "B3.5"),
            Request::StartContainer { container, instance } => self.check_start(*container, *instance),
            Request::RunProbe {
                container,
                instance,
                kind,
                ..
            } => self.check_run(*container, *instance, *kind),
            Request::RunHook {
                container,
                instance,
                reason,
                ..
            } => {
                let running = self.running[container.0]
                    .as_mut()
                    .expect("no hook after a container's own end");
                assert_eq!(running.number, *instance);
                if *reason != HookReason::Start {
                    running.pre_stops += 1;
                    assert_eq!(running.pre_stops, 1, "preStop runs once");
                    assert!(
                        running.deadline.is_some(),
                        "B1.13: preStop is for instances that are ended"
                    );
                }
            }
            Request::CreateSandbox => assert!(!self.ending),
            Request::RemoveSandbox => assert!(self.running.iter().all(Option::is_none)),
        }
    }

    fn check_start(&self, container: ContainerIndex, instance: u32) {
        assert!(!self.ending, "B3.5");
        assert!(self.running[container.0].is_none(), "never two instances at once");
        let starts = |asked: &Request| matches!(asked, Request::StartContainer { .. });
        assert!(!self.asked.values().any(starts), "B1.1: never two starts at once");
        let shown = self.shown.as_ref().unwrap();
        assert!(!is_terminal(shown.phase), "C1.6");
        let shown = &shown.containers[container.0];
        assert!(
            !matches!(shown.state, ContainerState::Running { .. }) && !shown.ready,
            "its end was shown"
        );
        assert!(instance == 0 || shown.restart_count == instance - 1);
        assert!(self.may_start(container), "B5.1: {:?}", self.ends[container.0]);
        self.check_order(container.0);
    }

    /// B5.1, B5.2, B4.2, B4.4: whether a container may start (again), by how it ended.
    fn may_start(&self, index: ContainerIndex) -> bool {
        let config = &self.config.containers[index.0];
        let Some(end) = self.ends[index.0] else { return true };
        let policy = config.restart_policy.unwrap_or(self.config.restart_policy);
        match (config.kind, policy) {
            // A rule decides before the policy, and one of another container may restart all.
            _ if self.has_rules() => true,
            (ContainerKind::Sidecar, _) => true,
            (ContainerKind::Init, RestartPolicy::Never) => false,
            (ContainerKind::Init, _) => end.has_failed,
            (ContainerKind::Regular, RestartPolicy::Always) => true,
            (ContainerKind::Regular, RestartPolicy::OnFailure) => end.condemned || end.code != 0,
            (ContainerKind::Regular, RestartPolicy::Never) => false,
        }
    }

    pub(super) fn has_rules(&self) -> bool {
        let mut containers = self.config.containers.iter();
        containers.any(|container| !container.restart_rules.is_empty())
    }

    fn check_run(&self, container: ContainerIndex, instance: u32, kind: ProbeKind) {
        let running = self.running[container.0].as_ref().expect("only what runs is probed");
        assert_eq!(running.number, instance);
        let same = |asked: &Request| {
            matches!(asked, Request::RunProbe { container: other, kind: found, .. }
                if *other == container && *found == kind)
        };
        assert!(!self.asked.values().any(same), "A3.6: a probe never overlaps itself");
        let shown = &self.shown.as_ref().unwrap().containers[container.0];
        let has_started = shown.started && matches!(shown.state, ContainerState::Running { .. });
        match kind {
            ProbeKind::Startup => assert!(!has_started, "A3.19"),
            ProbeKind::Liveness | ProbeKind::Readiness => assert!(has_started, "A3.10"),
        }
        let ends_with_pod = self.cause[container.0].contains("Stopping");
        assert!(kind == ProbeKind::Readiness || !ends_with_pod, "A3.24");
    }

    /// B4.1, B4.3: whoever stands before it has let it start.
    fn check_order(&self, index: usize) {
        let (shown, kinds) = (self.shown.as_ref().unwrap(), &self.config.containers);
        for (before, config) in kinds[..index].iter().enumerate() {
            match config.kind {
                ContainerKind::Init => assert!(shown.containers[before].ready, "B4.1"),
                ContainerKind::Sidecar => assert!(self.started[before], "B4.3"),
                ContainerKind::Regular => {}
            }
        }
    }

    /// B4.6: a sidecar is signalled after all others but the sidecars before it, or when its grace period is over.
    pub(super) fn check_turn(&self, index: ContainerIndex) {
        let ends_with_pod = self.cause[index.0].contains("Stopping");
        let running = self.running[index.0].as_ref();
        let deadline = running.and_then(|running| running.deadline).unwrap();
        if self.config.containers[index.0].kind != ContainerKind::Sidecar
            || !ends_with_pod
            || self.at + 2000 >= deadline
        {
            return;
        }
        let behind = self.running.iter().zip(&self.config.containers).skip(index.0 + 1);
        for (running, config) in behind {
            assert!(running.is_none() || config.kind == ContainerKind::Init, "B4.6");
        }
    }
}
