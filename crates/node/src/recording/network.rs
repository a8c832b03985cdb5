//! The network's answers: names, connections byte by byte, exchanges of HTTP.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream as Pair},
    sync::{Arc, PoisonError},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use probelet_engine::{ClientConnection, HttpFailure, NetworkStandIn, RealExchange, StandInBody};
use probelet_plugin_case::{Connection, Content, Headers, HttpExchange, HttpRequest, HttpResponse, Step, headers_of};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream as Stream, UdpSocket, UnixStream},
};

use super::{
    recorder::{Record, Recorder},
    tls::RecordedConnection,
};

/// Read at once from one side of a connection.
const CHUNK: usize = 16 << 10;
/// What the beginning of TLS takes in a file beside its certificates.
const TLS_BYTES: usize = 256;

impl NetworkStandIn for Recorder {
    fn look_up(
        &self,
        name: String,
        real: BoxFuture<'static, Option<Vec<IpAddr>>>,
    ) -> BoxFuture<'static, Option<Vec<IpAddr>>> {
        let record = self.record.clone();
        Box::pin(async move {
            let found = real.await;
            let mut taken = record.lock();
            if taken.has_room(name.len()) {
                taken.host.lookup.insert(name, found.clone().unwrap_or_default());
            }
            drop(taken);
            found
        })
    }

    fn connect(
        &self,
        destination: SocketAddr,
        real: BoxFuture<'static, io::Result<TcpStream>>,
    ) -> BoxFuture<'static, io::Result<TcpStream>> {
        let recorder = self.clone();
        Box::pin(async move {
            let Some(at) = recorder.record.begin(destination) else {
                return real.await;
            };
            let stream = real.await;
            recorder.record.connected(at, stream.is_err());
            recorder.relay(at, stream?)
        })
    }

    fn associate(&self, destination: SocketAddr, real: OwnedFd) -> io::Result<OwnedFd> {
        let connection = Connection {
            address: destination.to_string(),
            ..Connection::default()
        };
        match self.record.add(0, |host| &mut host.udp, connection) {
            None => Ok(real),
            Some(at) => self.relay_datagrams(at, real),
        }
    }

    fn converse(
        &self,
        destination: SocketAddr,
        real: BoxFuture<'static, io::Result<Box<dyn ClientConnection>>>,
    ) -> BoxFuture<'static, io::Result<Box<dyn ClientConnection>>> {
        let record = self.record.clone();
        Box::pin(async move {
            let Some(at) = record.begin(destination) else {
                return real.await;
            };
            let connection = real.await;
            record.connected(at, connection.is_err());
            let recorded: Box<dyn ClientConnection> = Box::new(RecordedConnection::new(connection?, record, at));
            Ok(recorded)
        })
    }

    fn exchange(
        &self,
        request: Request<Bytes>,
        real: RealExchange,
    ) -> BoxFuture<'static, Result<Response<StandInBody>, HttpFailure>> {
        let record = self.record.clone();
        Box::pin(async move {
            let exchange = HttpExchange {
                request: recorded_request(&request),
                silent: true,
                ..HttpExchange::default()
            };
            let Some(at) = record.add(request.body().len(), |host| &mut host.http, exchange) else {
                return real.send(request).await;
            };
            let answer = real.send(request).await;
            let mut taken = record.lock();
            let exchange = &mut taken.host.http[at];
            exchange.silent = matches!(answer, Err(HttpFailure::TimedOut));
            exchange.refused = matches!(answer, Err(HttpFailure::Refused));
            match &answer {
                Ok(answer) => exchange.response = Some(recorded_response(answer)),
                Err(HttpFailure::Refused | HttpFailure::TimedOut) => {}
                Err(failure) => exchange.error = Some(words(failure)),
            }
            drop(taken);
            let kept = KeptBody::new(record, at);
            answer.map(|answer| answer.map(|body| kept.listen(body)))
        })
    }
}

/// What a run has read of a response's body; written down when it reads no more.
struct KeptBody {
    record: Arc<Record>,
    at: usize,
    bytes: Vec<u8>,
}

impl KeptBody {
    fn new(record: Arc<Record>, at: usize) -> Self {
        let bytes = Vec::new();
        Self { record, at, bytes }
    }

    /// The same body. What is read of it is kept, and why it breaks off takes the response's place.
    fn listen(mut self, body: StandInBody) -> StandInBody {
        let (record, at) = (self.record.clone(), self.at);
        let body = body.map_err(move |failure| {
            record.lock().host.http[at].error = Some(words(&failure));
            failure
        });
        let body = body.map_frame(move |frame| {
            if let Some(data) = frame.data_ref()
                && self.record.lock().has_room_for(data.len())
            {
                self.bytes.extend_from_slice(data);
            }
            frame
        });
        body.boxed_unsync()
    }
}

impl Drop for KeptBody {
    fn drop(&mut self) {
        let mut taken = self.record.lock();
        let exchange = &mut taken.host.http[self.at];
        if exchange.error.is_some() {
            exchange.response = None;
        } else if let Some(response) = &mut exchange.response {
            *response = HttpResponse::new(response.status, std::mem::take(&mut response.headers), &self.bytes);
        }
    }
}

fn words(failure: &HttpFailure) -> String {
    match failure {
        HttpFailure::Other(text) => text.clone(),
        HttpFailure::BrokenOff => "the connection broke off".to_owned(),
        HttpFailure::Incomplete => "the connection was closed before the response was whole".to_owned(),
        HttpFailure::NoSuchHost => "no such host".to_owned(),
        HttpFailure::Refused => "connection refused".to_owned(),
        HttpFailure::TimedOut => "timed out".to_owned(),
    }
}

