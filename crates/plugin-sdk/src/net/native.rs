//! Connections by the standard library, for tests.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
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
