//! A recorded life again: what happened, and what would have happened with other numbers.

mod guess;
mod lives;

use std::time::Duration;

use probelet_lifecycle::{
    State,
    config::PodConfig,
    event::Event,
    journal::{Journal, digest},
    step,
};
use probelet_manifest::Pod;
use probelet_pod_config::pod_config;

pub(crate) use self::{
    guess::Guess,
    lives::{Life, nearest},
};
use crate::{
    Ended, MAX_STEPS, Report,
    clockwork::{self, Plan, World, replies_to},
    record::Recorder,
    script::Behaviour,
    world::{Application, PodWorld},
};

/// A recorded part of a life, lived again.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What happened; times count from the beginning of the part.
    pub report: Report,
    /// The machine's state at its end.
    pub state: State,
    /// How many things the machine was told.
    pub told: usize,
    /// The first of them after which it asked for something else than was recorded, counted from 1.
    pub differs: Option<usize>,
}

/// A recorded part of a life with other numbers.
#[derive(Clone, Debug)]
pub struct Otherwise {
    /// What would have happened; times count from the beginning of the part.
    pub report: Report,
    /// From when on it would not have gone as it did; `None` if all would have been the same.
    pub parted: Option<Duration>,
    /// From where on which part of it is a guess, each a sentence, in the order of time.
    pub guesses: Vec<String>,
}

/// What happened in a recorded part of a pod's life, by the machine that is told the same again.
pub fn replay(journal: &Journal) -> Replay {
    let again = live_again(journal, journal.config(), journal.state.clone(), None);
    Replay {
        report: again.report,
        state: again.state,
        told: journal.told.len(),
        differs: again.differs,
    }
}

/// What would have happened in a recorded part of a life, had the pod been this one.
///
/// As long as the machine asks for the same as it did, it is told what was recorded, at the same times. From there on each
/// container does at each age what it did then; one that lives longer than it did goes on as it was at last, and one that
/// starts at another time goes as the life that began next to that.
///
/// # Errors
/// If the pod has other containers or other probes than the recorded one: the record tells nothing of them.
pub fn otherwise(journal: &Journal, pod: &Pod) -> Result<Otherwise, String> {
    let config = pod_config(pod, &journal.config().uid);
    lived_otherwise(journal, config, None)
}

/// The same, that parts from the record before the `parts`-th thing told at the latest.
fn lived_otherwise(journal: &Journal, config: PodConfig, parts: Option<usize>) -> Result<Otherwise, String> {
    let state = journal.state.clone().with_config(config.clone()).ok_or_else(|| {
        "the record tells nothing of other containers or other probes than the pod had: only numbers can be changed"
            .to_owned()
    })?;
    let again = live_again(journal, &config, state, parts);
    Ok(Otherwise {
        report: again.report,
        parted: again.parted,
        guesses: again.guesses,
    })
}

struct Again {
    report: Report,
    state: State,
    differs: Option<usize>,
    parted: Option<Duration>,
    guesses: Vec<String>,
}

fn live_again(journal: &Journal, config: &PodConfig, mut state: State, parts: Option<usize>) -> Again {
    let (origin, until) = (journal.since.boot.0, journal.until.boot.0);
    let lives = lives::lives(journal);
    let well = Behaviour::default();
    let applications = lives.iter().map(|lives| {
        let application = Application::new(&well, Duration::ZERO, Duration::ZERO).with_lives(lives);
        // The machine is not told which it is: it may be the image's.
        application.with_stop_signal(Some("its stop signal"))
    });
    let mut world = PodWorld::new(config, applications.collect(), Recorder::since(config, origin));
    let mut plan = Plan::default();
    plan.now = origin;
    world.adopt(&mut plan, &state);
    // Two machines: the one that was, and the one that goes by other numbers.
    let (mut recorded, mut before) = (journal.state.clone(), state.clone());
    let (mut expected, mut actions) = (Vec::new(), Vec::new());
    let (mut differs, mut parted, mut seen) = (None, None, 0);
    for told in &journal.told {
        if parts == Some(seen) || wakes_before(&state, &recorded, told.now.boot.0) {
            parted = state
                .next_wake()
                .map_or(Some(told.now.boot.0), |wake| Some(wake.0.min(told.now.boot.0)));
            break;
        }
        seen += 1;
        plan.now = told.now.boot.0;
        plan.wall_ahead = told.now.wall.0.saturating_sub(milliseconds(plan.now));
        if let Some(action) = replies_to(&told.event) {
            plan.cancel(action);
        }
        expected.clear();
        actions.clear();
        step(&mut recorded, told.now, told.event.clone(), &mut expected);
        if told.actions.is_some_and(|recorded| recorded != digest(&expected)) {
            differs.get_or_insert(seen);
        }
        step(&mut state, told.now, told.event.clone(), &mut actions);
        if world.happens(&mut plan, &before, &told.event) {
            world.taken(&mut plan, &state);
        }
        let same = actions == expected;
        for action in actions.drain(..) {
            world.act(&mut plan, &state, action);
        }
        before.clone_from(&state);
        if !same {
            parted = Some(plan.now);
            break;
        }
    }
    if parted.is_none() && wakes_before(&state, &recorded, until) {
        parted = state.next_wake().map(|wake| wake.0);
    }
    let mut ended = Ended::Time;
    if parted.is_some() {
        for told in &journal.told[seen..] {
            if let Event::Delete { .. } | Event::ConditionSet { .. } | Event::Hold { .. } = told.event {
                plan.at(told.now.boot.0, told.event.clone());
            }
        }
        ended = clockwork::go_on(&mut state, &mut plan, &mut world, until, MAX_STEPS);
    }
    let end = match ended {
        Ended::TooMuch => plan.now,
        Ended::Time | Ended::Quiet => until,
    };
    let guesses = guess::told(&world.guesses, config, origin);
    let mut report = world.report(end, ended);
    report.shift(origin);
    // Whether an application could have worked, a record does not tell.
    (report.pod.unable, report.pod.idle) = (Duration::ZERO, Duration::ZERO);
    Again {
        report,
        state,
        differs,
        parted: parted.map(|parted| parted.saturating_sub(origin)),
        guesses,
    }
}

/// Whether a machine has to do something before this time that the recorded one had not: its agent was woken a little
/// late, too, but for the same.
fn wakes_before(state: &State, recorded: &State, time: Duration) -> bool {
    let wake = state.next_wake();
    wake != recorded.next_wake() && wake.is_some_and(|wake| wake.0 < time)
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
