//! The truth about a pod, against which the machine is held after each event: what holds whatever happens.

mod probes;
mod requests;
mod state;

use std::{collections::BTreeMap, time::Duration};

use probelet_lifecycle::{
    State,
    action::{Action, ActionId, ProbeKind, Request, StopSignal},
    config::{ContainerConfig, ContainerIndex, PodConfig, ProbeConfig},
    event::{Event, Exit, StartError, Verdict},
    status::{Phase, PodStatus},
    step,
};

use self::probes::Probes;
use crate::{
    replies::{answered, exited, reply},
    world::{Time, now},
};

/// Steps in which a deleted pod must be gone once everything is answered: a few for each container's hooks and signals.
pub(crate) const MAX_STEPS_TO_THE_END: usize = 200;

/// An instance as it really is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Instance {
    pub(crate) number: u32,
    pub(crate) pre_stops: u32,
    /// Until when SIGKILL must have been sent, once its end has begun.
    pub(crate) deadline: Option<Time>,
    pub(crate) killed: bool,
    /// The first message that announced its end.
    pub(crate) first_cause: Option<String>,
    pub(crate) probes: Probes,
}

impl Instance {
    /// Whether it is ended for a fault, rather than with its pod.
    fn is_condemned(&self) -> bool {
        self.first_cause
            .as_ref()
            .is_some_and(|cause| !cause.contains("Stopping"))
    }

    /// Whether it is ended because of a probe.
    fn has_failed_a_probe(&self) -> bool {
        let failed = |cause: &String| cause.contains("failed liveness probe") || cause.contains("failed startup probe");
        self.first_cause.as_ref().is_some_and(failed)
    }
}

/// How the last instance of a container ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastEnd {
    code: i32,
    has_failed: bool,
    /// Whether a probe had condemned it.
    condemned: bool,
}

/// What the test knows by itself.
#[derive(Clone)]
pub(crate) struct Truth {
    pub(crate) config: PodConfig,
    pub(crate) state: State,
    pub(crate) at: Time,
    pub(crate) asked: BTreeMap<ActionId, Request>,
    pub(crate) last_id: u64,
    pub(crate) running: Vec<Option<Instance>>,
    /// Which containers have been shown as started.
    pub(crate) started: Vec<bool>,
    /// How each instance's end would be bounded: the message that announced it.
    pub(crate) cause: Vec<String>,
    pub(crate) ends: Vec<Option<LastEnd>>,
    pub(crate) deletion: Option<Duration>,
    /// The pod is being ended as a whole, so that nothing starts any more.
    pub(crate) ending: bool,
    pub(crate) held: bool,
    restarts: Vec<u32>,
    pub(crate) shown: Option<PodStatus>,
    pub(crate) forgotten: bool,
}

impl Truth {
    pub(crate) fn new(config: PodConfig) -> Self {
        let count = config.containers.len();
        Self {
            state: State::new(config.clone(), now(0)),
            config,
            at: 0,
            asked: BTreeMap::new(),
            last_id: 0,
            running: vec![None; count],
            started: vec![false; count],
            cause: vec![String::new(); count],
            ends: vec![None; count],
            deletion: None,
            ending: false,
            held: false,
            restarts: vec![0; count],
            shown: None,
            forgotten: false,
        }
    }

    pub(crate) fn wake(&self) -> Option<Time> {
        let wake = self.state.next_wake();
        wake.map(|time| u64::try_from(time.0.as_millis()).unwrap())
    }

    /// One step, and all that must hold of it.
    pub(crate) fn event(&mut self, event: Event) -> Vec<Action> {
        self.before(&event);
        let mut actions = Vec::new();
        step(&mut self.state, now(self.at), event.clone(), &mut actions);
        if self.forgotten {
            let expected = if event == Event::Wake {
                vec![Action::Forget]
            } else {
                Vec::new()
            };
            assert_eq!(actions, expected, "nothing follows the end");
            return actions;
        }
        for action in &actions {
            self.check(action);
        }
        self.check_state();
        actions
    }

