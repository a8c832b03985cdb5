//! What holds between two steps.

use probelet_lifecycle::{
    action::{ProbeKind, Request},
    config::{ContainerIndex, ContainerKind, RestartPolicy},
    status::ContainerState,
};

use super::{Instance, Truth, probe_config};

impl Truth {
    /// B4.2, B4.5, B5.4, B6.6: a pod that does not restart everything can end with its sidecars still to be ended, one
    /// that restarts all containers begins anew, and one with a deadline ends at it.
    fn may_end_by_itself(&self) -> bool {
        self.config.init_containers() > 0 && self.config.restart_policy != RestartPolicy::Always
            || self.has_rules()
            || self.config.active_deadline.is_some()
    }

    pub(super) fn check_state(&mut self) {
        self.check_requests();
        self.check_instances();
        let status = self.state.status();
        assert_eq!(self.shown.as_ref(), Some(&status), "what is shown is what is known");
        for (index, container) in status.containers.iter().enumerate() {
            let runs = matches!(container.state, ContainerState::Running { .. });
            let done = container.kind == ContainerKind::Init
                && matches!(&container.state, ContainerState::Terminated(end) if !end.has_failed());
            assert!(
                !container.ready || (runs && container.started) || done,
                "ready implies running and started, or an init container that has ended well"
            );
            self.started[index] |= container.started;
            assert!(!runs || self.running[index].is_some(), "what is shown as running runs");
            if runs {
                self.check_probed(index, container.started, container.ready);
            }
            assert!(
                container.restart_count >= self.restarts[index],
                "the restart count never falls"
            );
            self.restarts[index] = container.restart_count;
        }
    }

    fn check_requests(&mut self) {
        let asked: Vec<_> = self.state.outstanding();
        // A pod that ends needs its images no more, and they cannot be cancelled.
        let may_end = self.deletion.is_some() || self.may_end_by_itself();
        self.asked.retain(|id, request| {
            matches!(request, Request::EnsureImage { .. }) && !may_end || asked.iter().any(|(other, _)| other == id)
        });
        assert_eq!(asked, self.asked.clone().into_iter().collect::<Vec<_>>());
        assert!(self.wake().is_none_or(|wake| wake > self.at), "all that is due is done");
        let is_over = (0..self.running.len()).all(|index| self.state.is_done(ContainerIndex(index)));
        assert!(
            is_over || !self.asked.is_empty() || self.wake().is_some() || self.running.iter().any(Option::is_some),
            "a pod that is not over waits for something"
        );
    }

    fn check_instances(&self) {
        let known = self.state.instances();
        let instances: Vec<_> = known.map(|(index, number)| (index.0, number)).collect();
        let running = self.running.iter().enumerate();
        let running: Vec<_> = running
            .filter_map(|(index, instance)| Some((index, instance.as_ref()?.number)))
            .collect();
        assert_eq!(instances, running, "each start is followed by one end");
        let has_begun_to_end = |instance: &Instance| instance.deadline.is_some();
        assert!(
            !self.ending || self.running.iter().flatten().all(has_begun_to_end),
            "B3.2: all containers end with their pod"
        );
        for instance in self.running.iter().flatten().filter(|instance| !instance.killed) {
            assert!(
                instance.deadline.is_none_or(|deadline| self.at <= deadline),
                "B2.6: the grace period and 2 s"
            );
        }
    }

    /// A3.31, A3.32: a running container has started and is ready if its probes say so, and is ended if they say that.
    fn check_probed(&self, index: usize, started: bool, ready: bool) {
        let (config, instance) = (&self.config.containers[index], self.running[index].as_ref().unwrap());
        let probes = &instance.probes;
        assert_eq!(
            started,
            config.startup.is_none() || probes.has_started(),
            "A3.31: {probes:?}"
        );
        // An init container is ready when it has ended.
        let can_be_ready = config.kind != ContainerKind::Init && !instance.is_condemned();
        let passes = config.readiness.is_none() || probes.is_ready();
        assert_eq!(ready, started && can_be_ready && passes, "A3.32, F26: {instance:?}");
        for kind in [ProbeKind::Liveness, ProbeKind::Startup] {
            let failed = probe_config(config, kind).is_some_and(|probe| probes.has_condemned(kind, probe));
            assert!(!failed || instance.deadline.is_some(), "A3.15: {kind:?} has failed");
        }
    }
}
