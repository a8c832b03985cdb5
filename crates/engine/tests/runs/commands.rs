//! WASI commands, which know nothing of probelet, and components that nobody here has written.

use probelet_engine::{LoadError, Verdict};
use serde_json::json;

use crate::fixture::{ENGINE, cli_command, command, guest_bytes, hook, on_loopback, probe, said};

async fn run(arguments: &[&str]) -> (String, String) {
    let outcome = command().await.run(probe(json!({"args": arguments}))).await;
    (said(&outcome), outcome.log)
}

#[tokio::test]
async fn the_exit_code_decides_and_the_output_is_the_message() {
    let told = async |arguments: &[&str]| run(arguments).await.0;
    assert_eq!(told(&[]).await, "Success: ");
    assert_eq!(told(&["exit=0"]).await, "Success: ");
    assert_eq!(told(&["exit=1"]).await, "Failure: the command exited with 1");
    let failed = told(&["say=no answer", "complain=gave up", "exit=1"]).await;
    assert_eq!(failed, "Failure: no answer\ngave up");
    let (well, log) = run(&["say=all is well"]).await;
    assert_eq!((well.as_str(), log.as_str()), ("Success: ", "all is well\n"));
}

#[tokio::test]
async fn a_command_is_a_hook_as_well() {
    let outcome = command().await.run(hook(json!({"args": ["exit=0"]}))).await;
    assert_eq!(said(&outcome), "Success: ");
    let outcome = command().await.run(hook(json!({"args": ["say=no", "exit=1"]}))).await;
    assert_eq!(said(&outcome), "Failure: no");
}

#[tokio::test]
async fn a_command_has_neither_files_nor_variables_nor_input() {
    let (said, log) = run(&["variable=HOME", "read=/etc/passwd", "read=.", "input="]).await;
    assert_eq!(said, "Success: ");
    assert!(log.starts_with("HOME=Err(NotPresent)\nErr("), "{log}");
    assert!(log.ends_with("\nOk(\"\")\n"), "{log}");
}

#[tokio::test]
async fn a_command_that_breaks_off_is_errored() {
    let outcome = command().await.run(probe(json!({"args": ["unknown"]}))).await;
    assert_eq!(outcome.verdict, Verdict::Errored, "{outcome:?}");
    assert!(outcome.log.contains("unknown argument: unknown"), "{outcome:?}");
    assert_eq!(
        run(&["loop="]).await.0,
        "Errored: the plugin `command` used up its 100000000 units of fuel (limits.fuel)"
    );
}

/// The example `cli-command` of the crate `wasip2`, built from the registry's source: `guest-probes/tests/example.rs`.
#[tokio::test]
async fn a_command_of_the_ecosystem_has_a_clear_verdict() {
    let outcome = cli_command().await.run(probe(json!({}))).await;
    assert_eq!(said(&outcome), "Success: ");
    assert_eq!(outcome.log, "Hello, WASI!");
}

/// The example `http-proxy` of the same crate: a server, which is no check.
#[tokio::test]
async fn a_server_of_the_ecosystem_is_clearly_refused() {
    let error = ENGINE.load("http-proxy", &guest_bytes("tests/http-proxy.wasm")).await;
    let error = error.err().expect("an error");
    assert!(matches!(error, LoadError::NoCheck { .. }));
    assert_eq!(
        error.to_string(),
        "component `http-proxy` exports neither `probelet:plugin/probe` nor `probelet:plugin/hook` in a version that \
         this engine knows (0.1), and it is no WASI command (`wasi:cli/run`) either; it exports \
         wasi:http/incoming-handler@0.2.12"
    );
}

#[tokio::test]
async fn a_command_needs_no_grant_and_uses_none() {
    assert_eq!(command().await.needs(), []);
    let outcome = command().await.run(on_loopback(probe(json!({"args": []})))).await;
    assert_eq!(outcome.grants, []);
}
