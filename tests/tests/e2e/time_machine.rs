//! What would happen, what happened and why: `simulate` on files, `why` and `replay` on real containers.

use std::{fs, path::Path};

use probelet_tests::{finished::Finished, pod::restarts};
use serde_json::{Value, json};

use crate::{PATIENCE, WAIT, busybox, namespace, script};

/// Our exit code for what was understood and could not be done.
const FAILED: i32 = 1;

fn scenario(name: &str, file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    folder.join(file).display().to_string()
}

fn simulate(arguments: &[&str]) -> Finished {
    let namespace = namespace("simulate");
    Finished::run(&mut namespace.agent().client(&[&["simulate"], arguments].concat()))
}

#[test]
fn a_scenario_is_told_as_text_json_and_picture() {
    let (pod, script) = (
        scenario("overload-restarts", "pod.yaml"),
        scenario("overload-restarts", "script.yaml"),
    );
    let files = [pod.as_str(), "--script", script.as_str()];
    let expected = fs::read_to_string(scenario("overload-restarts", "expected.txt")).expect("a scenario has it");
    assert_eq!(simulate(&files).success(), expected);

    let text = simulate(&[&files[..], &["--for", "5m", "-o", "json"]].concat()).success();
    let found: Value = serde_json::from_str(&text).expect("it is a JSON document");
    let pod = &found["pods"][0];
    assert_eq!(
        (&found["version"], &pod["simulated"], &pod["restarts"]),
        (&json!(1), &json!(300.0), &json!(0))
    );
    assert!(
        simulate(&[&files[..], &["-o", "svg"]].concat())
            .success()
            .starts_with("<svg ")
    );
}

#[test]
fn a_script_with_faults_is_refused_by_file_line_and_column() {
    let folder = tempfile::tempdir().expect("/tmp can be written");
    let file = folder.path().join("bad.yaml");
    fs::write(&file, "- ready after 40\n- dances\n").expect("/tmp can be written");
    let script = file.display().to_string();
    let pod = scenario("no-probe", "pod.yaml");
    simulate(&[&pod, "--script", &script])
        .failure(FAILED, &["bad.yaml:1:3: ", "40s", "bad.yaml:2:3: ", "hangs on SIGTERM"]);
}

#[test]
fn recorded_cases_of_the_kubelet_run_and_one_that_differs_is_told() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/simulate/tests/data/kubelet-traces.json");
    let text = simulate(&["--kubelet-traces", &cases.display().to_string()]).success();
    assert_eq!(text, "164 cases, 164 as in the kubelet, 0 differ\n");

    let folder = tempfile::tempdir().expect("/tmp can be written");
    let file = folder.path().join("cases.json");
    let mut cases: Value =
        serde_json::from_slice(&fs::read(cases).expect("the cases are there")).expect("they are JSON");
    cases[3]["horizon"] = 1.into();
    fs::write(&file, cases.to_string()).expect("/tmp can be written");
    let finished = simulate(&["--kubelet-traces", &file.display().to_string()]);
    assert_eq!(finished.code, Some(FAILED), "{finished:?}");
    let name = cases[3]["name"].as_str().expect("a case has a name");
    assert!(finished.stdout.starts_with(&format!("{name}: run ")), "{finished:?}");
    assert!(
        finished
            .stdout
            .ends_with("164 cases, 163 as in the kubelet, 1 differ\n"),
        "{finished:?}"
    );
}

