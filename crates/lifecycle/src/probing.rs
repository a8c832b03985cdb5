//! Running probes, and what their results bring about (A3).

use crate::{
    action::{ActionId, PodEvent, ProbeKind, Request},
    config::ContainerIndex,
    container::probe_config,
    event::{ProbeOutcome, Verdict},
    machine::Machine,
    messages::{brief_duration, normal, probe_name, warning},
    probe::{News, ProbeResult, Worker},
    time::BootTime,
};

impl Machine<'_> {
    /// Starts the runs that are due.
    pub(crate) fn run_probes(&mut self, index: ContainerIndex) {
        let now = self.now.boot;
        let workers = self.live(index).map_or(0, |live| live.workers.len());
        for at in 0..workers {
            let due = self
                .live(index)
                .and_then(|live| Some((live.due(&live.workers[at])?, live.workers[at].kind)));
            if let Some((due, kind)) = due.filter(|(due, _)| *due <= now) {
                self.run_probe(index, kind, due);
            }
        }
    }

    fn run_probe(&mut self, container: ContainerIndex, kind: ProbeKind, due: BootTime) {
        let now = self.now.boot;
        let id = self.state.new_action();
        let state = &mut *self.state;
        let Some(config) = probe_config(&state.config.containers[container.0], kind) else {
            return;
        };
        let Some(live) = state.containers[container.0].live_mut() else {
            return;
        };
        let (instance, timeout) = (live.number, config.timeout);
        let Some(worker) = live.worker_mut(kind) else { return };
        let attempt = worker.begin(config, now, id);
        self.ask(
            id,
            Request::RunProbe {
                container,
                instance,
                kind,
                due,
                attempt,
                timeout,
            },
        );
    }

    pub(crate) fn probe_finished(&mut self, action: ActionId, outcome: ProbeOutcome) {
        let Some(Request::RunProbe { container, kind, .. }) = self.answered(action) else {
            return;
        };
        let (verdict, now) = (outcome.verdict, self.now.boot);
        let state = &mut *self.state;
        let Some(config) = probe_config(&state.config.containers[container.0], kind) else {
            return;
        };
        let Some(worker) = state.containers[container.0]
            .live_mut()
            .and_then(|live| live.worker_mut(kind))
        else {
            return;
        };
        let was_held_back = worker.is_held_back();
        let (news, result) = (worker.news(verdict, now), worker.finish(config, verdict));
        self.record_outcome(container, kind, &outcome, news, result.is_some() && !was_held_back);
        let Some(result) = result else { return };
        self.changed();
        match (kind, result) {
            (ProbeKind::Startup, ProbeResult::Success) => self.startup_succeeded(container),
            (ProbeKind::Liveness, ProbeResult::Failure) if self.state.held => self.hold_back(container),
            (ProbeKind::Startup | ProbeKind::Liveness, ProbeResult::Failure) => self.condemn(container, kind),
            _ => {}
        }
    }

    /// A container that its liveness probe has condemned goes on, and is probed on (F34).
    fn hold_back(&mut self, index: ContainerIndex) {
        let name = self.container_config(index).name.clone();
        let live = self.live(index).filter(|live| live.stop.is_none());
        let Some(worker) = live.and_then(|live| live.worker_mut(ProbeKind::Liveness)) else {
            return;
        };
        let repeated = worker.is_held_back();
        worker.go_on();
        let text = format!("Container {name} failed liveness probe, its restart is held back");
        self.record(PodEvent {
            repeated,
            ..warning(index, "RestartHeld", text)
        });
    }

    /// Lets the other probes go: readiness at once (F8), liveness on its own grid.
    fn startup_succeeded(&mut self, index: ContainerIndex) {
        let (state, now) = (&mut *self.state, self.now.boot);
        let Some(live) = state.containers[index.0].live_mut() else {
            return;
        };
        for worker in &mut live.workers {
            if let Some(config) = probe_config(&state.config.containers[index.0], worker.kind) {
                worker.startup_succeeded(config, live.started.boot, now);
            }
        }
    }

    /// Every attempt that did not succeed is an event (A3.16, A4.1 to A4.3), and the first that does after them (F31).
    fn record_outcome(
        &mut self,
        container: ContainerIndex,
        kind: ProbeKind,
        outcome: &ProbeOutcome,
        news: News,
        is_turn: bool,
    ) {
        let (name, message) = (probe_name(kind), &outcome.message);
        let (reason, text) = match outcome.verdict {
            Verdict::Success => {
                if let News::Recovered(after) = news {
                    let text = format!("{name} probe succeeded after {} of trouble", brief_duration(after));
                    self.record(normal(container, "Recovered", text));
                }
                return;
            }
            Verdict::Warning => ("ProbeWarning", format!("{name} probe warning: {message}")),
            Verdict::Failure => ("Unhealthy", format!("{name} probe failed: {message}")),
            Verdict::Errored => (
                "Unhealthy",
                format!("{name} probe errored and resulted in unknown state: {message}"),
            ),
        };
        self.record(PodEvent {
            repeated: news == News::StillTrouble && !is_turn,
            ..warning(container, reason, text)
        });
    }

    /// Liveness and startup end when the pod's end begins, those of sidecars too; readiness goes on (A3.24, A3.25).
    pub(crate) fn stop_probes_for_the_end(&mut self, index: ContainerIndex) {
        let Some(live) = self.live(index) else { return };
        let workers = live
            .workers
            .iter_mut()
            .filter(|worker| worker.kind != ProbeKind::Readiness);
        let cancelled: Vec<_> = workers.filter_map(Worker::stop).collect();
        cancelled.into_iter().for_each(|run| self.cancel(run));
    }
}
