//! Questions and answers by UDP.

use std::time::Duration;

use super::{ConnectError, Endpoint, addresses, system};
use crate::Failure;

/// A socket that sends datagrams to one other side and gets those that come from there.
///
/// ```
/// use std::{net::UdpSocket, time::Duration};
/// use probelet_plugin::{net::Endpoint, testing::Host};
///
/// let server = UdpSocket::bind("127.0.0.1:0").unwrap();
/// let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: server.local_addr().unwrap().port() };
/// let thread = std::thread::spawn(move || {
///     let mut question = [0; 16];
///     let (length, client) = server.recv_from(&mut question).unwrap();
///     server.send_to(&question[..length], client).unwrap();
/// });
/// let answer = Host::default().run(|| {
///     let mut socket = endpoint.datagrams()?;
///     socket.send(b"who is there?")?;
///     socket.receive(Duration::from_secs(1))
/// });
/// assert_eq!(answer.unwrap().unwrap(), b"who is there?");
/// # thread.join().unwrap();
/// ```
pub struct Datagrams {
    socket: system::DatagramSocket,
    peer: String,
}

impl Endpoint {
    /// A socket for datagrams. Of a name with several addresses the first one counts: nobody knows whether somebody is
    /// there before an answer comes. One that is not granted is an error of the check.
    pub fn datagrams(&self) -> Result<Datagrams, Failure> {
        let peer = self.authority();
        let address = addresses(&self.host)?.into_iter().next();
        let address = address.ok_or_else(|| Failure::Unhealthy(format!("no such host: {}", self.host)))?;
        match system::datagrams((address, self.port).into()) {
            Ok(socket) => Ok(Datagrams { socket, peer }),
            Err(error) => Err(failure(&peer, error)),
        }
    }
}

impl Datagrams {
    /// Sends one.
    pub fn send(&mut self, datagram: &[u8]) -> Result<(), Failure> {
        self.socket.send(datagram).map_err(|error| failure(&self.peer, error))
    }

    /// Waits for one, for so long and no longer than the run's own time; none if none came.
    pub fn receive(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, Failure> {
        match self.socket.receive(patience.min(crate::time_left())) {
            Ok(datagram) => Ok(Some(datagram)),
            Err(ConnectError::TimedOut) => Ok(None),
            Err(error) => Err(failure(&self.peer, error)),
        }
    }
}

fn failure(peer: &str, error: ConnectError) -> Failure {
    match error {
        ConnectError::NotGranted => Failure::Errored(format!("sending to {peer} is not granted")),
        ConnectError::TimedOut => Failure::Unhealthy(format!("{peer} takes nothing")),
        ConnectError::Failed(reason) => Failure::Unhealthy(format!("{peer}: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::testing::Host;

    #[test]
    fn silence_is_none_and_a_closed_port_a_failure() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = server.local_addr().expect("an address").port();
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port,
        };
        let ask = || {
            Host::default().run(|| {
                let mut socket = endpoint.datagrams()?;
                socket.send(b"?")?;
                socket.receive(Duration::from_millis(20))
            })
        };
        assert_eq!(ask(), Ok(None));
        drop(server);
        let failure = ask().expect_err("nobody is there");
        assert_eq!(failure.message(), format!("127.0.0.1:{port}: connection refused"));
    }
}
