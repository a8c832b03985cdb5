//! The sockets of WASI 0.3: they reach what those of 0.2 reach, and end with the run.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use probelet_engine::{Destination, Grant, Limits, NetworkGrant, Outcome, RunRequest, Verdict};
use serde_json::{Value, json};

use crate::{
    fixture::{SHORT, concurrent, on_loopback, probe, said, with_network, within},
    server::{Answer, BlackHole, Server, closed_port},
};

async fn run(config: Value) -> Outcome {
    concurrent().await.run(on_loopback(probe(config))).await
}

/// With as much computing as the time allows: what a limit ends is then ended by the clock.
fn tireless(config: Value) -> RunRequest {
    RunRequest {
        limits: Limits {
            fuel: u64::MAX,
            ..Limits::default()
        },
        ..on_loopback(within(SHORT, probe(config)))
    }
}

fn connect(port: u16, then: impl Into<Value>) -> Value {
    json!({"do": "connect", "host": format!("127.0.0.1:{port}"), "then": then.into()})
}

/// For a pod at 127.0.0.1 that these destinations were granted to.
fn granted(destinations: Vec<Destination>, config: Value) -> RunRequest {
    let network = NetworkGrant {
        pod_addresses: vec![IpAddr::from(Ipv4Addr::LOCALHOST)],
        destinations,
        ..NetworkGrant::default()
    };
    with_network(network, probe(config))
}

