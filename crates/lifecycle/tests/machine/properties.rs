//! What holds whatever happens, in whatever order, and whenever the agent dies in between.

use std::{collections::BTreeMap, time::Duration};

use probelet_lifecycle::{
    State,
    action::{Action, ActionId, HookReason, Request, StopSignal},
    config::{
        ContainerConfig, ContainerIndex, ContainerKind, PodConfig, ProbeConfig, RestartAction, RestartPolicy,
        RestartRule,
    },
    event::{Event, Exit, ImageError, ProbeOutcome, StartError, Verdict},
    status::{ContainerState, PodStatus},
    step,
};
use proptest::{option, prelude::*};

use crate::world::{Time, container, hook, init_container, now, pod};

/// Steps in which a deleted pod must be gone once everything is answered: a few for each container's hooks and signals.
const MAX_STEPS_TO_THE_END: usize = 200;

/// Something that happens.
#[derive(Clone, Debug)]
struct Op {
    /// How long after the last one; a time at which the machine asked to be woken is not passed.
    after: Time,
    what: What,
    /// Which of those that it may happen to.
    pick: usize,
    /// How it turns out.
    luck: u8,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Wake,
    Reply,
    StaleReply,
    Exit,
    StrangeExit,
    Delete,
}

fn a_probe() -> impl Strategy<Value = ProbeConfig> {
    let own_grace = option::weighted(0.3, 1..40u64);
    let numbers = (0..20u64, 1..15u64, 1..3u32, 1..4u32);
    (numbers, own_grace, any::<bool>()).prop_map(|((delay, period, successes, failures), own, errored_is_failure)| {
        ProbeConfig {
            initial_delay: Duration::from_secs(delay),
            period: Duration::from_secs(period),
            timeout: Duration::from_secs(1),
            success_threshold: successes,
            failure_threshold: failures,
            termination_grace_period: own.map(Duration::from_secs),
            errored_is_failure,
        }
    })
}

fn a_rule() -> impl Strategy<Value = RestartRule> {
    let action = prop_oneof![Just(RestartAction::Restart), Just(RestartAction::RestartAllContainers)];
    (action, any::<bool>(), 0..3).prop_map(|(action, listed, code)| RestartRule {
        action,
        listed,
        exit_codes: vec![code],
    })
}

fn a_container() -> impl Strategy<Value = ContainerConfig> {
    let probe = || option::of(a_probe());
    let limit = || option::of(1..60u64);
    let checks = (probe(), probe(), probe(), limit(), limit());
    (checks, option::weighted(0.2, a_rule())).prop_map(
        |((startup, liveness, readiness, post_start, pre_stop), rule)| ContainerConfig {
            restart_policy: rule.as_ref().map(|_| RestartPolicy::Never),
            restart_rules: rule.into_iter().collect(),
            startup,
            liveness,
            readiness,
            post_start: post_start.map(hook),
            pre_stop: pre_stop.map(hook),
            ..container("app")
        },
    )
}

fn a_pod() -> impl Strategy<Value = PodConfig> {
    let policy = prop_oneof![
        Just(RestartPolicy::Always),
        Just(RestartPolicy::OnFailure),
        Just(RestartPolicy::Never)
    ];
    let init_container = (a_container(), any::<bool>()).prop_map(|(container, stays)| match stays {
        true => ContainerConfig {
            kind: ContainerKind::Sidecar,
            ..container
        },
        false => init_container("app"),
    });
    let (init, regular) = (
        prop::collection::vec(init_container, 0..3),
        prop::collection::vec(a_container(), 1..4),
    );
    (init, regular, policy, 0..40u64).prop_map(|(mut containers, regular, policy, grace)| {
        containers.extend(regular);
        for (number, container) in containers.iter_mut().enumerate() {
            container.name = format!("c{number}");
        }
        PodConfig {
            restart_policy: policy,
            termination_grace_period: Duration::from_secs(grace),
            ..pod(containers)
        }
    })
}

fn an_op() -> impl Strategy<Value = Op> {
    let what = prop_oneof![
        6 => Just(What::Wake),
        12 => Just(What::Reply),
        1 => Just(What::StaleReply),
        2 => Just(What::Exit),
        1 => Just(What::StrangeExit),
        1 => Just(What::Delete),
    ];
    let after = prop_oneof![Just(0), 0..20_000u64, 0..400_000u64];
    (after, what, any::<usize>(), any::<u8>()).prop_map(|(after, what, pick, luck)| Op {
        after,
        what,
        pick,
        luck,
    })
}

