//! A run's network: where it may connect to, and sockets that are made in the namespace that their destination belongs
//! to.
//!
//! A socket belongs to the namespace of the thread that makes it, and to no other for as long as it lives. So the
//! destination decides first, and then one short synchronous section makes the socket; connecting and everything after
//! it may happen on any thread.

mod client;
mod concurrent;
mod connection;
mod datagrams;
mod destination;
mod exchange;
mod grpc;
mod http;
mod http2;
mod operation;
mod outgoing;
mod sockets;
mod stand_in;
mod stream;
mod tls;
mod trace;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};
use wasmtime::component::Linker;

use crate::{
    NetworkGrant,
    state::{MAX_RESOURCES, RunState},
    uses::{Grant, Uses, lines_that_grant, shown},
};

#[allow(unreachable_pub, reason = "generated bindings export it again")]
pub use client::Held;
pub(crate) use client::TLS_PREFIX;
pub use client::{ClientConnection, PeerCertificate, TlsFailure, TlsOptions, TlsSession};
pub(crate) use concurrent::add_to_linker as add_concurrent_to_linker;
use datagrams::Sent;
pub use destination::{Destination, Host};
pub(crate) use exchange::BUILTIN_PREFIX;
#[allow(unreachable_pub, reason = "generated bindings export it again")]
pub use http::Driven;
pub(crate) use http::HttpSender;
use stand_in::Opening;
pub use stand_in::{HttpFailure, NetworkStandIn, RealExchange, StandInBody};
pub(crate) use trace::Trace;

type Store<'a> = wasmtime::StoreContextMut<'a, RunState>;

/// Links TCP and UDP sockets, the look-up of names, HTTP requests, TLS, and the exchanges of the built-in components.
pub(crate) fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    sockets::add_to_linker(linker)?;
    datagrams::add_to_linker(linker)?;
    outgoing::add_to_linker(linker)?;
    client::add_to_linker(linker)?;
    exchange::add_to_linker(linker)
}

/// Of a name with more addresses the first ones are used.
const MAX_ADDRESSES: usize = 8;

/// Names that one run may look up.
const MAX_NAMES: usize = 32;

/// Look-ups under way. They occupy threads that nothing can end before the system's resolver gives up, which makes
/// them the one thing of a run that may outlive it. A quarter of the threads that the runtime has for blocking work: the
/// rest goes on where the resolver is silent.
static LOOKUPS: Semaphore = Semaphore::const_new(128);
/// Those of one run, threads that it has given up included: it must not keep all others from theirs.
const MAX_LOOKUPS: usize = 4;

/// What one run may connect to. A clone is the same run's.
#[derive(Clone)]
pub(crate) struct Network(Arc<Inner>, Option<Arc<dyn NetworkStandIn>>);

struct Inner {
    grant: NetworkGrant,
    uses: Uses,
    /// What the granted names were found to be; they stay that for the run.
    resolved: Mutex<Vec<Resolved>>,
    lookups: Arc<Semaphore>,
    places: Arc<Semaphore>,
    sent: Sent,
    _trace: Trace,
}

/// A place among the sockets that a run may have at once, and a trace of the run.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _network: Network,
}

/// An address that a name stands for.
#[derive(Clone)]
struct Resolved {
    name: String,
    address: IpAddr,
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
    pub(crate) fn new(grant: NetworkGrant, uses: Uses, trace: Trace) -> Self {
        let inner = Inner {
            grant,
            uses,
            resolved: Mutex::default(),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            places: Arc::new(Semaphore::new(MAX_RESOURCES)),
            sent: Sent::default(),
            _trace: trace,
        };
        Self(Arc::new(inner), None)
    }

    /// With somebody in between.
    pub(crate) fn with(self, stand_in: Option<Arc<dyn NetworkStandIn>>) -> Self {
        Self(self.0, stand_in)
    }

    /// For a socket that the run's table of resources does not hold; none if there are too many.
    pub(crate) fn place(&self) -> Option<Place> {
        Some(Place {
            _permit: Arc::clone(&self.0.places).try_acquire_owned().ok()?,
            _network: self.clone(),
        })
    }

    fn refuse(&self, destination: &str) -> DialError {
        let destination = &shown(destination);
        let why = format!(
            "only the pod's own addresses may be connected to; {}",
            lines_that_grant(&format!("network: [\"{destination}\"]"))
        );
        self.0.uses.refused(Grant::Network, destination, &why);
        DialError::NotGranted
    }

    /// A granted name stands for an address near the node, which is not granted by itself.
    fn refuse_private(&self, name: &str, address: IpAddr, port: u16) -> DialError {
        let destination = SocketAddr::new(address, port).to_string();
        let why = format!(
            "{name} is {address}, a private address, and those must be named themselves; {}",
            lines_that_grant(&format!("network: [\"{name}:{port}\", \"{destination}\"]"))
        );
        self.0.uses.refused(Grant::Network, &destination, &why);
        DialError::NotGranted
    }

