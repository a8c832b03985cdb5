//! A world in virtual time around the machine: it answers every request as a test tells it to.

use std::{collections::BTreeMap, time::Duration};

use probelet_lifecycle::{
    State,
    action::{Action, ActionId, HookReason, ProbeKind, Request, Severity, StopSignal},
    config::{
        BackOffConfig, ContainerConfig, ContainerIndex, ContainerKind, HookConfig, PodConfig, ProbeConfig,
        RestartPolicy,
    },
    event::{Event, Exit, ImageError, ProbeOutcome, StartError, Verdict},
    status::{Condition, ContainerState, ContainerStatus, PodStatus},
    step,
    time::{BootTime, Now, WallTime},
};

/// Milliseconds; the world begins at 0.
pub(crate) type Time = u64;

/// The wall clock shows this when the world begins, so that it is never taken for the time since boot.
pub(crate) const EPOCH: i64 = 1_000_000_000_000;

pub(crate) const APP: ContainerIndex = ContainerIndex(0);

pub(crate) const fn seconds(count: u64) -> Time {
    count * 1000
}

pub(crate) fn container(name: &str) -> ContainerConfig {
    ContainerConfig {
        name: name.into(),
        image: format!("{name}:1"),
        ..ContainerConfig::default()
    }
}

pub(crate) fn init_container(name: &str) -> ContainerConfig {
    ContainerConfig {
        kind: ContainerKind::Init,
        ..container(name)
    }
}

pub(crate) fn sidecar(name: &str) -> ContainerConfig {
    ContainerConfig {
        kind: ContainerKind::Sidecar,
        ..container(name)
    }
}

pub(crate) fn pod(containers: Vec<ContainerConfig>) -> PodConfig {
    PodConfig {
        name: "web".into(),
        namespace: "default".into(),
        uid: "u-1".into(),
        restart_policy: RestartPolicy::Always,
        termination_grace_period: Duration::from_secs(30),
        active_deadline: None,
        readiness_gates: Vec::new(),
        containers,
        restart_back_off: BackOffConfig::default(),
    }
}

/// A probe with Kubernetes' defaults but for these seconds.
pub(crate) fn probe(initial_delay: u64, period: u64) -> ProbeConfig {
    ProbeConfig {
        initial_delay: Duration::from_secs(initial_delay),
        period: Duration::from_secs(period),
        timeout: Duration::from_secs(1),
        success_threshold: 1,
        failure_threshold: 3,
        termination_grace_period: None,
        errored_is_failure: false,
    }
}

pub(crate) fn hook(limit: u64) -> HookConfig {
    HookConfig {
        timeout: Duration::from_secs(limit),
    }
}

/// One run of a probe.
pub(crate) struct Run {
    pub(crate) kind: ProbeKind,
    pub(crate) instance: u32,
    /// Since the start of the instance.
    pub(crate) age: Time,
    /// Since the world began.
    pub(crate) at: Time,
}

type ImageReply = Result<(), (ImageError, String)>;
type StartReply = (Time, Result<(), (StartError, String)>);
type ProbeReply = (Time, Verdict, String);
type HookReply = Option<(Time, Result<(), String>)>;

/// How a container behaves.
pub(crate) struct Application {
    /// By time.
    pub(crate) image: Box<dyn FnMut(Time) -> ImageReply>,
    /// How long a start takes, and what comes of it, by instance.
    pub(crate) start: Box<dyn FnMut(u32) -> StartReply>,
    /// When an instance ends by itself, and with which code.
    pub(crate) ends: Box<dyn FnMut(u32) -> Option<(Time, i32)>>,
    /// How long after the stop signal it ends, and with which code; `None` ignores it.
    pub(crate) stops: Option<(Time, i32)>,
    /// How long a run takes, and what it finds.
    pub(crate) probe: Box<dyn FnMut(Run) -> ProbeReply>,
    /// How long a hook takes, and what comes of it; `None` never ends.
    pub(crate) hook: Box<dyn FnMut(HookReason) -> HookReply>,
}

