//! The handler `grpc`: A2.24 to A2.28, A2.31.

use std::{net::IpAddr, pin::pin};

use bytes::Bytes;
use h2::{
    RecvStream,
    server::{self, SendResponse},
};
use http::{HeaderMap, HeaderValue, Request, Response};
use probelet_engine::{NetworkGrant, Outcome, Verdict};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};

use crate::{
    fixture::{LONG, SHORT, grpc, on_loopback, probe, said, with_network, within},
    server::{Answer, BlackHole, Server as RawServer, closed_port, reply, tls_acceptor},
};

/// What a server of gRPC has seen: the request, and its message as it was on the wire.
struct Seen {
    request: Request<()>,
    body: Vec<u8>,
}

/// What it answers with.
enum Reply {
    /// A message, in as many pieces as are given, and trailers.
    Pieces(Vec<Vec<u8>>, u32, &'static str),
    /// A status alone, in the headers.
    Status(u32, &'static str),
    /// Another answer than gRPC's.
    Http(u16, &'static str),
    /// The stream's end without trailers.
    NoTrailers(Vec<u8>),
    /// A stream that the server resets.
    Reset,
    /// Nothing.
    Silence,
}

/// A message of the health protocol with this status, as it is on the wire.
fn health(status: u8) -> Vec<u8> {
    vec![0, 0, 0, 0, 2, 8, status]
}

fn whole(status: u8) -> Reply {
    Reply::Pieces(vec![health(status)], 0, "")
}

/// A server that answers one call, and ends when the client has left.
async fn serve(answer: Reply) -> (u16, JoinHandle<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accept");
        serve_on(stream, answer).await
    });
    (port, task)
}

async fn serve_on<S: AsyncRead + AsyncWrite + Unpin>(stream: S, answer: Reply) -> Seen {
    let mut connection = server::handshake(stream).await.expect("a client of HTTP/2");
    let (request, respond) = connection.accept().await.expect("a call").expect("a request");
    let (parts, body) = request.into_parts();
    let mut exchange = pin!(exchange(body, respond, answer));
    // The connection is driven by whoever waits for its next call; there is none.
    let mut exchanged = None;
    loop {
        tokio::select! {
            done = &mut exchange, if exchanged.is_none() => exchanged = Some(done),
            next = connection.accept() => {
                assert!(next.is_none_or(|next| next.is_err()), "a second call");
                break;
            }
        }
    }
    let (body, _) = exchanged.expect("a whole request");
    let request = Request::from_parts(parts, ());
    Seen { request, body }
}

/// Reads the request and answers. Whoever drops what has not been answered with has answered.
async fn exchange(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    answer: Reply,
) -> (Vec<u8>, Option<SendResponse<Bytes>>) {
    let mut seen = Vec::new();
    while let Some(chunk) = body.data().await {
        seen.extend_from_slice(&chunk.expect("a message"));
    }
    let head = |status: u16, kind: &str| {
        let head = Response::builder().status(status).header("content-type", kind);
        head.body(()).expect("a head")
    };
    let mut grpc = head(200, "application/grpc");
    match answer {
        Reply::Pieces(pieces, status, text) => {
            let mut stream = respond.send_response(grpc, false).expect("sent");
            for piece in pieces {
                stream.send_data(Bytes::from(piece), false).expect("sent");
            }
            stream.send_trailers(trailers(status, text)).expect("sent");
        }
        Reply::Status(status, text) => {
            grpc.headers_mut().extend(trailers(status, text));
            respond.send_response(grpc, true).expect("sent");
        }
        Reply::Http(status, kind) => drop(respond.send_response(head(status, kind), true).expect("sent")),
        Reply::NoTrailers(bytes) => {
            let mut stream = respond.send_response(grpc, false).expect("sent");
            stream.send_data(bytes.into(), true).expect("sent");
        }
        Reply::Reset => respond.send_reset(h2::Reason::INTERNAL_ERROR),
        Reply::Silence => return (seen, Some(respond)),
    }
    (seen, None)
}

fn trailers(status: u32, text: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(status));
    if !text.is_empty() {
        trailers.insert("grpc-message", HeaderValue::from_static(text));
    }
    trailers
}

async fn check(port: u16, service: &str) -> Outcome {
    let config = json!({"host": "127.0.0.1", "port": port, "service": service});
    grpc().await.run(on_loopback(probe(config))).await
}

/// What a probe says of such an answer.
async fn said_of(answer: Reply) -> String {
    let (port, server) = serve(answer).await;
    let outcome = check(port, "").await;
    server.await.expect("the server");
    said(&outcome)
}