/// An instance as it really is.
#[derive(Clone, Default)]
struct Instance {
    number: u32,
    pre_stops: u32,
    /// Until when SIGKILL must have been sent, once its end has begun.
    deadline: Option<Time>,
    killed: bool,
}

/// The truth about the pod, against which the machine is held.
struct Truth {
    config: PodConfig,
    state: State,
    /// The same state, stored and read again before every step.
    stored: State,
    at: Time,
    asked: BTreeMap<ActionId, Request>,
    last_id: u64,
    running: Vec<Option<Instance>>,
    /// Which containers have been shown as started.
    started: Vec<bool>,
    /// How each instance's end would be bounded: the message that announced it.
    cause: Vec<String>,
    deletion: Option<Duration>,
    restarts: Vec<u32>,
    shown: Option<PodStatus>,
    forgotten: bool,
}

impl Truth {
    fn new(config: PodConfig) -> Self {
        let count = config.containers.len();
        let state = State::new(config.clone(), now(0));
        Self {
            config,
            stored: state.clone(),
            state,
            at: 0,
            asked: BTreeMap::new(),
            last_id: 0,
            running: vec![None; count],
            started: vec![false; count],
            cause: vec![String::new(); count],
            deletion: None,
            restarts: vec![0; count],
            shown: None,
            forgotten: false,
        }
    }

    fn wake(&self) -> Option<Time> {
        self.state
            .next_wake()
            .map(|time| u64::try_from(time.0.as_millis()).unwrap())
    }

    fn take(&mut self, op: &Op) {
        let then = self.at + op.after;
        while let Some(wake) = self.wake().filter(|wake| *wake <= then) {
            self.at = wake;
            self.event(Event::Wake);
        }
        self.at = then;
        match op.what {
            What::Wake => self.event(Event::Wake),
            What::Reply => {
                let Some((id, request)) = self.asked.iter().nth(op.pick % self.asked.len().max(1)) else {
                    return;
                };
                let event = reply(*id, request, op.luck);
                self.event(event);
            }
            What::StaleReply => {
                let id = ActionId(op.pick as u64 % (self.last_id + 2));
                if !self.asked.contains_key(&id) {
                    let before = self.state.clone();
                    self.event(Event::HookFinished {
                        action: id,
                        result: Ok(()),
                    });
                    assert_eq!(self.state, before, "a reply to nothing changes nothing");
                }
            }
            What::Exit => self.exit(op.pick % self.running.len(), i32::from(op.luck % 3)),
            What::StrangeExit => {
                let index = op.pick % (self.running.len() + 1);
                let number = self
                    .running
                    .get(index)
                    .cloned()
                    .flatten()
                    .map_or(7, |instance| instance.number + 1);
                self.event(exited(index, number, 1));
            }
            What::Delete => self.event(Event::Delete {
                grace_period: (!op.luck.is_multiple_of(4)).then(|| Duration::from_secs(u64::from(op.luck) / 4)),
            }),
        }
    }

    fn exit(&mut self, index: usize, code: i32) {
        if let Some(instance) = &self.running[index] {
            self.event(exited(index, instance.number, code));
        }
    }

