//! Reaching for other hosts, and never letting go of them.

use std::net::SocketAddr;

use probelet_plugin::{
    Verdict,
    wasip2::{
        http::{
            outgoing_handler,
            types::{Fields, FutureIncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme},
        },
        io::streams::{InputStream, OutputStream, StreamError},
        sockets::{
            instance_network::instance_network,
            ip_name_lookup::resolve_addresses,
            network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress},
            tcp::TcpSocket,
            tcp_create_socket::create_tcp_socket,
            udp_create_socket::create_udp_socket,
        },
    },
};
use serde::Deserialize;

/// What to do with a connection.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    /// Nothing.
    Leave,
    /// Read until there is nothing more.
    Read,
    /// Write until nobody takes more.
    Write,
    /// Ask again and again whether it is there.
    Spin,
    /// Give the connection back before its streams.
    DropFirst,
}

/// Where a request goes.
#[derive(Deserialize)]
pub(crate) struct Target {
    authority: String,
    path: String,
    #[serde(default)]
    https: bool,
}

/// What to do with a response.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reading {
    /// Wait for it.
    Wait,
    /// Read its body to the end.
    Body,
    /// Send a body without end first.
    Upload,
    /// Take its body twice.
    BodyTwice,
}

type Streams = (InputStream, OutputStream);

/// Connects to an address with a port.
pub(crate) fn open(host: &str) -> Result<(TcpSocket, Streams), ErrorCode> {
    let address: SocketAddr = host.parse().map_err(|_| ErrorCode::InvalidArgument)?;
    let family = if address.is_ipv4() {
        IpAddressFamily::Ipv4
    } else {
        IpAddressFamily::Ipv6
    };
    let socket = create_tcp_socket(family)?;
    socket.start_connect(&instance_network(), socket_address(address))?;
    loop {
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            Err(error) => return Err(error),
            Ok(streams) => return Ok((socket, streams)),
        }
    }
}

pub(crate) fn connect(host: &str, then: Then) -> Verdict {
    if let Then::Spin = then {
        return spin(host);
    }
    let (socket, (input, output)) = match open(host) {
        Ok(connection) => connection,
        Err(error) => return Verdict::unhealthy(format!("not connected: {error:?}")),
    };
    match then {
        Then::Leave | Then::Spin => Verdict::degraded(format!("connected to {host}")),
        Then::Read => read(&input),
        Then::Write => loop {
            if let Err(error) = output.blocking_write_and_flush(&[b'x'; 4096]) {
                return Verdict::unhealthy(format!("not written: {error:?}"));
            }
        },
        Then::DropFirst => {
            drop(socket);
            read(&input)
        }
    }
}

fn spin(host: &str) -> Verdict {
    let (Ok(address), Ok(socket)) = (host.parse(), create_tcp_socket(IpAddressFamily::Ipv4)) else {
        return Verdict::unhealthy("no socket");
    };
    let started = socket.start_connect(&instance_network(), socket_address(address));
    loop {
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) => {}
            other => return Verdict::unhealthy(format!("{started:?} {:?}", other.err())),
        }
    }
}

fn read(input: &InputStream) -> Verdict {
    let mut bytes = 0;
    loop {
        match input.blocking_read(u64::MAX) {
            Ok(chunk) => bytes += chunk.len(),
            Err(StreamError::Closed) => return Verdict::degraded(format!("read {bytes} bytes")),
            Err(error) => return Verdict::unhealthy(format!("{error:?}")),
        }
    }
}

pub(crate) fn resolve(name: &str) -> Verdict {
    let stream = match resolve_addresses(&instance_network(), name) {
        Ok(stream) => stream,
        Err(error) => return Verdict::unhealthy(format!("not looked up: {error:?}")),
    };
    loop {
        match stream.resolve_next_address() {
            Err(ErrorCode::WouldBlock) => stream.subscribe().block(),
            Err(error) => return Verdict::unhealthy(format!("not looked up: {error:?}")),
            Ok(address) => return Verdict::degraded(format!("{address:?}")),
        }
    }
}

