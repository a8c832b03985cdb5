//! Connections by the standard library, for tests: TLS is what the test's host says of it.

use std::io::{self, Read, Write};

use super::{Error, Options, Session};
use crate::{Failure, net, testing::ask};

/// An open connection. Dropping it closes it.
pub struct Connection {
    connection: net::Connection,
}

pub(super) fn connect(host: &str, port: u16) -> Result<Connection, Error> {
    match net::connect(host, port) {
        Ok(connection) => Ok(Connection { connection }),
        Err(Failure::Unhealthy(text)) if text.ends_with("connection refused") => Err(Error::Refused),
        Err(failure) => Err(Error::Failed(failure.to_string())),
    }
}

impl Connection {
    /// Begins TLS on it, as the test's host says.
    pub fn start_tls(&mut self, _options: &Options) -> Result<Session, Error> {
        let said = ask(|host| host.tls.clone());
        said.unwrap_or_else(|| {
            Err(Error::Tls(
                "the test's host does not say what the server shows".to_owned(),
            ))
        })
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.connection.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }
}
