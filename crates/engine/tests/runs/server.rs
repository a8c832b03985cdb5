//! Servers that answer as told.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A server that gives each connection the next answer, closes it, and ends after the last one.
pub(crate) struct Server {
    pub(crate) port: u16,
    task: JoinHandle<Vec<String>>,
}

/// What a connection gets.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes after the request, then the end.
    Reply(String),
    /// The same, so much later.
    Late(Duration, String),
    /// These bytes after the request, then nothing until the client leaves.
    Stall(String),
    /// The end at once, with the request unread: the client sees a reset.
    Reset,
    /// These bytes before the request.
    Greet(String),
    /// These bytes, and then back whatever comes, until the client has no more.
    Echo(String),
}

/// A reply with a status and a body.
pub(crate) fn reply(status: &str, body: &str) -> Answer {
    Answer::Reply(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A redirect.
pub(crate) fn redirect(location: &str) -> Answer {
    Answer::Reply(format!(
        "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\nmoved"
    ))
}

impl Server {
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("an address").port();
        let task = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().await.expect("accept");
                requests.push(serve(stream, answer).await);
            }
            requests
        });
        Self { port, task }
    }

    /// The requests' heads, once each answer has been given.
    pub(crate) async fn requests(self) -> Vec<String> {
        self.task.await.expect("the server")
    }
}

async fn serve(mut stream: TcpStream, answer: Answer) -> String {
    let mut head = String::new();
    match answer {
        Answer::Reply(bytes) => {
            head = read_head(&mut stream).await;
            answer_with(&mut stream, &bytes).await;
        }
        Answer::Late(after, bytes) => {
            head = read_head(&mut stream).await;
            tokio::time::sleep(after).await;
            answer_with(&mut stream, &bytes).await;
        }
        Answer::Stall(bytes) => {
            head = read_head(&mut stream).await;
            stream.write_all(bytes.as_bytes()).await.expect("write");
            let _ = stream.read(&mut [0; 1]).await;
        }
        Answer::Reset => {
            stream.readable().await.expect("a request");
            stream.set_zero_linger().expect("linger");
        }
        Answer::Greet(bytes) => {
            stream.write_all(bytes.as_bytes()).await.expect("write");
            head = read_head(&mut stream).await;
        }
        Answer::Echo(bytes) => {
            stream.write_all(bytes.as_bytes()).await.expect("write");
            let (mut from, mut to) = stream.split();
            // A client whose time is over leaves without a word.
            let _ = tokio::io::copy(&mut from, &mut to).await;
        }
    }
    head
}

async fn answer_with(stream: &mut TcpStream, bytes: &str) {
    // A client that has seen enough may be gone.
    let _ = stream.write_all(bytes.as_bytes()).await;
    let _ = stream.shutdown().await;
}

pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole request"));
    }
    String::from_utf8(head).expect("text")
}

/// A server's side of TLS, with a certificate that nobody has signed, for these protocols.
pub(crate) fn tls_acceptor(protocols: &[&[u8]]) -> TlsAcceptor {
    let certified = rcgen::generate_simple_self_signed(vec!["somebody-else".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("a server's configuration");
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A port where nothing listens.
pub(crate) fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("an address").port()
}

/// A port that neither accepts nor refuses: its queue is full.
pub(crate) struct BlackHole {
    pub(crate) port: u16,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl BlackHole {
    pub(crate) async fn open() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("bind");
        let listener = socket.listen(1).expect("listen");
        let address = listener.local_addr().expect("an address");
        let mut queue = Vec::new();
        while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            queue.push(stream.expect("a place in the queue"));
        }
        Self {
            port: address.port(),
            _listener: listener,
            _queue: queue,
        }
    }

    /// Connections that this process is still trying to open.
    pub(crate) fn attempts(&self) -> usize {
        const SYN_SENT: &str = "02";
        let remote = format!("0100007F:{:04X}", self.port);
        let table = std::fs::read_to_string("/proc/thread-self/net/tcp").expect("the kernel's table");
        let is_attempt = |line: &&str| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns[2] == remote && columns[3] == SYN_SENT
        };
        table.lines().filter(is_attempt).count()
    }
}