    /// HTTPS goes unverified where that is granted; else the server's certificate is checked.
    fn verifies_tls(&self) -> bool {
        !self.0.grant.tls_unverified
    }

    /// The addresses of a host that may be connected to. Names are looked up by the host, as for the kubelet.
    pub(crate) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, DialError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let grant = &self.0.grant;
        let is_granted = grant.destinations.iter().any(|granted| granted.has_name(host));
        let addresses: Vec<IpAddr> =
            if host.eq_ignore_ascii_case("localhost") && (is_granted || grant.namespace.is_some()) {
                vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
            } else if is_granted {
                let real = Box::pin(self.clone().look_up(host.to_owned()));
                let found = match &self.1 {
                    Some(stand_in) => stand_in.look_up(host.to_owned(), real).await,
                    None => real.await,
                };
                found.ok_or(DialError::NoSuchHost)?
            } else {
                return Err(self.refuse(host));
            };
        let mut resolved = self.0.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        let known = addresses.iter().map(|&address| Resolved {
            name: host.to_owned(),
            address,
        });
        resolved.extend(known);
        resolved.truncate(MAX_NAMES * MAX_ADDRESSES);
        Ok(addresses)
    }

    /// Asks the system's resolver.
    async fn look_up(self, name: String) -> Option<Vec<IpAddr>> {
        let permits = (
            Arc::clone(&self.0.lookups).acquire_owned().await,
            LOOKUPS.acquire().await,
        );
        let ask = move || {
            // They are the thread's rather than the guest's, who may give up and ask again without end.
            let _permits = permits;
            (name.as_str(), 0).to_socket_addrs()
        };
        let found = spawn_blocking(ask).await.ok()?.ok()?;
        let addresses = found.map(|address| address.ip().to_canonical());
        Some(addresses.take(MAX_ADDRESSES).collect())
    }

    /// Makes a socket for a destination, where it belongs. It does not block.
    fn socket(&self, destination: SocketAddr) -> Result<Opening, DialError> {
        let socket = self.kernel_socket(SocketType::STREAM, destination)?;
        Ok(self.opening(socket, destination))
    }

    /// The kernel's socket alone, whoever stands between.
    fn kernel_socket(&self, kind: SocketType, destination: SocketAddr) -> Result<OwnedFd, DialError> {
        let route = self.route(destination)?;
        let family = if destination.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let make = || Ok(socket_with(family, kind, flags, None)?);
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

    /// Where a socket for a destination is made. It counts as a use of what grants it.
    fn route(&self, destination: SocketAddr) -> Result<Route, DialError> {
        let (route, used) = self.permit(destination)?;
        if let Some(used) = used {
            self.0.uses.granted(Grant::Network, &used);
        }
        Ok(route)
    }

    /// Whether a destination may be connected to. Only a refusal counts as a use.
    fn may_reach(&self, destination: SocketAddr) -> Result<(), DialError> {
        self.permit(destination).map(drop)
    }

    /// Counts a use of what grants a destination, without a socket.
    fn use_grant(&self, destination: SocketAddr) {
        // A refusal counts by itself.
        let _ = self.route(destination);
    }

    /// The pod's own addresses and its loopback belong to the pod's namespace, whoever grants them; everything else
    /// needs a grant, which is returned as it is counted. Without a namespace of its own the pod's loopback is the
    /// node's, which a probe must not reach unless the manifest names it (A2.31).
    fn permit(&self, destination: SocketAddr) -> Result<(Route, Option<String>), DialError> {
        let (address, port) = (destination.ip().to_canonical(), destination.port());
        let grant = &self.0.grant;
        let text = SocketAddr::new(address, port).to_string();
        if address.is_unspecified() {
            return Err(self.refuse(&text));
        }
        if grant.pod_addresses.contains(&address) || (address.is_loopback() && grant.namespace.is_some()) {
            return Ok((Route::Pod, None));
        }
        let granted = || grant.destinations.iter().filter(|granted| granted.has_port(port));
        if granted().any(|granted| granted.has_address(address)) {
            return Ok((Route::Node, Some(text)));
        }
        let names = self.names(address);
        let Some(name) = names.first() else {
            return Err(self.refuse(&text));
        };
        let mut by_name = granted().filter(|granted| names.iter().any(|name| granted.has_name(name)));
        let mut may_be_private = by_name.clone().filter(|granted| granted.private);
        if by_name.next().is_none() {
            return Err(self.refuse(&format!("{name}:{port}")));
        }
        if destination::is_private(address) && may_be_private.next().is_none() {
            return Err(self.refuse_private(name, address, port));
        }
        Ok((Route::Node, Some(format!("{name}:{port}"))))
    }

    /// The looked up names that stand for an address.
    fn names(&self, address: IpAddr) -> Vec<String> {
        let resolved = self.0.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = resolved.iter().filter(|known| known.address == address);
        of_address.map(|known| known.name.clone()).collect()
    }
}

