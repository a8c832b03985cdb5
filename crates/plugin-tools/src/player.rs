//! A host that answers from a case's script: a container without a container and a network without a network.
//!
//! A connection is a pair of sockets inside this process, of which the plugin holds one and a task the other.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::{BoxFuture, pending, ready};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use probelet_engine::{
    ClientConnection, ContainerExec, ContainerFiles, ContainerLogs, ContainerStats, ExecError, ExecOutput, FileError,
    FileKind, HttpFailure, LogLine, Metadata, NetworkStandIn, RealExchange, Space, StandInBody, Stats,
};
use probelet_plugin_case::{
    FileAnswer, FileKind as CaseFileKind, FileQuestion, HeaderTexts, HttpCall, HttpResponse, Reply, Script, Scripted,
    Talk,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::JoinSet,
};

use crate::secure::PlayedConnection;

/// Read from a plugin at once.
const CHUNK: usize = 16 << 10;
/// The longest datagram.
const DATAGRAM: usize = 64 << 10;
/// What the plugin is told of a call that the case does not list; the case has failed by then.
const NOT_LISTED: &str = "the case does not list this call";

/// Plays a script.
#[derive(Clone)]
pub(crate) struct Player(Arc<Inner>);

struct Inner {
    script: Mutex<Script>,
    /// The other sides of connections.
    peers: Mutex<JoinSet<()>>,
}

impl Player {
    pub(crate) fn new(script: Script) -> Self {
        Self(Arc::new(Inner {
            script: Mutex::new(script),
            peers: Mutex::default(),
        }))
    }

    /// Waits until every connection is over, and gives what has gone wrong. The run is over by then, and with it its ends
    /// of the connections, so that nothing is waited for.
    pub(crate) async fn finish(self) -> Vec<String> {
        let mut peers = std::mem::take(&mut *self.0.peers.lock().unwrap_or_else(PoisonError::into_inner));
        while peers.join_next().await.is_some() {}
        self.script().clone().finish()
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(&self, talk: Talk) -> io::Result<TcpStream> {
        let (near, far) = std::os::unix::net::UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        let far = UnixStream::from_std(far)?;
        let player = self.clone();
        let mut peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.spawn(async move {
            if let Some(fault) = converse(talk, far).await {
                player.script().fault(fault);
            }
        });
        // It is a stream socket, which is all that a plugin can tell of it.
        Ok(TcpStream::from(OwnedFd::from(near)))
    }

    /// A socket whose other side answers each datagram with those that are due, or, without a talk, none.
    fn exchange_datagrams(&self, mut talk: Option<Talk>) -> io::Result<OwnedFd> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // Messages keep their ends, and the end of one side shows on the other.
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let mut far = UnixStream::from_std(far.into())?;
        let player = self.clone();
        let mut peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.spawn(async move {
            let mut buffer = vec![0; DATAGRAM];
            while let Ok(length) = far.read(&mut buffer).await
                && length > 0
            {
                let Some(talk) = &mut talk else { continue };
                let reply = talk.receive(&buffer[..length]);
                let mut start = 0;
                for end in &reply.ends {
                    // A plugin that is gone needs none.
                    let _ = far.write(&reply.send[start..*end]).await;
                    start = *end;
                }
                if let Some(fault) = reply.fault {
                    player.script().fault(fault);
                }
            }
            if let Some(fault) = talk.as_mut().and_then(Talk::end) {
                player.script().fault(fault);
            }
        });
        Ok(near)
    }

    fn file(&self, path: &str, question: FileQuestion) -> Result<FileAnswer, FileError> {
        let host = |reason: &str| FileError::Host {
            reason: reason.to_owned(),
        };
        let answer = self.script().file(path, question).ok_or_else(|| host(NOT_LISTED))?;
        match &answer.error {
            Some(reason) => Err(host(reason)),
            None if answer.missing => Err(FileError::NotFound),
            None => Ok(answer),
        }
    }
}

