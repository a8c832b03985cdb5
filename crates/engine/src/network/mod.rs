//! A run's network: where it may connect to, and sockets that are made in the namespace that their destination belongs
//! to.
//!
//! A socket belongs to the namespace of the thread that makes it, and to no other for as long as it lives. So the
//! destination decides first, and then one short synchronous section makes the socket; connecting and everything after
//! it may happen on any thread.

mod http;
mod sockets;
mod stream;
mod tls;
mod trace;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    sync::Semaphore,
};

use crate::NetworkGrant;

pub(crate) use http::HttpSender;
pub(crate) use sockets::add_to_linker;
pub(crate) use trace::{Residue, Trace};

/// Of a name with more addresses the first ones are used.
const MAX_ADDRESSES: usize = 8;

/// Look-ups under way. They occupy threads that nothing can end before the system's resolver gives up, which makes
/// them the one thing of a run that may outlive it.
static LOOKUPS: Semaphore = Semaphore::const_new(32);

/// What one run may connect to. A clone is the same run's.
#[derive(Clone)]
pub(crate) struct Network(Arc<Inner>);

struct Inner {
    grant: NetworkGrant,
    /// What the granted names were found to be.
    resolved: Mutex<Vec<IpAddr>>,
    /// Why the first thing that was not granted was not, for the message.
    refused: Mutex<Option<String>>,
    _trace: Trace,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum DialError {
    NotGranted,
    NoSuchHost,
    Io(io::Error),
}

/// Where a socket is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// In the pod's namespace.
    Pod,
    /// In the host's, as the kubelet's.
    Node,
}

impl Network {
    pub(crate) fn new(grant: NetworkGrant, trace: Trace) -> Self {
        Self(Arc::new(Inner {
            grant,
            resolved: Mutex::default(),
            refused: Mutex::default(),
            _trace: trace,
        }))
    }

