//! The network of all pods, and of one.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, UdpSocket},
    os::{fd::AsRawFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnet::Ipv4Net;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::{
    Ipv6Range, NamespaceHandle, NetworkError, addresses,
    links::{self, Links},
    namespace::{Pins, is_pinned},
    owner::{Lock, Own},
    ranges::{Range, ipv6_range, join_ipv6, own_ranges},
};

/// The longest name of an interface.
const MAX_INTERFACE_NAME: usize = 15;

/// Where a pod's addresses are written down, in its folder. That of IPv6 has a file of its own: an older agent reads the
/// other one still, and a pod that an older agent has made has none.
const RECORD: &str = "address";
const RECORD_IPV6: &str = "address-ipv6";

/// What a network needs.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// The bridge's name, at most 15 characters.
    pub bridge: String,
    /// The range that the bridge and the pods have their addresses from.
    pub subnet: Ipv4Net,
    /// Which addresses of IPv6 they have beside those.
    pub subnet_ipv6: Ipv6Range,
    /// The folder of pins and records, a folder a pod. Made if it does not exist.
    pub directory: PathBuf,
}

/// The network of all pods. A clone is another handle to the same.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    config: NetworkConfig,
    /// That of IPv4, and behind it that of IPv6 if there is one.
    ranges: Vec<Range>,
    bridge: u32,
    links: Links,
    /// Held while a pod's network is made or removed, so that no address is given twice.
    changing: Mutex<()>,
    /// Held as long as the network is open: a second agent would give the same addresses again.
    lock: Lock,
}

/// An address that a pod is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) gateway: IpAddr,
}

/// The namespaces and addresses of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodNetwork {
    /// The pod's addresses, that of IPv4 first; the machine's for one on its network.
    pub addresses: Vec<IpAddr>,
    /// The pin of the network namespace; `None` is the machine's own.
    pub network_namespace: Option<PathBuf>,
    /// The pin of the IPC namespace.
    pub ipc_namespace: PathBuf,
    /// The pin of the UTS namespace, which holds the host name; `None` is the machine's own.
    pub uts_namespace: Option<PathBuf>,
}

impl Network {
    /// Has the bridge, with the first address of each range, and keeps other agents from it.
    ///
    /// # Errors
    ///
    /// [`NetworkError::BridgeTaken`] if another agent has it, [`NetworkError::ForeignBridge`] if there is one with addresses
    /// or interfaces that are not this agent's, [`NetworkError::RangeInUse`] if another interface or route uses addresses of a range, [`NetworkError::NoIpv6`] if
    /// there can be none of a range of IPv6 that was given, and the like.
    pub async fn open(config: NetworkConfig) -> Result<Self, NetworkError> {
        check_name(&config.bridge)?;
        let lock = Lock::take(&config.bridge)?;
        let links = Links::open()?;
        let first = Range::new(config.subnet.into())?;
        check_own(&links, &config).await?;
        first.check_free(&links, &config.bridge).await?;
        let second = ipv6_range(&links, &config).await?;
        let builder = &mut fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(&config.directory)
            .map_err(NetworkError::file(&config.directory))?;
        let bridge = links.bridge(&config.bridge).await?;
        links.address(bridge, first.gateway, first.net.prefix_len()).await?;
        let mut ranges = vec![first];
        ranges.extend(join_ipv6(&links, &config, bridge, second).await?);
        Ok(Self(Arc::new(Inner {
            ranges,
            bridge,
            links,
            changing: Mutex::new(()),
            lock,
            config,
        })))
    }

    /// Makes a pod's namespaces and connects them, or finds them again as an earlier call made them. If its interface was
    /// removed meanwhile, or the bridge with what was connected to it, it is connected anew with the same addresses.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Exhausted`] if no address is free; all others are the kernel's.
    pub async fn create_pod(
        &self,
        pod_uid: &str,
        hostname: &str,
        host_network: bool,
    ) -> Result<PodNetwork, NetworkError> {
        let _changing = self.0.changing.lock().await;
        let folder = self.folder(pod_uid);
        let pins = Pins::in_folder(&folder);
        let pinned = is_pinned(&pins.ipc) && (host_network || (is_pinned(&pins.network) && is_pinned(&pins.uts)));
        let complete = folder.join("complete");
        if !(pinned && complete.exists()) {
            self.remove(pod_uid).await?;
            let builder = &mut fs::DirBuilder::new();
            builder
                .mode(0o700)
                .create(&folder)
                .map_err(NetworkError::file(&folder))?;
            pins.make(hostname, host_network)?;
            if !host_network {
                self.connect(pod_uid, &folder, &pins).await?;
            }
            write(&complete, "")?;
        } else if !host_network && let Err(error) = self.heal(pod_uid, &folder, &pins).await {
            tracing::error!(pod_uid, %error, "a pod is cut off from the network; delete it and apply it again");
        }
        let addresses = if host_network {
            host_addresses()
        } else {
            recorded_addresses(&folder)?
        };
        Ok(PodNetwork {
            addresses,
            network_namespace: (!host_network).then_some(pins.network),
            ipc_namespace: pins.ipc,
            uts_namespace: (!host_network).then_some(pins.uts),
        })
    }