/// The other side of a connection: an error of it is the plugin's hanging up.
async fn converse(mut talk: Talk, mut stream: UnixStream) -> Option<String> {
    let mut reply = talk.begin();
    let mut buffer = vec![0; CHUNK];
    loop {
        let Reply { send, close, fault, .. } = reply;
        let sent = stream.write_all(&send).await;
        if fault.is_some() {
            return fault;
        }
        if close || sent.is_err() {
            return talk.end();
        }
        match stream.read(&mut buffer).await {
            Ok(length) if length > 0 => reply = talk.receive(&buffer[..length]),
            _ => return talk.end(),
        }
    }
}

impl NetworkStandIn for Player {
    fn look_up(
        &self,
        name: String,
        _real: BoxFuture<'static, Option<Vec<IpAddr>>>,
    ) -> BoxFuture<'static, Option<Vec<IpAddr>>> {
        Box::pin(ready(self.script().lookup(&name)))
    }

    fn connect(
        &self,
        destination: SocketAddr,
        _real: BoxFuture<'static, io::Result<TcpStream>>,
    ) -> BoxFuture<'static, io::Result<TcpStream>> {
        let scripted = self.script().connect(destination);
        Box::pin(match scripted {
            Scripted::Answer(talk) => ready(self.talk(talk)),
            Scripted::Refused => ready(Err(io::ErrorKind::ConnectionRefused.into())),
            Scripted::Silent => return Box::pin(pending()),
            Scripted::Failed(reason) => ready(Err(io::Error::other(reason))),
        })
    }

    fn associate(&self, destination: SocketAddr, _real: OwnedFd) -> io::Result<OwnedFd> {
        let scripted = self.script().associate(destination);
        match scripted {
            Scripted::Answer(talk) => self.exchange_datagrams(Some(talk)),
            Scripted::Silent => self.exchange_datagrams(None),
            Scripted::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
            Scripted::Failed(reason) => Err(io::Error::other(reason)),
        }
    }

    fn converse(
        &self,
        destination: SocketAddr,
        _real: BoxFuture<'static, io::Result<Box<dyn ClientConnection>>>,
    ) -> BoxFuture<'static, io::Result<Box<dyn ClientConnection>>> {
        let scripted = self.script().connect(destination);
        Box::pin(match scripted {
            Scripted::Answer(talk) => {
                let played: Box<dyn ClientConnection> = Box::new(PlayedConnection::new(self.clone(), talk));
                ready(Ok(played))
            }
            Scripted::Refused => ready(Err(io::ErrorKind::ConnectionRefused.into())),
            Scripted::Silent => return Box::pin(pending()),
            Scripted::Failed(reason) => ready(Err(io::Error::other(reason))),
        })
    }

    fn exchange(
        &self,
        request: Request<Bytes>,
        real: RealExchange,
    ) -> BoxFuture<'static, Result<Response<StandInBody>, HttpFailure>> {
        real.forgo();
        let scripted = self.script().http(&call(&request));
        Box::pin(match scripted {
            Scripted::Answer(answer) => ready(response(&answer)),
            Scripted::Refused => ready(Err(HttpFailure::Refused)),
            Scripted::Silent => return Box::pin(pending()),
            Scripted::Failed(reason) => ready(Err(HttpFailure::Other(reason))),
        })
    }
}

fn call(request: &Request<Bytes>) -> HttpCall {
    let headers = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    HttpCall {
        method: request.method().to_string(),
        url: request.uri().to_string(),
        headers: headers.collect(),
        body: request.body().to_vec(),
    }
}

fn response(answer: &HttpResponse) -> Result<Response<StandInBody>, HttpFailure> {
    let fault = |what: &str| HttpFailure::Other(format!("the case has no valid {what}"));
    let body = Full::new(Bytes::from(answer.bytes())).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = answer.status.try_into().map_err(|_| fault("status"))?;
    for (name, HeaderTexts(values)) in &answer.headers {
        let name = HeaderName::try_from(name).map_err(|_| fault("header's name"))?;
        for value in values {
            let value = HeaderValue::try_from(value).map_err(|_| fault("header's value"))?;
            response.headers_mut().append(name.clone(), value);
        }
    }
    Ok(response)
}