    /// Why the first thing that was refused was refused, and what would grant it.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, why: String) -> DialError {
        self.0
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(why);
        DialError::NotGranted
    }

    fn refuse_destination(&self, destination: &str) -> DialError {
        self.refuse(format!(
            "only the pod's own addresses may be connected to; to grant {destination}, add to the handler:\n\
             wasm:\n  allow:\n    network: [\"{destination}\"]"
        ))
    }

    /// HTTPS goes unverified where that is granted, and not at all where it is not.
    fn check_tls(&self) -> Result<(), DialError> {
        if self.0.grant.tls_unverified {
            return Ok(());
        }
        Err(self.refuse("HTTPS goes without a check of the server's certificate, which is not granted".to_owned()))
    }

    /// The addresses of a host that may be connected to. Names are looked up by the host, as for the kubelet.
    pub(crate) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, DialError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let is_granted = self
            .0
            .grant
            .hosts
            .iter()
            .any(|granted| granted.eq_ignore_ascii_case(host));
        let addresses = if host.eq_ignore_ascii_case("localhost") && (is_granted || self.0.grant.namespace.is_some()) {
            vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
        } else if is_granted {
            let _permit = LOOKUPS.acquire().await;
            let found = lookup_host((host, 0)).await.map_err(|_| DialError::NoSuchHost)?;
            found
                .map(|address| address.ip().to_canonical())
                .take(MAX_ADDRESSES)
                .collect()
        } else {
            return Err(self.refuse_destination(host));
        };
        self.0
            .resolved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(&addresses);
        Ok(addresses)
    }

    /// Makes a socket for a destination, where it belongs.
    pub(crate) fn socket(&self, destination: SocketAddr) -> Result<TcpSocket, DialError> {
        let Some(route) = self.route(destination.ip()) else {
            return Err(self.refuse_destination(&destination.to_string()));
        };
        let make = || {
            if destination.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }
        };
        let socket = match (route, &self.0.grant.namespace) {
            (Route::Pod, Some(namespace)) => {
                let mut socket = None;
                namespace.run(&mut || socket = Some(make())).map_err(DialError::Io)?;
                socket.unwrap_or_else(|| Err(io::Error::other("the pod's network namespace was not entered")))
            }
            (Route::Pod, None) | (Route::Node, _) => make(),
        };
        socket.map_err(DialError::Io)
    }

    /// Connects to the first of a host's addresses that answers.
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let mut last = DialError::NoSuchHost;
        for address in self.resolve(host).await? {
            let destination = SocketAddr::new(address, port);
            let socket = self.socket(destination)?;
            match socket.connect(destination).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = DialError::Io(error),
            }
        }
        Err(last)
    }

    /// The pod's own addresses and its loopback belong to the pod's namespace, whoever grants them; everything else
    /// needs a grant. Without a namespace of its own the pod's loopback is the node's, which a probe must not reach
    /// unless the manifest names it (A2.31).
    fn route(&self, address: IpAddr) -> Option<Route> {
        let address = address.to_canonical();
        let grant = &self.0.grant;
        if address.is_unspecified() {
            return None;
        }
        if grant.pod_addresses.contains(&address) || (address.is_loopback() && grant.namespace.is_some()) {
            return Some(Route::Pod);
        }
        let is_named = grant.hosts.iter().any(|host| host.parse() == Ok(address));
        let is_resolved = || {
            self.0
                .resolved
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&address)
        };
        (is_named || is_resolved()).then_some(Route::Node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NetworkNamespace;

    struct Here;

    impl NetworkNamespace for Here {
        fn run(&self, section: &mut dyn FnMut()) -> io::Result<()> {
            section();
            Ok(())
        }
    }

    fn network(has_namespace: bool, hosts: &[&str]) -> Network {
        let grant = NetworkGrant {
            namespace: has_namespace.then(|| Arc::new(Here) as Arc<dyn NetworkNamespace>),
            pod_addresses: vec![IpAddr::from([10, 88, 0, 2])],
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            tls_unverified: false,
        };
        Network::new(grant, Trace::new().0)
    }

    fn route(network: &Network, address: &str) -> Option<Route> {
        network.route(address.parse().expect("an address"))
    }

    #[test]
    fn a_pod_reaches_itself_and_what_is_granted() {
        let network = network(true, &["192.0.2.7"]);
        assert_eq!(route(&network, "10.88.0.2"), Some(Route::Pod));
        assert_eq!(route(&network, "::ffff:10.88.0.2"), Some(Route::Pod));
        assert_eq!(route(&network, "127.0.0.1"), Some(Route::Pod));
        assert_eq!(route(&network, "::1"), Some(Route::Pod));
        assert_eq!(route(&network, "192.0.2.7"), Some(Route::Node));
        assert_eq!(route(&network, "192.0.2.8"), None);
        assert_eq!(route(&network, "10.88.0.3"), None);
        assert_eq!(route(&network, "0.0.0.0"), None);
        assert_eq!(route(&network, "::"), None);
    }

    #[test]
    fn a_granted_loopback_is_the_pods() {
        assert_eq!(route(&network(true, &["127.0.0.1"]), "127.0.0.1"), Some(Route::Pod));
    }

    #[test]
    fn the_nodes_loopback_needs_a_grant() {
        assert_eq!(route(&network(false, &[]), "10.88.0.2"), Some(Route::Pod));
        assert_eq!(route(&network(false, &[]), "127.0.0.1"), None);
        assert_eq!(route(&network(false, &["127.0.0.1"]), "127.0.0.1"), Some(Route::Node));
    }

    #[tokio::test]
    async fn names_need_a_grant() {
        let network = network(true, &["localhost."]);
        assert!(matches!(
            network.resolve("example.org").await,
            Err(DialError::NotGranted)
        ));
        let refusal = network.refusal().expect("a refusal");
        assert!(refusal.contains("network: [\"example.org\"]"), "{refusal}");
    }

    #[tokio::test]
    async fn what_a_granted_name_stands_for_may_be_connected_to() {
        let network = network(false, &["LocalHost"]);
        assert_eq!(route(&network, "127.0.0.1"), None);
        let addresses = network.resolve("localhost").await.expect("addresses");
        assert_eq!(addresses[0], IpAddr::from([127, 0, 0, 1]));
        assert_eq!(route(&network, "127.0.0.1"), Some(Route::Node));
    }
}
