//! The author's tools: no agent, no root, real components.

use std::{net::TcpListener, process::Command};

use probelet_tests::{
    agent::{binary, plugin},
    finished::Finished,
};
use serde_json::{Value, json};

/// Runs a command where there is no agent.
fn probelet(arguments: &[&str]) -> Finished {
    let mut command = Command::new(binary("probelet"));
    Finished::run(command.args(["--state-dir", "/nonexistent", "plugin"]).args(arguments))
}

fn component(name: &str) -> String {
    plugin(name).to_string_lossy().into_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

#[test]
fn inspect_tells_what_a_component_is_and_needs() {
    let found = json(&probelet(&["inspect", &component("unruly"), "-o", "json"]).success());
    assert_eq!(found["description"]["name"], "unruly");
    assert_eq!(
        (&found["contract"], &found["roles"][0]),
        (&json!("0.1.0"), &json!("probe"))
    );
    assert!(
        found["digest"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("sha256:"))
    );
    let found = probelet(&["inspect", "builtin:exec"]).success();
    assert!(
        found.contains("Cannot run without, below allow:\n  exec: true\n"),
        "{found}"
    );
    probelet(&["inspect", "nothing.wasm"]).failure(1, &["there is no file nothing.wasm", "build"]);
    probelet(&["inspect", "builtin:nothing"]).failure(1, &["builtin:nothing"]);
    probelet(&["inspect", "/etc/hostname"]).failure(1, &["/etc/hostname"]);
}

#[test]
fn run_ends_as_the_verdict_and_tells_it() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let (against, config) = (
        address.to_string(),
        format!("{{host: 127.0.0.1, port: {}}}", address.port()),
    );
    let run = |more: &[&str]| {
        let arguments = ["run", "builtin:tcp", "--against", &against, "--config", &config];
        probelet(&[&arguments, more].concat())
    };
    let found = json(&run(&["-o", "json"]).success());
    assert_eq!(found["outcome"], "healthy");
    assert!(found["usage"]["fuel"].as_u64() > Some(0) && found["usage"]["memoryBytes"].as_u64() > Some(0));
    assert!(found["usage"]["hostCalls"]["total"].as_u64() > Some(0), "{found}");
    drop(listener);
    let found = run(&[]);
    assert_eq!(found.code, Some(1), "{found:#?}");
    assert!(found.stdout.contains("Outcome:     unhealthy\n"), "{found:#?}");
    assert!(found.stdout.contains("connection refused"), "{found:#?}");
}

#[test]
fn run_has_the_rules_of_a_manifest() {
    let exec = component("unruly");
    probelet(&["run", &exec, "--allow", "{exce: true}"]).failure(1, &["allow.exce: unknown field"]);
    probelet(&["run", &exec, "--limits", "{fuel: 0}"]).failure(1, &["limits.fuel"]);
    probelet(&["run", &exec, "--config", "{"]).failure(1, &["--config is neither JSON nor YAML"]);
    // Its own schema, too.
    probelet(&["run", &component("curious"), "--config", "{}"]).failure(1, &["config: \"look\" is a required"]);
    let found = probelet(&["run", "builtin:exec", "--config", "{command: ['true']}"]);
    assert_eq!(found.code, Some(1), "{found:#?}");
    assert!(
        found.stdout.contains("errored") && found.stdout.contains("exec: true"),
        "{found:#?}"
    );
    let limited = probelet(&[
        "run",
        &exec,
        "--config",
        "{do: loop}",
        "--limits",
        "{fuel: 1M}",
        "--timeout",
        "20s",
    ]);
    assert!(
        limited.stdout.contains("errored") && limited.stdout.contains("fuel"),
        "{limited:#?}"
    );
}
