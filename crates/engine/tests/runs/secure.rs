//! `probelet:tls/client`: what a plugin learns of a server by TLS that the host speaks, and that no server does harm by it.

use std::{sync::Arc, time::Instant};

use probelet_engine::{Destination, FieldValue, NetworkGrant, Outcome, Verdict};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    fixture::{SHORT, on_loopback, probe, said, secure, with_network, within},
    server::{BlackHole, closed_port, tls_acceptor},
};

/// An authority in PEM, and a server's side of TLS with a certificate that it has signed.
fn signed(names: &[&str], last_year: i32, protocols: &[&[u8]]) -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let chain = vec![certificate.der().clone(), authority.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a server's configuration");
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// What a client says before TLS.
const STARTTLS: &str = "STARTTLS\r\n";

/// A server that echoes once by TLS, and says something before it if there is something to say.
async fn serve(acceptor: TlsAcceptor, before: Option<&'static str>) -> u16 {
    let (listener, port) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Some(before) = before {
                stream.write_all(before.as_bytes()).await.expect("written");
                // No more than that: what comes next may be TLS already.
                stream.read_exact(&mut [0; STARTTLS.len()]).await.expect("the word");
            }
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).await.unwrap_or(0);
            let _ = stream.write_all(&buffer[..length]).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

async fn tls(port: u16, more: Value) -> Outcome {
    let mut config = json!({"do": "tls", "host": "127.0.0.1", "port": port, "send": "hello"});
    let more = more.as_object().expect("an object").clone();
    config.as_object_mut().expect("an object").extend(more);
    secure().await.run(on_loopback(probe(config))).await
}

fn field(outcome: &Outcome, name: &str) -> String {
    let field = outcome.fields.iter().find(|field| field.name == name);
    match &field.unwrap_or_else(|| panic!("no {name} in {outcome:?}")).value {
        FieldValue::Text(text) => text.clone(),
        FieldValue::Number(number) => number.to_string(),
        FieldValue::Flag(flag) => flag.to_string(),
    }
}

#[tokio::test]
async fn a_server_that_is_vouched_for_is_spoken_to() {
    let (authority, acceptor) = signed(&["shop.example", "10.1.2.3"], 4000, &[b"h2"]);
    let port = serve(acceptor, None).await;
    let trusted = json!({"server_name": "shop.example", "authorities": authority, "alpn": ["x", "h2"]});
    let outcome = tls(port, trusted).await;
    assert_eq!(said(&outcome), "Warning: hello");
    assert_eq!(field(&outcome, "protocol"), "TLSv1.3");
    assert!(field(&outcome, "suite").starts_with("TLS13_"), "{outcome:?}");
    assert_eq!(field(&outcome, "alpn"), "h2");
    assert_eq!(field(&outcome, "names"), "shop.example 10.1.2.3");
    assert_eq!(field(&outcome, "not-after"), "64060588800");
    assert_eq!(
        (field(&outcome, "shown"), field(&outcome, "untrusted")),
        ("2".to_owned(), String::new())
    );
    // Each call is one of the host's.
    assert!(outcome.usage.host_calls >= 4, "{outcome:?}");
    let by_address = tls(port, json!({"server_name": "10.1.2.3", "authorities": authority})).await;
    assert_eq!(said(&by_address), "Warning: hello");
}

#[tokio::test]
async fn a_server_that_is_not_vouched_for_is_not_spoken_to_unless_that_does_not_matter() {
    let (authority, acceptor) = signed(&["shop.example"], 4000, &[]);
    let port = serve(acceptor, None).await;
    let (_, acceptor) = signed(&["shop.example"], 2020, &[]);
    let (old_authority, old) = {
        let (authority, acceptor) = signed(&["shop.example"], 2020, &[]);
        (authority, serve(acceptor, None).await)
    };
    drop(acceptor);
    let nobody = "no trusted authority has signed its certificate";
    let cases = [
        (port, json!({"server_name": "shop.example"}), nobody),
        (
            port,
            json!({"authorities": authority}),
            "its certificate is for other names",
        ),
        (
            old,
            json!({"authorities": old_authority, "server_name": "shop.example"}),
            "its certificate has expired",
        ),
    ];
    for (port, mut options, why) in cases {
        let outcome = tls(port, options.clone()).await;
        let expected = format!("Failure: 127.0.0.1:{port} is not to be trusted: {why}");
        assert_eq!(said(&outcome), expected);
        options["unverified"] = json!(true);
        let outcome = tls(port, options).await;
        assert_eq!(
            (said(&outcome).as_str(), field(&outcome, "untrusted").as_str()),
            ("Warning: hello", why)
        );
    }
    // One that nobody has signed at all.
    let own = serve(tls_acceptor(&[]), None).await;
    let outcome = tls(own, json!({"unverified": true})).await;
    assert_eq!(field(&outcome, "names"), "somebody-else");
    assert_ne!(field(&outcome, "untrusted"), "");
}

#[tokio::test]
async fn tls_may_begin_later() {
    let port = serve(tls_acceptor(&[]), Some("220 hi\r\n")).await;
    let outcome = tls(port, json!({"unverified": true, "before": STARTTLS})).await;
    assert_eq!(said(&outcome), "Warning: hello");
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_told() {
    let port = serve(tls_acceptor(&[]), None).await;
    let long = "x".repeat(256);
    let many: Vec<&str> = vec!["x"; 17];
    for (options, text) in [
        (json!({"server_name": "-- no name --"}), "neither a name nor an address"),
        (json!({"authorities": "none"}), "no certificate in PEM"),
        (
            json!({"authorities": "-----BEGIN CERTIFICATE-----\nAAA"}),
            "the authorities are of no use",
        ),
        (json!({"authorities": "x".repeat(1 << 20)}), "more than 524288 bytes"),
        (json!({"alpn": [""]}), "names of 1 to 255 bytes"),
        (json!({"alpn": [long]}), "names of 1 to 255 bytes"),
        (json!({"alpn": many}), "at most 16 protocols"),
    ] {
        let outcome = tls(port, options).await;
        assert!(outcome.message.contains(text), "{text} in {outcome:?}");
    }
}

#[tokio::test]
async fn a_connection_is_of_no_use_after_a_failure_and_tls_begins_once() {
    let port = serve(tls_acceptor(&[]), None).await;
    let plugin = secure().await;
    let after = json!({"do": "after_failure", "host": "127.0.0.1", "port": port});
    let outcome = plugin.run(on_loopback(probe(after))).await;
    assert!(outcome.message.starts_with("Err(Error::Untrusted("), "{outcome:?}");
    assert_eq!(outcome.message.matches("of no use any more").count(), 3, "{outcome:?}");
    let twice = json!({"do": "twice", "host": "127.0.0.1", "port": port});
    let outcome = plugin.run(on_loopback(probe(twice))).await;
    assert!(outcome.message.starts_with("Ok(()) Err("), "{outcome:?}");
    assert!(outcome.message.contains("TLS is spoken already"), "{outcome:?}");
}

#[tokio::test]
async fn it_takes_the_grant_that_sockets_take() {
    let plugin = secure().await;
    let port = serve(tls_acceptor(&[]), None).await;
    let config = json!({"do": "tls", "host": "127.0.0.1", "port": port, "unverified": true, "send": "hello"});
    let outcome = plugin.run(probe(config.clone())).await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    assert!(outcome.message.contains("network: [\"HOST:PORT\"]"), "{outcome:?}");
    let grant = |destinations| NetworkGrant {
        destinations,
        ..NetworkGrant::default()
    };
    let refused = plugin.run(with_network(grant(Vec::new()), probe(config.clone()))).await;
    assert_eq!(refused.verdict, Verdict::Errored);
    let line = format!("network: [\"127.0.0.1:{port}\"]");
    assert!(refused.message.contains(&line), "{refused:?}");
    assert_eq!(refused.grants[0].refused, 1);
    let granted = grant(vec![Destination::new("127.0.0.1", Some(port))]);
    let outcome = plugin.run(with_network(granted, probe(config))).await;
    assert_eq!((outcome.verdict, outcome.grants[0].granted), (Verdict::Warning, 1));
}

#[tokio::test]
async fn connections_are_bounded_like_other_handles() {
    let port = serve(tls_acceptor(&[]), None).await;
    let hoard = |count: usize| json!({"do": "hoard", "host": "127.0.0.1", "port": port, "count": count});
    let plugin = secure().await;
    assert_eq!(said(&plugin.run(on_loopback(probe(hoard(50)))).await), "Warning: 50");
    let outcome = plugin.run(on_loopback(probe(hoard(200)))).await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    assert!(
        outcome.message.contains("more handles of the host's than the 100"),
        "{outcome:?}"
    );
}

/// What a hostile server does with its clients.
#[derive(Clone, Copy, Debug)]
enum Trick {
    /// It says something that is no TLS.
    Says(&'static [u8]),
    /// It says something over and over.
    Repeats(&'static [u8]),
    /// It says a byte at a time of a handshake's message that is to become very long.
    Trickles,
    /// It closes the connection.
    Closes,
    /// It says nothing.
    Silent,
}

async fn play(trick: Trick, mut stream: TcpStream) {
    match trick {
        Trick::Says(bytes) => drop(stream.write_all(bytes).await),
        Trick::Repeats(bytes) => while stream.write_all(bytes).await.is_ok() {},
        Trick::Trickles => {
            // A record of 16 KiB with a ServerHello of 16 MiB.
            let _ = stream.write_all(&[22, 3, 3, 0x40, 0, 2, 0xff, 0xff, 0xff]).await;
            while stream.write_all(b"\0").await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
        Trick::Closes => return,
        Trick::Silent => {}
    }
    // Until the client is gone.
    while stream.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0) {}
}

#[tokio::test]
async fn no_server_breaks_a_run_or_outlives_its_time() {
    let (listener, port) = listen().await;
    let tricks = [
        Trick::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        Trick::Says(b"SSH-2.0-OpenSSH_9.2\r\n"),
        Trick::Says(&[21, 3, 3, 0, 2, 2, 40]),
        Trick::Says(&[22, 3, 3, 0xff, 0xff]),
        Trick::Says(&[22, 3, 3, 0, 4, 2, 0, 0, 0]),
        Trick::Says(&[22, 3, 3, 0, 0]),
        Trick::Repeats(&[22, 3, 3, 0, 0]),
        Trick::Repeats(&[20, 3, 3, 0, 1, 1]),
        Trick::Repeats(&[21, 3, 3, 0, 2, 1, 90]),
        Trick::Repeats(&[0; 4096]),
        Trick::Trickles,
        Trick::Closes,
        Trick::Silent,
    ];
    let server = tokio::spawn(async move {
        for trick in tricks {
            let (stream, _) = listener.accept().await.expect("a client");
            tokio::spawn(play(trick, stream));
        }
    });
    let plugin = secure().await;
    for trick in tricks {
        let config = json!({"do": "tls", "host": "127.0.0.1", "port": port, "unverified": true});
        let begin = Instant::now();
        let outcome = plugin.run(within(SHORT, on_loopback(probe(config)))).await;
        assert_eq!(outcome.verdict, Verdict::Failure, "{trick:?}: {outcome:?}");
        assert!(begin.elapsed() < SHORT * 4, "{trick:?}: {:?}", begin.elapsed());
    }
    server.await.expect("the server");

    let hole = BlackHole::open().await;
    let config = json!({"do": "tls", "host": "127.0.0.1", "port": hole.port});
    let outcome = plugin.run(within(SHORT, on_loopback(probe(config)))).await;
    assert!(outcome.message.contains("did not answer within"), "{outcome:?}");
    assert_eq!(hole.attempts(), 0);
    let config = json!({"do": "tls", "host": "127.0.0.1", "port": closed_port()});
    let outcome = plugin.run(on_loopback(probe(config))).await;
    assert!(outcome.message.ends_with("connection refused"), "{outcome:?}");
}

/// A server that goes on with TLS for ever, once it stands.
#[tokio::test]
async fn a_server_that_never_ends_is_left_when_the_time_is_over() {
    let (listener, port) = listen().await;
    let acceptor = tls_acceptor(&[]);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut stream = acceptor.accept(stream).await.expect("a client of TLS");
        while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {}
    });
    let config = json!({"do": "tls", "host": "127.0.0.1", "port": port, "unverified": true});
    let begin = Instant::now();
    let outcome = secure().await.run(within(SHORT, on_loopback(probe(config)))).await;
    assert!(begin.elapsed() < SHORT * 4, "{:?}: {outcome:?}", begin.elapsed());
    assert!(
        matches!(outcome.verdict, Verdict::Warning | Verdict::Failure),
        "{outcome:?}"
    );
}
