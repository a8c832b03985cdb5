//! Commands about manifests: they need no agent, and a script can go by how they end.

use std::{path::PathBuf, process::Command};

use probelet_tests::{agent::binary, finished::Finished};
use serde_json::Value;

/// Runs a command where there is no agent.
fn probelet(arguments: &[&str]) -> Finished {
    let mut command = Command::new(binary("probelet"));
    Finished::run(command.args(["--state-dir", "/nonexistent"]).args(arguments))
}

/// One of lint's own examples.
fn example(rule: &str, name: &str) -> String {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/lint/tests/data"));
    folder.join(rule).join(name).to_string_lossy().into_owned()
}

#[test]
fn lint_ends_with_what_it_has_found() {
    let (good, hint) = (example("wasm-reload", "good.yaml"), example("wasm-reload", "bad.yaml"));
    let warning = example("image-latest", "bad.yaml");
    assert_eq!(probelet(&["lint", &good]).success(), "nothing found in 1 pod\n");
    let found = probelet(&["lint", &good, &hint, &warning]);
    assert_eq!(found.code, Some(1), "{found:#?}");
    assert!(found.stdout.contains("bad.yaml:13:9: hint: "), "{found:#?}");
    assert!(found.stdout.ends_with("1 warning, 1 hint in 3 pods\n"), "{found:#?}");
    for (severity, code) in [("hint", 1), ("warning", 1), ("error", 0)] {
        let found = probelet(&["lint", "--fail-on", severity, &hint, &warning]);
        assert_eq!(found.code, Some(code), "{severity}: {found:#?}");
    }
}

#[test]
fn lint_tells_a_script_the_rule_the_place_and_the_fix() {
    let found = probelet(&["lint", "-o", "json", &example("timeout-over-period", "bad.yaml")]);
    assert_eq!(found.code, Some(1), "{found:#?}");
    let document: Value = serde_json::from_str(&found.stdout).expect("it is JSON");
    let finding = &document["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["line"]),
        (&"timeout-over-period".into(), &14.into())
    );
    let probe = &finding["fix"]["patch"]["spec"]["containers"][0]["livenessProbe"];
    assert_eq!(probe["timeoutSeconds"], 5);
}

#[test]
fn lint_ends_with_2_if_a_manifest_has_faults() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/manifest/tests/data/bad");
    let faulty = format!("{folder}/unknown-field.yaml");
    let good = example("image-latest", "good.yaml");
    let found = probelet(&["lint", &good, &faulty]);
    assert_eq!(found.stdout, "");
    found.failure(2, &["unknown-field.yaml:", "unknown field"]);
    probelet(&["lint", "/nonexistent/pod.yaml"]).failure(2, &["cannot read /nonexistent/pod.yaml"]);
}

#[test]
fn explain_and_schema_need_no_agent() {
    let text = probelet(&["explain", "pod.spec.containers.livenessProbe"]).success();
    assert!(text.contains("FIELD: livenessProbe <Probe>"), "{text}");
    let json = probelet(&["explain", "pod.spec", "-o", "json"]).success();
    let document: Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(document["field"]["type"], "PodSpec");
    probelet(&["explain", "pod.spec.container"]).failure(1, &["did you mean \"containers\"?", "hostname"]);
    let schema: Value = serde_json::from_str(&probelet(&["schema"]).success()).expect("it is JSON");
    assert!(schema["$defs"]["Pod"].is_object());
}
