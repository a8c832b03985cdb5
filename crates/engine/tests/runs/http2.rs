//! The handler `httpGet` over HTTP/2: F16, A2.13.

use bytes::Bytes;
use h2::server;
use http::{Request, Response, Version};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};

use crate::{
    fixture::{SHORT, hook, http, on_loopback, probe, said, within},
    server::{Answer, Server, tls_acceptor},
};

/// Of the probes below more than they read of a body, and more than HTTP/2 lets a server send unasked.
const LONG_BODY: usize = 100 << 10;

/// Answers one request, and ends when the client has left.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(stream: S, status: u16, body: Bytes) -> Request<()> {
    let mut connection = server::handshake(stream).await.expect("a client of HTTP/2");
    let (request, mut respond) = connection.accept().await.expect("a request").expect("a request");
    let head = Response::builder().status(status).body(()).expect("a head");
    let mut stream = respond.send_response(head, false).expect("sent");
    stream.send_data(body, true).expect("sent");
    let next = connection.accept().await;
    assert!(next.is_none_or(|next| next.is_err()), "a second request");
    request.map(drop)
}

/// A server that speaks nothing else.
async fn serve(status: u16, body: Bytes) -> (u16, JoinHandle<Request<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accept");
        answer(stream, status, body).await
    });
    (port, task)
}

fn config(port: u16) -> Value {
    json!({"scheme": "HTTP", "host": "127.0.0.1", "port": port, "path": "/health?deep=1", "http2": true})
}

#[tokio::test]
async fn f16_http2_without_tls_asks_as_http1_does() {
    let (port, server) = serve(200, Bytes::from_static(b"well")).await;
    let outcome = http().await.run(on_loopback(probe(config(port)))).await;
    assert_eq!(said(&outcome), "Success: ");
    let request = server.await.expect("the server");
    assert_eq!((request.method().as_str(), request.version()), ("GET", Version::HTTP_2));
    assert_eq!(
        request.uri().to_string(),
        format!("http://127.0.0.1:{port}/health?deep=1")
    );
    assert_eq!(headers(&request), ["accept: */*", "user-agent: kube-probe/1.36"]);

    // A virtual host is a part of the URL; what would be no header of HTTP/2 is left out.
    let (port, server) = serve(200, Bytes::new()).await;
    let mut config = config(port);
    config["headers"] = json!([
        {"name": "Host", "value": "example.org"},
        {"name": "Connection", "value": "close"},
        {"name": "X-Number", "value": "1"},
        {"name": "Accept", "value": ""},
    ]);
    let outcome = http().await.run(on_loopback(probe(config))).await;
    assert_eq!(said(&outcome), "Success: ");
    let request = server.await.expect("the server");
    assert_eq!(request.uri().to_string(), "http://example.org/health?deep=1");
    assert_eq!(headers(&request), ["user-agent: kube-probe/1.36", "x-number: 1"]);
}

/// In the order of their names.
fn headers(request: &Request<()>) -> Vec<String> {
    let headers = request.headers().iter();
    let mut lines: Vec<_> = headers
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn f16_the_status_decides_over_http2_too_and_a_long_body_is_not_read() {
    for (status, expected) in [
        (204, "Success: "),
        (503, "Failure: HTTP probe failed with statuscode: 503"),
    ] {
        let (port, server) = serve(status, vec![b'x'; LONG_BODY].into()).await;
        let outcome = http().await.run(on_loopback(probe(config(port)))).await;
        assert_eq!(said(&outcome), expected);
        server.await.expect("the server");
    }
    let (port, server) = serve(503, Bytes::new()).await;
    let outcome = http().await.run(on_loopback(hook(config(port)))).await;
    assert_eq!(said(&outcome), "Success: ");
    let request = server.await.expect("the server");
    assert_eq!(request.headers()["user-agent"], "kube-lifecycle/1.36");
}

#[tokio::test]
async fn f16_a_server_that_does_not_speak_http2_is_a_failure() {
    // It stays, so that its answer is not lost.
    let server = Server::start(vec![Answer::Echo("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned())]).await;
    let outcome = http().await.run(on_loopback(probe(config(server.port)))).await;
    let expected = format!(
        "Failure: Get \"http://127.0.0.1:{}/health?deep=1\": http2: ",
        server.port
    );
    assert!(
        outcome.message.len() < 200 && said(&outcome).starts_with(&expected),
        "{outcome:?}"
    );

    // The kernel opens the connection; nobody speaks.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = mute.local_addr().expect("an address").port();
    let outcome = http().await.run(within(SHORT, on_loopback(probe(config(port))))).await;
    let expected = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert_eq!(
        said(&outcome),
        format!("Failure: Get \"http://127.0.0.1:{port}/health?deep=1\": {expected}")
    );
}

#[tokio::test]
async fn a2_13_https_agrees_on_http2_with_a_server_that_prefers_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accept");
        let acceptor = tls_acceptor(&[b"h2", b"http/1.1"]);
        let stream = acceptor.accept(stream).await.expect("a client of TLS");
        answer(stream, 200, Bytes::from_static(b"well")).await
    });
    let config = json!({"scheme": "HTTPS", "host": "127.0.0.1", "port": port, "path": "/"});
    let outcome = http().await.run(on_loopback(probe(config))).await;
    assert_eq!(said(&outcome), "Success: ");
    let request = server.await.expect("the server");
    assert_eq!(request.uri().to_string(), format!("https://127.0.0.1:{port}/"));
}