#[test]
fn a_restart_is_explained_and_replayed_with_other_numbers() {
    let namespace = namespace("why");
    // Ill in its first life only, which the volume remembers.
    let command = script("touch /tmp/ok; [ -e /v/once ] || { touch /v/once; sleep 4; rm /tmp/ok; }; sleep 3600 & wait");
    let container = "    volumeMounts: [{ name: v, mountPath: /v }]
    livenessProbe: { exec: { command: [cat, /tmp/ok] }, periodSeconds: 1, failureThreshold: 2 }";
    let volume = "  volumes: [{ name: v, emptyDir: {} }]";
    namespace.start(&busybox("ill", &(command + container), volume), "ill");
    namespace
        .watch("ill")
        .until("the liveness probe has killed it", PATIENCE, |pod| restarts(pod) == 1);
    // A record that ends here would not tell what it would have been beyond its first life.
    namespace.wait_for_run("ill", "a probe of its second life", PATIENCE, |run| {
        run["instance"] == 1 && run["attempt"] == 2
    });

    let text = namespace.run(&["why", "ill", "--restart", "1"]).success();
    let lines = [
        "restart 1 of main, because",
        "liveness fails",
        "(2 of 2)",
        "Killing: Container main failed liveness probe",
        "is sent its stop signal",
        "ends with ",
        "starts again",
    ];
    let mut rest = text.as_str();
    for line in lines {
        rest = rest
            .split_once(line)
            .unwrap_or_else(|| panic!("{line:?} is missing, or not in order:\n{text}"))
            .1;
    }
    namespace
        .run(&["why", "ill", "--restart", "9"])
        .failure(FAILED, &["1 of main"]);

    let text = namespace.run(&["replay", "ill"]).success();
    assert!(
        text.contains("starts again (restart 1)") && text.contains("asked for the same again"),
        "{text}"
    );

    // It was ill for good, for all that is known; but the record ends before it would have failed so often.
    let text = namespace
        .run(&["replay", "ill", "--set", "livenessProbe.failureThreshold=1000"])
        .success();
    assert_eq!(restarts_of(&text, "as it was"), Some("1"), "{text}");
    assert_eq!(restarts_of(&text, "instead"), Some("0"), "{text}");
    let guess = "main's first instance lives longer than it did; its last answers are taken to hold";
    assert!(text.contains(guess), "{text}");
    let text = namespace
        .run(&["replay", "ill", "--set", "livenessProbe.failureThreshold=2"])
        .success();
    assert!(text.contains("All would have gone as it did."), "{text}");
    assert_eq!(restarts_of(&text, "instead"), Some("1"), "{text}");
    namespace
        .run(&["replay", "ill", "--set", "livenessProbe.failureTreshold=5"])
        .failure(FAILED, &["failureThreshold"]);
}

/// The restarts in a row of `replay`'s comparison.
fn restarts_of<'a>(text: &'a str, row: &str) -> Option<&'a str> {
    let row = text.lines().find(|line| line.trim().starts_with(row))?;
    row.split_whitespace().rev().nth(1)
}

#[test]
fn a_pod_that_is_well_needs_no_explanation() {
    let namespace = namespace("why-not");
    namespace.start(&busybox("well", &script(WAIT), ""), "well");
    namespace
        .run(&["why", "well"])
        .failure(FAILED, &["nothing is to be explained"]);
}

#[test]
fn what_has_failed_and_what_lacks_a_gate_is_explained() {
    let namespace = namespace("why-broken");
    namespace
        .apply(&busybox("failed", &script("exit 3"), "  restartPolicy: Never"))
        .success();
    namespace
        .watch("failed")
        .until("it has failed", PATIENCE, |pod| pod["status"]["phase"] == "Failed");
    let text = namespace.run(&["why", "failed"]).success();
    assert!(text.starts_with("main has failed: Error, with 3, because\n"), "{text}");
    assert!(text.contains("ends with 3 by itself"), "{text}");

    let gate = "  readinessGates: [{ conditionType: example.com/warm }]";
    namespace.start(&busybox("gated", &script(WAIT), gate), "gated");
    let text = namespace.run(&["why", "gated"]).success();
    let reason = "corresponding condition of pod readiness gate \"example.com/warm\" does not exist.";
    assert!(
        text.starts_with("the pod is not ready: ReadinessGatesNotReady: "),
        "{text}"
    );
    assert!(text.contains(reason), "{text}");

    // Nothing is asked of a registry for what is not there.
    let container = "    imagePullPolicy: Never";
    let missing = busybox("missing", container, "").replace("busybox:latest", "missing:latest");
    namespace.apply(&missing).success();
    namespace
        .watch("missing")
        .until("its image is missing", PATIENCE, |pod| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ErrImageNeverPull"
        });
    let text = namespace.run(&["why", "missing"]).success();
    assert!(text.starts_with("main is not running: ErrImageNeverPull: "), "{text}");
}