    /// What the event makes true.
    fn before(&mut self, event: &Event) {
        match event {
            Event::ContainerStarted { action } => {
                if let Some(Request::StartContainer { container, instance }) = self.asked.get(action) {
                    self.running[container.0] = Some(Instance {
                        number: *instance,
                        ..Instance::default()
                    });
                }
            }
            Event::ContainerStartFailed {
                action,
                error: StartError::Run,
                ..
            } => {
                if let Some(Request::StartContainer { container, .. }) = self.asked.get(action) {
                    self.ends[container.0] = Some(LastEnd {
                        code: 128,
                        has_failed: true,
                        condemned: false,
                    });
                }
            }
            Event::ContainerExited {
                container,
                instance,
                exit,
            } => self.exited(*container, *instance, exit),
            Event::ProbeFinished { action, outcome } => {
                if let Some(Request::RunProbe { container, kind, .. }) = self.asked.get(action) {
                    let (container, kind) = (*container, *kind);
                    self.probed(container, kind, outcome.verdict);
                }
            }
            Event::Delete { grace_period } => self.shorten(*grace_period),
            Event::Hold { held } => self.held = *held,
            _ => {}
        }
        if let Some(action) = answered(event) {
            self.asked.remove(&action);
        }
    }

    fn exited(&mut self, container: ContainerIndex, instance: u32, exit: &Exit) {
        let running = self.running.get_mut(container.0);
        let ended = running.and_then(|running| running.take_if(|running| running.number == instance));
        if let Some(ended) = ended {
            self.ends[container.0] = Some(LastEnd {
                code: exit.code,
                has_failed: exit.code != 0 || exit.oom_killed,
                condemned: ended.has_failed_a_probe(),
            });
        }
    }

    fn probed(&mut self, container: ContainerIndex, kind: ProbeKind, verdict: Verdict) {
        let probe = probe_config(&self.config.containers[container.0], kind);
        if let (Some(instance), Some(probe)) = (&mut self.running[container.0], probe) {
            instance.probes.take(kind, probe, verdict, self.held);
        }
    }

    fn shorten(&mut self, grace_period: Option<Duration>) {
        let grace_period = grace_period.unwrap_or(self.config.termination_grace_period);
        self.ending = true;
        if self.deletion.is_none_or(|earlier| grace_period < earlier) {
            self.deletion = Some(grace_period);
            let deadline = self.at + bound(grace_period.max(Duration::from_secs(1)));
            for instance in self.running.iter_mut().flatten() {
                instance.deadline = instance.deadline.map(|earlier| earlier.min(deadline));
            }
        }
    }

    fn check(&mut self, action: &Action) {
        match action {
            Action::Request { id, request } => {
                assert!(id.0 > self.last_id, "names are never used twice");
                self.last_id = id.0;
                self.check_request(request);
                self.asked.insert(*id, request.clone());
            }
            Action::Cancel { id } => {
                let request = self.asked.remove(id);
                assert!(
                    matches!(request, Some(Request::RunProbe { .. } | Request::RunHook { .. })),
                    "{request:?}"
                );
            }
            Action::Signal {
                container,
                instance,
                signal,
            } => {
                let running = self.running[container.0].as_mut().expect("only what runs is signalled");
                assert_eq!(running.number, *instance);
                match signal {
                    StopSignal::Stop => self.check_turn(*container),
                    StopSignal::Kill => {
                        let in_time = running.deadline.is_none_or(|deadline| self.at <= deadline);
                        assert!(in_time || running.killed, "B2.6: the grace period and 2 s");
                        running.killed = true;
                    }
                }
            }
            Action::RecordEvent(event) if event.reason == "Killing" => {
                let container = event.container.unwrap();
                self.cause[container.0].clone_from(&event.message);
                self.begin_end(container);
            }
            Action::RecordEvent(event) => self.ending |= event.reason == "DeadlineExceeded",
            Action::PublishStatus(status) => {
                assert_ne!(self.shown.as_ref(), Some(&**status), "only changes are published");
                self.check_phase(status.phase);
                self.shown = Some((**status).clone());
            }
            Action::Forget => {
                assert!(self.running.iter().all(Option::is_none) && self.deletion.is_some());
                self.forgotten = true;
            }
        }
    }

