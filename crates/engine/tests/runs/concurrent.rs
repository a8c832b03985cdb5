//! Plugins of WASI 0.3: they wait for several things at once, within the same limits.

use std::time::Duration;

use probelet_engine::{Field, FieldValue, Grant, Grants, Limits, Outcome, RunRequest, Verdict};
use serde_json::{Value, json};

use crate::{
    fixture::{SHORT, concurrent, concurrent_command, hook, on_loopback, probe, said, within},
    server::{BlackHole, Server, closed_port, reply},
};

async fn run(config: Value) -> Outcome {
    concurrent().await.run(on_loopback(probe(config))).await
}

#[tokio::test]
async fn three_waits_take_as_long_as_one() {
    let outcome = run(json!({"do": "wait", "timers": 3, "milliseconds": 100})).await;
    assert_eq!(said(&outcome), "Success: ");
    let runs = Field {
        name: "runs".to_owned(),
        value: FieldValue::Number(1.0),
    };
    assert_eq!(outcome.fields, [runs]);
    assert_eq!(outcome.state.as_deref(), Some(&[1_u8][..]));
    let wall = outcome.usage.wall;
    // Some 102 ms; three in a row would take 300.
    assert!(
        (Duration::from_millis(100)..Duration::from_millis(280)).contains(&wall),
        "{wall:?}"
    );
}

#[tokio::test]
async fn a_hook_may_wait_as_well() {
    let outcome = concurrent()
        .await
        .run(on_loopback(hook(json!({"do": "wait", "timers": 2, "milliseconds": 1}))))
        .await;
    assert_eq!(said(&outcome), "Success: ");
    let closed = format!("127.0.0.1:{}", closed_port());
    let outcome = concurrent()
        .await
        .run(on_loopback(hook(json!({"do": "get", "authorities": [closed]}))))
        .await;
    assert_eq!(said(&outcome), "Failure: ErrorCode::ConnectionRefused");
}

#[tokio::test]
async fn a_wait_meets_the_deadline() {
    let request = on_loopback(within(
        SHORT,
        probe(json!({"do": "wait", "timers": 3, "milliseconds": 3_600_000})),
    ));
    let outcome = concurrent().await.run(request).await;
    assert_eq!(outcome.verdict, Verdict::Failure);
    assert!(
        outcome
            .message
            .starts_with("timed out after 400ms: the plugin `concurrent` was still at work after 0."),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_loop_uses_up_its_fuel_or_meets_the_deadline() {
    let outcome = run(json!({"do": "loop"})).await;
    assert_eq!(
        said(&outcome),
        "Errored: the plugin `concurrent` used up its 100000000 units of fuel (limits.fuel)"
    );
    let request = RunRequest {
        limits: Limits {
            fuel: u64::MAX,
            ..Limits::default()
        },
        ..on_loopback(within(SHORT, probe(json!({"do": "loop"}))))
    };
    let outcome = concurrent().await.run(request).await;
    assert_eq!(outcome.verdict, Verdict::Failure);
    assert!(outcome.message.starts_with("timed out after 400ms"), "{outcome:?}");
    assert!(outcome.usage.wall < SHORT + Duration::from_millis(400), "{outcome:?}");
}

#[tokio::test]
async fn memory_and_handles_are_bounded() {
    let outcome = run(json!({"do": "allocate", "bytes": 64 << 20})).await;
    assert_eq!(
        said(&outcome),
        "Errored: the plugin `concurrent` needed more than its 33554432 bytes of memory (limits.memory)"
    );
    let outcome = run(json!({"do": "hoard_handles"})).await;
    assert_eq!(outcome.verdict, Verdict::Errored, "{outcome:?}");
    assert!(outcome.message.starts_with("the plugin `concurrent` "), "{outcome:?}");
}

#[tokio::test]
async fn what_is_still_being_waited_for_is_given_up_at_the_end() {
    let outcome = run(json!({"do": "leave_waiting"})).await;
    assert!(outcome.usage.wall < Duration::from_secs(10), "{outcome:?}");
    assert_eq!(said(&outcome), "Warning: did not wait");
    let outcome = run(json!({"do": "panic_waiting"})).await;
    assert_eq!(outcome.verdict, Verdict::Errored, "{outcome:?}");
    assert!(outcome.log.contains("on purpose"), "{outcome:?}");
}

#[tokio::test]
async fn http_reaches_the_pod_and_nothing_else() {
    let server = Server::start(vec![reply("200 OK", "a"), reply("200 OK", "b")]).await;
    let authority = format!("127.0.0.1:{}", server.port);
    let outcome = run(json!({"do": "get", "authorities": [authority, authority]})).await;
    assert_eq!(said(&outcome), "Warning: [\"200\", \"200\"]");
    // The pod itself takes no more than the grant that is there anyway.
    assert_eq!(outcome.grants, []);
    let requests = server.requests().await;
    assert!(requests[0].starts_with("GET / HTTP/1.1\r\n"), "{requests:?}");

    let closed = format!("127.0.0.1:{}", closed_port());
    let outcome = run(json!({"do": "get", "authorities": [closed]})).await;
    assert_eq!(said(&outcome), "Failure: ErrorCode::ConnectionRefused");

    let outcome = run(json!({"do": "get", "authorities": ["192.0.2.1:80"]})).await;
    assert_eq!(outcome.verdict, Verdict::Errored, "{outcome:?}");
    assert!(
        outcome
            .message
            .ends_with("wasm: { allow: { network: [\"192.0.2.1:80\"] } }"),
        "{outcome:?}"
    );
    assert_eq!((outcome.grants[0].granted, outcome.grants[0].refused), (0, 1));
}

#[tokio::test]
async fn a_connection_in_the_making_ends_with_the_run() {
    let hole = BlackHole::open().await;
    let authority = format!("127.0.0.1:{}", hole.port);
    let request = within(
        SHORT,
        probe(json!({"do": "get", "authorities": [authority, authority]})),
    );
    let outcome = concurrent().await.run(on_loopback(request)).await;
    assert!(outcome.message.starts_with("timed out after 400ms"), "{outcome:?}");
    assert_eq!(hole.attempts(), 0);
}

#[tokio::test]
async fn without_the_grant_the_network_is_not_there() {
    let outcome = concurrent()
        .await
        .run(probe(json!({"do": "wait", "timers": 1, "milliseconds": 1})))
        .await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    assert!(
        outcome
            .message
            .ends_with("wasm: { allow: { network: [\"HOST:PORT\"] } }"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_command_of_0_3_is_a_check_too() {
    let run = async |arguments: Value| {
        let request = probe(json!({"args": arguments}));
        let request = RunRequest {
            grants: Grants {
                environment: vec![("ROLE".to_owned(), "primary".to_owned())],
                ..Grants::default()
            },
            ..request
        };
        concurrent_command().await.run(request).await
    };
    let outcome = run(json!(["ROLE"])).await;
    assert_eq!(said(&outcome), "Success: ");
    assert_eq!(
        (outcome.grants[0].grant, outcome.grants[0].detail.as_str()),
        (Grant::Environment, "ROLE")
    );
    assert_eq!(said(&run(json!(["PATH"])).await), "Failure: the command exited with 1");
}
