//! What the agent is told when it starts, and why it may not start.

use std::path::{Path, PathBuf};

use probelet_engine::CompilerProgram;
use probelet_plugin_store::{KeyError, RegistryConfig, SignaturePolicy};

use crate::store::StoreError;

/// Where the agent keeps things and which network it uses.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The folder of everything that outlives the agent: images, pods, containers, the cache of compiled components.
    pub state_directory: PathBuf,
    /// The range that pods get their addresses from, such as `10.88.0.0/16`.
    pub pod_cidr: String,
    /// The range of their addresses of IPv6, such as `fd12:3456:789a::/64`; `auto` for one that is made for the bridge,
    /// `none` for none.
    pub pod_cidr_ipv6: String,
    /// The name of the bridge that pods are connected to.
    pub bridge: String,
    /// The program `probelet-shim`; the one beside the agent's own if `None`.
    pub shim: Option<PathBuf>,
    /// The program that compiles components; without one the agent does it itself, where nothing can stop it.
    pub compiler: Option<CompilerProgram>,
    /// How many restarts liveness probes may bring about on the whole node within [`BUDGET_WINDOW`](crate::BUDGET_WINDOW);
    /// no limit if `None`.
    pub restart_budget: Option<u32>,
    /// While processes wait for a processor for more than so many percent of the time, the average of ten seconds, a
    /// container is restarted for its liveness only after [`PATIENCE_UNDER_PRESSURE`](crate::PATIENCE_UNDER_PRESSURE)
    /// times as many failures as its probe allows; nothing of that if `None`.
    pub cpu_pressure_limit: Option<u8>,
    /// How the registries of components are spoken to.
    pub registries: RegistryConfig,
    /// What is done about components that nobody has signed with one of the keys.
    pub plugin_signatures: SignaturePolicy,
    /// Files with the public keys, in PEM. Those who sign components have the private halves.
    pub plugin_keys: Vec<PathBuf>,
}

impl NodeConfig {
    /// The folder of the image store.
    pub fn images(&self) -> PathBuf {
        self.state_directory.join("images")
    }

    /// The folder of the plugin store.
    pub fn plugins(&self) -> PathBuf {
        self.state_directory.join("plugins")
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.state_directory.join("containers")
    }

    pub(crate) fn network(&self) -> PathBuf {
        self.state_directory.join("network")
    }

    pub(crate) fn component_cache(&self) -> PathBuf {
        self.state_directory.join("cache").join("components")
    }

    pub(crate) fn shim(&self) -> Result<PathBuf, NodeError> {
        let path = match &self.shim {
            Some(path) => path.clone(),
            None => std::env::current_exe()
                .map_err(StoreError::at(Path::new("/proc/self/exe")))?
                .with_file_name("probelet-shim"),
        };
        if path.is_file() {
            Ok(path)
        } else {
            Err(NodeError::NoShim { path })
        }
    }
}

/// Why the agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Containers need rights that only root has.
    #[error("running containers needs root; start probelet with sudo")]
    NotRoot,
    /// Another agent uses the same folder.
    #[error(
        "another agent{} uses the state folder {}; stop it, or give this one a folder of its own with --state-dir",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), directory.display()
    )]
    AlreadyRunning {
        /// The folder.
        directory: PathBuf,
        /// The other agent, if it said who it is.
        pid: Option<u32>,
    },
    /// The shim is not where it should be.
    #[error("the program {} is missing; install probelet-shim beside probelet, or name it with --shim", path.display())]
    NoShim {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The address range is no range.
    #[error("--pod-cidr {range}: {reason}; give an IPv4 range such as 10.88.0.0/16")]
    PodCidr {
        /// What was given.
        range: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address range of IPv6 is no range.
    #[error("--pod-cidr-ipv6 {range}: {reason}; give an IPv6 range such as fd12:3456:789a::/64, or auto, or none")]
    PodCidrIpv6 {
        /// What was given.
        range: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel does not say how long processes wait.
    #[error(
        "--cpu-pressure-limit: {} cannot be read: {source}; start the kernel with psi=1, or the agent without this option",
        crate::hold::PRESSURE_FILE
    )]
    NoPressure {
        /// Why not.
        source: std::io::Error,
    },
    /// A file or folder of the agent cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Signatures are to be checked, and nobody is trusted to make them.
    #[error("--plugin-signatures needs a public key to check with; name a file with --plugin-key")]
    NoPluginKeys,
    /// A file of public keys cannot be used.
    #[error("--plugin-key {0}")]
    PluginKeys(#[from] KeyError),
    /// The plugin store cannot be opened.
    #[error(transparent)]
    Plugins(#[from] probelet_plugin_store::StoreError),
    /// The image store cannot be opened.
    #[error(transparent)]
    Image(#[from] probelet_image::ImageError),
    /// The network cannot be set up.
    #[error(transparent)]
    Network(#[from] probelet_network::NetworkError),
    /// The container runtime cannot be set up.
    #[error(transparent)]
    Runtime(#[from] probelet_container::RuntimeError),
    /// wasmtime cannot be set up.
    #[error(transparent)]
    Engine(#[from] probelet_engine::EngineError),
    /// A built-in component cannot be loaded.
    #[error("the built-in component {name}: {source}")]
    Builtin {
        /// Its name.
        name: String,
        /// What is wrong.
        source: probelet_engine::LoadError,
    },
}
