//! The handler `httpGet`: A2.5 to A2.20, B1.6 to B1.10.

use std::net::Ipv6Addr;

use probelet_engine::{Destination, Field, FieldValue, HTTP_FALLBACK, NetworkGrant, Outcome, Verdict};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use crate::{
    fixture::{SHORT, hook, http, on_loopback, probe, said, with_network, within},
    server::{Answer, BlackHole, Server, closed_port, read_head, redirect, reply, tls_acceptor},
};

fn config(port: u16, path: &str) -> Value {
    json!({"scheme": "HTTP", "host": "127.0.0.1", "port": port, "path": path})
}

/// Runs a probe of `/` against these answers.
async fn probed(answers: Vec<Answer>) -> (String, Vec<String>) {
    let server = Server::start(answers).await;
    let outcome = http().await.run(on_loopback(probe(config(server.port, "/")))).await;
    (said(&outcome), server.requests().await)
}

#[tokio::test]
async fn a_default_request_carries_just_what_gos_does() {
    let server = Server::start(vec![reply("200 OK", "hello")]).await;
    let port = server.port;
    let outcome = http().await.run(on_loopback(probe(config(port, "/index.html")))).await;
    assert_eq!(said(&outcome), "Success: ");
    let requests = server.requests().await;
    let mut lines: Vec<&str> = requests[0].trim_end().split("\r\n").collect();
    lines[1..].sort();
    assert_eq!(
        lines,
        [
            "GET /index.html HTTP/1.1",
            "Accept: */*",
            "Connection: close",
            &format!("Host: 127.0.0.1:{port}"),
            "User-Agent: kube-probe/1.36",
        ]
    );
}