#[tokio::test]
async fn a_line_goes_to_the_pod_and_another_comes_back() {
    // Streams outlive the socket that they are of.
    for then in ["exchange", "drop_first"] {
        let server = Server::start(vec![Answer::Reply("well\n".to_owned())]).await;
        let outcome = run(connect(server.port, then)).await;
        assert_eq!(said(&outcome), r#"Warning: "0 bytes left: well\n""#, "{then}");
        // The pod itself takes no more than the grant that is there anyway.
        assert_eq!(outcome.grants, []);
        assert_eq!(server.requests().await, ["hello\r\n\r\n"]);
    }
}

#[tokio::test]
async fn a_connection_knows_its_addresses() {
    let server = Server::start(vec![Answer::Stall(String::new())]).await;
    let outcome = run(connect(server.port, "leave")).await;
    let expected = format!("127.0.0.1:{} IpAddressFamily::Ipv4 true false", server.port);
    assert_eq!(said(&outcome), format!("Warning: {expected:?}"));
}

#[tokio::test]
async fn more_than_any_buffer_holds_goes_there_and_back() {
    let server = Server::start(vec![Answer::Echo(String::new())]).await;
    let outcome = run(connect(server.port, json!({"much": 9_000_000}))).await;
    assert_eq!(said(&outcome), r#"Warning: "0 9000000 Ok(()) Ok(())""#);
    server.requests().await;
}

#[tokio::test]
async fn who_stops_reading_may_still_write() {
    let server = Server::start(vec![Answer::Greet("220 ready\n".to_owned())]).await;
    let outcome = run(connect(server.port, "stop_reading")).await;
    assert_eq!(said(&outcome), r#"Warning: "Some(50) Ok(()) 0 Ok(())""#);
    assert_eq!(server.requests().await, ["enough\r\n\r\n"]);
}

#[tokio::test]
async fn streams_may_be_joined() {
    let server = Server::start(vec![Answer::Greet("hello\r\n\r\n".to_owned())]).await;
    let outcome = run(connect(server.port, "echo")).await;
    assert_eq!(said(&outcome), r#"Warning: "Ok(()) Ok(())""#);
    assert_eq!(server.requests().await, ["hello\r\n\r\n"]);
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_no_graceful_end() {
    let server = Server::start(vec![Answer::Reset]).await;
    let outcome = run(connect(server.port, "exchange")).await;
    assert_eq!(said(&outcome), "Failure: ErrorCode::ConnectionReset");
    server.requests().await;
}

#[tokio::test]
async fn each_stream_is_there_once() {
    let server = Server::start(vec![Answer::Stall(String::new())]).await;
    let outcome = run(connect(server.port, "again")).await;
    let invalid = "Err(ErrorCode::InvalidState)";
    let expected = format!("{invalid}, 0 {invalid}, 3 {invalid}");
    assert_eq!(said(&outcome), format!("Warning: {expected:?}"));
}

#[tokio::test]
async fn what_is_not_connected_has_nothing() {
    let outcome = run(json!({"do": "misuse", "host": format!("127.0.0.1:{}", closed_port())})).await;
    let [invalid, unsupported, argument] =
        ["InvalidState", "NotSupported", "InvalidArgument"].map(|code| format!("Err(ErrorCode::{code})"));
    let expected = [
        &invalid,
        &invalid,
        &unsupported,
        &unsupported,
        &format!("0 {invalid}"),
        &argument,
        &invalid,
    ];
    let expected = expected.map(String::as_str).join(", ");
    assert_eq!(said(&outcome), format!("Warning: {expected:?}"));
}

#[tokio::test]
async fn a_port_that_is_closed_refuses() {
    let outcome = run(connect(closed_port(), "leave")).await;
    assert_eq!(said(&outcome), "Failure: ErrorCode::ConnectionRefused");
}

#[tokio::test]
async fn nothing_listens_and_nothing_sends_datagrams() {
    let denied = "ErrorCode::AccessDenied";
    assert_eq!(
        said(&run(json!({"do": "listen"})).await),
        format!("Failure: Err({denied}) Err({denied})")
    );
    assert_eq!(
        said(&run(json!({"do": "datagram"})).await),
        format!("Failure: {denied}")
    );
}

#[tokio::test]
async fn what_is_not_granted_is_refused_with_the_lines_that_grant_it() {
    let outcome = run(json!({"do": "connect", "host": "192.0.2.1:80", "then": "leave"})).await;
    assert_eq!(outcome.verdict, Verdict::Errored, "{outcome:?}");
    assert!(
        outcome.message.starts_with("ErrorCode::AccessDenied: ")
            && outcome
                .message
                .ends_with("wasm: { allow: { network: [\"192.0.2.1:80\"] } }"),
        "{outcome:?}"
    );
    let grant = &outcome.grants[0];
    assert_eq!((grant.grant, grant.detail.as_str()), (Grant::Network, "192.0.2.1:80"));
    assert_eq!((grant.granted, grant.refused), (0, 1));
}

#[tokio::test]
async fn a_granted_name_is_looked_up_and_connected_to() {
    // The resolver reads the second one as an address, without asking anybody.
    for name in ["localhost", "0x7f000001"] {
        let server = Server::start(vec![Answer::Reply("well\n".to_owned())]).await;
        let config = json!({"do": "connect_by_name", "name": name, "port": server.port});
        let destination = Destination::new(name, Some(server.port)).with_private();
        let outcome = concurrent().await.run(granted(vec![destination], config)).await;
        assert_eq!(said(&outcome), r#"Warning: "0 bytes left: well\n""#, "{name}");
        server.requests().await;
    }
}

#[tokio::test]
async fn a_name_that_is_not_granted_is_not_looked_up() {
    let outcome = run(json!({"do": "connect_by_name", "name": "example.org", "port": 80})).await;
    assert_eq!(outcome.verdict, Verdict::Errored, "{outcome:?}");
    assert!(
        outcome
            .message
            .ends_with("wasm: { allow: { network: [\"example.org\"] } }"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_connection_in_the_making_ends_with_the_run() {
    let hole = BlackHole::open().await;
    let request = on_loopback(within(SHORT, probe(connect(hole.port, "leave"))));
    let outcome = concurrent().await.run(request).await;
    assert!(outcome.message.starts_with("timed out after 400ms"), "{outcome:?}");
    assert_eq!(hole.attempts(), 0);
}

#[tokio::test]
async fn a_connection_that_is_waited_for_ends_with_the_run() {
    for then in ["read", "write"] {
        let server = Server::start(vec![Answer::Echo(String::new())]).await;
        let outcome = concurrent().await.run(tireless(connect(server.port, then))).await;
        assert!(
            outcome.message.starts_with("timed out after 400ms"),
            "{then}: {outcome:?}"
        );
        assert!(outcome.usage.wall < SHORT + Duration::from_millis(400), "{outcome:?}");
        // The server is done when nobody holds the other end any more.
        server.requests().await;
    }
}

#[tokio::test]
async fn streams_that_feed_each_other_meet_the_deadline() {
    let server = Server::start(vec![Answer::Echo("x".repeat(100_000))]).await;
    let outcome = concurrent().await.run(tireless(connect(server.port, "echo"))).await;
    assert!(outcome.message.starts_with("timed out after 400ms"), "{outcome:?}");
    assert!(outcome.usage.wall < SHORT + Duration::from_millis(400), "{outcome:?}");
    server.requests().await;
}

#[tokio::test]
async fn sockets_are_bounded_whoever_holds_them() {
    let server = Server::start(vec![Answer::Reset; 200]).await;
    let hole = BlackHole::open().await;
    let full = "Errored: the plugin `concurrent` took more handles of the host's than the 100 that a run may hold";
    for (what, port) in [("sockets", 0), ("streams", server.port), ("attempts", hole.port)] {
        let config = json!({"do": "hoard", "what": what, "host": format!("127.0.0.1:{port}")});
        assert_eq!(said(&run(config).await), full, "{what}");
    }
    assert_eq!(hole.attempts(), 0);
}

#[tokio::test]
async fn look_ups_are_bounded() {
    let config = json!({"do": "hoard", "what": "names", "host": "0x7f000001"});
    let destination = Destination::new("0x7f000001", None);
    let outcome = concurrent().await.run(granted(vec![destination], config)).await;
    assert_eq!(
        said(&outcome),
        "Errored: the plugin `concurrent` took more than the 1000 handles that a run may hold"
    );
}
