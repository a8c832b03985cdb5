use probelet_lifecycle::config::PodConfig;
use probelet_manifest::{Pod, parse_yaml};
use probelet_pod_config::pod_config;

use super::*;
use crate::{Entry, EntryKind, clockwork, clockwork::moment, planned, read_script, simulate};

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
    let names = config.containers.iter().map(|container| &container.name);
    let applications = names.map(|name| Application::new(script.behaviour(name), Duration::ZERO, Duration::ZERO));
    let world = PodWorld::new(&config, applications.collect(), Recorder::new(&config));
    let mut state = State::new(config.clone(), moment(Duration::ZERO));
    let (mut plan, mut world) = (planned(&script), Noting(world, Vec::new()));
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

/// What a record tells, which does not know the stop signal.
fn recorded(report: Report) -> Vec<Entry> {
    let mut entries = report.entries;
    for entry in &mut entries {
        entry.text = entry.text.replace("its stop signal", "SIGTERM");
    }
    entries
}

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
        assert_eq!(recorded(report), simulate(&pod, &script, TIME).entries);
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
fn told(entries: Vec<Entry>) -> Vec<(Duration, String)> {
    let entries = entries.into_iter().filter(|entry| entry.kind != EntryKind::Probe);
    entries.map(|entry| (entry.at, entry.text)).collect()
}

fn brings_about_the_same(pod: &Pod, journal: &Journal, script: &str) {
    let before = replay(journal).report;
    let again = simulate(pod, &script_of(journal), TIME);
    assert_eq!(
        (again.pod.ready, again.restarts()),
        (before.pod.ready, before.restarts()),
        "{script}"
    );
    assert_eq!(told(again.entries), told(recorded(before)), "{script}");
}

/// A pod with all that begins before its application, and a gate.
fn pod_with_init_containers() -> Pod {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec:\n  readinessGates: [{ conditionType: warm }]\n  \
                initContainers:\n  - { name: migrate, image: x }\n  \
                - { name: proxy, image: x, restartPolicy: Always, startupProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 } }\n  \
                containers:\n  - { name: app, image: x }\n";
    parse_yaml(text, "pod.yaml").unwrap().remove(0)
}

#[test]
fn init_containers_sidecars_and_conditions_are_lived_again() {
    let pod = pod_with_init_containers();
    for script in [
        "pod: [condition warm is true at 30s, condition warm is false at 5m]",
        "migrate: [crashes after 5s twice, exits with 0 after 10s]\nproxy: [startup fails for 4s, crashes at 3m]\n\
         pod: [condition warm is true at 1m, delete at 10m]",
        // It still runs when the record ends.
        "migrate: [exits with 0 after 1h]",
    ] {
        let (journal, state) = journal(&pod, script);
        assert_eq!(replay(&journal).state, state, "{script}");
        let read = read_script(script, "s", std::slice::from_ref(&pod)).unwrap();
        let simulated = simulate(&pod, &read, TIME);
        assert_eq!(recorded(replay(&journal).report), simulated.entries, "{script}");
        brings_about_the_same(&pod, &journal, script);
    }
}

#[test]
fn a_script_made_from_a_record_brings_about_the_same() {
    let pod = pod(PROBES);
    for script in BAD_DAYS {
        let (journal, _) = journal(&pod, script);
        brings_about_the_same(&pod, &journal, script);
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