#[tokio::test]
async fn f20_an_address_of_ipv6_is_asked_and_named_with_brackets_around_it() {
    let listener = TcpListener::bind("[::1]:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let head = read_head(&mut stream).await;
        let moved = format!("HTTP/1.1 302 Found\r\nLocation: http://[::1]:{port}/there\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(moved.as_bytes()).await;
        let _ = stream.shutdown().await;
        let (mut stream, _) = listener.accept().await.expect("accept");
        let redirected = read_head(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
            .await;
        (head, redirected)
    });
    let mut config = config(port, "/");
    config["host"] = json!("::1");
    let grant = NetworkGrant {
        pod_addresses: vec![Ipv6Addr::LOCALHOST.into()],
        ..NetworkGrant::default()
    };
    let outcome = http()
        .await
        .run(with_network(grant.clone(), probe(config.clone())))
        .await;
    assert_eq!(said(&outcome), "Failure: HTTP probe failed with statuscode: 503");
    let (head, redirected) = server.await.expect("the server");
    assert!(head.contains(&format!("Host: [::1]:{port}\r\n")), "{head}");
    assert!(redirected.starts_with("GET /there HTTP/1.1\r\n"), "{redirected}");
    // The server is gone.
    let outcome = http().await.run(with_network(grant, probe(config))).await;
    let expected = format!("Failure: Get \"http://[::1]:{port}/\": dial tcp [::1]:{port}: connect: connection refused");
    assert_eq!(said(&outcome), expected);
}

async fn header_lines(headers: Value) -> Vec<String> {
    let server = Server::start(vec![reply("200 OK", "")]).await;
    let mut config = config(server.port, "/");
    config["headers"] = headers;
    let outcome = http().await.run(on_loopback(probe(config))).await;
    assert_eq!(said(&outcome), "Success: ");
    let requests = server.requests().await;
    let mut lines: Vec<String> = requests[0]
        .trim_end()
        .split("\r\n")
        .skip(1)
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn headers_of_the_manifest_go_out_as_they_are() {
    let lines = header_lines(json!([
        {"name": "host", "value": "example.org"},
        {"name": "X-Number", "value": "1"},
        {"name": "x-number", "value": "2"},
        {"name": "User-Agent", "value": "me"},
        {"name": "Content-Length", "value": "7"},
    ]))
    .await;
    let expected = [
        "Accept: */*",
        "Connection: close",
        "Host: example.org",
        "User-Agent: me",
        "X-Number: 1",
        "X-Number: 2",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn an_empty_header_keeps_the_default_off_the_wire() {
    let lines = header_lines(json!([
        {"name": "User-Agent", "value": ""},
        {"name": "accept", "value": ""},
        {"name": "Host", "value": "h"},
    ]))
    .await;
    assert_eq!(lines, ["Connection: close", "Host: h"]);
}

#[tokio::test]
async fn an_impossible_header_is_a_failure() {
    let mut config = config(closed_port(), "/");
    config["headers"] = json!([{"name": "X-A", "value": "a\nb"}]);
    let outcome = http().await.run(on_loopback(probe(config))).await;
    assert_eq!(outcome.verdict, Verdict::Failure);
    assert!(
        outcome
            .message
            .ends_with("net/http: invalid header field value for \"X-A\""),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn the_path_is_a_url_reference() {
    let cases = [
        ("", "/"),
        ("/", "/"),
        ("healthz", "/healthz"),
        ("/a?b=c&d#fragment", "/a?b=c&d"),
        ("?q", "/?q"),
        ("/a b", "/a%20b"),
        ("/a%20b%2Fc", "/a%20b%2Fc"),
        ("/ü", "/%C3%BC"),
        ("/%zz", "/%25zz"),
        ("/a\tb?c", "/a%09b%3Fc"),
        ("/(a)!", "/(a)!"),
        ("/(a) !", "/%28a%29%20%21"),
        ("//elsewhere/x", "/x"),
        ("http://elsewhere/y?z", "/y?z"),
        ("/q?a b", "/q?a%20b"),
    ];
    for (path, expected) in cases {
        let server = Server::start(vec![reply("200 OK", "")]).await;
        let outcome = http().await.run(on_loopback(probe(config(server.port, path)))).await;
        assert_eq!(said(&outcome), "Success: ", "{path}");
        let requests = server.requests().await;
        let line = requests[0].lines().next().expect("a request line");
        assert_eq!(line, format!("GET {expected} HTTP/1.1"), "{path}");
    }
}

#[tokio::test]
async fn the_status_decides_and_the_body_stays_out() {
    let cases = [
        ("200 OK", "Success: "),
        ("299 Odd", "Success: "),
        (
            "304 Not Modified",
            "Warning: Probe terminated redirects, Response body: ",
        ),
        ("400 Bad Request", "Failure: HTTP probe failed with statuscode: 400"),
        ("404 Not Found", "Failure: HTTP probe failed with statuscode: 404"),
        (
            "503 Service Unavailable",
            "Failure: HTTP probe failed with statuscode: 503",
        ),
    ];
    for (status, expected) in cases {
        assert_eq!(
            probed(vec![reply(status, "secret")]).await.0.replace("secret", ""),
            expected
        );
        assert!(
            !probed(vec![reply(status, "secret")]).await.0.contains("secret"),
            "{status}"
        );
    }
}

#[tokio::test]
async fn redirects_to_the_same_host_are_followed() {
    let elsewhere = Server::start(vec![reply("200 OK", "")]).await;
    let absolute = format!("http://127.0.0.1:{}/there?x#y", elsewhere.port);
    let server = Server::start(vec![redirect("../b/./c?d"), redirect("e"), redirect(&absolute)]).await;
    let port = server.port;
    let mut config = config(port, "/a/b");
    config["headers"] = json!([{"name": "Host", "value": "virtual"}, {"name": "X-A", "value": "1"}]);
    let outcome = http().await.run(on_loopback(probe(config))).await;
    assert_eq!(said(&outcome), "Success: ");
    let requests = server.requests().await;
    assert!(requests[1].starts_with("GET /b/c?d HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[2].starts_with("GET /b/e HTTP/1.1\r\n"), "{requests:?}");
    let last = elsewhere.requests().await.remove(0);
    assert!(last.starts_with("GET /there?x HTTP/1.1\r\n"), "{last}");
    for line in [
        "Host: virtual\r\n",
        "X-A: 1\r\n",
        &format!("Referer: http://127.0.0.1:{port}/b/e\r\n"),
    ] {
        assert!(last.contains(line), "{line} in {last}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_ends_in_a_warning() {
    let (said, requests) = probed(vec![redirect("http://example.org/")]).await;
    assert_eq!(said, "Warning: Probe terminated redirects, Response body: move");
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_redirect_without_a_target_ends_in_a_warning() {
    let (said, _) = probed(vec![reply("302 Found", "where?")]).await;
    assert_eq!(said, "Warning: Probe terminated redirects, Response body: where?");
}

#[tokio::test]
async fn ten_redirects_are_too_many() {
    let (said, requests) = probed(vec![redirect("/again"); 10]).await;
    assert_eq!(said, "Failure: Get \"/again\": stopped after 10 redirects");
    assert_eq!(requests.len(), 10);
    let answers = [vec![redirect("/again"); 9], vec![reply("200 OK", "")]].concat();
    assert_eq!(probed(answers).await.0, "Success: ");
}

#[tokio::test]
async fn a_closed_port_fails_in_gos_words() {
    let port = closed_port();
    let outcome = http().await.run(on_loopback(probe(config(port, "/x?y#z")))).await;
    let expected = format!(
        "Failure: Get \"http://127.0.0.1:{port}/x?y#z\": dial tcp 127.0.0.1:{port}: connect: connection refused"
    );
    assert_eq!(said(&outcome), expected);
}

#[tokio::test]
async fn silence_times_out_in_gos_words_and_leaves_no_socket() {
    let hole = BlackHole::open().await;
    let outcome = http()
        .await
        .run(within(SHORT, on_loopback(probe(config(hole.port, "/")))))
        .await;
    let waiting = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert_eq!(
        said(&outcome),
        format!("Failure: Get \"http://127.0.0.1:{}/\": {waiting}", hole.port)
    );
    assert_eq!(hole.attempts(), 0);

    let server = Server::start(vec![Answer::Stall(String::new())]).await;
    let port = server.port;
    let outcome = http()
        .await
        .run(within(SHORT, on_loopback(probe(config(port, "/")))))
        .await;
    assert_eq!(
        said(&outcome),
        format!("Failure: Get \"http://127.0.0.1:{port}/\": {waiting}")
    );
    // It ends when the connection does.
    server.requests().await;
}

/// Each answer alone would be in time.
#[tokio::test]
async fn a2_18_redirects_and_the_last_answer_share_the_time() {
    let Answer::Reply(again) = redirect("/again") else {
        panic!("a redirect is a reply");
    };
    let server = Server::start(vec![Answer::Late(SHORT, again); 9]).await;
    let outcome = http()
        .await
        .run(within(4 * SHORT, on_loopback(probe(config(server.port, "/")))))
        .await;
    assert_eq!(outcome.verdict, Verdict::Failure);
    let waiting = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert!(outcome.message.ends_with(waiting), "{outcome:?}");
    assert!(outcome.usage.wall < 9 * SHORT, "{outcome:?}");
}

/// The server would go on, and says nothing of an end.
#[tokio::test]
async fn a2_11_each_probe_has_a_connection_of_its_own_and_ends_it() {
    let open = Answer::Stall("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned());
    let server = Server::start(vec![open; 2]).await;
    for _ in 0..2 {
        let outcome = http().await.run(on_loopback(probe(config(server.port, "/")))).await;
        assert_eq!(said(&outcome), "Success: ");
    }
    // It has an answer for each connection, and waits for the end of each.
    assert_eq!(server.requests().await.len(), 2);
}

#[tokio::test]
async fn a_body_that_stops_is_a_failure() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_owned();
    assert_eq!(
        probed(vec![Answer::Reply(half.clone())]).await.0,
        "Failure: unexpected EOF"
    );
    let server = Server::start(vec![Answer::Stall(half)]).await;
    let outcome = http()
        .await
        .run(within(SHORT, on_loopback(probe(config(server.port, "/")))))
        .await;
    let expected = "Failure: context deadline exceeded (Client.Timeout or context cancellation while reading body)";
    assert_eq!(said(&outcome), expected);
    server.requests().await;
}

#[tokio::test]
async fn a_long_body_is_not_read_to_its_end() {
    assert_eq!(
        probed(vec![reply("200 OK", &"b".repeat(10 << 20))]).await.0,
        "Success: "
    );
    let (said, _) = probed(vec![reply("300 Choices", &"b".repeat(100_000))]).await;
    let beginning = "Warning: Probe terminated redirects, Response body: ";
    let body = said.strip_prefix(beginning).expect("a warning");
    let shown = body.trim_start_matches('b');
    assert!(body.len() - shown.len() <= 10 << 10, "{}", body.len());
    assert!(body.len() > 10_000, "{}", body.len());
}

#[tokio::test]
async fn what_is_no_answer_fails_in_gos_words() {
    let (said, _) = probed(vec![Answer::Reply(String::new())]).await;
    assert!(said.ends_with("/\": EOF"), "{said}");
    let (said, _) = probed(vec![Answer::Reset]).await;
    assert!(said.ends_with("/\": read: connection reset by peer"), "{said}");
    let (said, _) = probed(vec![Answer::Reply("220 smtp.example.org ready\r\n\r\n".to_owned())]).await;
    assert!(said.contains("malformed HTTP response"), "{said}");
    let headers = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let (said, _) = probed(vec![Answer::Reply(headers)]).await;
    assert!(said.starts_with("Failure: "), "{said}");
}

#[tokio::test]
async fn a_pod_without_an_address_is_not_the_local_host() {
    let mut config = config(80, "/");
    config["host"] = json!("");
    let outcome = http().await.run(on_loopback(probe(config))).await;
    assert_eq!(said(&outcome), "Errored: the pod has no address yet");
}

#[tokio::test]
async fn an_address_that_is_not_granted_is_errored_and_names_the_way_out() {
    let port = closed_port();
    let outcome = http()
        .await
        .run(with_network(NetworkGrant::default(), probe(config(port, "/"))))
        .await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    assert!(
        outcome.message.contains(&format!("network: [\"127.0.0.1:{port}\"]")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_hook_takes_any_status_and_names_itself() {
    let server = Server::start(vec![reply("500 Internal Server Error", "oh")]).await;
    let port = server.port;
    let outcome = http().await.run(on_loopback(hook(config(port, "/")))).await;
    assert_eq!(said(&outcome), "Success: ");
    assert!(server.requests().await[0].contains("User-Agent: kube-lifecycle/1.36\r\n"));
    let outcome = http().await.run(on_loopback(hook(config(closed_port(), "/")))).await;
    assert_eq!(outcome.verdict, Verdict::Failure);
    assert!(outcome.message.ends_with("connect: connection refused"), "{outcome:?}");
}

/// A server with a certificate that nobody has signed.
async fn tls_server() -> u16 {
    let acceptor = tls_acceptor(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

fn https(port: u16) -> Value {
    let mut config = config(port, "/");
    config["scheme"] = json!("HTTPS");
    config
}

#[tokio::test]
async fn https_goes_without_a_check_of_the_certificate_where_that_is_granted() {
    let port = tls_server().await;
    let outcome = http().await.run(on_loopback(probe(https(port)))).await;
    assert_eq!(said(&outcome), "Success: ");
    let grant = NetworkGrant {
        destinations: vec![Destination::new("127.0.0.1", None).with_private()],
        ..NetworkGrant::default()
    };
    let outcome = http().await.run(with_network(grant, probe(https(port)))).await;
    assert_eq!(outcome.verdict, Verdict::Failure);
    assert!(outcome.message.contains("tls: invalid peer certificate"), "{outcome:?}");
}

/// What a server was told before it showed its certificate: the name, and the client's own certificates.
async fn greeted(host: &str) -> (Option<String>, bool) {
    let acceptor = tls_acceptor(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accept");
        let mut stream = acceptor.accept(stream).await.expect("a handshake");
        let connection = stream.get_ref().1;
        let (name, has_certificates) = (
            connection.server_name().map(str::to_owned),
            connection.peer_certificates().is_some(),
        );
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        let _ = stream.shutdown().await;
        (name, has_certificates)
    });
    let mut config = https(port);
    config["host"] = json!(host);
    // The virtual host of the request is nobody's that is dialled.
    config["headers"] = json!([{"name": "Host", "value": "virtual"}]);
    let grant = NetworkGrant {
        destinations: vec![Destination::new(host, None).with_private()],
        tls_unverified: true,
        ..NetworkGrant::default()
    };
    let outcome = http().await.run(with_network(grant, probe(config))).await;
    assert_eq!(said(&outcome), "Success: ");
    server.await.expect("the server")
}

#[tokio::test]
async fn a2_13_a_tls_server_is_told_the_name_of_the_url_and_sees_no_certificate() {
    assert_eq!(greeted("localhost").await, (Some("localhost".to_owned()), false));
    assert_eq!(greeted("127.0.0.1").await, (None, false), "an address is no name");
}

/// A plain server that is asked with TLS and, if it stays, once more without. Gives what the second request was.
async fn plain_server(stays: bool) -> (u16, JoinHandle<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let _ = stream.read(&mut [0; 4096]).await;
        let kept = stays.then_some(listener);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        drop(stream);
        let (mut stream, _) = kept?.accept().await.expect("accept");
        let head = read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\n\r\n").await;
        Some(head)
    });
    (port, task)
}

fn not_tls(outcome: &Outcome, port: u16) {
    let expected = "http: server gave HTTP response to HTTPS client";
    assert_eq!(
        said(outcome),
        format!("Failure: Get \"https://127.0.0.1:{port}/\": {expected}")
    );
    assert_eq!(outcome.fields, []);
}

#[tokio::test]
async fn https_to_a_plain_server_is_named() {
    let (port, server) = plain_server(false).await;
    not_tls(&http().await.run(on_loopback(probe(https(port)))).await, port);
    assert_eq!(server.await.expect("the server"), None);
}

#[tokio::test]
async fn b1_8_an_https_hook_asks_a_plain_server_again_and_does_not_show_it_secrets() {
    let (port, server) = plain_server(true).await;
    let mut config = https(port);
    config["headers"] = json!([
        {"name": "authorization", "value": "Bearer secret"},
        {"name": "X-Reason", "value": "ending"},
    ]);
    let outcome = http().await.run(on_loopback(hook(config))).await;
    assert_eq!(said(&outcome), "Success: ");
    let fallback = Field {
        name: HTTP_FALLBACK.to_owned(),
        value: FieldValue::Text(format!("127.0.0.1:{port}")),
    };
    assert_eq!(outcome.fields, [fallback]);
    let head = server.await.expect("the server").expect("a second request");
    assert!(head.contains("X-Reason: ending\r\n") && head.contains("User-Agent: kube-lifecycle/1.36\r\n"));
    assert!(!head.contains("secret"), "{head}");
}

#[tokio::test]
async fn b1_8_an_https_hook_fails_as_it_did_first_if_it_fails_without_tls_too() {
    let (port, server) = plain_server(false).await;
    not_tls(&http().await.run(on_loopback(hook(https(port)))).await, port);
    server.await.expect("the server");
}
