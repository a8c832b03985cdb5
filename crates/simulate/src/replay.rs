//! A recorded life again: what happened, and what would have happened with other numbers.

use std::{collections::BTreeMap, time::Duration};

use probelet_lifecycle::{
    State,
    action::{Action, ActionId, HookReason, ProbeKind, Request, StopSignal},
    config::{ContainerIndex, ContainerKind},
    event::{Event, ProbeOutcome, Verdict},
    journal::{Journal, Told, digest},
};

use crate::{
    Ended, Report,
    clockwork::{Plan, World},
    record::Recorder,
    script::{Behaviour, EndRule, EndTime, HookEffect, HookRule, ProbeEffect, ProbeRule, Script, When},
    world::{Application, PodWorld},
};

/// Runs that take less are as good as instant: a script tells what people would notice.
const NOTABLE: Duration = Duration::from_millis(100);

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

/// What happened in a recorded part of a pod's life, by the machine that is told the same again.
pub fn replay(journal: &Journal) -> Replay {
    let (config, origin) = (journal.config(), journal.since.boot.0);
    let well = Behaviour::default();
    let applications = config.containers.iter().map(|_| {
        let application = Application::new(&well, Duration::ZERO, Duration::ZERO);
        // The machine is not told which it is: it may be the image's.
        application.with_stop_signal(Some("its stop signal"))
    });
    let mut world = PodWorld::new(config, applications.collect(), Recorder::since(config, origin));
    world.adopt(&journal.state, origin);
    // What the world plans is not what happened: nobody asks this plan for it.
    let mut plan = Plan::default();
    let mut before = journal.state.clone();
    let (mut told_so_far, mut differs) = (0, None);
    let state = journal.replay(|told, state, actions| {
        plan.now = told.now.boot.0;
        told_so_far += 1;
        if told.actions.is_some_and(|recorded| recorded != digest(&actions)) {
            differs.get_or_insert(told_so_far);
        }
        if world.happens(&mut plan, &before, &told.event) {
            world.taken(&mut plan, state);
        }
        for action in actions {
            world.act(&mut plan, state, action);
        }
        before.clone_from(state);
    });
    let mut report = world.report(journal.until.boot.0, Ended::Time);
    report.shift(origin);
    // Whether an application could have worked, a record does not tell.
    (report.pod.unable, report.pod.idle) = (Duration::ZERO, Duration::ZERO);
    Replay {
        report,
        state,
        told: told_so_far,
        differs,
    }
}

/// A recorded part of a life as a script: at each time the application does what it did then. Where nobody asked a probe,
/// its last answer holds.
pub fn script_of(journal: &Journal) -> Script {
    let mut reader = Reader {
        origin: journal.since.boot.0,
        asked: journal
            .state
            .outstanding()
            .into_iter()
            .map(|(id, request)| (id, (Duration::ZERO, request)))
            .collect(),
        stopping: BTreeMap::new(),
        runs: BTreeMap::new(),
        containers: vec![Behaviour::default(); journal.config().containers.len()],
        script: Script::default(),
    };
    let state = journal.replay(|told, _, actions| reader.told(told, &actions));
    reader.run_on(journal, &state);
    reader.finish(journal)
}

/// When a run began, how long it took, and what it found.
type Run = (Duration, Duration, ProbeOutcome);

struct Reader {
    origin: Duration,
    asked: BTreeMap<ActionId, (Duration, Request)>,
    /// Since when containers have been told to stop.
    stopping: BTreeMap<ContainerIndex, Duration>,
    /// What the probes' runs found, from when on.
    runs: BTreeMap<(ContainerIndex, ProbeKind), Vec<Run>>,
    containers: Vec<Behaviour>,
    script: Script,
}

