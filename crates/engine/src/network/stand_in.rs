//! Somebody between a run and the network: to answer in its place, or to write down what it says.
//!
//! What a run is granted is checked before anybody is asked, so that a stand-in widens nothing.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::OwnedFd,
    sync::Arc,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use wasmtime_wasi_http::{Error, RequestOptions};

use super::{
    Network,
    client::ClientConnection,
    connection,
    http::{Answer, Driven, Outgoing, destination, explain_dial, send_directly},
    tls::Protocols,
};

/// Of a body that somebody looks at, nothing is kept beyond this: as much as a built-in check reads.
const MAX_BODY: usize = 1 << 20;

/// Stands between a run and the network. Each method is given what would really be done, and may do it, or not.
pub trait NetworkStandIn: Send + Sync {
    /// Looks up a name; an error is that there is no such name.
    fn look_up(
        &self,
        name: String,
        real: BoxFuture<'static, Option<Vec<IpAddr>>>,
    ) -> BoxFuture<'static, Option<Vec<IpAddr>>>;

    /// Connects. What is returned is any stream socket that does not block.
    fn connect(
        &self,
        destination: SocketAddr,
        real: BoxFuture<'static, io::Result<TcpStream>>,
    ) -> BoxFuture<'static, io::Result<TcpStream>>;

    /// Sends datagrams to a destination, and gets those that come from there. `real` is connected already. What is returned
    /// is any socket that keeps the ends of messages and does not block.
    ///
    /// # Errors
    ///
    /// There is no socket.
    fn associate(&self, destination: SocketAddr, real: OwnedFd) -> io::Result<OwnedFd>;

    /// Connects for a plugin that has the host speak TLS. The connection is asked for what goes over it once it is
    /// deciphered.
    fn converse(
        &self,
        destination: SocketAddr,
        real: BoxFuture<'static, io::Result<Box<dyn ClientConnection>>>,
    ) -> BoxFuture<'static, io::Result<Box<dyn ClientConnection>>>;

    /// Exchanges a request, whose URI is whole, for a response.
    fn exchange(
        &self,
        request: Request<Bytes>,
        real: RealExchange,
    ) -> BoxFuture<'static, Result<Response<Bytes>, HttpFailure>>;
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFailure {
    /// The connection was refused.
    Refused,
    /// There is no such host.
    NoSuchHost,
    /// Nothing came in time.
    TimedOut,
    /// It broke off.
    BrokenOff,
    /// Anything else, in words.
    Other(String),
}

/// What would really be done with a request.
pub struct RealExchange {
    network: Network,
    options: RequestOptions,
    protocols: Protocols,
}

impl RealExchange {
    /// Does it.
    ///
    /// # Errors
    ///
    /// Why there is no response.
    pub async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpFailure> {
        let http = request.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync());
        let outgoing = Outgoing {
            http,
            is_streamed: false,
            protocols: self.protocols,
        };
        let answer = send_directly(self.network.direct(), outgoing, self.options).await;
        let (parts, mut body) = answer.map_err(failure)?.into_parts();
        let mut bytes = Vec::new();
        while bytes.len() < MAX_BODY {
            let Some(frame) = body.frame().await else { break };
            if let Ok(chunk) = frame.map_err(failure)?.into_data() {
                bytes.extend_from_slice(&chunk[..chunk.len().min(MAX_BODY - bytes.len())]);
            }
        }
        Ok(Response::from_parts(parts, bytes.into()))
    }
}

/// A connection that has yet to be made: a socket of the kernel's, or somebody's answer.
pub(super) enum Opening {
    Kernel(OwnedFd),
    Somebody(BoxFuture<'static, io::Result<TcpStream>>),
}

impl Opening {
    /// Connects it to what it was made for.
    pub(super) async fn connect(self, destination: SocketAddr) -> io::Result<TcpStream> {
        match self {
            Self::Kernel(socket) => connection::connect(socket, destination).await,
            Self::Somebody(answer) => answer.await,
        }
    }
}

impl Network {
    /// A socket for a destination that has been checked; if somebody stands between, it is theirs.
    pub(super) fn opening(&self, socket: OwnedFd, destination: SocketAddr) -> Opening {
        match &self.1 {
            None => Opening::Kernel(socket),
            Some(stand_in) => {
                let real = connection::connect(socket, destination);
                Opening::Somebody(stand_in.connect(destination, Box::pin(real)))
            }
        }
    }

    /// The same without whoever stands between.
    fn direct(&self) -> Self {
        Self(self.0.clone(), None)
    }
}

/// Sends a request by whoever stands between, if it may be sent at all.
pub(super) async fn exchange(
    stand_in: Arc<dyn NetworkStandIn>,
    network: Network,
    outgoing: Outgoing,
    options: RequestOptions,
) -> Result<Answer, Error> {
    let (host, port) = destination(outgoing.http.uri())?;
    for address in network.resolve(host).await.map_err(explain_dial)? {
        network.route(SocketAddr::new(address, port)).map_err(explain_dial)?;
    }
    let (parts, body) = outgoing.http.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map_err(|error| Error::InternalError(Some(error.to_string())))?;
    let real = RealExchange {
        network,
        options,
        protocols: outgoing.protocols,
    };
    let answer = stand_in
        .exchange(Request::from_parts(parts, body.to_bytes()), real)
        .await;
    let answer = answer.map_err(|failure| match failure {
        HttpFailure::Refused => Error::ConnectionRefused,
        HttpFailure::NoSuchHost => Error::DestinationNotFound,
        HttpFailure::TimedOut => Error::ConnectionTimeout,
        HttpFailure::BrokenOff => Error::ConnectionTerminated,
        HttpFailure::Other(text) => Error::InternalError(Some(text)),
    })?;
    Ok(answer.map(Driven::whole))
}

fn failure(error: Error) -> HttpFailure {
    match error {
        Error::ConnectionRefused => HttpFailure::Refused,
        Error::DestinationNotFound => HttpFailure::NoSuchHost,
        Error::ConnectionTimeout | Error::ConnectionReadTimeout => HttpFailure::TimedOut,
        Error::ConnectionTerminated => HttpFailure::BrokenOff,
        Error::InternalError(Some(text)) => HttpFailure::Other(text),
        other => HttpFailure::Other(other.to_string()),
    }
}