impl ContainerExec for Player {
    fn exec(
        &self,
        command: Vec<String>,
        _deadline: Instant,
        max_output: usize,
    ) -> BoxFuture<'static, Result<ExecOutput, ExecError>> {
        let answer = self.script().exec(&command);
        Box::pin(ready(match answer {
            None => Err(ExecError::Host {
                reason: NOT_LISTED.to_owned(),
            }),
            Some(answer) => match answer.error.as_deref() {
                Some("timed out") => Err(ExecError::DeadlineExceeded),
                Some("not running") => Err(ExecError::NotRunning),
                Some(reason) => Err(ExecError::Host {
                    reason: reason.to_owned(),
                }),
                None => {
                    let (mut stdout, mut stderr) = (answer.stdout.into_bytes(), answer.stderr.into_bytes());
                    let truncated = stdout.len() > max_output || stderr.len() > max_output;
                    stdout.truncate(max_output);
                    stderr.truncate(max_output);
                    Ok(ExecOutput {
                        exit_code: answer.exit_code,
                        stdout,
                        stderr,
                        truncated,
                    })
                }
            },
        }))
    }
}

impl ContainerStats for Player {
    fn stats(&self) -> BoxFuture<'static, Result<Stats, String>> {
        let stats = self.script().stats();
        let stats = stats
            .ok_or_else(|| NOT_LISTED.to_owned())
            .and_then(|stats| match stats.error {
                Some(reason) => Err(reason),
                None => Ok(Stats {
                    memory_usage: stats.memory_bytes,
                    memory_working_set: stats.memory_working_set_bytes.unwrap_or(stats.memory_bytes),
                    memory_limit: stats.memory_limit_bytes,
                    oom_kills: stats.oom_kills,
                    cpu_usage: Duration::from_nanos(stats.cpu_nanoseconds),
                    throttled_periods: stats.throttled_periods,
                    throttled_time: Duration::from_nanos(stats.throttled_nanoseconds),
                    processes: stats.processes,
                    processes_limit: stats.processes_limit,
                }),
            });
        Box::pin(ready(stats))
    }
}

impl ContainerLogs for Player {
    fn tail(&self, lines: usize) -> BoxFuture<'static, Result<Vec<LogLine>, String>> {
        let lines = self.script().logs(lines).ok_or_else(|| NOT_LISTED.to_owned());
        let lines = lines.map(|lines| {
            let lines = lines.into_iter().map(|line| LogLine {
                time: line.time,
                stderr: line.stderr,
                text: line.text,
            });
            lines.collect()
        });
        Box::pin(ready(lines))
    }
}

impl ContainerFiles for Player {
    fn metadata(&self, path: String) -> BoxFuture<'static, Result<Metadata, FileError>> {
        let answer = self.file(&path, FileQuestion::Metadata);
        Box::pin(ready(answer.map(|answer| {
            Metadata {
                kind: match (answer.kind, &answer.entries) {
                    (Some(CaseFileKind::Directory), _) | (None, Some(_)) => FileKind::Directory,
                    (Some(CaseFileKind::File) | None, _) => FileKind::File,
                    (Some(CaseFileKind::SymbolicLink), _) => FileKind::SymbolicLink,
                    (Some(CaseFileKind::Other), _) => FileKind::Other,
                },
                size: answer
                    .size
                    .unwrap_or_else(|| answer.bytes().unwrap_or_default().len() as u64),
                modified: answer.modified_nanoseconds() / 1_000_000,
            }
        })))
    }

    fn read(&self, path: String, offset: u64, length: usize) -> BoxFuture<'static, Result<Vec<u8>, FileError>> {
        let answer = self.file(&path, FileQuestion::Read);
        Box::pin(ready(answer.and_then(|answer| {
            let content = answer.bytes().ok_or(FileError::WrongKind)?;
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
            let end = start.saturating_add(length).min(content.len());
            Ok(content[start..end].to_vec())
        })))
    }

    fn list(&self, path: String) -> BoxFuture<'static, Result<Vec<String>, FileError>> {
        let answer = self.file(&path, FileQuestion::List);
        Box::pin(ready(
            answer.and_then(|answer| answer.entries.ok_or(FileError::WrongKind)),
        ))
    }

    fn space(&self, path: String) -> BoxFuture<'static, Result<Space, FileError>> {
        let answer = self.file(&path, FileQuestion::Space);
        let space = answer.map(|answer| answer.space.unwrap_or_default());
        Box::pin(ready(space.map(|space| Space {
            total: space.total,
            available: space.available,
        })))
    }
}
