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
    NamespaceHandle, NetworkError, addresses,
    links::Links,
    namespace::{Pins, is_pinned},
};

/// The longest name of an interface.
const MAX_INTERFACE_NAME: usize = 15;

/// What a network needs.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// The bridge's name, at most 15 characters.
    pub bridge: String,
    /// The range that the bridge and the pods have their addresses from.
    pub subnet: Ipv4Net,
    /// The folder of pins and records, a folder a pod. Made if it does not exist.
    pub directory: PathBuf,
}

/// The network of all pods. A clone is another handle to the same.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    config: NetworkConfig,
    gateway: Ipv4Addr,
    bridge: u32,
    links: Links,
    /// Held while a pod's network is made or removed, so that no address is given twice.
    changing: Mutex<()>,
}

/// The namespaces and addresses of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodNetwork {
    /// The pod's addresses; the machine's for one on its network.
    pub addresses: Vec<IpAddr>,
    /// The pin of the network namespace; `None` is the machine's own.
    pub network_namespace: Option<PathBuf>,
    /// The pin of the IPC namespace.
    pub ipc_namespace: PathBuf,
    /// The pin of the UTS namespace, which holds the host name; `None` is the machine's own.
    pub uts_namespace: Option<PathBuf>,
}

impl Network {
    /// Has the bridge, with the first address of the range.
    ///
    /// # Errors
    ///
    /// [`NetworkError::RangeInUse`] if another interface or route uses addresses of the range, and the like.
    pub async fn open(config: NetworkConfig) -> Result<Self, NetworkError> {
        let NetworkConfig {
            bridge: name,
            subnet,
            directory,
        } = &config;
        let gateway = addresses::gateway(*subnet).ok_or(NetworkError::RangeTooSmall { range: *subnet })?;
        let fits = !name.is_empty()
            && name.len() <= MAX_INTERFACE_NAME
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
        if !fits {
            let reason = "an interface's name has 1 to 15 letters, digits, '-', '_' or '.'".to_owned();
            return Err(NetworkError::Bridge {
                name: name.clone(),
                reason,
            });
        }
        let links = Links::open()?;
        if let Some(by) = links.user_of(*subnet, name).await? {
            return Err(NetworkError::RangeInUse { range: *subnet, by });
        }
        let builder = &mut fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(NetworkError::file(directory))?;
        let bridge = links.bridge(name, gateway, subnet.prefix_len()).await?;
        Ok(Self(Arc::new(Inner {
            gateway,
            bridge,
            links,
            changing: Mutex::new(()),
            config,
        })))
    }

    /// Makes a pod's namespaces and connects them, or finds them again as an earlier call made them.
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
        }
        let addresses = if host_network {
            vec![host_address()]
        } else {
            vec![recorded_address(&folder)?.into()]
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

    /// The uids of all pods that have something here.
    ///
    /// # Errors
    ///
    /// Those of reading the folder.
    pub fn list(&self) -> Result<Vec<String>, NetworkError> {
        let directory = &self.0.config.directory;
        let entries = fs::read_dir(directory).map_err(NetworkError::file(directory))?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect::<io::Result<_>>().map_err(NetworkError::file(directory))
    }

    /// Removes the bridge, unless pods still use it.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub async fn close(&self) -> Result<(), NetworkError> {
        let _changing = self.0.changing.lock().await;
        if self.list()?.is_empty() {
            self.0.links.remove(&self.0.config.bridge).await
        } else {
            Ok(())
        }
    }

    async fn connect(&self, pod_uid: &str, folder: &Path, pins: &Pins) -> Result<(), NetworkError> {
        let inner = &self.0;
        let range = inner.config.subnet;
        let taken = self.taken()?;
        let address = addresses::free(range, &taken).ok_or(NetworkError::Exhausted { range })?;
        write(&folder.join("address"), &address.to_string())?;
        let namespace = fs::File::open(&pins.network).map_err(NetworkError::file(&pins.network))?;
        inner
            .links
            .connect(inner.bridge, &self.interface(pod_uid), namespace.as_raw_fd())
            .await?;
        let handle = NamespaceHandle::open(&pins.network).map_err(NetworkError::file(&pins.network))?;
        let gateway = inner.gateway;
        let inside = move || set_up_inside(&handle, address, range.prefix_len(), gateway);
        match tokio::task::spawn_blocking(inside).await {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
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
    fn taken(&self) -> Result<BTreeSet<Ipv4Addr>, NetworkError> {
        Ok(self
            .list()?
            .iter()
            .filter_map(|pod_uid| recorded_address(&self.folder(pod_uid)).ok())
            .collect())
    }

    fn folder(&self, pod_uid: &str) -> PathBuf {
        self.0.config.directory.join(pod_uid)
    }

    /// The name of a pod's interface on the machine: the same for the same pod, and unlike that of any other.
    fn interface(&self, pod_uid: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.0.config.bridge.as_bytes());
        hash.update([0]);
        hash.update(pod_uid.as_bytes());
        let digest: String = hash.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("pl{digest}h")
    }
}

/// A connection of its own, made inside; the runtime is this thread's alone, so nothing of it runs elsewhere.
fn set_up_inside(
    handle: &NamespaceHandle,
    address: Ipv4Addr,
    prefix: u8,
    gateway: Ipv4Addr,
) -> Result<(), NetworkError> {
    let entered = handle
        .enter()
        .map_err(NetworkError::namespace("enter the pod's network namespace"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(NetworkError::namespace(
            "start a runtime in the pod's network namespace",
        ))?;
    let done = runtime.block_on(async { Links::open()?.set_up_inside(address, prefix, gateway).await });
    drop(runtime);
    drop(entered);
    done
}

/// The machine's own address: the one that packets to the outside would carry, else loopback.
pub fn host_address() -> IpAddr {
    // Of the range for documentation (RFC 5737). Connecting a UDP socket only chooses a route, it sends nothing.
    let probe = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    probe.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

fn recorded_address(folder: &Path) -> Result<Ipv4Addr, NetworkError> {
    let path = folder.join("address");
    let text = fs::read_to_string(&path).map_err(NetworkError::file(&path))?;
    text.trim().parse().map_err(|error| NetworkError::File {
        path,
        source: io::Error::other(error),
    })
}

fn write(path: &Path, text: &str) -> Result<(), NetworkError> {
    fs::File::create(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(NetworkError::file(path))
}