#[tokio::test]
async fn a2_24_a2_25_a_call_is_plain_http2_to_the_health_services_check() {
    for service in ["", "cart", &"long".repeat(100)] {
        let (port, server) = serve(whole(1)).await;
        assert_eq!(said(&check(port, service).await), "Success: ");
        let Seen { request, body } = server.await.expect("the server");
        assert_eq!(request.method(), "POST");
        let uri = format!("http://127.0.0.1:{port}/grpc.health.v1.Health/Check");
        assert_eq!(request.uri().to_string(), uri);
        let header = |name: &str| request.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("user-agent"), "kube-probe/1.36");
        assert_eq!(header("content-type"), "application/grpc");
        assert_eq!(header("te"), "trailers");
        let timeout = header("grpc-timeout");
        let milliseconds: u128 = timeout
            .strip_suffix('m')
            .expect("milliseconds")
            .parse()
            .expect("a number");
        assert!(milliseconds > 0 && milliseconds <= LONG.as_millis(), "{timeout}");

        let message = match service.len() {
            0 => Vec::new(),
            length @ ..128 => [&[10, length as u8], service.as_bytes()].concat(),
            length => [&[10, length as u8 | 0x80, (length >> 7) as u8], service.as_bytes()].concat(),
        };
        let length = u32::try_from(message.len()).expect("a length").to_be_bytes();
        assert_eq!(body, [&[0], &length[..], &message].concat(), "{service}");
    }
}

#[tokio::test]
async fn a2_24_connecting_and_the_call_share_one_deadline() {
    let hole = BlackHole::open().await;
    // The kernel opens the connection; nobody speaks.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let mute = (mute.local_addr().expect("an address").port(), mute);
    let (silent, server) = serve(Reply::Silence).await;
    let no_connection =
        |port: u16| format!("failed to connect service \"127.0.0.1:{port}\" within 400ms: context deadline exceeded");
    for (port, expected) in [
        (hole.port, no_connection(hole.port)),
        (mute.0, no_connection(mute.0)),
        (silent, "health rpc did not complete within 400ms".to_owned()),
    ] {
        let config = json!({"host": "127.0.0.1", "port": port, "service": ""});
        let outcome = grpc().await.run(within(SHORT, on_loopback(probe(config)))).await;
        assert_eq!(said(&outcome), format!("Failure: timeout: {expected}"));
    }
    assert_eq!(hole.attempts(), 0);
    // It ends because the connection did.
    server.await.expect("the server");
}

#[tokio::test]
async fn a2_26_only_serving_is_a_success() {
    for (status, name) in [(0, "UNKNOWN"), (2, "NOT_SERVING"), (3, "SERVICE_UNKNOWN"), (9, "9")] {
        let expected = format!("Failure: service unhealthy (responded with \"{name}\")");
        assert_eq!(said_of(whole(status)).await, expected);
    }
    // The default of a field is not on the wire; fields of a later version are passed over, and pieces put together.
    let unwritten = Reply::Pieces(vec![vec![0, 0, 0, 0, 0]], 0, "");
    assert_eq!(
        said_of(unwritten).await,
        "Failure: service unhealthy (responded with \"UNKNOWN\")"
    );
    let later = vec![vec![0, 0, 0], vec![0, 6, 0x12, 2], vec![b'o', b'k', 8, 1]];
    assert_eq!(said_of(Reply::Pieces(later, 0, "")).await, "Success: ");
}

#[tokio::test]
async fn a2_27_a_status_of_the_server_is_told_in_gos_words() {
    let unimplemented = "Failure: error: this server does not implement the grpc health protocol \
                         (grpc.health.v1.Health): unknown service grpc.health.v1.Health";
    let text = "unknown service grpc.health.v1.Health";
    assert_eq!(said_of(Reply::Status(12, text)).await, unimplemented);
    assert_eq!(said_of(Reply::Pieces(Vec::new(), 12, text)).await, unimplemented);
    let rpc = "Failure: error: health rpc probe failed: rpc error: code =";
    for (answer, expected) in [
        (Reply::Status(5, "unknown service"), "NotFound desc = unknown service"),
        (
            Reply::Pieces(Vec::new(), 14, "50%25 of%C3%A9 %zz%"),
            "Unavailable desc = 50% ofé %zz%",
        ),
        (Reply::Status(99, ""), "Code(99) desc = "),
        (
            Reply::Http(503, "text/html"),
            "Unavailable desc = unexpected HTTP status code received from server: 503 (Service Unavailable)",
        ),
        (
            Reply::Http(200, "text/html"),
            "Unknown desc = transport: received unexpected content-type \"text/html\"",
        ),
    ] {
        assert_eq!(said_of(answer).await, format!("{rpc} {expected}"));
    }
    let late = said_of(Reply::Status(4, "too late")).await;
    assert_eq!(late, "Failure: timeout: health rpc did not complete within 30s");
}