impl Default for Application {
    fn default() -> Self {
        Self {
            image: Box::new(|_| Ok(())),
            start: Box::new(|_| (0, Ok(()))),
            ends: Box::new(|_| None),
            stops: Some((0, 0)),
            probe: Box::new(|_| success()),
            hook: Box::new(|_| Some((0, Ok(())))),
        }
    }
}

pub(crate) fn success() -> ProbeReply {
    (0, Verdict::Success, String::new())
}

pub(crate) fn failure() -> ProbeReply {
    (0, Verdict::Failure, "no".into())
}

/// What was seen, as text by which tests compare.
pub(crate) struct Line {
    pub(crate) at: Time,
    pub(crate) what: &'static str,
    pub(crate) text: String,
}

pub(crate) struct World {
    pub(crate) config: PodConfig,
    pub(crate) state: State,
    pub(crate) now: Time,
    pub(crate) applications: Vec<Application>,
    /// By how often it was tried.
    pub(crate) sandbox: Box<dyn FnMut(usize) -> Result<(), String>>,
    pub(crate) lines: Vec<Line>,
    pub(crate) actions: Vec<Action>,
    pub(crate) statuses: Vec<(Time, PodStatus)>,
    pending: BTreeMap<(Time, u64), Event>,
    serial: u64,
    started: Vec<Time>,
    sandboxes: usize,
}

impl World {
    pub(crate) fn new(config: PodConfig) -> Self {
        let applications: Vec<_> = config.containers.iter().map(|_| Application::default()).collect();
        Self {
            started: vec![0; applications.len()],
            applications,
            state: State::new(config.clone(), now(0)),
            config,
            now: 0,
            sandbox: Box::new(|_| Ok(())),
            lines: Vec::new(),
            actions: Vec::new(),
            statuses: Vec::new(),
            pending: BTreeMap::new(),
            serial: 0,
            sandboxes: 0,
        }
    }

    /// The application of the first container.
    pub(crate) fn app(&mut self) -> &mut Application {
        &mut self.applications[0]
    }

    /// Begins, and lives until the world is so old.
    pub(crate) fn begin(&mut self, until: Time) {
        self.event(Event::Begin);
        self.run(until);
    }

    /// Lives until the world is so old.
    pub(crate) fn run(&mut self, until: Time) {
        loop {
            let planned = self.pending.keys().next().copied();
            let wake = self.state.next_wake().map(milliseconds);
            match (planned, wake) {
                (Some(key), wake) if wake.is_none_or(|wake| key.0 <= wake) && key.0 <= until => {
                    self.now = self.now.max(key.0);
                    let event = self.pending.remove(&key).unwrap();
                    self.event(event);
                }
                (_, Some(wake)) if wake <= until => {
                    self.now = self.now.max(wake);
                    self.event(Event::Wake);
                }
                _ => break,
            }
        }
        self.now = until;
    }

    /// Plans something that happens after so long.
    pub(crate) fn plan(&mut self, after: Time, event: Event) {
        self.serial += 1;
        self.pending.insert((self.now + after, self.serial), event);
    }

    pub(crate) fn delete(&mut self, grace_period: Option<u64>) {
        self.event(Event::Delete {
            grace_period: grace_period.map(Duration::from_secs),
        });
    }

    /// One step, with what must hold of every step.
    pub(crate) fn event(&mut self, event: Event) {
        let mut actions = Vec::new();
        step(&mut self.state, now(self.now), event, &mut actions);
        let wake = self.state.next_wake().map(milliseconds);
        assert!(
            wake.is_none_or(|wake| wake > self.now),
            "all that is due at {} is done, but for {wake:?}",
            self.now
        );
        for action in actions {
            self.actions.push(action.clone());
            self.perform(action);
        }
        if let Some((_, status)) = self.statuses.last() {
            assert_eq!(*status, self.state.status(), "what is shown is what is known");
        }
    }