fn recorded_request(request: &Request<Bytes>) -> HttpRequest {
    let url = request.uri().to_string();
    HttpRequest::new(
        request.method().as_str(),
        &url,
        headers(request.headers()),
        request.body(),
    )
}

/// Without its body, which comes later.
fn recorded_response(response: &Response<StandInBody>) -> HttpResponse {
    HttpResponse::new(response.status().as_u16(), headers(response.headers()), &[])
}

fn headers(headers: &http::HeaderMap) -> Headers {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers_of(
        headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value))),
    )
}

impl Recorder {
    /// The run's end of a pair of sockets, of which a task passes on to the real connection what comes.
    fn relay(&self, at: usize, real: TcpStream) -> io::Result<TcpStream> {
        let (near, far) = Pair::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        let (far, real) = (UnixStream::from_std(far)?, Stream::from_std(real)?);
        let record = self.record.clone();
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        relays.spawn(async move {
            // What breaks off for one side does so for the other.
            let _ = pass_on(&record, at, far, real).await;
        });
        Ok(TcpStream::from(OwnedFd::from(near)))
    }
}

/// Two sockets of this process that keep the ends of messages, and tell one when the other is gone.
fn message_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// The longest datagram.
const DATAGRAM: usize = 64 << 10;

impl Recorder {
    /// The run's end of a pair of sockets, of which a task passes on to the real one what comes.
    fn relay_datagrams(&self, at: usize, real: OwnedFd) -> io::Result<OwnedFd> {
        let (near, far) = message_pair()?;
        let mut far = UnixStream::from_std(Pair::from(far))?;
        let real = UdpSocket::from_std(std::net::UdpSocket::from(real))?;
        let record = self.record.clone();
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        relays.spawn(async move {
            let (mut question, mut answer) = (vec![0; DATAGRAM], vec![0; DATAGRAM]);
            // Where an answer cannot be had, such as from a closed port, the next question may have one.
            let mut hears = true;
            loop {
                let passed_on = tokio::select! {
                    length = far.read(&mut question) => async {
                        let bytes = &question[..length?];
                        if bytes.is_empty() {
                            // The run is over.
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        record.datagram(at, Step::Client(Content(bytes.to_vec())));
                        hears = true;
                        // That nobody listens there shows as silence.
                        Ok(real.send(bytes).await.unwrap_or_default())
                    }.await,
                    length = real.recv(&mut answer), if hears => match length {
                        Ok(length) => {
                            let bytes = &answer[..length];
                            record.datagram(at, Step::Server(Content(bytes.to_vec())));
                            far.write(bytes).await
                        }
                        Err(_) => {
                            hears = false;
                            Ok(0)
                        }
                    },
                };
                if passed_on.is_err() {
                    return;
                }
            }
        });
        Ok(near)
    }
}

async fn pass_on(record: &Record, at: usize, far: UnixStream, real: Stream) -> io::Result<()> {
    let (mut from_plugin, mut to_plugin) = far.into_split();
    let (mut from_server, mut to_server) = real.into_split();
    let asks = async {
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = from_plugin.read(&mut buffer).await?;
            if length == 0 {
                return to_server.shutdown().await;
            }
            record.step(at, Step::Client(Content(buffer[..length].to_vec())));
            to_server.write_all(&buffer[..length]).await?;
        }
    };
    let answers = async {
        let mut buffer = vec![0; CHUNK];
        loop {
            // A connection that is reset is closed for the plugin as well.
            let length = from_server.read(&mut buffer).await.unwrap_or(0);
            if length == 0 {
                record.step(at, Step::Close);
                return to_plugin.shutdown().await;
            }
            record.step(at, Step::Server(Content(buffer[..length].to_vec())));
            to_plugin.write_all(&buffer[..length]).await?;
        }
    };
    tokio::try_join!(asks, answers).map(drop)
}

impl Record {
    /// A connection is being opened: its place, if there is room for it.
    fn begin(&self, destination: SocketAddr) -> Option<usize> {
        let connection = Connection {
            address: destination.to_string(),
            // Unless more comes of it.
            silent: true,
            ..Connection::default()
        };
        self.add(0, |host| &mut host.tcp, connection)
    }

    fn connected(&self, at: usize, refused: bool) {
        let mut taken = self.lock();
        let connection = &mut taken.host.tcp[at];
        (connection.silent, connection.refused) = (false, refused);
    }

    /// Adds a datagram: each is a step of its own.
    fn datagram(&self, at: usize, step: Step) {
        let mut taken = self.lock();
        if let Step::Client(content) | Step::Server(content) = &step
            && taken.has_room(content.0.len())
        {
            taken.host.udp[at].talk.push(step);
        }
    }

    /// Adds what was said on a connection.
    pub(super) fn step(&self, at: usize, step: Step) {
        let length = match &step {
            Step::Client(content) | Step::Server(content) => content.0.len(),
            Step::Tls(tls) => tls.certificates.iter().map(|certificate| certificate.der().len()).sum(),
            Step::Close => 0,
        };
        // A plugin may begin TLS in vain, and ask on after the end, as often as it has fuel.
        let length = match &step {
            Step::Tls(_) => length + TLS_BYTES,
            _ => length,
        };
        let mut taken = self.lock();
        let has_room = match taken.host.tcp[at].continues(&step) {
            true => taken.has_room_for(length),
            // Two who say a byte each in turn make many steps of few bytes.
            false => taken.has_room(length),
        };
        if has_room {
            taken.host.tcp[at].push(step);
        }
    }
}
