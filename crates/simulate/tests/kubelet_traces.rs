//! Every case that was recorded from the kubelet's own probe workers (the format stands in the README beside the recorded
//! file in the project's shared folder), and what is said of cases that are wrong.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use probelet_simulate::kubelet_traces::read;

/// The cases: those that `PROBELET_KUBELET_TRACES` names, else the project's shared ones, else the copy beside this test.
fn cases_file() -> PathBuf {
    if let Some(named) = std::env::var_os("PROBELET_KUBELET_TRACES") {
        return named.into();
    }
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = crate_folder.join("../../../shared/kubernetes/kubelet-traces.json");
    if shared.exists() {
        shared
    } else {
        crate_folder.join("tests/data/kubelet-traces.json")
    }
}

#[test]
fn every_recorded_case_runs_as_in_the_kubelet() {
    let file = cases_file();
    let cases = read(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let differences: Vec<_> = cases
        .iter()
        .filter_map(|case| Some(format!("{}: {}", case.name, case.difference()?)))
        .collect();
    let (count, all) = (differences.len(), cases.len());
    assert!(
        differences.is_empty(),
        "{count} of {all} cases differ:\n{}",
        differences.join("\n")
    );
}

fn difference(change: impl FnOnce(&str) -> String) -> Option<String> {
    let case = r#"[{"name": "one", "deleteAt": 0, "horizon": 12, "restartsAt": null,
        "probes": {"liveness": {"initialDelaySeconds": 0, "periodSeconds": 5, "successThreshold": 1, "failureThreshold": 2}},
        "outcomes": {"liveness": [{"fromSecond": 0, "outcome": "success"}, {"fromSecond": 5, "outcome": "failure"}]},
        "runs": [
            {"at": 0, "kind": "liveness", "outcome": "success", "container": 1},
            {"at": 5, "kind": "liveness", "outcome": "failure", "container": 1},
            {"at": 10, "kind": "liveness", "outcome": "failure", "container": 1}],
        "updates": [{"at": 10, "kind": "liveness", "result": "failure", "container": 1}]}]"#;
    read(&change(case)).unwrap()[0].difference()
}

#[test]
fn the_first_difference_is_told() {
    assert_eq!(difference(str::to_owned), None);
    for (from, to, told) in [
        (
            r#""at": 5,"#,
            r#""at": 6,"#,
            "run 2: expected liveness failure at 6 s in container 1, found liveness failure at 5 s in container 1",
        ),
        (
            r#""horizon": 12"#,
            r#""horizon": 9"#,
            "run 3: expected liveness failure at 10 s in container 1, found nothing",
        ),
        (
            r#""result": "failure""#,
            r#""result": "success""#,
            "update 1: expected liveness success at 10 s in container 1, found liveness failure at 10 s in container 1",
        ),
        (
            r#""periodSeconds": 5"#,
            r#""periodSeconds": 0"#,
            "cannot be run: period and thresholds of liveness must be 1 or more",
        ),
        (
            r#"{"fromSecond": 0,"#,
            r#"{"fromSecond": 1,"#,
            "cannot be run: outcomes of liveness do not begin at second 0",
        ),
    ] {
        assert_eq!(
            difference(|case| case.replace(from, to)).as_deref(),
            Some(told),
            "{from}"
        );
    }
}

#[test]
fn a_file_of_another_form_is_refused() {
    for text in ["", "{}", "[]", "[{}]", r#"[{"name": 5}]"#] {
        assert!(read(text).is_err(), "{text:?}");
    }
}
