//! What holds whatever happens, in whatever order, and whenever the agent dies in between.

use std::time::Duration;

use probelet_lifecycle::{
    State,
    action::ActionId,
    config::{ContainerConfig, ContainerKind, PodConfig, ProbeConfig, RestartAction, RestartPolicy, RestartRule},
    event::Event,
    step,
};
use proptest::{option, prelude::*};

use crate::{
    replies::{exited, reply},
    truth::{MAX_STEPS_TO_THE_END, Truth},
    world::{Time, container, hook, init_container, now, pod},
};

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

/// The truth, and beside it a machine whose state is stored and read again before every step.
struct Lived {
    truth: Truth,
    stored: State,
}

impl Lived {
    fn new(config: PodConfig) -> Self {
        let truth = Truth::new(config);
        let stored = truth.state.clone();
        Self { truth, stored }
    }

    fn take(&mut self, op: &Op) {
        let then = self.truth.at + op.after;
        while let Some(wake) = self.truth.wake().filter(|wake| *wake <= then) {
            self.truth.at = wake;
            self.event(Event::Wake);
        }
        self.truth.at = then;
        match op.what {
            What::Wake => self.event(Event::Wake),
            What::Reply => {
                let asked = &self.truth.asked;
                let Some((id, request)) = asked.iter().nth(op.pick % asked.len().max(1)) else {
                    return;
                };
                let event = reply(*id, request, op.luck);
                self.event(event);
            }
            What::StaleReply => self.stale_reply(op.pick),
            What::Exit => {
                let index = op.pick % self.truth.running.len();
                if let Some(instance) = &self.truth.running[index] {
                    self.event(exited(index, instance.number, i32::from(op.luck % 3)));
                }
            }
            What::StrangeExit => {
                let index = op.pick % (self.truth.running.len() + 1);
                let instance = self.truth.running.get(index).and_then(Option::as_ref);
                let number = instance.map_or(7, |instance| instance.number + 1);
                self.event(exited(index, number, 1));
            }
            What::Delete => self.event(Event::Delete {
                grace_period: (!op.luck.is_multiple_of(4)).then(|| Duration::from_secs(u64::from(op.luck) / 4)),
            }),
        }
    }

    fn stale_reply(&mut self, pick: usize) {
        let action = ActionId(pick as u64 % (self.truth.last_id + 2));
        if !self.truth.asked.contains_key(&action) {
            let before = self.truth.state.clone();
            let result = Ok(());
            self.event(Event::HookFinished { action, result });
            assert_eq!(self.truth.state, before, "a reply to nothing changes nothing");
        }
    }

    fn event(&mut self, event: Event) {
        let actions = self.truth.event(event.clone());
        // Same events, same actions, and an agent that comes back goes on as if it had never been away.
        let text = serde_json::to_string(&self.stored).unwrap();
        self.stored = serde_json::from_str(&text).unwrap();
        let mut again = Vec::new();
        step(&mut self.stored, now(self.truth.at), event, &mut again);
        assert_eq!(actions, again);
        assert_eq!(self.truth.state, self.stored);
    }

    /// Deletes the pod, answers everything and ends what was killed: it must be forgotten.
    fn end(&mut self) {
        let grace_period = Some(Duration::ZERO);
        self.event(Event::Delete { grace_period });
        for _ in 0..MAX_STEPS_TO_THE_END {
            let Some(event) = self.truth.next_towards_the_end() else {
                return;
            };
            self.event(event);
        }
        panic!("the pod is never gone: {:#?}", self.truth.state);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_in_every_order_of_events(config in a_pod(), ops in prop::collection::vec(an_op(), 1..80)) {
        let mut lived = Lived::new(config);
        lived.event(Event::Begin);
        for op in &ops {
            lived.take(op);
        }
        lived.end();
    }
}
