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
use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use wasmtime_wasi_http::{Error, RequestOptions};

use super::{
    Network,
    client::ClientConnection,
    connection,
    http::{Answer, Driven, Outgoing, destination, explain_dial, send_directly},
    tls::Protocols,
};

/// Of a request that somebody looks at the body has to be whole: more than any check sends.
const MAX_BODY: usize = 1 << 20;

/// A response's body as somebody hands it on: read as far as the run reads it.
pub type StandInBody = UnsyncBoxBody<Bytes, HttpFailure>;

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

    /// Exchanges a request, whose URI is whole, for a response. Who answers in place of the real server tells so by
    /// [`RealExchange::forgo`].
    fn exchange(
        &self,
        request: Request<Bytes>,
        real: RealExchange,
    ) -> BoxFuture<'static, Result<Response<StandInBody>, HttpFailure>>;
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
    /// The server closed the connection before it had said everything.
    Incomplete,
    /// Anything else, in words.
    Other(String),
}

/// What would really be done with a request.
pub struct RealExchange {
    network: Network,
    options: RequestOptions,
    protocols: Protocols,
    /// Where it would go first.
    first: SocketAddr,
}

impl RealExchange {
    /// Does it. The body is read from the server as it is read by who asked.
    ///
    /// # Errors
    ///
    /// Why there is no response.
    pub async fn send(self, request: Request<Bytes>) -> Result<Response<StandInBody>, HttpFailure> {
        let http = request.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync());
        let outgoing = Outgoing {
            http,
            is_streamed: false,
            protocols: self.protocols,
        };
        let answer = send_directly(self.network.direct(), outgoing, self.options).await;
        Ok(answer
            .map_err(failure)?
            .map(|body| body.map_err(failure).boxed_unsync()))
    }

    /// Leaves it: what was granted for it counts as used, as if it had been done.
    pub fn forgo(self) {
        self.network.use_grant(self.first);
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
    let addresses = network.resolve(host).await.map_err(explain_dial)?;
    // Dialling comes to those behind it only if this one does not answer, and asks for each anew.
    let first = addresses.first().ok_or(Error::DestinationNotFound)?;
    let first = SocketAddr::new(*first, port);
    network.may_reach(first).map_err(explain_dial)?;
    let (parts, body) = outgoing.http.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map_err(|error| Error::InternalError(Some(error.to_string())))?;
    let real = RealExchange {
        network,
        options,
        protocols: outgoing.protocols,
        first,
    };
    let answer = stand_in
        .exchange(Request::from_parts(parts, body.to_bytes()), real)
        .await;
    Ok(answer.map_err(error)?.map(|body| {
        let body = body.map_err(error).boxed_unsync();
        Driven::of_stand_in(body)
    }))
}

fn error(failure: HttpFailure) -> Error {
    match failure {
        HttpFailure::Refused => Error::ConnectionRefused,
        HttpFailure::NoSuchHost => Error::DestinationNotFound,
        HttpFailure::TimedOut => Error::ConnectionTimeout,
        HttpFailure::BrokenOff => Error::ConnectionTerminated,
        HttpFailure::Incomplete => Error::HttpResponseIncomplete,
        HttpFailure::Other(text) => Error::InternalError(Some(text)),
    }
}

fn failure(error: Error) -> HttpFailure {
    match error {
        Error::ConnectionRefused => HttpFailure::Refused,
        Error::DestinationNotFound => HttpFailure::NoSuchHost,
        Error::ConnectionTimeout | Error::ConnectionReadTimeout => HttpFailure::TimedOut,
        Error::ConnectionTerminated => HttpFailure::BrokenOff,
        Error::HttpResponseIncomplete => HttpFailure::Incomplete,
        Error::InternalError(Some(text)) => HttpFailure::Other(text),
        other => HttpFailure::Other(other.to_string()),
    }
}
