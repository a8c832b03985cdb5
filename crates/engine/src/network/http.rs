//! wasi:http's requests, sent by ourselves: WASI's own sender dials past every check, keeps to public certificates and
//! knows no namespaces.
//!
//! Each request has a connection of its own, which is closed after it (A2.11). No proxy is ever used (A2.12). Of the
//! guest's own time limits the one between bytes is not observed: the run's deadline bounds everything.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::RecvStream;
use http::{
    HeaderName, HeaderValue, Request, Response, Uri,
    header::{CONNECTION, HOST, TRANSFER_ENCODING},
    uri::{PathAndQuery, Scheme},
};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time,
};
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use super::{
    DialError, Network,
    connection::Connection,
    http2, stand_in,
    tls::{self, Protocols},
};

/// Hyper's buffer for a response's headers: those of real services take a few kilobytes.
const MAX_HEADERS_BYTES: usize = 64 << 10;

pub(super) type Stream = Pin<Box<dyn Duplex>>;
/// A connection at work: it ends when the exchange is over.
pub(super) type Connecting = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
/// What WASI 0.3 wants to have driven; our bodies drive themselves.
type Driver = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Driver), Error>;
/// A response; its body holds the connection.
pub(super) type Answer = Response<Driven>;

pub(super) trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// A request.
pub(super) struct Outgoing {
    pub(super) http: Request<WasiBody>,
    /// Whether its body comes bit by bit, perhaps while the response is not waited for.
    pub(super) is_streamed: bool,
    /// What the server is offered.
    pub(super) protocols: Protocols,
}

/// A run's way to send requests, for components of WASI 0.3; those of 0.2 have theirs in `outgoing`.
pub(crate) struct HttpSender(Option<Network>);

impl HttpSender {
    pub(crate) fn new(network: Option<Network>) -> Self {
        Self(network)
    }
}

impl WasiHttpHooks for HttpSender {
    /// Everything is the guest's to say, Host and Connection included, but for how the message is framed.
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        std::sync::Arc::new(|name: &HeaderName| *name == TRANSFER_ENCODING)
    }

    /// It would be a second one beside the guest's own.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        http: Request<WasiBody>,
        options: Option<RequestOptions>,
        _result: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let network = self.0.clone();
        Box::new(async move {
            let network = network.ok_or(Error::HttpRequestDenied)?;
            let request = Outgoing {
                is_streamed: !http.body().is_end_stream(),
                protocols: Protocols::Http1,
                http,
            };
            let answer = send(network, request, options.unwrap_or_default()).await?;
            let driver: Driver = Box::new(async { Ok(()) });
            Ok((answer.map(BodyExt::boxed_unsync), driver))
        })
    }
}

/// The body of a request without one.
pub(super) fn no_body() -> WasiBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Sends a request and waits for the response's headers.
pub(super) async fn send(network: Network, request: Outgoing, options: RequestOptions) -> Result<Answer, Error> {
    match network.1.clone() {
        Some(stand_in) => Box::pin(stand_in::exchange(stand_in, network, request, options)).await,
        None => send_directly(network, request, options).await,
    }
}

/// The same, whoever stands between.
pub(super) async fn send_directly(
    network: Network,
    Outgoing {
        mut http,
        is_streamed,
        protocols,
    }: Outgoing,
    options: RequestOptions,
) -> Result<Answer, Error> {
    // The handles of WASI 0.3's streams are more than the connections may be.
    let place = network.place().ok_or(Error::ConnectionLimitReached)?;
    let authority = http.uri().authority().ok_or(Error::HttpRequestUriInvalid)?.clone();
    let is_tls = http.uri().scheme() == Some(&Scheme::HTTPS);
    let (host, port) = destination(http.uri())?;

    let connect = connect(&network, host, port, is_tls, protocols);
    let connected = within(options.connect_timeout, connect).await;
    let (stream, is_http2) = connected.unwrap_or(Err(Error::ConnectionTimeout))?;
    if is_http2 {
        return http2::send(stream, http, place).await;
    }
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(MAX_HEADERS_BYTES)
        .handshake::<_, WasiBody>(TokioIo::new(stream))
        .await
        .map_err(explain)?;

    let headers = http.headers_mut();
    if !headers.contains_key(HOST) {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Error::HttpRequestUriInvalid)?;
        headers.insert(HOST, host);
    }
    headers.entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
    *http.uri_mut() = origin_form(http.uri())?;

    let connection = async move {
        // The run is not over while this holds its place.
        let _place = place;
        connection.await.map_err(explain)
    };
    let connection: Connecting = if is_streamed {
        Box::pin(spawn(connection))
    } else {
        Box::pin(connection)
    };
    let response = sender.send_request(http);
    let response = async { Ok(response.await.map_err(explain)?.map(Received::Http1)) };
    let respond = respond(response, connection);
    let responded = within(options.first_byte_timeout, respond).await;
    responded.unwrap_or(Err(Error::ConnectionReadTimeout))
}

