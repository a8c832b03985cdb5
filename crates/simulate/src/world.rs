//! The world of a simulation: a pod's containers behave as a script says.

mod application;

use std::time::Duration;

use probelet_lifecycle::{
    ProbeResult, State,
    action::{Action, ActionId, HookReason, ProbeKind, Request, StopSignal},
    config::{ContainerConfig, ContainerIndex, ContainerKind, PodConfig, ProbeConfig},
    event::{Event, Exit, ImageError, ProbeOutcome, StartError, Verdict},
};

pub(crate) use self::application::Application;
use crate::{
    Ended, Report,
    clockwork::{Plan, World},
    record::{ProbeLine, Recorder},
    replay::Guess,
    script::{Behaviour, Moment},
};

/// The exit code of SIGKILL.
const KILLED: i32 = 137;

/// What has been asked for and is not answered.
#[derive(Clone, Copy)]
enum Asked {
    Start(ContainerIndex, u32),
    Probe(ContainerIndex, ProbeKind),
    Hook(ContainerIndex, HookReason),
}

/// A probe run whose outcome the machine is just taking.
struct Finished {
    container: ContainerIndex,
    kind: ProbeKind,
    before: Option<ProbeResult>,
    outcome: ProbeOutcome,
}

pub(crate) struct PodWorld<'a> {
    pub(crate) config: &'a PodConfig,
    pub(crate) applications: Vec<Application<'a>>,
    pub(crate) recorder: Recorder,
    /// As few as the machine's own requests.
    asked: Vec<(ActionId, Asked)>,
    finished: Option<Finished>,
    over: bool,
    /// From when on what containers do is only guessed from a record.
    pub(crate) guesses: Vec<Guess>,
    /// How many probes have run.
    pub(crate) probe_runs: u64,
}

impl<'a> PodWorld<'a> {
    pub(crate) fn new(config: &'a PodConfig, applications: Vec<Application<'a>>, recorder: Recorder) -> Self {
        Self {
            config,
            applications,
            recorder,
            asked: Vec::new(),
            finished: None,
            over: false,
            guesses: Vec::new(),
            probe_runs: 0,
        }
    }

    /// Takes over a pod in the middle of its life.
    pub(crate) fn adopt(&mut self, plan: &mut Plan, state: &State) {
        let now = plan.now;
        for application in &mut self.applications {
            application.begins(now);
        }
        for (container, instance) in state.instances() {
            let application = &mut self.applications[container.0];
            (application.instance, application.started) = (Some(instance), now);
            self.plan_end(plan, container, instance);
            self.recorder.adopted(container, instance);
        }
        for (id, request) in state.outstanding() {
            if let Request::RunHook { container, reason, .. } = request {
                self.recorder.hook_runs(now, container, reason);
            }
            self.expect(plan, id, request);
        }
        if state.instances().next().is_some() {
            self.recorder.status(now, state, &state.status());
        } else {
            self.recorder.shown = Some(state.status());
        }
    }

    /// What has been noted up to `end`.
    pub(crate) fn report(self, end: Duration, ended: Ended) -> Report {
        let mut recorder = self.recorder;
        recorder.end(end);
        Report {
            name: self.config.name.clone(),
            namespace: self.config.namespace.clone(),
            simulated: end,
            ended,
            probe_runs: self.probe_runs,
            entries: recorder.entries,
            omitted: recorder.omitted,
            events: recorder.counted,
            pod: recorder.pod,
            containers: recorder.totals,
            pod_lane: recorder.pod_lane,
            lanes: recorder.lanes,
            marks: recorder.marks,
            shown: recorder.shown,
        }
    }

    fn answered(&mut self, action: ActionId) -> Option<Asked> {
        let at = self.asked.iter().position(|(id, _)| *id == action)?;
        Some(self.asked.swap_remove(at).1)
    }

    fn started(&mut self, plan: &mut Plan, container: ContainerIndex, instance: u32) {
        let application = &mut self.applications[container.0];
        (application.instance, application.started, application.bad) = (Some(instance), plan.now, [false; 3]);
        application.stops_since = None;
        self.plan_end(plan, container, instance);
        let application = &self.applications[container.0];
        // A wake that the machine does not need: it makes the world look whether the application is still well.
        let now = plan.now;
        for edge in application.behaviour.edges(now).filter(|edge| *edge > now) {
            plan.at(edge, Event::Wake);
        }
        self.recorder.started(plan.now, container, instance);
    }

    /// When an instance that begins now ends by itself.
    fn plan_end(&self, plan: &mut Plan, container: ContainerIndex, instance: u32) {
        match self.applications[container.0].behaviour.end(instance, plan.now) {
            Some((time, rule)) => plan.at(time, exit(container, instance, rule.code, rule.out_of_memory)),
            // An init container that is well does its work and ends (B4.1).
            None if self.config.containers[container.0].kind == ContainerKind::Init => {
                plan.after(Duration::ZERO, exit(container, instance, 0, false));
            }
            None => {}
        }
    }

