//! Connections by `probelet:tls/client`.

use std::io::{self, Read, Write};

use super::{Error, Options, Session, io_error};
use crate::bindings::tls::probelet::tls::client;

/// An open connection. Dropping it closes it.
pub struct Connection {
    connection: client::Connection,
}

pub(super) fn connect(host: &str, port: u16) -> Result<Connection, Error> {
    let connection = client::Connection::connect(host, port)?;
    Ok(Connection { connection })
}

impl Connection {
    /// Begins TLS on it. If that fails, it is of no more use.
    pub fn start_tls(&mut self, options: &Options) -> Result<Session, Error> {
        self.connection.start_tls(options)
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let limit = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let read = self.connection.read(limit).map_err(io_error)?;
        let count = read.len().min(buffer.len());
        buffer[..count].copy_from_slice(&read[..count]);
        Ok(count)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.write(bytes).map_err(io_error)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