    fn event(&mut self, event: Event) {
        self.before(&event);
        let mut actions = Vec::new();
        step(&mut self.state, now(self.at), event.clone(), &mut actions);
        // Same events, same actions, and an agent that comes back goes on as if it had never been away.
        let text = serde_json::to_string(&self.stored).unwrap();
        self.stored = serde_json::from_str(&text).unwrap();
        let mut again = Vec::new();
        step(&mut self.stored, now(self.at), event.clone(), &mut again);
        assert_eq!(actions, again);
        assert_eq!(self.state, self.stored);
        if self.forgotten {
            let expected = if event == Event::Wake {
                vec![Action::Forget]
            } else {
                Vec::new()
            };
            assert_eq!(actions, expected, "nothing follows the end");
            return;
        }
        for action in actions {
            self.check(&action);
        }
        self.check_state();
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
            Event::ContainerExited {
                container, instance, ..
            } => {
                if let Some(running) = self.running.get_mut(container.0) {
                    running.take_if(|running| running.number == *instance);
                }
            }
            Event::Delete { grace_period } => self.shorten(*grace_period),
            _ => {}
        }
        if let Some(action) = answered(event) {
            self.asked.remove(&action);
        }
    }

    fn shorten(&mut self, grace_period: Option<Duration>) {
        let grace_period = grace_period.unwrap_or(self.config.termination_grace_period);
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
                    StopSignal::Kill => running.killed = true,
                }
            }
            Action::RecordEvent(event) if event.reason == "Killing" => {
                let container = event.container.unwrap();
                self.cause[container.0].clone_from(&event.message);
                self.begin_end(container);
            }
            Action::RecordEvent(_) => {}
            Action::PublishStatus(status) => {
                assert_ne!(self.shown.as_ref(), Some(&**status), "only changes are published");
                self.shown = Some((**status).clone());
            }
            Action::Forget => {
                assert!(self.running.iter().all(Option::is_none) && self.deletion.is_some());
                self.forgotten = true;
            }
        }
    }

    fn check_request(&mut self, request: &Request) {
        match request {
            Request::EnsureImage { .. } => assert!(self.deletion.is_none(), "B3.5"),
            Request::StartContainer { container, instance } => {
                assert!(self.deletion.is_none(), "B3.5");
                assert!(self.running[container.0].is_none(), "never two instances at once");
                let other = self.asked.values().any(
                    |asked| matches!(asked, Request::StartContainer { container: other, .. } if other == container),
                );
                assert!(!other, "never two starts at once");
                let shown = &self.shown.as_ref().unwrap().containers[container.0];
                assert!(
                    !matches!(shown.state, ContainerState::Running { .. }) && !shown.ready,
                    "its end was shown"
                );
                assert!(*instance == 0 || shown.restart_count == instance - 1);
                self.check_order(container.0);
            }
            Request::RunProbe {
                container, instance, ..
            } => {
                assert_eq!(
                    self.running[container.0]
                        .as_ref()
                        .expect("only what runs is probed")
                        .number,
                    *instance
                );
            }
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
                }
            }
            Request::CreateSandbox => assert!(self.deletion.is_none()),
            Request::RemoveSandbox => assert!(self.running.iter().all(Option::is_none)),
        }
    }

    fn begin_end(&mut self, index: ContainerIndex) {
        let config = &self.config.containers[index.0];
        let cause = &self.cause[index.0];
        let own = |probe: &Option<ProbeConfig>| probe.as_ref().and_then(|probe| probe.termination_grace_period);
        let grace_period = match self.deletion {
            Some(grace_period) => grace_period.max(Duration::from_secs(1)),
            None if cause.contains("liveness") => own(&config.liveness).unwrap_or(self.config.termination_grace_period),
            None if cause.contains("startup") => own(&config.startup).unwrap_or(self.config.termination_grace_period),
            None if cause.contains("Stopping") => self.config.termination_grace_period.max(Duration::from_secs(1)),
            None => self.config.termination_grace_period,
        };
        if let Some(instance) = &mut self.running[index.0] {
            instance.deadline.get_or_insert(self.at + bound(grace_period));
        }
    }

    /// B4.2, B4.5, B5.4: a pod that does not restart everything can end with its sidecars still to be ended, and one that
    /// restarts all containers begins anew.
    fn may_end_by_itself(&self) -> bool {
        let containers = &self.config.containers;
        self.config.init_containers() > 0 && self.config.restart_policy != RestartPolicy::Always
            || containers.iter().any(|container| !container.restart_rules.is_empty())
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
    fn check_turn(&self, index: ContainerIndex) {
        let ends_with_pod = self.cause[index.0].contains("Stopping");
        let deadline = self.running[index.0]
            .as_ref()
            .and_then(|running| running.deadline)
            .unwrap();
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

    fn check_state(&mut self) {
        let asked: Vec<_> = self.state.outstanding();
        // A pod that ends needs its images no more, and they cannot be cancelled.
        let may_end = self.deletion.is_some() || self.may_end_by_itself();
        self.asked.retain(|id, request| {
            matches!(request, Request::EnsureImage { .. }) && !may_end || asked.iter().any(|(other, _)| other == id)
        });
        assert_eq!(asked, self.asked.clone().into_iter().collect::<Vec<_>>());
        assert!(self.wake().is_none_or(|wake| wake > self.at), "all that is due is done");
        let instances: Vec<_> = self
            .state
            .instances()
            .map(|(index, number)| (index.0, number))
            .collect();
        let running = self.running.iter().enumerate();
        let running: Vec<_> = running
            .filter_map(|(index, instance)| Some((index, instance.as_ref()?.number)))
            .collect();
        assert_eq!(instances, running, "each start is followed by one end");
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
            assert!(
                container.restart_count >= self.restarts[index],
                "the restart count never falls"
            );
            self.restarts[index] = container.restart_count;
        }
        for instance in self.running.iter().flatten().filter(|instance| !instance.killed) {
            assert!(
                instance.deadline.is_none_or(|deadline| self.at <= deadline),
                "B2.6: the grace period and 2 s"
            );
        }
    }

    /// Deletes the pod, answers everything and ends what was killed: it must be forgotten.
    fn end(&mut self) {
        self.event(Event::Delete {
            grace_period: Some(Duration::ZERO),
        });
        for _ in 0..MAX_STEPS_TO_THE_END {
            if self.forgotten {
                return;
            }
            let killed = self
                .running
                .iter()
                .position(|instance| instance.as_ref().is_some_and(|found| found.killed));
            let hookless = self
                .asked
                .iter()
                .find(|(_, request)| !matches!(request, Request::RunHook { .. }));
            if let Some(index) = killed {
                self.exit(index, 137);
            } else if let Some((id, request)) = hookless {
                let event = reply(*id, request, 0);
                self.event(event);
            } else {
                self.at = self.wake().expect("a pod that is not gone waits for something");
                self.event(Event::Wake);
            }
        }
        panic!("the pod is never gone: {:#?}", self.state);
    }
}