pub(crate) fn listen() -> Verdict {
    let Ok(socket) = create_tcp_socket(IpAddressFamily::Ipv4) else {
        return Verdict::unhealthy("no socket");
    };
    let any = socket_address(SocketAddr::from(([0, 0, 0, 0], 0)));
    let tried = [
        socket.start_bind(&instance_network(), any),
        socket.finish_bind(),
        socket.start_listen(),
        socket.finish_listen(),
        socket.accept().map(drop),
    ];
    match tried.iter().any(Result::is_ok) {
        true => Verdict::degraded("it listens"),
        false => Verdict::unhealthy(format!("it does not listen: {:?}", tried[0])),
    }
}

pub(crate) fn datagram(host: &str) -> Verdict {
    let socket = match create_udp_socket(IpAddressFamily::Ipv4) {
        Ok(socket) => socket,
        Err(error) => return Verdict::unhealthy(format!("no datagrams: {error:?}")),
    };
    let any = socket_address(SocketAddr::from(([0, 0, 0, 0], 0)));
    let bound = socket
        .start_bind(&instance_network(), any)
        .and_then(|()| socket.finish_bind());
    let remote = host.parse().ok().map(socket_address);
    match bound.and_then(|()| socket.stream(remote)) {
        Ok(_) => Verdict::degraded("it sends datagrams"),
        Err(error) => Verdict::unhealthy(format!("no datagrams: {error:?}")),
    }
}

fn outgoing(authority: &str, path: &str, scheme: &Scheme) -> Result<OutgoingRequest, String> {
    let request = OutgoingRequest::new(Fields::new());
    let said = request
        .set_scheme(Some(scheme))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(path)));
    said.map_err(|()| "no such URL".to_owned())?;
    Ok(request)
}

/// Sends a request without a body.
pub(crate) fn send(authority: &str, path: &str) -> Result<FutureIncomingResponse, String> {
    let request = outgoing(authority, path, &Scheme::Http)?;
    outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))
}

pub(crate) fn request(target: &Target, then: Reading) -> Verdict {
    match exchange(target, &then) {
        Ok(verdict) => verdict,
        Err(error) => Verdict::unhealthy(format!("no response: {error}")),
    }
}

fn exchange(target: &Target, then: &Reading) -> Result<Verdict, String> {
    let scheme = if target.https { Scheme::Https } else { Scheme::Http };
    let request = outgoing(&target.authority, &target.path, &scheme)?;
    let upload = match then {
        Reading::Upload => {
            request.set_method(&Method::Post).map_err(|()| "no POST")?;
            Some(request.body().map_err(|()| "no body")?)
        }
        _ => None,
    };
    let response = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
    if let Some(body) = upload {
        endless(&body)?;
    }
    response.subscribe().block();
    let response = match response.get() {
        Some(Ok(Ok(response))) => response,
        other => return Err(format!("{other:?}")),
    };
    let body = response.consume().map_err(|()| "no body")?;
    Ok(match then {
        Reading::Wait | Reading::Upload => Verdict::degraded(format!("got {}", response.status())),
        Reading::Body => read(&body.stream().map_err(|()| "no stream")?),
        Reading::BodyTwice => match response.consume() {
            Ok(_) => Verdict::degraded("got it twice"),
            Err(()) => Verdict::unhealthy("not given twice"),
        },
    })
}

fn endless(body: &OutgoingBody) -> Result<(), String> {
    let stream = body.write().map_err(|()| "no stream")?;
    loop {
        stream
            .blocking_write_and_flush(&[b'x'; 4096])
            .map_err(|error| format!("{error:?}"))?;
    }
}

fn socket_address(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(address) => {
            let [a, b, c, d] = address.ip().octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress {
                port: address.port(),
                address: (a, b, c, d),
            })
        }
        SocketAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.ip().segments();
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: address.port(),
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: 0,
            })
        }
    }
}
