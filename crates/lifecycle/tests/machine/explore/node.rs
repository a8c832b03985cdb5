//! A state of the world, and what can happen in it.

use std::{fmt, mem::discriminant, time::Duration};

use probelet_lifecycle::{
    State,
    action::{Action, ActionId, Request},
    event::{Event, ProbeOutcome, Verdict},
    status::{ConditionStatus, PodStatus},
    step,
};

use serde_json::Value;

use super::pods::Pod;
use crate::{
    replies::{exited, replies},
    truth::{MAX_STEPS_TO_THE_END, Truth},
    world::{Time, now},
};

/// A moment that lies on no probe's grid and is no whole second, within every grace period and hook's limit here.
const A_WHILE: Time = 1500;

/// How long after the next thing was due an agent that was away comes back.
const AWAY: Time = 7000;

/// One thing that can happen.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The machine is told something, at once.
    Tell(Event),
    /// Nothing happens until the machine has asked to be woken.
    Wake,
    /// Nothing happens for a while that ends before that.
    Pass,
    /// The agent is away until after that, and comes back.
    Away,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tell(event) => write!(formatter, "{event:?}"),
            Self::Wake => write!(formatter, "the time that was asked for comes"),
            Self::Pass => write!(formatter, "{A_WHILE} ms pass"),
            Self::Away => write!(
                formatter,
                "the agent comes back {AWAY} ms after it should have been woken"
            ),
        }
    }
}

/// A pod, as it is and as it should be.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) truth: Truth,
    /// Whether the agent was away, which it is once at most: each time shifts the probes' grids against each other.
    pub(super) was_away: bool,
}

impl Node {
    /// A pod that has just been accepted.
    pub(super) fn new(pod: &Pod) -> Self {
        let mut truth = Truth::new(pod.config.clone());
        truth.event(Event::Begin);
        Self { truth, was_away: false }
    }

    /// All that can happen here.
    pub(super) fn steps(&self, pod: &Pod) -> Vec<Step> {
        let truth = &self.truth;
        let answers = truth.asked.iter().flat_map(|(id, request)| {
            let mut outcomes = replies(*id, request);
            if !pod.can_fail_to_start && !matches!(request, Request::RunProbe { .. } | Request::RunHook { .. }) {
                outcomes.truncate(1);
            }
            outcomes
        });
        let exits = truth
            .running
            .iter()
            .enumerate()
            .filter_map(|(index, instance)| Some((index, instance.as_ref()?)));
        let exits = exits.flat_map(|(index, instance)| {
            let codes = if instance.killed { &[137] } else { pod.codes };
            codes.iter().map(move |code| exited(index, instance.number, *code))
        });
        let deletions = [None, Some(Duration::from_secs(1)), Some(Duration::ZERO)];
        let deletions = deletions.map(|grace_period| Event::Delete { grace_period });
        let hold = pod.can_be_held.then_some(Event::Hold { held: !truth.held });
        let told = answers.chain(exits).chain(deletions).chain(hold).map(Step::Tell);
        told.chain(self.passings_of_time(pod)).collect()
    }