    fn line(&mut self, what: &'static str, text: String) {
        self.lines.push(Line {
            at: self.now,
            what,
            text,
        });
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Request { id, request } => self.answer(id, request),
            Action::Cancel { id } => self.line("cancel", format!("{}", id.0)),
            Action::Signal {
                container,
                instance,
                signal,
            } => self.signal(container, instance, signal),
            Action::RecordEvent(event) => {
                let severity = if event.severity == Severity::Warning {
                    "Warning "
                } else {
                    ""
                };
                self.line("event", format!("{severity}{}: {}", event.reason, event.message));
            }
            Action::PublishStatus(status) => {
                let row = row(&status);
                self.statuses.push((self.now, *status));
                if self
                    .lines
                    .iter()
                    .rfind(|line| line.what == "status")
                    .is_none_or(|line| line.text != row)
                {
                    self.line("status", row);
                }
            }
            Action::Forget => self.line("pod", "forget".into()),
        }
    }

    fn signal(&mut self, container: ContainerIndex, instance: u32, signal: StopSignal) {
        self.line("signal", format!("{signal:?} {}", self.name(container, instance)));
        let end = match signal {
            StopSignal::Stop => self.applications[container.0].stops,
            StopSignal::Kill => Some((0, 137)),
        };
        if let Some((after, code)) = end {
            self.plan(after, exit(container, instance, code));
        }
    }

    pub(crate) fn answer(&mut self, action: ActionId, request: Request) {
        match request {
            Request::CreateSandbox => {
                self.line("pod", "create sandbox".into());
                self.sandboxes += 1;
                let event = match (self.sandbox)(self.sandboxes) {
                    Ok(()) => Event::SandboxReady { action },
                    Err(message) => Event::SandboxFailed { action, message },
                };
                self.plan(0, event);
            }
            Request::EnsureImage { container } => {
                self.line("image", format!("c{}", container.0));
                let event = match (self.applications[container.0].image)(self.now) {
                    Ok(()) => Event::ImageReady {
                        action,
                        message: "there".into(),
                    },
                    Err((error, message)) => Event::ImageFailed { action, error, message },
                };
                self.plan(0, event);
            }
            Request::StartContainer { container, instance } => self.start(action, container, instance),
            Request::RunProbe {
                container,
                instance,
                kind,
                timeout,
                ..
            } => {
                self.line("probe", format!("{kind:?} {}", self.name(container, instance)));
                let run = Run {
                    kind,
                    instance,
                    age: self.now - self.started[container.0],
                    at: self.now,
                };
                let (takes, verdict, message) = (self.applications[container.0].probe)(run);
                assert!(timeout > Duration::ZERO);
                self.plan(
                    takes,
                    Event::ProbeFinished {
                        action,
                        outcome: ProbeOutcome { verdict, message },
                    },
                );
            }
            Request::RunHook {
                container,
                instance,
                reason,
                timeout,
            } => {
                let name = self.name(container, instance);
                self.line("hook", format!("{reason:?} {name} within {}s", timeout.as_secs_f64()));
                if let Some((takes, result)) = (self.applications[container.0].hook)(reason) {
                    self.plan(takes, Event::HookFinished { action, result });
                }
            }
            Request::RemoveSandbox => {
                self.line("pod", "remove sandbox".into());
                self.plan(0, Event::SandboxRemoved { action });
            }
        }
    }

    fn start(&mut self, action: ActionId, container: ContainerIndex, instance: u32) {
        self.line("start", self.name(container, instance));
        let (takes, result) = (self.applications[container.0].start)(instance);
        match result {
            Ok(()) => {
                self.started[container.0] = self.now + takes;
                self.plan(takes, Event::ContainerStarted { action });
                if let Some((after, code)) = (self.applications[container.0].ends)(instance) {
                    self.plan(takes + after, exit(container, instance, code));
                }
            }
            Err((error, message)) => self.plan(takes, Event::ContainerStartFailed { action, error, message }),
        }
    }

    fn name(&self, container: ContainerIndex, instance: u32) -> String {
        format!("c{}/{instance}", container.0)
    }

    /// What was seen of these kinds, each line with its time in seconds.
    pub(crate) fn seen(&self, kinds: &[&str]) -> Vec<String> {
        let lines = self.lines.iter().filter(|line| kinds.contains(&line.what));
        lines
            .map(|line| format!("{} {}", line.at as f64 / 1000.0, line.text))
            .collect()
    }

    /// When a line of this kind had this text.
    pub(crate) fn times(&self, what: &str, text: &str) -> Vec<f64> {
        let lines = self.lines.iter().filter(|line| line.what == what && line.text == text);
        lines.map(|line| line.at as f64 / 1000.0).collect()
    }

    /// The status of the first container.
    pub(crate) fn shown(&self) -> ContainerStatus {
        self.state.status().containers[0].clone()
    }

    /// A copy of the state, stored and read again.
    pub(crate) fn stored(&self) -> State {
        serde_json::from_str(&serde_json::to_string(&self.state).unwrap()).unwrap()
    }
}