    /// Removes a pod's interface, namespaces and address. It is no error if there are none.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub async fn remove_pod(&self, pod_uid: &str) -> Result<(), NetworkError> {
        let _changing = self.0.changing.lock().await;
        self.remove(pod_uid).await
    }

    /// Whether a pod has namespaces here. No pin outlives the machine's end, so if there are none nothing of it runs.
    pub fn has_namespaces(&self, pod_uid: &str) -> bool {
        is_pinned(&Pins::in_folder(&self.folder(pod_uid)).ipc)
    }

    /// The uids of all pods that have something here.
    ///
    /// # Errors
    ///
    /// Those of reading the folder.
    pub fn list(&self) -> Result<Vec<String>, NetworkError> {
        list(&self.0.config.directory)
    }

    /// Removes the bridge, unless pods still use it or something else is connected to it.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub async fn close(&self) -> Result<(), NetworkError> {
        let _changing = self.0.changing.lock().await;
        let (links, bridge) = (&self.0.links, &self.0.config.bridge);
        let found = links.on_bridge(bridge).await?;
        if self.list()?.is_empty() && found.is_some_and(|found| found.ports.is_empty()) {
            links.remove(bridge).await?;
            self.0.lock.remove();
        }
        Ok(())
    }

    async fn connect(&self, pod_uid: &str, folder: &Path, pins: &Pins) -> Result<(), NetworkError> {
        let inner = &self.0;
        let taken = self.taken()?;
        let mut given = Vec::new();
        for &Range { net, gateway } in &inner.ranges {
            let address = addresses::free(net, &taken).ok_or(NetworkError::Exhausted { range: net })?;
            let record = if address.is_ipv4() { RECORD } else { RECORD_IPV6 };
            write(&folder.join(record), &address.to_string())?;
            given.push(Given {
                address,
                prefix: net.prefix_len(),
                gateway,
            });
        }
        self.plug(pod_uid, pins, given).await
    }

    /// Connects a pod again that somebody has disconnected: by removing the bridge, mostly.
    async fn heal(&self, pod_uid: &str, folder: &Path, pins: &Pins) -> Result<(), NetworkError> {
        let Inner {
            links, bridge, config, ..
        } = &*self.0;
        let interface = self.interface(pod_uid);
        let found = links.find(&interface).await?;
        if found.as_ref().is_some_and(|link| links::is_joined(link, *bridge)) {
            return Ok(());
        }
        tracing::warn!(pod_uid, interface, bridge = %config.bridge, "a pod was cut off from the bridge and is connected again");
        let given = recorded_addresses(folder)?.into_iter().filter_map(|address| {
            let range = self.0.ranges.iter().find(|range| range.net.contains(&address));
            if range.is_none() {
                tracing::warn!(pod_uid, %address, "a pod's address is of none of the agent's ranges any more, and is lost");
            }
            let Range { net, gateway } = *range?;
            Some(Given {
                address,
                prefix: net.prefix_len(),
                gateway,
            })
        });
        let given = given.collect();
        match found {
            // An earlier try may have been cut off before the inside had its addresses.
            Some(link) => {
                inside(pins, given).await?;
                links.join(*bridge, link.header.index).await
            }
            None => self.plug(pod_uid, pins, given).await,
        }
    }

    /// Makes the pair of interfaces, and gives the inner one its addresses. It is joined to the bridge last, by which one can
    /// see that all is done.
    async fn plug(&self, pod_uid: &str, pins: &Pins, given: Vec<Given>) -> Result<(), NetworkError> {
        let inner = &self.0;
        let namespace = fs::File::open(&pins.network).map_err(NetworkError::file(&pins.network))?;
        let interface = self.interface(pod_uid);
        let outside = inner.links.pair(&interface, namespace.as_raw_fd()).await?;
        inside(pins, given).await?;
        inner.links.join(inner.bridge, outside).await
    }

    async fn remove(&self, pod_uid: &str) -> Result<(), NetworkError> {
        let folder = self.folder(pod_uid);
        if !folder.exists() {
            return Ok(());
        }
        self.0.links.remove(&self.interface(pod_uid)).await?;
        Pins::in_folder(&folder).remove()?;
        fs::remove_dir_all(&folder).map_err(NetworkError::file(&folder))
    }

    /// The addresses that pods have.
    fn taken(&self) -> Result<BTreeSet<IpAddr>, NetworkError> {
        Ok(addresses_of(&self.0.config.directory, &self.list()?))
    }

    fn folder(&self, pod_uid: &str) -> PathBuf {
        self.0.config.directory.join(pod_uid)
    }

    /// The name of a pod's interface on the machine: the same for the same pod, and unlike that of any other.
    fn interface(&self, pod_uid: &str) -> String {
        interface(&self.0.config.bridge, pod_uid)
    }
}

