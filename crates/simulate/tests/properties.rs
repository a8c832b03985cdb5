//! Whatever a script says of whatever pod: nothing panics, all stays bounded, and the report is of one piece.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use probelet_manifest::{Pod, parse_yaml};
use probelet_simulate::{
    CONTAINER_PHRASES, EntryKind, POD_PHRASES, Report, Script, duration, read_script, simulate, to_json, to_svg,
    to_text,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// The most lines of a report in text: those of its timeline, of the chart and of the totals.
const MAX_LINES: usize = 150;

/// A probe; one that kills may have a grace period of its own.
fn probe(kills: bool) -> impl Strategy<Value = String> {
    let numbers = (0..20u64, 1..15u64, 1..4u32, 1..4u32, option::of(1..20u64));
    numbers.prop_map(move |(delay, period, timeout, failures, grace)| {
        let grace = grace.filter(|_| kills).map(|grace| format!(", terminationGracePeriodSeconds: {grace}"));
        format!(
            "{{ tcpSocket: {{ port: 80 }}, initialDelaySeconds: {delay}, periodSeconds: {period}, timeoutSeconds: {timeout}, \
             failureThreshold: {failures}{} }}",
            grace.unwrap_or_default()
        )
    })
}

fn container(name: &'static str) -> impl Strategy<Value = String> {
    let hook = || {
        option::of(prop_oneof![
            Just("exec: { command: [x] }"),
            Just("sleep: { seconds: 7 }")
        ])
    };
    (
        option::of(probe(true)),
        option::of(probe(true)),
        option::of(probe(false)),
        hook(),
        hook(),
    )
        .prop_map(move |(startup, liveness, readiness, post_start, pre_stop)| {
            let field = |name: &str, value: Option<String>| {
                value.map_or(String::new(), |value| format!("    {name}: {value}\n"))
            };
            let hooks = [("postStart", post_start), ("preStop", pre_stop)];
            let hooks = hooks
                .into_iter()
                .filter_map(|(name, hook)| Some(format!("{name}: {{ {} }}", hook?)));
            let hooks: Vec<_> = hooks.collect();
            let lifecycle = (!hooks.is_empty()).then(|| format!("{{ {} }}", hooks.join(", ")));
            format!(
                "  - name: {name}\n    image: x\n{}{}{}{}",
                field("startupProbe", startup),
                field("livenessProbe", liveness),
                field("readinessProbe", readiness),
                field("lifecycle", lifecycle),
            )
        })
}

fn pod() -> impl Strategy<Value = Pod> {
    let policy = select(vec!["Always", "OnFailure", "Never"]);
    (container("app"), option::of(container("log")), policy, 8..40u32).prop_map(|(app, log, policy, grace)| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web }}\nspec:\n  restartPolicy: {policy}\n  \
             terminationGracePeriodSeconds: {grace}\n  containers:\n{app}{}",
            log.unwrap_or_default()
        );
        parse_yaml(&text, "pod.yaml")
            .unwrap_or_else(|faults| panic!("{text}\n{faults:?}"))
            .remove(0)
    })
}

/// A phrase with other times in it.
fn line(phrases: &'static [(&'static str, &'static str)]) -> impl Strategy<Value = String> {
    (select(phrases), 0..900u64, 1..900u64).prop_map(|((phrase, _), first, length)| {
        let mut times = [first, first + length, first + 2 * length].into_iter();
        let other = |word: &str| match duration::parse(word) {
            Ok(_) if word != "0" => times.next().map_or_else(|| word.to_owned(), |time| format!("{time}s")),
            _ => word.to_owned(),
        };
        phrase.split(' ').map(other).collect::<Vec<_>>().join(" ")
    })
}

fn script() -> impl Strategy<Value = String> {
    let lines = |lines: Vec<String>| lines.iter().map(|line| format!("- {line}\n")).collect::<String>();
    // `watch for` has another test.
    let pod = vec(line(&POD_PHRASES[..3]), 0..2).prop_map(lines);
    let container = || vec(line(CONTAINER_PHRASES), 0..6).prop_map(lines);
    (container(), pod).prop_map(|(app, pod)| format!("app:\n{app}pod:\n{pod}"))
}

/// The script without the lines that can have no effect on these pods, which are refused.
fn with_effect(script: &str, pods: &[Pod]) -> String {
    let vain = |line: &&str| {
        let alone = format!("app:\n{line}\n");
        let faults = read_script(&alone, "script.yaml", pods).err().unwrap_or_default();
        faults
            .iter()
            .any(|fault| fault.message.contains("so this can have no effect"))
    };
    script
        .lines()
        .filter(|line| !line.starts_with('-') || !vain(line))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn check(report: &Report, time: Duration) {
    assert!(report.simulated <= time && report.pod.lived <= report.simulated);
    assert_eq!(
        report.pod.ready + report.pod.unready,
        report.pod.lived,
        "each moment is ready or not"
    );
    assert!(
        report.entries.is_sorted_by_key(|entry| entry.at),
        "the timeline is in order"
    );
    for (at, container) in report.containers.iter().enumerate() {
        let known = container.ready + container.unready + container.stopping + container.down;
        assert!(known <= report.pod.lived, "each moment counts once");
        let (mut runs, mut restarts) = (false, 0);
        for entry in report.entries.iter().filter(|entry| entry.container == Some(at)) {
            match entry.kind {
                EntryKind::Start if entry.text.starts_with("starts") => {
                    assert!(!runs, "never two instances at once");
                    let instance = entry.instance.unwrap();
                    assert!(instance >= restarts, "the restart count never falls");
                    (runs, restarts) = (true, instance);
                }
                EntryKind::Exit => {
                    assert!(runs, "every end ends a start");
                    runs = false;
                }
                EntryKind::Probe | EntryKind::Signal => {
                    assert!(runs, "only what runs: {}", entry.text)
                }
                _ => {}
            }
        }
        let gone = report.entries.iter().any(|entry| entry.kind == EntryKind::End);
        assert!(!(gone && runs), "every start is followed by one end");
    }
    let text = to_text(report);
    assert!(text.lines().count() < MAX_LINES, "{text}");
    assert!(to_svg(report).ends_with("</svg>\n"));
    assert_eq!(to_json(report)["restarts"], report.restarts());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_report_is_of_one_piece_whatever_happens(pod in pod(), script in script()) {
        let pods = [pod];
        let script = with_effect(&script, &pods);
        let script: Script = read_script(&script, "script.yaml", &pods).unwrap_or_else(|faults| panic!("{script}\n{faults:?}"));
        let time = Duration::from_secs(3600);
        let report = simulate(&pods[0], &script, time);
        check(&report, time);
        let again = simulate(&pods[0], &script, time);
        prop_assert_eq!(to_json(&report), to_json(&again), "the same again");
    }

    #[test]
    fn no_script_makes_the_reader_panic(text in "([a-z]+: )?(- [a-zA-Z0-9 :\\[\\]{}\"']{0,40}\n){0,4}") {
        let pods = parse_yaml("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: x}]}}", "p").unwrap();
        let _ = read_script(&text, "script.yaml", &pods);
    }
}
