use std::fs;

use probelet_lifecycle::{action::Action, journal::Told};
use probelet_manifest::parse_yaml;

use super::*;
use crate::{Entry, EntryKind, Script, applications, clockwork::moment, planned, read_script, simulate, why};

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
    let script = read_script(script, "s", std::slice::from_ref(pod)).unwrap();
    journal_of(pod, &script, TIME)
}

pub(super) fn journal_of(pod: &Pod, script: &Script, time: Duration) -> (Journal, State) {
    let config: PodConfig = pod_config(pod, "uid");
    let applications = applications(pod, script).collect();
    let world = PodWorld::new(&config, applications, Recorder::new(&config));
    let first = State::new(config.clone(), moment(Duration::ZERO));
    let mut state = first.clone();
    let (mut plan, mut world) = (planned(script), Noting(world, Vec::new()));
    clockwork::run(&mut state, &mut plan, &mut world, time, 1_000_000);
    let journal = Journal {
        since: moment(Duration::ZERO),
        until: moment(time),
        state: first,
        told: world.1,
    };
    (journal, state)
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
pub(super) fn told(entries: Vec<Entry>) -> Vec<(Duration, String)> {
    let entries = entries.into_iter().filter(|entry| entry.kind != EntryKind::Probe);
    entries.map(|entry| (entry.at, entry.text)).collect()
}

/// Lives on by the record alone from many of its points on: each time the same must come of it.
fn brings_about_the_same(pod: &Pod, journal: &Journal, script: &str) {
    let before = replay(journal).report;
    let (restarts, ready, lived) = (before.restarts(), before.pod.ready, before.pod.lived);
    let before = told(before.entries);
    let count = journal.told.len();
    for parts in (1..count).step_by(count / 12 + 1) {
        let again = lived_otherwise(journal, pod_config(pod, "uid"), Some(parts)).unwrap();
        assert!(
            again.guesses.is_empty(),
            "{script} from {parts} on: {:?}",
            again.guesses
        );
        let report = again.report;
        assert_eq!(
            (report.restarts(), report.pod.ready, report.pod.lived),
            (restarts, ready, lived),
            "{script}"
        );
        assert_eq!(told(report.entries), before, "{script} from {parts} on");
    }
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

/// Every scenario's pod, script and time, but no more of it than half an hour.
fn scenarios() -> Vec<(String, Pod, Script, Duration)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/scenarios");
    let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let scenarios = folders.filter(|path| path.is_dir()).map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let read = |file| fs::read_to_string(path.join(file)).unwrap();
        let pods = parse_yaml(&read("pod.yaml"), &name).unwrap();
        let script = read_script(&read("script.yaml"), &name, &pods).unwrap();
        let time = script.watch.unwrap_or(TIME).min(Duration::from_secs(1800));
        (name, pods.into_iter().next().unwrap(), script, time)
    });
    scenarios.collect()
}

#[test]
fn the_present_numbers_give_the_present_life() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 20);
    for (name, pod, script, time) in scenarios {
        let (journal, _) = journal_of(&pod, &script, time);
        let was = replay(&journal);
        let again = otherwise(&journal, &pod).unwrap();
        assert_eq!((again.parted, &again.guesses[..]), (None, &[][..]), "{name}");
        assert_eq!(again.report.entries, was.report.entries, "{name}");
        assert_eq!(
            (again.report.pod, again.report.containers),
            (was.report.pod, was.report.containers),
            "{name}"
        );
        brings_about_the_same(&pod, &journal, &name);
    }
}

#[test]
fn a_late_agent_is_late_again() {
    let pod = pod(PROBES);
    // A life whose first instance starts some milliseconds after what the machine has planned, as real ones do.
    for delay in ["3ms", "40ms", "700ms"] {
        let script = format!("- takes {delay} to start\n- liveness fails from 3m to 4m\n- image takes 7ms to pull");
        let (journal, _) = journal(&pod, &script);
        let again = otherwise(&journal, &pod).unwrap();
        assert_eq!(again.report.entries, replay(&journal).report.entries);
        brings_about_the_same(&pod, &journal, &script);
    }
}