#[tokio::test]
async fn a2_27_a_server_that_cannot_be_connected_to_is_told_in_gos_words() {
    let port = closed_port();
    let expected = format!(
        "Failure: error: failed to connect service at \"127.0.0.1:{port}\": dial tcp 127.0.0.1:{port}: connect: connection refused"
    );
    assert_eq!(said(&check(port, "").await), expected);

    // A server of HTTP/1.1, and one that leaves.
    for answer in [reply("400 Bad Request", ""), Answer::Reset] {
        let server = RawServer::start(vec![answer]).await;
        let outcome = said(&check(server.port, "").await);
        let expected = format!(
            "Failure: error: failed to connect service at \"127.0.0.1:{}\": connection error: desc = \"error reading server preface: ",
            server.port
        );
        assert!(outcome.starts_with(&expected), "{outcome}");
    }
}

#[tokio::test]
async fn a2_28_what_is_no_answer_of_the_protocol_is_a_failure() {
    let compressed = vec![1, 0, 0, 0, 2, 8, 1];
    let endless = vec![0, 0, 0, 0, 7, 8, 1];
    let no_message = vec![0, 0, 0, 0, 1, 8];
    let large = vec![vec![0; 10 << 10], vec![0; 10 << 10]];
    for (answer, expected) in [
        (
            Reply::Pieces(vec![compressed], 0, ""),
            "the message is compressed, which was not asked for",
        ),
        (
            Reply::Pieces(vec![endless], 0, ""),
            "the server sent something else than one whole message",
        ),
        (
            Reply::Pieces(vec![no_message], 0, ""),
            "the response is no message of the health protocol",
        ),
        (Reply::Pieces(Vec::new(), 0, ""), "the server sent no message"),
        (
            Reply::Pieces(large, 0, ""),
            "received message larger than max (16384 bytes)",
        ),
        (
            Reply::NoTrailers(health(1)),
            "server closed the stream without sending trailers",
        ),
    ] {
        let expected = format!("Failure: error: health rpc probe failed: rpc error: code = Internal desc = {expected}");
        assert_eq!(said_of(answer).await, expected);
    }
    let reset = said_of(Reply::Reset).await;
    let expected =
        "Failure: error: health rpc probe failed: rpc error: code = Internal desc = error reading from server: ";
    assert!(reset.starts_with(expected), "{reset}");
}

#[tokio::test]
async fn f17_with_tls_the_certificate_is_not_checked_and_a_server_without_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accept");
        let stream = tls_acceptor(&[b"h2"]).accept(stream).await.expect("a client of TLS");
        serve_on(stream, whole(1)).await
    });
    let check = async |port: u16| {
        let config = json!({"host": "127.0.0.1", "port": port, "service": "", "tls": true});
        said(&grpc().await.run(within(SHORT * 10, on_loopback(probe(config)))).await)
    };
    assert_eq!(check(port).await, "Success: ");
    let Seen { request, .. } = server.await.expect("the server");
    assert_eq!(request.uri().scheme_str(), Some("https"));

    let plain = RawServer::start(vec![Answer::Greet("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned())]).await;
    let expected = format!(
        "Failure: error: failed to connect service at \"127.0.0.1:{}\": connection error: desc = \"transport: \
         authentication handshake failed: tls: first record does not look like a TLS handshake\"",
        plain.port
    );
    assert_eq!(check(plain.port).await, expected);

    // The kernel opens the connection; nobody speaks.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = mute.local_addr().expect("an address").port();
    let expected = format!(
        "Failure: timeout: failed to connect service \"127.0.0.1:{port}\" within 4s: context deadline exceeded"
    );
    assert_eq!(check(port).await, expected);
}

#[tokio::test]
async fn a_pod_without_an_address_is_not_the_local_host() {
    let config = json!({"host": "", "port": 80, "service": ""});
    let outcome = grpc().await.run(on_loopback(probe(config))).await;
    assert_eq!(said(&outcome), "Errored: the pod has no address yet");
}

#[tokio::test]
async fn an_address_that_is_not_granted_is_errored() {
    let grant = NetworkGrant {
        pod_addresses: vec![IpAddr::from([10, 88, 0, 2])],
        ..NetworkGrant::default()
    };
    let port = closed_port();
    let config = json!({"host": "127.0.0.1", "port": port, "service": ""});
    let outcome = grpc().await.run(with_network(grant, probe(config))).await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    let expected = format!("connecting to 127.0.0.1:{port} is not granted");
    assert!(outcome.message.starts_with(&expected), "{outcome:?}");
}

#[tokio::test]
async fn a_dropped_run_leaves_no_connection() {
    let (port, server) = serve(Reply::Silence).await;
    let config = json!({"host": "127.0.0.1", "port": port, "service": ""});
    let plugin = grpc().await;
    let run = plugin.run(on_loopback(probe(config)));
    assert!(tokio::time::timeout(SHORT, run).await.is_err());
    server.await.expect("the server");
}