/// None: the time was over first.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}

/// Opens a connection. True: it is one of HTTP/2.
async fn connect(
    network: &Network,
    host: &str,
    port: u16,
    is_tls: bool,
    protocols: Protocols,
) -> Result<(Stream, bool), Error> {
    let stream = Connection::new(network.dial(host, port).await.map_err(explain_dial)?);
    if is_tls {
        let stream = tls::connect(host, stream, protocols, network.verifies_tls())
            .await
            .map_err(explain_tls)?;
        let is_http2 = tls::is_http2(&stream);
        return Ok((Box::pin(stream), is_http2));
    }
    Ok((Box::pin(stream), protocols == Protocols::Http2))
}

/// What goes into the request's first line of the whole URL.
fn origin_form(uri: &Uri) -> Result<Uri, Error> {
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder()
        .path_and_query(path)
        .build()
        .map_err(|_| Error::HttpRequestUriInvalid)
}

/// Waits for the response's headers, while driving the connection.
pub(super) async fn respond(
    response: impl Future<Output = Result<Response<Received>, Error>>,
    mut connection: Connecting,
) -> Result<Answer, Error> {
    tokio::pin!(response);
    let (response, connection) = tokio::select! {
        biased;
        response = &mut response => (response?, Some(connection)),
        ended = &mut connection => {
            ended?;
            (response.await?, None)
        }
    };
    Ok(response.map(|body| Driven { body, connection }))
}

/// A response's body, which drives its connection while it is read.
#[allow(unreachable_pub, reason = "generated bindings export it again")]
pub struct Driven {
    body: Received,
    connection: Option<Connecting>,
}

impl Driven {
    /// A body from who stands between, who has the connection if there is one.
    pub(super) fn of_stand_in(body: UnsyncBoxBody<Bytes, Error>) -> Self {
        Self {
            body: Received::StandIn(body),
            connection: None,
        }
    }
}

/// A response's body as it comes.
pub(super) enum Received {
    Http1(Incoming),
    Http2(RecvStream),
    StandIn(UnsyncBoxBody<Bytes, Error>),
}

impl Body for Driven {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(connection) = &mut self.connection
            && connection.as_mut().poll(context).is_ready()
        {
            // What went wrong, if anything did, the body says too.
            self.connection = None;
        }
        match &mut self.body {
            Received::Http1(body) => Pin::new(body).poll_frame(context).map_err(explain),
            Received::Http2(body) => http2::poll_frame(body, context),
            Received::StandIn(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Received::Http1(body) => body.is_end_stream(),
            Received::Http2(body) => body.is_end_stream(),
            Received::StandIn(body) => body.is_end_stream(),
        }
    }
}

/// Host and port of a URL: an IPv6 address without its brackets, and the scheme's own port where none is named.
pub(super) fn destination(uri: &Uri) -> Result<(&str, u16), Error> {
    let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    Ok((host, authority.port_u16().unwrap_or(default)))
}

pub(super) fn explain_dial(error: DialError) -> Error {
    match error {
        DialError::NotGranted => Error::DestinationIpProhibited,
        DialError::NoSuchHost => Error::DestinationNotFound,
        DialError::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
            io::ErrorKind::TimedOut => Error::ConnectionTimeout,
            // The other side was faster than the look at what became of the connection.
            io::ErrorKind::ConnectionReset => Error::ConnectionTerminated,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
            _ => Error::InternalError(Some(format!("dial tcp: {error}"))),
        },
    }
}

fn explain_tls(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::HttpResponseIncomplete,
        io::ErrorKind::ConnectionReset => Error::ConnectionTerminated,
        // Go's words: servers of the wrong kind are common, and this names the way out.
        _ if tls::is_not_tls(&error) => {
            Error::InternalError(Some("http: server gave HTTP response to HTTPS client".to_owned()))
        }
        _ => Error::InternalError(Some(format!("tls: {error}"))),
    }
}

fn explain(error: hyper::Error) -> Error {
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => Error::ConnectionTerminated,
        Some(io::ErrorKind::UnexpectedEof) => Error::HttpResponseIncomplete,
        _ if error.is_incomplete_message() || error.is_canceled() => Error::HttpResponseIncomplete,
        _ if error.is_parse() => Error::InternalError(Some(format!(
            "net/http: HTTP/1.x transport connection broken: malformed HTTP response ({error})"
        ))),
        _ => Error::InternalError(Some(error.to_string())),
    }
}