    fn passings_of_time(&self, pod: &Pod) -> Vec<Step> {
        let wake = self.truth.wake();
        // Parts of seconds matter while something is ended, or may take no more than a limited time.
        let is_limited = |request: &Request| matches!(request, Request::RunHook { .. });
        let mut instances = self.truth.running.iter().flatten();
        let matters = instances.any(|instance| instance.deadline.is_some() && !instance.killed)
            || self.truth.asked.values().any(is_limited);
        let passes = matters && wake.is_none_or(|wake| wake > self.truth.at + A_WHILE);
        let may_be_away = pod.agent_can_be_away && !self.was_away;
        [
            wake.map(|_| Step::Wake),
            passes.then_some(Step::Pass),
            wake.filter(|_| may_be_away).map(|_| Step::Away),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Lets it happen.
    pub(super) fn take(&mut self, step: &Step) -> Vec<Action> {
        let truth = &mut self.truth;
        match step {
            Step::Tell(event) => truth.event(event.clone()),
            Step::Wake => {
                truth.at = truth.wake().unwrap();
                truth.event(Event::Wake)
            }
            Step::Pass => {
                truth.at += A_WHILE;
                truth.event(Event::Wake)
            }
            Step::Away => {
                self.was_away = true;
                truth.at = truth.wake().unwrap() + AWAY;
                truth.come_back();
                truth.event(Event::Wake)
            }
        }
    }

    /// The state can be stored and read, and what does not fit it changes nothing.
    pub(super) fn check_what_changes_nothing(&self, stored: Value) {
        let (truth, state) = (&self.truth, &self.truth.state);
        let mut after: State = serde_json::from_value(stored).unwrap();
        assert_eq!(after, *state, "what is stored is what was there");
        for event in self.strangers() {
            let mut actions = Vec::new();
            step(&mut after, now(truth.at), event.clone(), &mut actions);
            let forgotten = truth.forgotten && event == Event::Wake;
            assert!(actions.is_empty() || forgotten, "{event:?} brings about {actions:?}");
            assert_eq!(after, *state, "{event:?} changes something");
        }
        self.check_what_is_shown(after);
    }

    /// Events that are about nothing that is there (any more), and one that comes before its time.
    fn strangers(&self) -> Vec<Event> {
        let truth = &self.truth;
        let old = (1..=truth.last_id)
            .rev()
            .map(ActionId)
            .find(|id| !truth.asked.contains_key(id));
        let never = Some(ActionId(truth.last_id + 1));
        let late = [old, never].into_iter().flatten().flat_map(any_reply);
        let to_something_else = truth.asked.iter().flat_map(|(id, request)| {
            let fitting = replies(*id, request);
            let fits = move |event: &Event| fitting.iter().any(|other| discriminant(other) == discriminant(event));
            any_reply(*id).into_iter().filter(move |event| !fits(event))
        });
        let instances = truth.running.iter().enumerate();
        let strange = instances.flat_map(|(index, instance)| {
            let number = instance.as_ref().map_or(0, |instance| instance.number + 1);
            [exited(index, number, 1), exited(truth.running.len(), number, 1)]
        });
        late.chain(to_something_else)
            .chain(strange)
            .chain([Event::Wake])
            .collect()
    }

    /// What is shown is what would be shown if it were looked at anew. A condition of somebody else makes the machine look.
    fn check_what_is_shown(&self, mut state: State) {
        if self.truth.forgotten {
            return;
        }
        let condition = Event::ConditionSet {
            name: "Asked".into(),
            status: ConditionStatus::True,
            reason: String::new(),
            message: String::new(),
        };
        step(&mut state, now(self.truth.at), condition, &mut Vec::new());
        let anew = PodStatus {
            other_conditions: Vec::new(),
            ..state.status()
        };
        assert_eq!(Some(&anew), self.truth.shown.as_ref(), "a change was not published");
    }

    /// However far it has come: if it is deleted now it will be gone.
    pub(super) fn end(&mut self) {
        let grace_period = None;
        self.truth.event(Event::Delete { grace_period });
        for _ in 0..MAX_STEPS_TO_THE_END {
            let Some(event) = self.truth.next_towards_the_end() else {
                return;
            };
            self.truth.event(event);
        }
        panic!("the pod is never gone: {:#?}", self.truth.state);
    }
}

/// A reply of each sort.
fn any_reply(action: ActionId) -> Vec<Event> {
    let message = String::new();
    let outcome = ProbeOutcome {
        verdict: Verdict::Failure,
        message: message.clone(),
    };
    vec![
        Event::SandboxReady { action },
        Event::SandboxRemoved { action },
        Event::ImageReady { action, message },
        Event::ContainerStarted { action },
        Event::ProbeFinished { action, outcome },
        Event::HookFinished { action, result: Ok(()) },
    ]
}
