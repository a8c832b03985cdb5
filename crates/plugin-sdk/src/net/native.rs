//! Connections by the standard library, for tests.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket},
    time::Duration,
};

use super::ConnectError;
use crate::time_left;

/// An open connection. Dropping it closes it.
pub struct Connection {
    stream: TcpStream,
}

/// What is left, and never nothing: a socket takes that for no limit at all.
fn patience() -> Duration {
    time_left().max(Duration::from_millis(1))
}

pub(super) fn connect(address: SocketAddr) -> Result<Connection, ConnectError> {
    match TcpStream::connect_timeout(&address, patience()) {
        Ok(stream) => Ok(Connection { stream }),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(ConnectError::TimedOut),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(ConnectError::Failed("connection refused".to_owned()))
        }
        Err(error) => Err(ConnectError::Failed(error.to_string())),
    }
}

/// A socket for datagrams.
pub(super) struct DatagramSocket {
    socket: UdpSocket,
}

pub(super) fn datagrams(address: SocketAddr) -> Result<DatagramSocket, ConnectError> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).map_err(|error| fault(&error))?;
    socket.connect(address).map_err(|error| fault(&error))?;
    Ok(DatagramSocket { socket })
}

impl DatagramSocket {
    pub(super) fn send(&mut self, datagram: &[u8]) -> Result<(), ConnectError> {
        self.socket.send(datagram).map(drop).map_err(|error| fault(&error))
    }

    pub(super) fn receive(&mut self, patience: Duration) -> Result<Vec<u8>, ConnectError> {
        let patience = patience.max(Duration::from_millis(1));
        self.socket
            .set_read_timeout(Some(patience))
            .map_err(|error| fault(&error))?;
        let mut buffer = vec![0; super::MAX_DATAGRAM];
        let length = self.socket.recv(&mut buffer).map_err(|error| fault(&error))?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

fn fault(error: &io::Error) -> ConnectError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ConnectError::TimedOut,
        io::ErrorKind::ConnectionRefused => ConnectError::Failed("connection refused".to_owned()),
        _ => ConnectError::Failed(error.to_string()),
    }
}

pub(super) fn lookup(name: &str) -> Result<Vec<IpAddr>, ConnectError> {
    match (name, 0).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.map(|address| address.ip()).collect()),
        Err(error) => Err(ConnectError::Failed(error.to_string())),
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(patience()))?;
        self.stream.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(patience()))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
