//! Whatever a record tells: the present numbers give the present life, and others give one that is of one piece.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    tests::{journal_of, told},
    *,
};
use crate::read_script;

/// Lines with times that fall beside those of probes: what happens in one instant has no order to be kept.
const LINES: [&str; 15] = [
    "liveness fails from 101s to 157s",
    "liveness fails at 63s until restart",
    "readiness fails from 55s to 131s saying no",
    "readiness errors from 200s to 251s",
    "probes fail for 23s",
    "ready after 17s",
    "crashes every 83s",
    "crashes at 121s",
    "exits with 0 after 59s twice",
    "out of memory at 211s",
    "takes 7s to stop",
    "hangs on SIGTERM",
    "takes 2s to start",
    "image takes 13s to pull",
    "liveness takes 300ms",
];

fn pod(numbers: (u64, u64, u32, u32, u64)) -> Pod {
    let (delay, period, failures, unready, grace) = numbers;
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web }}\nspec:\n  terminationGracePeriodSeconds: {grace}\n  \
         containers:\n  - name: app\n    image: x\n    livenessProbe: {{ tcpSocket: {{ port: 80 }}, \
         initialDelaySeconds: {delay}, periodSeconds: {period}, failureThreshold: {failures} }}\n    readinessProbe: \
         {{ tcpSocket: {{ port: 80 }}, periodSeconds: 3, failureThreshold: {unready} }}\n"
    );
    probelet_manifest::parse_yaml(&text, "pod.yaml").unwrap().remove(0)
}

fn numbers() -> impl Strategy<Value = (u64, u64, u32, u32, u64)> {
    (0..20u64, 1..15u64, 1..6u32, 1..4u32, 0..40u64)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_bring_about_a_life(was in numbers(), other in numbers(), lines in vec(select(&LINES[..]), 0..5), part in 0.0..1.0) {
        let time = Duration::from_secs(400);
        let pods = [pod(was)];
        let text: String = lines.iter().map(|line| format!("- {line}\n")).collect();
        let script = read_script(&text, "s", &pods).unwrap();
        let (journal, _) = journal_of(&pods[0], &script, time);
        let recorded = replay(&journal).report;

        let same = otherwise(&journal, &pods[0]).unwrap();
        prop_assert_eq!((same.parted, same.guesses.len()), (None, 0));
        prop_assert_eq!(&same.report.entries, &recorded.entries);

        // By what each life did it goes on the same way, from wherever it is left to that.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let parts = 1 + (journal.told.len() as f64 * part) as usize;
        let apart = lived_otherwise(&journal, journal.config().clone(), Some(parts)).unwrap();
        prop_assert!(apart.guesses.is_empty(), "{:?}", apart.guesses);
        prop_assert_eq!(told(apart.report.entries), told(recorded.entries));

        let life = otherwise(&journal, &pod(other)).unwrap();
        prop_assert!(life.parted.is_none_or(|parted| parted <= time));
        let report = life.report;
        prop_assert_eq!((report.simulated, report.pod.ready + report.pod.unready), (time, report.pod.lived));
        prop_assert!(report.entries.is_sorted_by_key(|entry| entry.at));
        // What is a guess begins where the two lives part, or later.
        prop_assert!(life.parted.is_some() || life.guesses.is_empty());
    }
}