    /// Notes who lives longer than its recorded life: what it does from then on is a guess.
    fn guess(&mut self, now: Duration) {
        for (container, application) in self.applications.iter().enumerate() {
            if let (Some(instance), Some(life)) = (application.instance, application.life)
                && let Some(at) = life.outlived(application.started, now)
                && !self.recorder.is_stopping(ContainerIndex(container))
            {
                Guess::note(
                    &mut self.guesses,
                    Guess::Longer {
                        container,
                        instance,
                        at,
                    },
                );
            }
        }
    }

    /// Looks whether the applications are well; where nothing is said of their probes they always are.
    fn look(&mut self, now: Duration) {
        for (at, application) in self.applications.iter().enumerate() {
            if application.instance.is_some() && !application.behaviour.probes.is_empty() {
                let works = application.behaviour.could_work(application.moment(now, 0));
                self.recorder.works(now, ContainerIndex(at), works);
            }
        }
    }

    fn request(&mut self, plan: &mut Plan, action: ActionId, request: Request) {
        let now = plan.now;
        match &request {
            Request::EnsureImage { container } => {
                let application = &mut self.applications[container.0];
                application.begins(now);
                if application.is_unknown() {
                    let container = container.0;
                    Guess::note(&mut self.guesses, Guess::Never { container, at: now });
                } else if application.life.is_some_and(|life| life.is_far_from(now)) {
                    let container = container.0;
                    Guess::note(&mut self.guesses, Guess::OtherTimes { container, at: now });
                }
            }
            Request::RunProbe {
                container,
                kind,
                attempt,
                timeout,
                ..
            } => {
                self.probe_runs += 1;
                let application = &self.applications[container.0];
                if let Some(life) = application.life {
                    let (takes, _) = application.probe(*kind, now, *attempt, *timeout);
                    if let Some(before) = life.was_cut_off(*kind, takes, *timeout) {
                        let (container, at) = (container.0, now + before);
                        Guess::note(&mut self.guesses, Guess::Answer { container, at });
                    }
                }
            }
            Request::RunHook {
                container,
                reason,
                timeout,
                ..
            } => {
                let (takes, _) = self.applications[container.0].hook(*reason, now);
                self.recorder.hook_begins(now, *container, *reason, *timeout, takes);
            }
            _ => {}
        }
        self.expect(plan, action, request);
    }

    /// Plans the reply to a request.
    fn expect(&mut self, plan: &mut Plan, action: ActionId, request: Request) {
        let now = plan.now;
        match request {
            Request::CreateSandbox => plan.after(Duration::ZERO, Event::SandboxReady { action }),
            Request::RemoveSandbox => plan.after(Duration::ZERO, Event::SandboxRemoved { action }),
            Request::EnsureImage { container } => {
                let behaviour = self.applications[container.0].behaviour;
                plan.after(
                    behaviour.image_takes,
                    image(action, behaviour, now, &self.config.containers[container.0]),
                );
            }
            Request::StartContainer { container, instance } => {
                let application = &self.applications[container.0];
                let (at, takes) = (application.moment(now, 0), application.behaviour.start_takes);
                self.asked.push((action, Asked::Start(container, instance)));
                let fails = application.behaviour.start_fails.iter().any(|when| when.holds(at));
                if fails {
                    let usual = || (StartError::Run, "the container's process cannot be started".to_owned());
                    let (error, message) = application.behaviour.start_error.clone().unwrap_or_else(usual);
                    plan.after(takes, Event::ContainerStartFailed { action, error, message });
                } else {
                    plan.after(takes, Event::ContainerStarted { action });
                }
            }
            Request::RunProbe {
                container,
                kind,
                attempt,
                timeout,
                ..
            } => {
                let application = &self.applications[container.0];
                let (takes, outcome) = application.probe(kind, now, attempt, timeout);
                self.asked.push((action, Asked::Probe(container, kind)));
                plan.after(takes, Event::ProbeFinished { action, outcome });
            }
            Request::RunHook { container, reason, .. } => {
                let (takes, result) = self.applications[container.0].hook(reason, now);
                self.asked.push((action, Asked::Hook(container, reason)));
                if let Some(takes) = takes {
                    plan.after(takes, Event::HookFinished { action, result });
                }
            }
        }
    }

    fn signal(&mut self, plan: &mut Plan, state: &State, container: ContainerIndex, signal: StopSignal) {
        let application = &self.applications[container.0];
        let Some(instance) = application.instance else { return };
        let stop = application.behaviour.stop;
        match signal {
            StopSignal::Stop => {
                let left = state.kill_due(container).map(|due| due.0.saturating_sub(plan.now));
                self.recorder
                    .stop_signal(plan.now, container, application.stop_signal, left);
                self.applications[container.0].stops_since = Some(plan.now);
                if !stop.ignored {
                    plan.after(stop.takes, exit(container, instance, stop.code, false));
                }
            }
            StopSignal::Kill => {
                let doubt = application.life.zip(application.stops_since);
                if let Some(at) = doubt.and_then(|(life, since)| life.outlives_kill(since, plan.now)) {
                    let container = container.0;
                    Guess::note(&mut self.guesses, Guess::Patience { container, at });
                }
                self.recorder.kill(plan.now, container);
                plan.after(Duration::ZERO, exit(container, instance, KILLED, false));
            }
        }
    }
}