/// The longest time from the beginning of an end to SIGKILL (B2.6).
fn bound(grace_period: Duration) -> Time {
    u64::try_from((grace_period + Duration::from_secs(2)).as_millis()).unwrap()
}

fn exited(index: usize, instance: u32, code: i32) -> Event {
    let exit = Exit {
        code,
        signal: None,
        oom_killed: code == 2,
        lost: false,
        message: String::new(),
    };
    Event::ContainerExited {
        container: ContainerIndex(index),
        instance,
        exit,
    }
}

fn reply(action: ActionId, request: &Request, luck: u8) -> Event {
    let message = String::from("why");
    match (request, luck % 8) {
        (Request::CreateSandbox, 7) => Event::SandboxFailed { action, message },
        (Request::CreateSandbox, _) => Event::SandboxReady { action },
        (Request::EnsureImage { .. }, 6) => Event::ImageFailed {
            action,
            error: ImageError::NeverPull,
            message,
        },
        (Request::EnsureImage { .. }, 7) => Event::ImageFailed {
            action,
            error: ImageError::Pull,
            message,
        },
        (Request::EnsureImage { .. }, _) => Event::ImageReady { action, message },
        (Request::StartContainer { .. }, 6) => Event::ContainerStartFailed {
            action,
            error: StartError::Create,
            message,
        },
        (Request::StartContainer { .. }, 7) => Event::ContainerStartFailed {
            action,
            error: StartError::Run,
            message,
        },
        (Request::StartContainer { .. }, _) => Event::ContainerStarted { action },
        (Request::RunProbe { .. }, luck) => {
            let verdict = match luck {
                0..3 => Verdict::Success,
                3 => Verdict::Warning,
                4..7 => Verdict::Failure,
                _ => Verdict::Errored,
            };
            Event::ProbeFinished {
                action,
                outcome: ProbeOutcome { verdict, message },
            }
        }
        (Request::RunHook { .. }, 7) => Event::HookFinished {
            action,
            result: Err(message),
        },
        (Request::RunHook { .. }, _) => Event::HookFinished { action, result: Ok(()) },
        (Request::RemoveSandbox, _) => Event::SandboxRemoved { action },
    }
}

fn answered(event: &Event) -> Option<ActionId> {
    match event {
        Event::SandboxReady { action }
        | Event::SandboxFailed { action, .. }
        | Event::SandboxRemoved { action }
        | Event::ImageReady { action, .. }
        | Event::ImageFailed { action, .. }
        | Event::ContainerStarted { action }
        | Event::ContainerStartFailed { action, .. }
        | Event::ProbeFinished { action, .. }
        | Event::HookFinished { action, .. } => Some(*action),
        Event::Begin
        | Event::Hold { .. }
        | Event::Resume
        | Event::Wake
        | Event::Delete { .. }
        | Event::ConditionSet { .. }
        | Event::HookFellBack { .. }
        | Event::ContainerExited { .. } => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_in_every_order_of_events(config in a_pod(), ops in prop::collection::vec(an_op(), 1..80)) {
        let mut truth = Truth::new(config);
        truth.event(Event::Begin);
        for op in &ops {
            truth.take(op);
        }
        truth.end();
    }
}