impl Reader {
    fn told(&mut self, told: &Told, actions: &[Action]) {
        let now = told.now.boot.0.saturating_sub(self.origin);
        match &told.event {
            Event::ProbeFinished { action, outcome } => {
                if let Some((since, Request::RunProbe { container, kind, .. })) = self.asked.remove(action) {
                    self.runs
                        .entry((container, kind))
                        .or_default()
                        .push((since, now - since, outcome.clone()));
                }
            }
            Event::HookFinished { action, result } => {
                if let Some((since, Request::RunHook { container, reason, .. })) = self.asked.remove(action) {
                    self.hook(container, reason, (since, now), result);
                }
            }
            Event::ContainerStarted { action } => {
                if let Some((since, Request::StartContainer { container, .. })) = self.asked.remove(action) {
                    self.containers[container.0].start_takes = now - since;
                }
            }
            Event::ContainerExited { container, exit, .. } => {
                let behaviour = &mut self.containers[container.0];
                match self.stopping.remove(container) {
                    Some(since) if exit.code != 137 => {
                        (behaviour.stop.takes, behaviour.stop.code) = (now - since, exit.code);
                    }
                    Some(_) => behaviour.stop.ignored = true,
                    None => behaviour.ends.push(EndRule {
                        time: EndTime::Clock(now),
                        code: exit.code,
                        out_of_memory: exit.oom_killed,
                        until: None,
                        times: None,
                    }),
                }
            }
            Event::Delete { grace_period } => self.script.deletions.push((now, *grace_period)),
            Event::ConditionSet { .. } | Event::Hold { .. } => self.script.told.push((now, told.event.clone())),
            _ => {}
        }
        for action in actions {
            match action {
                Action::Request { id, request } => drop(self.asked.insert(*id, (now, request.clone()))),
                Action::Signal {
                    container,
                    signal: StopSignal::Stop,
                    ..
                } => {
                    self.stopping.entry(*container).or_insert(now);
                }
                _ => {}
            }
        }
    }

    fn hook(
        &mut self,
        container: ContainerIndex,
        reason: HookReason,
        time: (Duration, Duration),
        result: &Result<(), String>,
    ) {
        let (since, now) = time;
        let rule = |effect| HookRule {
            post_start: reason == HookReason::Start,
            when: When::Clock(since, None),
            effect,
        };
        let hooks = &mut self.containers[container.0].hooks;
        hooks.push(rule(HookEffect::Takes(now - since)));
        if let Err(message) = result {
            hooks.push(HookRule {
                when: When::Clock(since, Some(now.max(since + NOTABLE))),
                ..rule(HookEffect::Fails(message.clone()))
            });
        }
    }

    /// An init container whose end is not recorded goes on, where a script that says nothing of it lets it end.
    fn run_on(&mut self, journal: &Journal, state: &State) {
        let kinds = &journal.config().containers;
        let instances = state.instances().map(|(container, _)| container.0);
        for container in instances.filter(|container| kinds[*container].kind == ContainerKind::Init) {
            self.containers[container].ends.push(EndRule {
                time: EndTime::Clock(Duration::MAX),
                code: 0,
                out_of_memory: false,
                until: None,
                times: None,
            });
        }
    }

    fn finish(mut self, journal: &Journal) -> Script {
        for ((container, kind), runs) in self.runs {
            let rules = &mut self.containers[container.0].probes;
            for (at, (since, takes, outcome)) in runs.iter().enumerate() {
                let until = runs.get(at + 1).map(|next| next.0);
                // The first answer holds for the time before it, too.
                let since = if at == 0 { Duration::ZERO } else { *since };
                let rule = |effect| ProbeRule {
                    kind: Some(kind),
                    when: When::Clock(since, until),
                    effect,
                };
                if outcome.verdict != Verdict::Success {
                    rules.push(rule(ProbeEffect::Outcome(outcome.verdict, outcome.message.clone())));
                }
                if *takes >= NOTABLE {
                    rules.push(rule(ProbeEffect::Takes(*takes)));
                }
            }
        }
        let names = journal
            .config()
            .containers
            .iter()
            .map(|container| container.name.clone());
        self.script.containers = names.zip(self.containers).collect();
        self.script
    }
}

#[cfg(test)]
mod tests;
