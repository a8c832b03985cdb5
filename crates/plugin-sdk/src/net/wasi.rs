//! Connections by `wasi:sockets`.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use wasip2::{
    clocks::monotonic_clock::subscribe_duration,
    io::poll::poll,
    io::streams::{InputStream, OutputStream, StreamError},
    sockets::{
        instance_network::instance_network,
        ip_name_lookup::resolve_addresses,
        network::{ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress},
        tcp::TcpSocket,
        tcp_create_socket::create_tcp_socket,
        udp::{IncomingDatagramStream, OutgoingDatagram, OutgoingDatagramStream, UdpSocket},
        udp_create_socket::create_udp_socket,
    },
};

use super::ConnectError;
use crate::wait;

/// An open connection. Dropping it closes it.
pub struct Connection {
    // In this order: a stream has to go before its socket.
    input: InputStream,
    output: OutputStream,
    _socket: TcpSocket,
}

impl From<ErrorCode> for ConnectError {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::AccessDenied => Self::NotGranted,
            ErrorCode::Timeout => Self::TimedOut,
            ErrorCode::ConnectionRefused => Self::Failed("connection refused".to_owned()),
            ErrorCode::RemoteUnreachable => Self::Failed("no route to host".to_owned()),
            ErrorCode::NameUnresolvable => Self::Failed("no such host".to_owned()),
            other => Self::Failed(other.name().replace('-', " ")),
        }
    }
}

fn destination(address: SocketAddr) -> (IpAddressFamily, IpSocketAddress) {
    match address {
        SocketAddr::V4(address) => (IpAddressFamily::Ipv4, v4(address)),
        SocketAddr::V6(address) => (IpAddressFamily::Ipv6, v6(address)),
    }
}

/// A socket for datagrams.
pub(super) struct DatagramSocket {
    // In this order: a stream has to go before its socket.
    incoming: IncomingDatagramStream,
    outgoing: OutgoingDatagramStream,
    _socket: UdpSocket,
}

pub(super) fn datagrams(address: SocketAddr) -> Result<DatagramSocket, ConnectError> {
    let (family, address) = destination(address);
    let socket = create_udp_socket(family)?;
    let (incoming, outgoing) = socket.stream(Some(address))?;
    Ok(DatagramSocket {
        incoming,
        outgoing,
        _socket: socket,
    })
}

impl DatagramSocket {
    pub(super) fn send(&mut self, datagram: &[u8]) -> Result<(), ConnectError> {
        let datagram = OutgoingDatagram {
            data: datagram.to_vec(),
            remote_address: None,
        };
        self.outgoing.check_send()?;
        match self.outgoing.send(&[datagram])? {
            0 => Err(ConnectError::TimedOut),
            _ => Ok(()),
        }
    }

    pub(super) fn receive(&mut self, patience: Duration) -> Result<Vec<u8>, ConnectError> {
        let patience = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        let timer = subscribe_duration(patience);
        loop {
            if let Some(datagram) = self.incoming.receive(1)?.pop() {
                return Ok(datagram.data);
            }
            let pollable = self.incoming.subscribe();
            if !poll(&[&pollable, &timer]).contains(&0) {
                return Err(ConnectError::TimedOut);
            }
        }
    }
}

pub(super) fn connect(address: SocketAddr) -> Result<Connection, ConnectError> {
    let (family, address) = destination(address);
    let socket = create_tcp_socket(family)?;
    socket.start_connect(&instance_network(), address)?;
    loop {
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) if wait(&socket.subscribe()) => {}
            Err(ErrorCode::WouldBlock) => return Err(ConnectError::TimedOut),
            Err(error) => return Err(error.into()),
            Ok((input, output)) => {
                return Ok(Connection {
                    input,
                    output,
                    _socket: socket,
                });
            }
        }
    }
}

fn v4(address: std::net::SocketAddrV4) -> IpSocketAddress {
    let [a, b, c, d] = address.ip().octets();
    IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: address.port(),
        address: (a, b, c, d),
    })
}

fn v6(address: std::net::SocketAddrV6) -> IpSocketAddress {
    let [a, b, c, d, e, f, g, h] = address.ip().segments();
    IpSocketAddress::Ipv6(Ipv6SocketAddress {
        port: address.port(),
        flow_info: address.flowinfo(),
        address: (a, b, c, d, e, f, g, h),
        scope_id: address.scope_id(),
    })
}

pub(super) fn lookup(name: &str) -> Result<Vec<IpAddr>, ConnectError> {
    let stream = resolve_addresses(&instance_network(), name)?;
    let mut addresses = Vec::new();
    loop {
        match stream.resolve_next_address() {
            Err(ErrorCode::WouldBlock) if wait(&stream.subscribe()) => {}
            Err(ErrorCode::WouldBlock) => return Err(ConnectError::TimedOut),
            Err(error) => return Err(error.into()),
            Ok(None) => return Ok(addresses),
            Ok(Some(IpAddress::Ipv4((a, b, c, d)))) => addresses.push(Ipv4Addr::new(a, b, c, d).into()),
            Ok(Some(IpAddress::Ipv6((a, b, c, d, e, f, g, h)))) => {
                addresses.push(Ipv6Addr::new(a, b, c, d, e, f, g, h).into());
            }
        }
        if addresses.len() == super::MAX_ADDRESSES {
            return Ok(addresses);
        }
    }
}

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

fn broken(error: &StreamError) -> io::Error {
    match error {
        StreamError::Closed => io::ErrorKind::BrokenPipe.into(),
        StreamError::LastOperationFailed(error) => io::Error::other(error.to_debug_string()),
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let read = match self.input.read(buffer.len() as u64) {
                Err(StreamError::Closed) => return Ok(0),
                read => read.map_err(|error| broken(&error))?,
            };
            if !read.is_empty() {
                let count = read.len().min(buffer.len());
                buffer[..count].copy_from_slice(&read[..count]);
                return Ok(count);
            }
            if !wait(&self.input.subscribe()) {
                return Err(timed_out());
            }
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let room = self.output.check_write().map_err(|error| broken(&error))?;
            let count = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            if count > 0 || bytes.is_empty() {
                self.output.write(&bytes[..count]).map_err(|error| broken(&error))?;
                return Ok(count);
            }
            if !wait(&self.output.subscribe()) {
                return Err(timed_out());
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush().map_err(|error| broken(&error))?;
        while self.output.check_write().map_err(|error| broken(&error))? == 0 {
            if !wait(&self.output.subscribe()) {
                return Err(timed_out());
            }
        }
        Ok(())
    }
}