impl World for PodWorld<'_> {
    fn happens(&mut self, plan: &mut Plan, state: &State, event: &Event) -> bool {
        match event {
            Event::ContainerStarted { action } => {
                if let Some(Asked::Start(container, instance)) = self.answered(*action) {
                    self.started(plan, container, instance);
                }
            }
            Event::ContainerStartFailed { action, message, .. } => {
                if let Some(Asked::Start(container, _)) = self.answered(*action) {
                    self.recorder.start_failed(plan.now, container, message);
                }
            }
            Event::ContainerExited {
                container,
                instance,
                exit,
            } => {
                let application = &mut self.applications[container.0];
                if application.instance != Some(*instance) {
                    return false;
                }
                application.instance = None;
                self.recorder
                    .exited(plan.now, *container, exit, plan.now - application.started);
            }
            Event::ProbeFinished { action, outcome } => {
                if let Some(Asked::Probe(container, kind)) = self.answered(*action) {
                    let before = state.probe_result(container, kind);
                    self.finished = Some(Finished {
                        container,
                        kind,
                        before,
                        outcome: outcome.clone(),
                    });
                }
            }
            Event::HookFinished { action, result } => {
                if let Some(Asked::Hook(container, reason)) = self.answered(*action) {
                    self.recorder
                        .hook_ends(plan.now, container, reason, result.as_ref().err().map(String::as_str));
                }
            }
            Event::Delete { grace_period } => {
                let grace_period = grace_period.unwrap_or(self.config.termination_grace_period);
                self.recorder.deleted(plan.now, grace_period);
            }
            Event::ConditionSet { name, status, .. } => self.recorder.condition(plan.now, name, *status),
            Event::Hold { held } => self.recorder.held(plan.now, *held),
            _ => {}
        }
        true
    }

    fn taken(&mut self, plan: &mut Plan, state: &State) {
        if let Some(finished) = self.finished.take() {
            let good = matches!(finished.outcome.verdict, Verdict::Success | Verdict::Warning);
            let bad = &mut self.applications[finished.container.0].bad[finished.kind as usize];
            let was_bad = std::mem::replace(bad, !good);
            let (container, kind) = (finished.container, finished.kind);
            let config = probe_config(&self.config.containers[container.0], kind);
            let result = state.probe_result(container, kind);
            let dull = finished.outcome.verdict == Verdict::Success && !was_bad && result == finished.before;
            if let Some(config) =
                config.filter(|config| !dull || config.success_threshold > 1 && result != Some(ProbeResult::Success))
            {
                self.recorder.probe(
                    plan.now,
                    &ProbeLine {
                        container,
                        kind,
                        config,
                        outcome: &finished.outcome,
                        streak: state.probe_streak(container, kind).unwrap_or_default(),
                        was_bad,
                        changed: result != finished.before,
                    },
                );
            }
        }
        self.look(plan.now);
        self.guess(plan.now);
    }

    fn act(&mut self, plan: &mut Plan, state: &State, action: Action) {
        match action {
            Action::Request { id, request } => self.request(plan, id, request),
            Action::Cancel { id } => {
                plan.cancel(id);
                if let Some(Asked::Hook(container, reason)) = self.answered(id) {
                    self.recorder.hook_cancelled(plan.now, container, reason);
                }
            }
            Action::Signal { container, signal, .. } => self.signal(plan, state, container, signal),
            Action::RecordEvent(event) => self.recorder.event(plan.now, event),
            Action::PublishStatus(status) => self.recorder.status(plan.now, state, &status),
            Action::Forget => {
                self.over = true;
                self.recorder.gone(plan.now);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

/// The configuration of a kind of probe.
fn probe_config(config: &ContainerConfig, kind: ProbeKind) -> Option<&ProbeConfig> {
    match kind {
        ProbeKind::Startup => config.startup.as_ref(),
        ProbeKind::Liveness => config.liveness.as_ref(),
        ProbeKind::Readiness => config.readiness.as_ref(),
    }
}

fn image(action: ActionId, behaviour: &Behaviour, now: Duration, config: &ContainerConfig) -> Event {
    let at = Moment {
        now,
        started: now,
        attempt: 0,
    };
    if behaviour.image_missing.iter().any(|when| when.holds(at)) {
        let usual = || (ImageError::Pull, format!("the image {} cannot be had", config.image));
        let (error, message) = behaviour.image_error.clone().unwrap_or_else(usual);
        Event::ImageFailed { action, error, message }
    } else {
        let message = format!("Container image \"{}\" already present on machine", config.image);
        Event::ImageReady { action, message }
    }
}

fn exit(container: ContainerIndex, instance: u32, code: i32, oom_killed: bool) -> Event {
    let exit = Exit {
        oom_killed,
        ..Exit::with_code(code)
    };
    Event::ContainerExited {
        container,
        instance,
        exit,
    }
}
