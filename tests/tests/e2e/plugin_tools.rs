//! The author's tools: no agent, no root, real components.

use std::{fs, net::TcpListener, process::Command};

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

fn cases(name: &str) -> String {
    format!("{}/data/cases/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn cases_are_run_without_a_network_or_a_container() {
    let text = probelet(&["test", &cases("passing")]).success();
    assert!(text.ends_with(" passed, 0 failed\n"), "{text}");
    assert!(text.contains("ok    ") && text.contains(": a black hole ("), "{text}");
    // Those of the documentation too.
    let documented = format!("{}/../docs/plugins/examples", env!("CARGO_MANIFEST_DIR"));
    let text = probelet(&["test", &documented]).success();
    assert!(text.ends_with("4 passed, 0 failed\n"), "{text}");
}

#[test]
fn a_case_that_fails_shows_what_differs_to_people_and_to_scripts() {
    let failing = cases("failing");
    let found = probelet(&["test", &failing]);
    assert_eq!(found.code, Some(1), "{found:#?}");
    for part in [
        "expect.outcome: expected degraded, found unhealthy",
        "host.exec: the command [\"rm\",\"-r\",\"/\"] was asked for, and the case does not list it",
        "host.exec[0]: the plugin never asked for it",
        "        - 0 Stream::Stdout three\n        + 0 Stream::Stdout two\n",
        "expect.limits.fuel: expected at most 1, found ",
        "        - PING\\n\n        + hello\\r\\n\n        + \\r\\n\n",
        "0 passed, 5 failed",
    ] {
        assert!(found.stdout.contains(part), "{part} in\n{}", found.stdout);
    }
    let document = json(&probelet(&["test", &failing, "-o", "json"]).stdout);
    assert_eq!(document["failed"], 5);
    assert_eq!(document["cases"][3]["differences"][0]["path"], "config");
    let junit = probelet(&["test", &failing, "-o", "junit"]);
    assert_eq!(junit.code, Some(1));
    assert!(junit.stdout.contains("tests=\"5\" failures=\"5\""), "{junit:#?}");
}

#[test]
fn hostile_cases_and_components_do_no_harm() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |text: &str| fs::write(folder.path().join("case.yaml"), text).expect("a case");
    let run = || probelet(&["test", &folder.path().to_string_lossy()]);
    run().failure(1, &["there are no case files"]);
    let bomb = format!("a: &a [x]\n{}", "b: [*a, *a, *a]\n".repeat(100));
    for (text, parts) in [
        (
            "expect: {outcom: healthy}\n",
            &["case.yaml:1:", "unknown field `outcom`"][..],
        ),
        (&bomb, &["case.yaml:"]),
        (&"[".repeat(100_000), &["case.yaml:"]),
        (
            "component: /dev/zero\nexpect: {outcome: healthy}\n",
            &["/dev/zero", "no regular file"],
        ),
        (
            "component: builtin:nothing\nexpect: {outcome: healthy}\n",
            &["builtin:nothing"],
        ),
        ("expect: {outcome: healthy}\n", &["names no component", "--component"]),
        ("component: builtin:exec\n", &["expect: Required value"]),
    ] {
        write(text);
        run().failure(1, parts);
    }
    let unruly = component("unruly");
    for (config, part) in [
        ("{ do: loop }", "fuel"),
        ("{ do: allocate, bytes: 1000000000 }", "memory"),
        ("{ do: hoard_handles }", "handles"),
        ("{ do: wait_for_ever }", "timed out"),
        ("{ do: recurse }", "trapped"),
    ] {
        write(&format!(
            "component: {unruly}\nconfig: {config}\nlimits: {{fuel: 10M}}\ntimeout: 500ms\nexpect: {{message: {{contains: {part}}}}}\n"
        ));
        let found = run();
        assert_eq!(found.code, Some(0), "{config}: {found:#?}");
    }
}

#[test]
fn bench_suggests_limits_that_the_component_keeps_to() {
    let unruly = component("unruly");
    let bench = |config: &str, more: &[&str]| {
        let arguments = ["bench", &unruly, "--config", config, "--runs", "20", "-o", "json"];
        probelet(&[&arguments, more].concat())
    };
    let found = json(&bench("{ do: allocate, bytes: 3000000 }", &[]).success());
    assert_eq!(
        (&found["runs"], &found["outcomes"]["healthy"]),
        (&json!(20), &json!(20))
    );
    for quantity in ["wallMicroseconds", "fuel", "memoryBytes"] {
        let numbers = ["min", "p50", "p99", "max"].map(|name| found[quantity][name].as_u64().expect("a number"));
        assert!(numbers[0] > 0 && numbers.is_sorted(), "{found}");
    }
    let limits = found["limits"].to_string();
    let run = [
        "run",
        &unruly,
        "--config",
        "{ do: allocate, bytes: 3000000 }",
        "--limits",
        &limits,
    ];
    probelet(&run).success();
    let limited = bench("{ do: loop }", &["--limits", "{fuel: 1M}"]);
    assert!(limited.stderr.contains("come up to its limits"), "{limited:#?}");
}
