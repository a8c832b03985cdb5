//! `probelet:tls/client`: connections on which the host speaks TLS, for plugins that have no TLS of their own and for those
//! that look at certificates. They go where sockets go, under the same grant.

mod certificate;
mod handshake;
mod host;

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use futures::future::BoxFuture;
use rustix::net::SocketType;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use wasmtime::component::{HasSelf, Linker};

use super::{
    DialError, Network,
    connection::{self, Connection},
    share,
    stream::CHUNK,
};
use crate::{bindings::tls::probelet::tls::client, state::RunState};

#[allow(unreachable_pub, reason = "generated bindings export it again")]
pub use host::Held;

/// How imports begin that are of this interface, of whichever version.
pub(crate) const TLS_PREFIX: &str = "probelet:tls/";

/// A connection that may begin to speak TLS. Between a plugin and the real one somebody may stand, as
/// [`NetworkStandIn::converse`](super::NetworkStandIn::converse) says.
pub trait ClientConnection: Send {
    /// Waits for bytes, and gives at most so many; none at the end.
    fn read(&mut self, limit: usize) -> BoxFuture<'_, io::Result<Vec<u8>>>;
    /// Writes all of it.
    fn write(&mut self, content: Vec<u8>) -> BoxFuture<'_, io::Result<()>>;
    /// Begins to speak TLS; after an error the connection is of no more use.
    fn start_tls(&mut self, options: TlsOptions) -> BoxFuture<'_, Result<TlsSession, TlsFailure>>;
}

/// How TLS is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// The name or the address that the server's certificate has to have.
    pub server_name: String,
    /// Who may vouch for it, in PEM; the node's own authorities if it is none.
    pub authorities: Option<String>,
    /// Whether it does without anybody who vouches for it.
    pub unverified: bool,
    /// The protocols that are offered by ALPN.
    pub alpn: Vec<String>,
}

/// What two sides have agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSession {
    /// The version, such as `TLSv1.3`.
    pub protocol: String,
    /// How it is encrypted.
    pub cipher_suite: String,
    /// What ALPN has come to.
    pub alpn: Option<String>,
    /// What the server has shown, its own certificate first.
    pub certificates: Vec<PeerCertificate>,
    /// Why the server would not be trusted, where it passes unverified.
    pub untrusted: Option<String>,
}

/// A certificate, as it is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Whose it is.
    pub subject: String,
    /// Who has signed it.
    pub issuer: String,
    /// Its serial number, in hexadecimal digits.
    pub serial: String,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// From when on it is valid, in seconds since the Unix epoch.
    pub not_before: i64,
    /// Until when.
    pub not_after: i64,
    /// All of it.
    pub der: Vec<u8>,
}

/// Why there is no TLS.
#[derive(Debug)]
pub enum TlsFailure {
    /// Nobody who is trusted vouches for the server.
    Untrusted(String),
    /// The two sides do not agree.
    Disagreed(String),
    /// What was asked for cannot be done.
    Impossible(String),
    /// The connection has failed.
    Io(io::Error),
}

/// Links it.
pub(super) fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    client::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)
}

impl Network {
    /// Connects to the first of a host's addresses that answers, each in its part of the time that is left.
    async fn converse(&self, host: &str, port: u16, deadline: Instant) -> Result<Box<dyn ClientConnection>, DialError> {
        let mut last = DialError::NoSuchHost;
        let addresses = self.resolve(host).await?;
        let count = addresses.len();
        for (at, address) in addresses.into_iter().enumerate() {
            let destination = SocketAddr::new(address, port);
            let socket = match self.kernel_socket(SocketType::STREAM, destination) {
                Ok(socket) => socket,
                // Another of its addresses may be granted; what happened to one that is says more.
                Err(DialError::NotGranted) if matches!(last, DialError::Io(_)) => continue,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            let real = async move {
                let stream = connection::connect(socket, destination).await?;
                let connection: Box<dyn ClientConnection> = Box::new(Real::Plain(Connection::new(stream)));
                Ok(connection)
            };
            let opening = async {
                match &self.1 {
                    None => real.await,
                    Some(stand_in) => Arc::clone(stand_in).converse(destination, Box::pin(real)).await,
                }
            };
            let opened = match share(deadline, count - at) {
                None => opening.await,
                Some(part) => timeout(part, opening)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            };
            match opened {
                Ok(connection) => return Ok(connection),
                Err(error) => last = DialError::Io(error),
            }
        }
        Err(last)
    }
}

/// A connection to a server.
enum Real {
    Plain(Connection),
    Secure(Box<TlsStream<Connection>>),
    /// TLS was begun, and that has not come to an end.
    Broken,
}

fn broken() -> io::Error {
    io::Error::other("the connection is of no use any more: TLS has failed on it")
}

impl ClientConnection for Real {
    fn read(&mut self, limit: usize) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        Box::pin(async move {
            let mut bytes = vec![0; limit.clamp(1, CHUNK)];
            let read = match self {
                Self::Plain(stream) => stream.read(&mut bytes).await,
                Self::Secure(stream) => stream.read(&mut bytes).await,
                Self::Broken => return Err(broken()),
            };
            let length = match read {
                // Many servers close without TLS' own farewell.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                read => read?,
            };
            bytes.truncate(length);
            Ok(bytes)
        })
    }

    fn write(&mut self, content: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            match self {
                Self::Plain(stream) => stream.write_all(&content).await,
                Self::Secure(stream) => {
                    stream.write_all(&content).await?;
                    stream.flush().await
                }
                Self::Broken => Err(broken()),
            }
        })
    }

    fn start_tls(&mut self, options: TlsOptions) -> BoxFuture<'_, Result<TlsSession, TlsFailure>> {
        Box::pin(async move {
            let stream = match std::mem::replace(self, Self::Broken) {
                Self::Plain(stream) => stream,
                Self::Secure(_) => return Err(TlsFailure::Impossible("TLS is spoken already".to_owned())),
                Self::Broken => return Err(TlsFailure::Io(broken())),
            };
            let (stream, session) = handshake::begin(stream, options).await?;
            *self = Self::Secure(Box::new(stream));
            Ok(session)
        })
    }
}
