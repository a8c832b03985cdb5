//! A recorded life again: what happened, and what would have happened with other numbers.

use std::{collections::BTreeMap, time::Duration};

use probelet_lifecycle::{
    State,
    action::{Action, ActionId, HookReason, ProbeKind, Request, StopSignal},
    config::ContainerIndex,
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
    let applications = config
        .containers
        .iter()
        .map(|_| Application::new(&well, Duration::ZERO, Duration::ZERO));
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
    journal.replay(|told, _, actions| reader.told(told, &actions));
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
mod tests {
    use probelet_lifecycle::config::PodConfig;
    use probelet_manifest::{Pod, parse_yaml};
    use probelet_pod_config::pod_config;

    use super::*;
    use crate::{EntryKind, clockwork, clockwork::moment, read_script, simulate};

    /// The world of a script that writes down what it tells.
    struct Noting<'a>(PodWorld<'a>, Vec<Told>);

    impl World for Noting<'_> {
        fn happens(&mut self, plan: &mut Plan, state: &State, event: &Event) -> bool {
            let happens = self.0.happens(plan, state, event);
            if happens {
                self.1.push(Told {
                    now: moment(plan.now),
                    event: event.clone(),
                    actions: None,
                });
            }
            happens
        }

        fn taken(&mut self, plan: &mut Plan, state: &State) {
            self.0.taken(plan, state);
        }

        fn act(&mut self, plan: &mut Plan, state: &State, action: Action) {
            self.0.act(plan, state, action);
        }

        fn is_over(&self) -> bool {
            self.0.is_over()
        }
    }

    const TIME: Duration = Duration::from_secs(900);

    fn pod(probes: &str) -> Pod {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web }}\nspec:\n  containers:\n  - name: app\n    image: x\n{probes}"
        );
        parse_yaml(&text, "pod.yaml").unwrap().remove(0)
    }

    const PROBES: &str = "    readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 5 }\n    \
                          livenessProbe: { tcpSocket: { port: 80 }, periodSeconds: 10 }\n";

    /// What an agent would have recorded of a life by this script, and the state at its end.
    fn journal(pod: &Pod, script: &str) -> (Journal, State) {
        let pods = [pod.clone()];
        let script = read_script(script, "s", &pods).unwrap();
        let config: PodConfig = pod_config(pod, "uid");
        let application = Application::new(script.behaviour("app"), Duration::ZERO, Duration::ZERO);
        let world = PodWorld::new(&config, vec![application], Recorder::new(&config));
        let mut state = State::new(config.clone(), moment(Duration::ZERO));
        let (mut plan, mut world) = (Plan::default(), Noting(world, Vec::new()));
        for (time, grace_period) in &script.deletions {
            plan.at(
                *time,
                Event::Delete {
                    grace_period: *grace_period,
                },
            );
        }
        clockwork::run(&mut state, &mut plan, &mut world, TIME, 100_000);
        let (since, first) = (
            moment(Duration::ZERO),
            State::new(config.clone(), moment(Duration::ZERO)),
        );
        (
            Journal {
                since,
                until: moment(TIME),
                state: first,
                told: world.1,
            },
            state,
        )
    }

    const BAD_DAYS: [&str; 6] = [
        "- liveness fails from 3m to 4m saying no\n- takes 4s to stop",
        "- crashes every 70s\n- takes 2s to start",
        "- hangs at 2m until restart\n- hangs on SIGTERM",
        "- readiness errors from 1m to 2m\n- readiness fails every 7th run",
        "- exits with 3 at 100s\n- out of memory at 300s\n- liveness warns from 2m to 5m",
        "- takes 5s to stop\n- delete at 5m with grace 20s",
    ];

    #[test]
    fn a_record_tells_what_happened() {
        let pod = pod(PROBES);
        for script in BAD_DAYS {
            let (journal, state) = journal(&pod, script);
            let Replay {
                report, state: found, ..
            } = replay(&journal);
            assert_eq!(found, state, "{script}");
            let script = read_script(script, "s", std::slice::from_ref(&pod)).unwrap();
            assert_eq!(report.entries, simulate(&pod, &script, TIME).entries);
        }
    }

    #[test]
    fn other_actions_than_the_recorded_ones_are_noticed() {
        let (mut journal, _) = journal(&pod(PROBES), BAD_DAYS[0]);
        let mut digests = Vec::new();
        journal.replay(|_, _, actions| digests.push(digest(&actions)));
        for (told, digest) in journal.told.iter_mut().zip(digests) {
            told.actions = Some(digest);
        }
        assert_eq!(replay(&journal).differs, None);
        journal.told.remove(10);
        assert!(replay(&journal).differs.is_some_and(|at| at > 9));
    }

    #[test]
    fn a_record_can_begin_in_the_middle_and_at_any_time_since_boot() {
        let pod = pod(PROBES);
        let (mut whole, state) = journal(&pod, BAD_DAYS[0]);
        let rest = whole.told.split_off(whole.told.len() / 2);
        let (since, until) = (rest[0].now, whole.until);
        let middle = whole.replay(|_, _, _| {});
        let Replay {
            report, state: found, ..
        } = replay(&Journal {
            since,
            until,
            state: middle,
            told: rest,
        });
        assert_eq!(found, state);
        assert!(report.simulated < TIME && report.pod.ready + report.pod.unready == report.pod.lived);
    }

    /// All but single probe runs: one that ends in the instant in which its container is killed counts or not.
    fn told(report: &Report) -> Vec<(Duration, &str)> {
        let entries = report.entries.iter().filter(|entry| entry.kind != EntryKind::Probe);
        entries.map(|entry| (entry.at, entry.text.as_str())).collect()
    }

    #[test]
    fn a_script_made_from_a_record_brings_about_the_same() {
        let pod = pod(PROBES);
        for script in BAD_DAYS {
            let (journal, _) = journal(&pod, script);
            let recorded = replay(&journal).report;
            let again = simulate(&pod, &script_of(&journal), TIME);
            assert_eq!(told(&again), told(&recorded), "{script}");
            assert_eq!(
                (again.pod.ready, again.restarts()),
                (recorded.pod.ready, recorded.restarts())
            );
        }
    }

    #[test]
    fn other_numbers_bring_about_something_else() {
        let (journal, _) = journal(&pod(PROBES), BAD_DAYS[0]);
        let patient = pod(&PROBES.replace("periodSeconds: 10", "periodSeconds: 10, failureThreshold: 8"));
        let recorded = replay(&journal).report;
        let otherwise = simulate(&patient, &script_of(&journal), TIME);
        assert_eq!((recorded.restarts(), otherwise.restarts()), (2, 0));
    }
}
