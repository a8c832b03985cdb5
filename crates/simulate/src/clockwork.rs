//! Virtual time: it jumps from one thing that is due to the next.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use probelet_lifecycle::{
    State,
    action::{Action, ActionId},
    event::Event,
    step,
    time::{BootTime, Now, WallTime},
};

/// What surrounds the machine: it takes what the machine asks for, and plans what comes of it.
pub(crate) trait World {
    /// Something is about to be told to the machine. `false` if it is no longer true, and is not told.
    fn happens(&mut self, plan: &mut Plan, state: &State, event: &Event) -> bool;

    /// The machine has taken it; its actions follow.
    fn taken(&mut self, plan: &mut Plan, state: &State);

    /// One thing that the machine asks for.
    fn act(&mut self, plan: &mut Plan, state: &State, action: Action);

    /// Whether nothing can follow.
    fn is_over(&self) -> bool {
        false
    }
}

/// What is still to happen by itself.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Since the beginning.
    pub(crate) now: Duration,
    /// By how many milliseconds the wall clock is ahead of the time since the beginning.
    pub(crate) wall_ahead: i64,
    at_once: VecDeque<Event>,
    later: BTreeMap<(Duration, u64), Event>,
    serial: u64,
}

impl Plan {
    /// Something happens after so long; without a delay before all that is due now.
    pub(crate) fn after(&mut self, delay: Duration, event: Event) {
        if delay.is_zero() {
            self.at_once.push_back(event);
        } else {
            self.at(self.now.saturating_add(delay), event);
        }
    }

    /// Something happens at this time.
    pub(crate) fn at(&mut self, time: Duration, event: Event) {
        self.serial += 1;
        self.later.insert((time.max(self.now), self.serial), event);
    }

    /// What was asked for is answered already, or never will be: its planned reply does not come.
    pub(crate) fn cancel(&mut self, id: ActionId) {
        self.at_once.retain(|event| replies_to(event) != Some(id));
        self.later.retain(|_, event| replies_to(event) != Some(id));
    }

    /// What time it is, on both clocks.
    fn moment(&self) -> Now {
        let Now { boot, wall } = moment(self.now);
        let wall = WallTime(wall.0.saturating_add(self.wall_ahead));
        Now { boot, wall }
    }

    /// The next thing that is due until then, and its time.
    fn next(&mut self, wake: Option<BootTime>, until: Duration) -> Option<Event> {
        if let Some(event) = self.at_once.pop_front() {
            return Some(event);
        }
        let planned = self.later.first_key_value().map(|(key, _)| key.0);
        let wake = wake.map(|wake| wake.0);
        if let Some(time) = planned.filter(|time| *time <= until && wake.is_none_or(|wake| *time <= wake)) {
            self.now = self.now.max(time);
            return self.later.pop_first().map(|(_, event)| event);
        }
        let wake = wake.filter(|wake| *wake <= until)?;
        self.now = self.now.max(wake);
        Some(Event::Wake)
    }

    fn is_empty(&self) -> bool {
        self.at_once.is_empty() && self.later.is_empty()
    }
}

/// Why a simulation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ended {
    /// Its time was over.
    Time,
    /// Nothing more can happen.
    Quiet,
    /// So much happened that it was stopped.
    TooMuch,
}

/// Lives until then, taking `max_steps` steps at most.
pub(crate) fn run(
    state: &mut State,
    plan: &mut Plan,
    world: &mut impl World,
    until: Duration,
    max_steps: u64,
) -> Ended {
    plan.at_once.push_front(Event::Begin);
    go_on(state, plan, world, until, max_steps)
}

/// Lives on until then, a life that has begun.
pub(crate) fn go_on(
    state: &mut State,
    plan: &mut Plan,
    world: &mut impl World,
    until: Duration,
    max_steps: u64,
) -> Ended {
    let mut actions = Vec::new();
    for _ in 0..max_steps {
        let Some(event) = plan.next(state.next_wake(), until) else {
            let quiet = plan.is_empty() && state.next_wake().is_none();
            return if quiet { Ended::Quiet } else { Ended::Time };
        };
        if !world.happens(plan, state, &event) {
            continue;
        }
        step(state, plan.moment(), event, &mut actions);
        world.taken(plan, state);
        for action in actions.drain(..) {
            world.act(plan, state, action);
        }
        if world.is_over() {
            return Ended::Quiet;
        }
    }
    Ended::TooMuch
}

/// Which request an event is the reply to.
pub(crate) fn replies_to(event: &Event) -> Option<ActionId> {
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
        _ => None,
    }
}

/// A time since the beginning, on both clocks.
pub(crate) fn moment(time: Duration) -> Now {
    let wall = WallTime(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    Now {
        boot: BootTime(time),
        wall,
    }
}