#[test]
fn a_record_from_the_middle_is_lived_on_with_other_numbers() {
    let was = pod(PROBES);
    let (whole, _) = journal(&was, BAD_DAYS[0]);
    let journal = rest(whole, Duration::from_secs(151));
    let since = journal.since;
    assert_eq!(
        otherwise(&journal, &was).unwrap().report.entries,
        replay(&journal).report.entries
    );
    let hasty = pod(&PROBES.replace("periodSeconds: 10", "periodSeconds: 10, failureThreshold: 1"));
    let hasty = otherwise(&journal, &hasty).unwrap();
    let first = hasty
        .report
        .entries
        .iter()
        .find(|entry| entry.kind == EntryKind::Signal)
        .unwrap();
    assert_eq!(
        since.boot.0 + first.at,
        Duration::from_secs(180),
        "the first failure kills"
    );
    assert!(hasty.parted.is_some());
}

#[test]
fn one_that_fails_for_good_is_not_saved_by_patience() {
    let probe = |failures| {
        pod(&format!(
            "    livenessProbe: {{ tcpSocket: {{ port: 80 }}, periodSeconds: 2, failureThreshold: {failures} }}\n"
        ))
    };
    let (journal, _) = journal(&probe(2), "- liveness fails after 5s");
    let was = replay(&journal).report;
    let first = was
        .entries
        .iter()
        .find(|entry| entry.kind == EntryKind::Signal)
        .unwrap();
    assert_eq!(first.at, Duration::from_secs(8));
    let otherwise = otherwise(&journal, &probe(6)).unwrap();
    let killed = otherwise
        .report
        .entries
        .iter()
        .find(|entry| entry.kind == EntryKind::Signal)
        .unwrap();
    assert_eq!(killed.at, Duration::from_secs(16), "by the sixth failure");
    // What really would have happened.
    let script = read_script("- liveness fails after 5s", "s", &[probe(6)]).unwrap();
    assert_eq!(
        otherwise.report.restarts(),
        simulate(&probe(6), &script, TIME).restarts()
    );
    assert_eq!(otherwise.parted, Some(first.at));
    let guess = "from 0:00:08 on, app's first instance lives longer than it did; its last answers are taken to hold";
    assert_eq!(otherwise.guesses[0], guess);
}

#[test]
fn what_is_decided_sooner_needs_no_guess() {
    let (journal, _) = journal(&pod(PROBES), "- readiness fails from 2m to 3m");
    let hasty = pod(&PROBES.replace("periodSeconds: 5 }", "periodSeconds: 5, failureThreshold: 1 }"));
    let (was, hasty) = (replay(&journal).report, otherwise(&journal, &hasty).unwrap());
    assert_eq!(hasty.report.pod.unready, was.pod.unready + Duration::from_secs(10));
    assert_eq!(hasty.parted, Some(Duration::from_secs(120)));
    assert!(hasty.guesses.is_empty(), "{:?}", hasty.guesses);
}

#[test]
fn images_that_cannot_be_had_and_starts_that_fail_go_on_so() {
    let was = pod(PROBES);
    for script in [
        "- image is missing until 5m",
        "- start fails from 2s\n- image takes 2s to pull",
    ] {
        let (journal, _) = journal(&was, script);
        brings_about_the_same(&was, &journal, script);
    }
}

#[test]
fn other_containers_are_refused() {
    let (journal, _) = journal(&pod(PROBES), "");
    assert!(otherwise(&journal, &pod("")).unwrap_err().contains("only numbers"));
}

/// The record of the rest of a life, from the first thing on that was told at this time or later.
fn rest(mut whole: Journal, from: Duration) -> Journal {
    let at = whole
        .told
        .iter()
        .position(|told| told.now.boot.0 >= from)
        .unwrap_or(whole.told.len());
    let told = whole.told.split_off(at);
    let state = whole.replay(|_, _, _| {});
    let since = told.first().map_or(whole.until, |told| told.now);
    Journal {
        since,
        state,
        told,
        ..whole
    }
}