/// Gives the interface inside a pod's namespace its addresses and routes, which may be there already.
async fn inside(pins: &Pins, given: Vec<Given>) -> Result<(), NetworkError> {
    let handle = NamespaceHandle::open(&pins.network).map_err(NetworkError::file(&pins.network))?;
    match tokio::task::spawn_blocking(move || set_up_inside(&handle, &given)).await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn interface(bridge: &str, pod_uid: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(bridge.as_bytes());
    hash.update([0]);
    hash.update(pod_uid.as_bytes());
    let digest: String = hash.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("pl{digest}h")
}

fn list(directory: &Path) -> Result<Vec<String>, NetworkError> {
    let entries = fs::read_dir(directory).map_err(NetworkError::file(directory))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(NetworkError::file(directory))
}

/// That a bridge that is there already is this agent's, before anything of it is changed: what else is on it would lose
/// its addresses or, at the end, the bridge.
async fn check_own(links: &Links, config: &NetworkConfig) -> Result<(), NetworkError> {
    let name = &config.bridge;
    let Some(found) = links.on_bridge(name).await? else {
        return Ok(());
    };
    let pods = match list(&config.directory) {
        Err(NetworkError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    let own = Own {
        gateways: own_ranges(config).filter_map(Range::address).collect(),
        interfaces: pods.iter().map(|pod_uid| interface(name, pod_uid)).collect(),
        pods: addresses_of(&config.directory, &pods),
    };
    match own.objection(name, &found) {
        None => Ok(()),
        Some(reason) => Err(NetworkError::ForeignBridge {
            name: name.clone(),
            reason,
        }),
    }
}

/// The addresses that are recorded for these pods.
fn addresses_of(directory: &Path, pods: &[String]) -> BTreeSet<IpAddr> {
    let recorded = pods
        .iter()
        .filter_map(|pod_uid| recorded_addresses(&directory.join(pod_uid)).ok());
    recorded.flatten().collect()
}

fn check_name(name: &str) -> Result<(), NetworkError> {
    let fits = !name.is_empty()
        && name.len() <= MAX_INTERFACE_NAME
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    if fits {
        return Ok(());
    }
    Err(NetworkError::Bridge {
        name: name.to_owned(),
        reason: "an interface's name has 1 to 15 letters, digits, '-', '_' or '.'".to_owned(),
    })
}

/// A connection of its own, made inside; the runtime is this thread's alone, so nothing of it runs elsewhere.
fn set_up_inside(handle: &NamespaceHandle, addresses: &[Given]) -> Result<(), NetworkError> {
    let entered = handle
        .enter()
        .map_err(NetworkError::namespace("enter the pod's network namespace"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(NetworkError::namespace(
            "start a runtime in the pod's network namespace",
        ))?;
    let done = runtime.block_on(async { Links::open()?.set_up_inside(addresses).await });
    drop(runtime);
    drop(entered);
    done
}

/// The machine's own addresses: those that packets to the outside would carry, IPv4's first, which is loopback's if there is
/// no other.
pub fn host_addresses() -> Vec<IpAddr> {
    // Of the ranges for documentation (RFC 5737, RFC 3849). Connecting a UDP socket only chooses a route, it sends nothing.
    let towards = |own: &str, other: &str| {
        let socket = UdpSocket::bind(own)?;
        socket.connect(other)?;
        io::Result::Ok(socket.local_addr()?.ip())
    };
    let first = towards("0.0.0.0:0", "192.0.2.1:9").unwrap_or(Ipv4Addr::LOCALHOST.into());
    let second = towards("[::]:0", "[2001:db8::1]:9").ok();
    let is_of_use = |address: &IpAddr| match address {
        // Of the others one cannot say which interface is meant.
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    };
    [first].into_iter().chain(second.filter(is_of_use)).collect()
}

/// In the order in which they are told.
fn recorded_addresses(folder: &Path) -> Result<Vec<IpAddr>, NetworkError> {
    let first = recorded_address(&folder.join(RECORD))?;
    let second = folder.join(RECORD_IPV6);
    let second = second.exists().then(|| recorded_address(&second)).transpose()?;
    Ok([first].into_iter().chain(second).collect())
}

fn recorded_address(path: &Path) -> Result<IpAddr, NetworkError> {
    let text = fs::read_to_string(path).map_err(NetworkError::file(path))?;
    text.trim().parse().map_err(|error| NetworkError::File {
        path: path.to_owned(),
        source: io::Error::other(error),
    })
}

fn write(path: &Path, text: &str) -> Result<(), NetworkError> {
    fs::File::create(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(NetworkError::file(path))
}
