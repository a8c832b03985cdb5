//! UDP of WASI 0.2: questions and answers, where sockets may go.

use probelet_engine::{NetworkGrant, Verdict};
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use crate::fixture::{SHORT, on_loopback, probe, said, secure, with_network, within};

async fn echo() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
    let port = socket.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], client).await;
        }
    });
    port
}

fn ask(port: u16) -> Value {
    json!({"do": "datagram", "host": "127.0.0.1", "port": port, "send": "who?"})
}

#[tokio::test]
async fn a_question_is_answered() {
    let port = echo().await;
    let outcome = secure().await.run(on_loopback(probe(ask(port)))).await;
    assert_eq!(said(&outcome), "Warning: who?");
}

#[tokio::test]
async fn silence_ends_with_the_time_and_a_closed_port_at_once() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
    let port = socket.local_addr().expect("an address").port();
    let outcome = secure().await.run(within(SHORT, on_loopback(probe(ask(port))))).await;
    assert_eq!(said(&outcome), "Failure: silence");
    drop(socket);
    let outcome = secure().await.run(on_loopback(probe(ask(port)))).await;
    assert_eq!(said(&outcome), format!("Failure: 127.0.0.1:{port}: connection refused"));
}

#[tokio::test]
async fn it_takes_the_grant_that_connections_take() {
    let port = echo().await;
    let outcome = secure()
        .await
        .run(with_network(NetworkGrant::default(), probe(ask(port))))
        .await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    let line = format!("network: [\"127.0.0.1:{port}\"]");
    assert!(outcome.message.contains(&line), "{outcome:?}");
}

#[tokio::test]
async fn a_run_sends_so_many_and_no_more() {
    let port = echo().await;
    let flood = |count: usize| json!({"do": "flood", "host": "127.0.0.1", "port": port, "count": count});
    let outcome = secure().await.run(on_loopback(probe(flood(1000)))).await;
    assert_eq!(said(&outcome), "Success: ");
    let outcome = secure().await.run(on_loopback(probe(flood(1001)))).await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    assert!(outcome.message.contains("more than the 1000 datagrams"), "{outcome:?}");
}