#[test]
fn a_record_from_the_middle_explains_what_goes_on_in_it() {
    let hook = pod("    lifecycle: { postStart: { exec: { command: [x] } } }\n");
    for (pod, script, what) in [
        (
            &pod(PROBES),
            "- image is missing",
            "app is not running: ImagePullBackOff",
        ),
        (
            &hook,
            "- postStart takes 1h",
            "app is not ready: its postStart hook is still running",
        ),
    ] {
        let (whole, _) = journal_of(pod, &read_script(script, "s", std::slice::from_ref(pod)).unwrap(), TIME);
        for from in [Duration::ZERO, Duration::from_secs(60)] {
            let report = replay(&rest(whole.clone(), from)).report;
            let found = why(&report, None, None).unwrap();
            assert!(found.what.starts_with(what), "{}", found.what);
            assert!(from > Duration::ZERO || !found.causes.is_empty());
        }
    }
}

#[test]
fn more_time_to_stop_is_a_guess_and_less_is_none() {
    let probe = |grace| {
        pod(&format!(
            "    livenessProbe: {{ tcpSocket: {{ port: 80 }}, periodSeconds: 2, failureThreshold: 1, \
             terminationGracePeriodSeconds: {grace} }}\n"
        ))
    };
    let (journal, _) = journal(&probe(5), "- liveness fails at 10s until restart\n- hangs on SIGTERM");
    let longer = otherwise(&journal, &probe(9)).unwrap();
    let guess = "from 0:00:15 on, app has more time to stop than when it was killed; it is taken not to stop by itself";
    assert_eq!(longer.guesses[0], guess);
    let shorter = otherwise(&journal, &probe(4)).unwrap();
    assert!(
        shorter.guesses.iter().all(|guess| !guess.contains("more time to stop")),
        "{:?}",
        shorter.guesses
    );
    for (otherwise, end) in [(longer, 19), (shorter, 14)] {
        let exit = otherwise
            .report
            .entries
            .iter()
            .find(|entry| entry.kind == EntryKind::Exit)
            .unwrap();
        assert_eq!(exit.at, Duration::from_secs(end));
    }
}

#[test]
fn more_time_to_answer_is_a_guess_and_less_is_none() {
    let probe = |timeout| {
        pod(&format!(
            "    readinessProbe: {{ tcpSocket: {{ port: 80 }}, periodSeconds: 5, timeoutSeconds: {timeout} }}\n"
        ))
    };
    let (journal, _) = journal(
        &probe(2),
        "- readiness hangs from 60s to 120s\n- readiness takes 1500ms from 3m to 4m",
    );
    let longer = otherwise(&journal, &probe(4)).unwrap();
    let guess = "from 0:01:02 on, a probe of app has more time to answer than when it was cut off; it is taken to fail all \
                 the same";
    assert_eq!(longer.guesses, [guess]);
    assert_eq!(longer.report.pod.unready, replay(&journal).report.pod.unready);
    let shorter = otherwise(&journal, &probe(1)).unwrap();
    assert!(shorter.guesses.is_empty(), "{:?}", shorter.guesses);
    assert!(shorter.report.pod.unready > longer.report.pod.unready);
}

#[test]
fn what_never_ran_is_taken_to_be_well() {
    let pod = |delay| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web }}\nspec:\n  initContainers:\n  - {{ name: proxy, image: x, \
             restartPolicy: Always, startupProbe: {{ tcpSocket: {{ port: 80 }}, initialDelaySeconds: {delay} }} }}\n  \
             containers:\n  - {{ name: app, image: x }}\n"
        );
        parse_yaml(&text, "pod.yaml").unwrap().remove(0)
    };
    let (was, hasty) = (pod(1000), pod(10));
    let (journal, _) = journal(&was, "");
    let hasty = otherwise(&journal, &hasty).unwrap();
    let guess = "from 0:00:10 on, app runs, which it never did; it is taken to be well";
    assert_eq!(hasty.guesses, [guess]);
    brings_about_the_same(&was, &journal, "");
}
