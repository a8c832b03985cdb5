//! Connections by TCP and datagrams by UDP, into the pod's network or to what the manifest grants, that end with the run's
//! time.
//!
//! ```
//! use std::net::TcpListener;
//! use probelet_plugin::{net, testing::Host};
//!
//! let listener = TcpListener::bind("127.0.0.1:0").unwrap();
//! let port = listener.local_addr().unwrap().port();
//! Host::default().run(|| net::connect("127.0.0.1", port)).unwrap();
//!
//! drop(listener);
//! let failure = Host::default().run(|| net::connect("127.0.0.1", port)).err().unwrap();
//! assert_eq!(failure.to_string(), format!("cannot connect to 127.0.0.1:{port}: connection refused"));
//! ```

mod datagrams;
#[cfg(not(target_family = "wasm"))]
mod native;
mod port;
#[cfg(target_family = "wasm")]
mod wasi;

use std::net::{IpAddr, SocketAddr};

#[cfg(not(target_family = "wasm"))]
use native as system;
#[cfg(target_family = "wasm")]
use wasi as system;

pub use datagrams::Datagrams;
pub use port::Port;
pub use system::Connection;

use crate::{Failure, context, lines::Conversation, time_left, timeout_text, within};

/// The longest datagram.
#[cfg(not(target_family = "wasm"))]
const MAX_DATAGRAM: usize = 64 << 10;
/// No more addresses of one name are tried.
const MAX_ADDRESSES: usize = 8;

/// Where a check connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// An address or a name.
    pub host: String,
    /// The port's number.
    pub port: u16,
}

impl Endpoint {
    /// What a configuration says: the pod's own address and the port `default`, unless it says otherwise.
    pub fn new(host: Option<&str>, port: Option<&Port>, default: u16) -> Result<Self, Failure> {
        let host = match host {
            Some(host) => host.to_owned(),
            None => context::address().ok_or_else(|| Failure::Errored("the pod has no address yet".to_owned()))?,
        };
        let port = port.map_or(Ok(default), Port::number)?;
        Ok(Self { host, port })
    }

    /// Host and port as URLs and messages have them: `10.0.0.7:80`, `[fd00::7]:80`.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Opens a connection for a conversation.
    pub fn converse(&self) -> Result<Conversation<Connection>, Failure> {
        let connection = connect(&self.host, self.port)?;
        Ok(Conversation::new(connection, self.authority()))
    }
}

/// Opens a connection. Of a name with several addresses one that answers is enough: each may take its part of the time.
///
/// A server that does not answer is unhealthy. A connection that is not granted is an error of the check.
pub fn connect(host: &str, port: u16) -> Result<Connection, Failure> {
    let authority = Endpoint {
        host: host.to_owned(),
        port,
    }
    .authority();
    let addresses = addresses(host)?;
    let addresses = &addresses[..addresses.len().min(MAX_ADDRESSES)];
    let mut last = ConnectError::Failed("it has no addresses".to_owned());
    for (at, address) in addresses.iter().enumerate() {
        let others = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        match within(time_left() / others, || {
            system::connect(SocketAddr::new(*address, port))
        }) {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(match last {
        ConnectError::NotGranted => Failure::Errored(format!("connecting to {authority} is not granted")),
        ConnectError::TimedOut => Failure::Unhealthy(format!(
            "cannot connect to {authority}: no answer within {}",
            timeout_text()
        )),
        ConnectError::Failed(reason) => Failure::Unhealthy(format!("cannot connect to {authority}: {reason}")),
    })
}

/// The address that a host is, or those that it has.
fn addresses(host: &str) -> Result<Vec<IpAddr>, Failure> {
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![address]),
        Err(_) => lookup(host),
    }
}

/// The addresses that a name has for the host, at least one. A name that has none is unhealthy.
pub fn lookup(name: &str) -> Result<Vec<IpAddr>, Failure> {
    match system::lookup(name) {
        Ok(addresses) if addresses.is_empty() => Err(Failure::Unhealthy(format!("no such host: {name}"))),
        Ok(addresses) => Ok(addresses),
        Err(ConnectError::NotGranted) => Err(Failure::Errored(format!("looking up {name} is not granted"))),
        Err(ConnectError::TimedOut) => Err(Failure::Unhealthy(format!(
            "cannot look up {name}: no answer within {}",
            timeout_text()
        ))),
        Err(ConnectError::Failed(reason)) => Err(Failure::Unhealthy(format!("cannot look up {name}: {reason}"))),
    }
}

/// Why there is no connection or no address.
// Without a host nothing is refused.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
enum ConnectError {
    NotGranted,
    TimedOut,
    Failed(String),
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener, time::Duration};

    use super::*;
    use crate::testing::Host;

    #[test]
    fn an_endpoint_is_the_pods_own_unless_told_otherwise() {
        let mut host = Host {
            address: Some("fd00::7".to_owned()),
            ..Host::default()
        };
        let endpoint = host.run(|| Endpoint::new(None, None, 80)).expect("an endpoint");
        assert_eq!(endpoint.authority(), "[fd00::7]:80");
        host.address = None;
        let failure = host.run(|| Endpoint::new(None, None, 80)).expect_err("no address");
        assert_eq!(failure, Failure::Errored("the pod has no address yet".to_owned()));
        let other = host.run(|| Endpoint::new(Some("db"), Some(&Port::Number(5432)), 80));
        assert_eq!(other.expect("an endpoint").authority(), "db:5432");
    }

    #[test]
    fn a_silent_server_is_waited_for_until_the_time_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut host = Host {
            timeout: Duration::from_millis(50),
            ..Host::default()
        };
        let failure = host.run(|| {
            let mut conversation = Endpoint::new(None, Some(&Port::Number(port)), 0)?.converse()?;
            conversation.line(10)
        });
        let expected = format!("127.0.0.1:{port} did not answer within 50ms");
        assert_eq!(failure, Err(Failure::Unhealthy(expected)));
    }

    #[test]
    fn what_a_server_says_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = std::thread::spawn(move || listener.accept().expect("a client").0.write_all(b"hello\n"));
        let line = Host::default().run(|| Endpoint::new(Some("localhost"), None, port)?.converse()?.line(10));
        assert_eq!(line.as_deref(), Ok("hello"));
        server.join().expect("no panic").expect("written");
    }
}