pub(crate) fn now(at: Time) -> Now {
    Now {
        boot: BootTime(Duration::from_millis(at)),
        wall: WallTime(EPOCH + i64::try_from(at).unwrap()),
    }
}

fn milliseconds(time: BootTime) -> Time {
    u64::try_from(time.0.as_millis()).unwrap()
}

pub(crate) fn exit(container: ContainerIndex, instance: u32, code: i32) -> Event {
    let signal = (code > 128).then(|| code - 128);
    let exit = Exit {
        code,
        signal,
        oom_killed: false,
        lost: false,
        message: String::new(),
    };
    Event::ContainerExited {
        container,
        instance,
        exit,
    }
}

/// One of the pod's conditions.
pub(crate) fn condition(world: &World, name: &str) -> Condition {
    let status = world.state.status();
    status
        .conditions
        .into_iter()
        .find(|condition| condition.name == name)
        .unwrap()
}

/// The same in brief: status, reason, message.
pub(crate) fn brief(world: &World, name: &str) -> (bool, String, String) {
    let condition = condition(world, name);
    (condition.status, condition.reason, condition.message)
}

/// READY, STATUS and RESTARTS, as `kubectl get pod` prints them (C4.1 to C4.7).
pub(crate) fn row(status: &PodStatus) -> String {
    let of = |kinds: &[ContainerKind]| -> Vec<&ContainerStatus> {
        let containers = status.containers.iter();
        containers.filter(|container| kinds.contains(&container.kind)).collect()
    };
    let init = of(&[ContainerKind::Init, ContainerKind::Sidecar]);
    let counted = of(&[ContainerKind::Sidecar, ContainerKind::Regular]);
    let is_ready = |container: &&&ContainerStatus| {
        container.ready && (container.started || container.kind == ContainerKind::Regular)
    };
    let ready = counted.iter().filter(is_ready).count();
    let initializing = init.iter().position(|container| match container.kind {
        ContainerKind::Init => !container.ready,
        _ => !container.started,
    });
    let initialized = status
        .conditions
        .iter()
        .any(|condition| condition.name == "Initialized" && condition.status);
    let initializing = initializing.filter(|_| !initialized);
    let restarts =
        |containers: &[&ContainerStatus]| -> u32 { containers.iter().map(|found| found.restart_count).sum() };
    let restarts = restarts(if initializing.is_some() { &init } else { &counted });
    let mut text = format!("{:?}", status.phase);
    if let Some(at) = initializing {
        text = match &init[at].state {
            ContainerState::Waiting { reason, .. } if reason != "PodInitializing" => format!("Init:{reason}"),
            ContainerState::Terminated(end) => format!("Init:{}", end.reason),
            _ => format!("Init:{at}/{}", init.len()),
        };
    } else {
        for container in of(&[ContainerKind::Regular]).iter().rev() {
            match &container.state {
                ContainerState::Waiting { reason, .. } => text.clone_from(reason),
                ContainerState::Terminated(end) => text.clone_from(&end.reason),
                ContainerState::Running { .. } => {}
            }
        }
    }
    let terminal = matches!(
        status.phase,
        probelet_lifecycle::status::Phase::Succeeded | probelet_lifecycle::status::Phase::Failed
    );
    if status.deletion_time.is_some() && !terminal {
        text = "Terminating".into();
    }
    format!("{ready}/{} {text} {restarts}", counted.len())
}
