//! The handler `tcpSocket`: A2.21 to A2.23, A2.31.

use std::net::IpAddr;

use probelet_engine::{Destination, NetworkGrant, Verdict};
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::{
    fixture::{SHORT, hook, on_loopback, probe, said, tcp, with_network, within},
    server::{BlackHole, closed_port},
};

#[tokio::test]
async fn an_open_port_is_healthy_and_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let outcome = tcp()
        .await
        .run(on_loopback(probe(json!({"host": "127.0.0.1", "port": port}))))
        .await;
    assert_eq!(said(&outcome), "Success: ");
    assert!(outcome.usage.fuel > 0 && outcome.usage.host_calls > 0 && outcome.usage.memory_peak_bytes > 0);
    let (mut stream, _) = listener.accept().await.expect("the probe's connection");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("an orderly end");
    assert_eq!(bytes, b"");
}

#[tokio::test]
async fn a_closed_port_fails_in_gos_words() {
    let port = closed_port();
    let config = json!({"host": "127.0.0.1", "port": port});
    let expected = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    let outcome = tcp().await.run(on_loopback(probe(config.clone()))).await;
    assert_eq!(said(&outcome), format!("Failure: {expected}"));
    let outcome = tcp().await.run(on_loopback(hook(config))).await;
    assert_eq!(said(&outcome), format!("Failure: {expected}"));
}

#[tokio::test]
async fn a_silent_port_times_out_before_the_host_steps_in_and_leaves_no_socket() {
    let hole = BlackHole::open().await;
    let config = json!({"host": "127.0.0.1", "port": hole.port});
    let outcome = tcp().await.run(within(SHORT, on_loopback(probe(config)))).await;
    assert_eq!(
        said(&outcome),
        format!("Failure: dial tcp 127.0.0.1:{}: i/o timeout", hole.port)
    );
    assert!(outcome.usage.wall >= SHORT / 2);
    assert_eq!(hole.attempts(), 0);
}

#[tokio::test]
async fn a_dropped_run_leaves_no_socket() {
    let hole = BlackHole::open().await;
    let config = json!({"host": "127.0.0.1", "port": hole.port});
    let plugin = tcp().await;
    let run = plugin.run(on_loopback(probe(config)));
    assert!(tokio::time::timeout(SHORT, run).await.is_err());
    assert_eq!(hole.attempts(), 0);
}

#[tokio::test]
async fn a_hook_can_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let outcome = tcp()
        .await
        .run(on_loopback(hook(json!({"host": "127.0.0.1", "port": port}))))
        .await;
    assert_eq!(said(&outcome), "Success: ");
}

#[tokio::test]
async fn an_address_that_is_not_granted_is_errored_and_names_the_way_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let grant = NetworkGrant {
        pod_addresses: vec![IpAddr::from([10, 88, 0, 2])],
        ..NetworkGrant::default()
    };
    let request = with_network(grant, probe(json!({"host": "127.0.0.1", "port": port})));
    let outcome = tcp().await.run(request).await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    assert!(
        outcome
            .message
            .starts_with(&format!("connecting to 127.0.0.1:{port} is not granted")),
        "{outcome:?}"
    );
    assert!(
        outcome
            .message
            .contains(&format!("allow: {{ network: [\"127.0.0.1:{port}\"] }}")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_address_of_a_handler_is_a_grant() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    for host in ["127.0.0.1", "localhost"] {
        let grant = NetworkGrant {
            destinations: vec![Destination::new(host, None).with_private()],
            ..NetworkGrant::default()
        };
        let outcome = tcp()
            .await
            .run(with_network(grant, probe(json!({"host": host, "port": port}))))
            .await;
        assert_eq!(said(&outcome), "Success: ", "{host}");
    }
}

#[tokio::test]
async fn a_name_is_looked_up_only_if_it_is_granted() {
    let name = "no-such-host.invalid";
    let request = || probe(json!({"host": name, "port": 80}));
    let outcome = tcp().await.run(with_network(NetworkGrant::default(), request())).await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    assert!(
        outcome
            .message
            .starts_with("looking up no-such-host.invalid is not granted"),
        "{outcome:?}"
    );

    let grant = NetworkGrant {
        destinations: vec![Destination::new(name, None).with_private()],
        ..NetworkGrant::default()
    };
    let outcome = tcp().await.run(with_network(grant, request())).await;
    assert_eq!(outcome.verdict, Verdict::Failure);
    assert!(
        outcome.message.starts_with("dial tcp: lookup no-such-host.invalid: "),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_pod_without_an_address_is_not_the_local_host() {
    let outcome = tcp()
        .await
        .run(on_loopback(probe(json!({"host": "", "port": 80}))))
        .await;
    assert_eq!(said(&outcome), "Errored: the pod has no address yet");
    let outcome = tcp()
        .await
        .run(on_loopback(probe(json!({"host": "0.0.0.0", "port": closed_port()}))))
        .await;
    assert_eq!(outcome.verdict, Verdict::Errored);
}

#[tokio::test]
async fn without_the_network_it_is_not_even_linked() {
    let outcome = tcp().await.run(probe(json!({"host": "127.0.0.1", "port": 80}))).await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    assert!(
        outcome.message.contains("the plugin `tcp` needs the network"),
        "{outcome:?}"
    );
    assert_eq!(outcome.usage.fuel, 0);
}

#[tokio::test]
async fn many_runs_at_once_do_not_disturb_each_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let open = listener.local_addr().expect("an address").port();
    let accept = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let closed = closed_port();
    let plugin = tcp().await;
    let runs = (0..200).map(|number| {
        let port = if number % 2 == 0 { open } else { closed };
        let plugin = plugin.clone();
        tokio::spawn(async move {
            plugin
                .run(on_loopback(probe(json!({"host": "127.0.0.1", "port": port}))))
                .await
        })
    });
    for (number, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        let expected = if number % 2 == 0 {
            Verdict::Success
        } else {
            Verdict::Failure
        };
        assert_eq!(run.await.expect("a run").verdict, expected);
    }
    accept.abort();
}
