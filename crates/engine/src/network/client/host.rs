//! The imported interface itself.

use std::{future::Future, io};

use tokio::time;
use wasmtime::component::Resource;

use super::{ClientConnection, PeerCertificate, TlsFailure, TlsOptions, TlsSession};
use crate::{
    bindings::tls::probelet::tls::client::{Certificate, Error, Host, HostConnection, Options, Session},
    network::{DialError, sockets::network},
    state::RunState,
};

/// A guest's connection.
#[allow(unreachable_pub, reason = "generated bindings export it again")]
pub struct Held {
    connection: Box<dyn ClientConnection>,
    /// What was connected to: the server's name, unless another one is given.
    host: String,
}

impl Host for RunState {}

impl HostConnection for RunState {
    async fn connect(&mut self, host: String, port: u16) -> wasmtime::Result<Result<Resource<Held>, Error>> {
        let (network, deadline) = (network(self)?, self.context.soft_deadline);
        let connecting = async { network.converse(&host, port, deadline).await.map_err(dial_error) };
        let connection = match until(deadline, connecting).await {
            Ok(connection) => connection,
            Err(error) => return Ok(Err(error)),
        };
        Ok(Ok(self.table.push(Held { connection, host })?))
    }

    async fn start_tls(
        &mut self,
        connection: Resource<Held>,
        options: Options,
    ) -> wasmtime::Result<Result<Session, Error>> {
        let deadline = self.context.soft_deadline;
        let held = self.table.get_mut(&connection)?;
        let options = TlsOptions {
            server_name: options.server_name.unwrap_or_else(|| held.host.clone()),
            authorities: options.authorities,
            unverified: options.unverified,
            alpn: options.alpn,
        };
        let begin = held.connection.start_tls(options);
        let begin = async { begin.await.map(session).map_err(tls_error) };
        Ok(until(deadline, begin).await)
    }

    async fn read(&mut self, connection: Resource<Held>, limit: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let deadline = self.context.soft_deadline;
        let read = self.table.get_mut(&connection)?.connection.read(limit as usize);
        let read = async { read.await.map_err(io_error) };
        Ok(until(deadline, read).await)
    }

    async fn write(&mut self, connection: Resource<Held>, content: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        let deadline = self.context.soft_deadline;
        let write = self.table.get_mut(&connection)?.connection.write(content);
        let write = async { write.await.map_err(io_error) };
        Ok(until(deadline, write).await)
    }

    async fn drop(&mut self, connection: Resource<Held>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

/// The plugin's own deadline: what it waits for is over a moment before the run is.
async fn until<T>(deadline: std::time::Instant, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    time::timeout_at(deadline.into(), call)
        .await
        .unwrap_or(Err(Error::TimedOut))
}

fn dial_error(error: DialError) -> Error {
    match error {
        DialError::NotGranted => Error::NotGranted,
        DialError::NoSuchHost => Error::NoSuchHost,
        DialError::Io(error) => io_error(error),
    }
}

fn tls_error(failure: TlsFailure) -> Error {
    match failure {
        TlsFailure::Untrusted(why) => Error::Untrusted(why),
        TlsFailure::Disagreed(why) => Error::Tls(why),
        TlsFailure::Impossible(why) => Error::Failed(why),
        TlsFailure::Io(error) => io_error(error),
    }
}

fn io_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::Refused,
        io::ErrorKind::TimedOut => Error::TimedOut,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Error::Failed("the server broke off the connection".to_owned())
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Error::Failed("no route to host".to_owned())
        }
        _ => Error::Failed(error.to_string()),
    }
}

fn session(session: TlsSession) -> Session {
    Session {
        protocol: session.protocol,
        cipher_suite: session.cipher_suite,
        alpn: session.alpn,
        certificates: session.certificates.into_iter().map(certificate).collect(),
        untrusted: session.untrusted,
    }
}

fn certificate(certificate: PeerCertificate) -> Certificate {
    let PeerCertificate {
        subject,
        issuer,
        serial,
        names,
        not_before,
        not_after,
        der,
    } = certificate;
    Certificate {
        subject,
        issuer,
        serial,
        names,
        not_before,
        not_after,
        der,
    }
}