/// How long an address may be waited for, of so many that are left, itself included: its part of the time, so that a silent
/// one leaves the others theirs. None for the last one, which has all.
fn share(deadline: Instant, left: usize) -> Option<Duration> {
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    (left > 1).then(|| deadline.saturating_duration_since(Instant::now()) / left)
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

    fn network(has_namespace: bool, destinations: Vec<Destination>) -> Network {
        let grant = NetworkGrant {
            namespace: has_namespace.then(|| Arc::new(Here) as Arc<dyn NetworkNamespace>),
            pod_addresses: vec![
                IpAddr::from([10, 88, 0, 2]),
                IpAddr::from([0xfd12, 0, 0, 0, 0, 0, 0, 2]),
            ],
            destinations,
            tls_unverified: false,
        };
        Network::new(grant, Uses::default(), Trace::new().0)
    }

    fn one(host: &str) -> Vec<Destination> {
        vec![Destination::new(host, None)]
    }

    fn route(network: &Network, address: &str) -> Option<Route> {
        let address = address.parse().expect("an address");
        network.route(SocketAddr::new(address, 80)).ok()
    }

    #[test]
    fn a_pod_reaches_itself_and_what_is_granted() {
        let network = network(true, one("192.0.2.7"));
        assert_eq!(route(&network, "10.88.0.2"), Some(Route::Pod));
        assert_eq!(route(&network, "::ffff:10.88.0.2"), Some(Route::Pod));
        assert_eq!(route(&network, "fd12::2"), Some(Route::Pod));
        assert_eq!(route(&network, "fd12::3"), None);
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
        assert_eq!(route(&network(true, one("127.0.0.1")), "127.0.0.1"), Some(Route::Pod));
    }

    #[test]
    fn the_nodes_loopback_needs_a_grant() {
        assert_eq!(route(&network(false, vec![]), "10.88.0.2"), Some(Route::Pod));
        assert_eq!(route(&network(false, vec![]), "127.0.0.1"), None);
        assert_eq!(route(&network(false, one("127.0.0.1")), "127.0.0.1"), Some(Route::Node));
    }

    #[test]
    fn a_port_and_a_range_are_granted_as_they_are_named() {
        let ports = network(
            true,
            vec![
                Destination::new("192.0.2.7", Some(443)),
                Destination::new("10.9.0.0/16", None),
            ],
        );
        assert_eq!(route(&ports, "192.0.2.7"), None);
        assert_eq!(route(&ports, "10.9.8.7"), Some(Route::Node));
        assert_eq!(route(&ports, "10.10.8.7"), None);
        let used: Vec<_> = ports.0.uses.all().into_iter().map(|one| one.detail).collect();
        assert_eq!(used, ["192.0.2.7:80", "10.9.8.7:80", "10.10.8.7:80"]);
    }

    #[test]
    fn a_silent_address_leaves_the_others_their_time() {
        let deadline = Instant::now() + Duration::from_secs(8);
        let first = share(deadline, 4).expect("a part");
        assert!(
            first <= Duration::from_secs(2) && first > Duration::from_secs(1),
            "{first:?}"
        );
        assert_eq!(share(deadline, 1), None);
        assert_eq!(share(Instant::now(), 2), Some(Duration::ZERO));
    }

    #[test]
    fn a_place_is_free_again_when_it_is_given_back() {
        let network = network(true, vec![]);
        let places: Vec<Place> = (0..=MAX_RESOURCES).map_while(|_| network.place()).collect();
        assert_eq!(places.len(), MAX_RESOURCES);
        drop(places);
        assert!(network.place().is_some());
    }

    #[tokio::test]
    async fn names_need_a_grant() {
        let network = network(true, one("localhost."));
        assert!(matches!(
            network.resolve("example.org").await,
            Err(DialError::NotGranted)
        ));
        let refusal = network.0.uses.refusal().expect("a refusal");
        assert!(refusal.contains("network: [\"example.org\"]"), "{refusal}");
    }

    #[tokio::test]
    async fn a_name_stands_for_a_private_address_only_where_that_is_granted_too() {
        let public = network(false, one("LocalHost"));
        assert_eq!(route(&public, "127.0.0.1"), None);
        let addresses = public.resolve("localhost").await.expect("addresses");
        assert_eq!(addresses[0], IpAddr::from([127, 0, 0, 1]));
        assert_eq!(route(&public, "127.0.0.1"), None);
        let uses = public.0.uses.all();
        assert!(uses.iter().any(|one| one.refused > 0), "{uses:?}");

        let private = network(false, vec![Destination::new("localhost", None).with_private()]);
        private.resolve("localhost").await.expect("addresses");
        assert_eq!(route(&private, "127.0.0.1"), Some(Route::Node));
        let both = network(false, [one("localhost"), one("127.0.0.1")].concat());
        both.resolve("localhost").await.expect("addresses");
        assert_eq!(route(&both, "127.0.0.1"), Some(Route::Node));
    }
}