    /// C1.6: a dead pod never comes back, and is not called dead while it lives.
    fn check_phase(&self, phase: Phase) {
        if let Some(before) = self.shown.as_ref().map(|shown| shown.phase) {
            assert!(
                !is_terminal(before) || phase == before,
                "C1.6: {before:?} becomes {phase:?}"
            );
        }
        assert!(
            !is_terminal(phase) || self.running.iter().all(Option::is_none),
            "C1.6: {phase:?} while a container runs"
        );
    }

    fn begin_end(&mut self, index: ContainerIndex) {
        let config = &self.config.containers[index.0];
        let cause = &self.cause[index.0];
        self.ending |= cause.contains("Stopping");
        let own = |probe: &Option<ProbeConfig>| probe.as_ref().and_then(|probe| probe.termination_grace_period);
        let grace_period = match self.deletion {
            Some(grace_period) => grace_period.max(Duration::from_secs(1)),
            None if cause.contains("liveness") => own(&config.liveness).unwrap_or(self.config.termination_grace_period),
            None if cause.contains("startup") => own(&config.startup).unwrap_or(self.config.termination_grace_period),
            None if cause.contains("Stopping") => self.config.termination_grace_period.max(Duration::from_secs(1)),
            None if cause.contains("all containers will be restarted") => Duration::ZERO,
            None => self.config.termination_grace_period,
        };
        let Some(instance) = &mut self.running[index.0] else {
            return;
        };
        instance.deadline.get_or_insert(self.at + bound(grace_period));
        instance.first_cause.get_or_insert_with(|| cause.clone());
        for (name, kind) in [("liveness", ProbeKind::Liveness), ("startup", ProbeKind::Startup)] {
            if cause.contains(&format!("failed {name} probe")) {
                let probe = probe_config(config, kind).unwrap();
                let probes = &instance.probes;
                assert!(probes.has_condemned(kind, probe), "A3.15: {cause}, after {probes:?}");
            }
        }
    }

    /// An agent that was away comes back: nothing could be done in time meanwhile.
    pub(crate) fn come_back(&mut self) {
        step(&mut self.state, now(self.at), Event::Resume, &mut Vec::new());
        for instance in self.running.iter_mut().flatten() {
            instance.deadline = instance.deadline.map(|deadline| deadline.max(self.at));
        }
    }

    /// The next thing on the shortest way to the end of a pod that is being deleted: all is answered, and what was killed
    /// ends. `None` once it is forgotten.
    pub(crate) fn next_towards_the_end(&mut self) -> Option<Event> {
        if self.forgotten {
            return None;
        }
        let is_killed = |instance: &Option<Instance>| instance.as_ref().is_some_and(|found| found.killed);
        let killed = self.running.iter().position(is_killed);
        let is_no_hook = |request: &Request| !matches!(request, Request::RunHook { .. });
        let hookless = self.asked.iter().find(|(_, request)| is_no_hook(request));
        if let Some(index) = killed {
            let number = self.running[index].as_ref().map_or(0, |instance| instance.number);
            return Some(exited(index, number, 137));
        }
        if let Some((id, request)) = hookless {
            return Some(reply(*id, request, 0));
        }
        self.at = self.wake().expect("a pod that is not gone waits for something");
        Some(Event::Wake)
    }
}

/// The longest time from the beginning of an end to SIGKILL (B2.6).
fn bound(grace_period: Duration) -> Time {
    u64::try_from((grace_period + Duration::from_secs(2)).as_millis()).unwrap()
}

fn is_terminal(phase: Phase) -> bool {
    matches!(phase, Phase::Succeeded | Phase::Failed)
}

fn probe_config(config: &ContainerConfig, kind: ProbeKind) -> Option<&ProbeConfig> {
    match kind {
        ProbeKind::Startup => config.startup.as_ref(),
        ProbeKind::Liveness => config.liveness.as_ref(),
        ProbeKind::Readiness => config.readiness.as_ref(),
    }
}
