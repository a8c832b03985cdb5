//! The views of the handler `wasm`.

use std::{fmt, path::PathBuf};

/// `wasm`: a component as a probe or hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wasm {
    /// `component`.
    pub component: ComponentReference,
    /// `config` as JSON; an empty object if there is none.
    pub config: serde_json::Value,
    /// `allow`.
    pub allow: Allow,
    /// `limits`.
    pub limits: WasmLimits,
    /// `onError`.
    pub on_error: OnError,
    /// `reload`.
    pub reload: bool,
}

/// Which component it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentReference {
    /// A file on this machine. [`Pod::resolve_component_paths`](crate::Pod::resolve_component_paths) makes it absolute.
    Path(PathBuf),
    /// `builtin:NAME`: the name of a component that comes with probelet.
    Builtin(String),
    /// `[registry/]repository[:tag][@sha256:…]`.
    Oci(String),
}

impl fmt::Display for ComponentReference {
    /// As manifests have it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(formatter),
            Self::Builtin(name) => write!(formatter, "builtin:{name}"),
            Self::Oci(reference) => formatter.write_str(reference),
        }
    }
}

/// `allow`: what a component may do beyond reaching the pod's own address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// `exec`.
    pub exec: ExecAllow,
    /// `network`.
    pub network: Vec<NetworkAllow>,
    /// `stats`.
    pub stats: bool,
    /// `logs`.
    pub logs: bool,
    /// `files`: absolute, normalised paths in the container's root.
    pub files: Vec<String>,
    /// `environment`: names of the container's variables.
    pub environment: Vec<String>,
}

/// `allow.exec`: which commands a component may run in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExecAllow {
    /// `false`, or an empty list.
    #[default]
    None,
    /// `true`.
    All,
    /// Those that begin with one of these lists of words, none of which is empty.
    Prefixes(Vec<Vec<String>>),
}

impl ExecAllow {
    /// What a command has to begin with: none if no command is allowed, and `Some(None)` if every one is.
    pub fn prefixes(&self) -> Option<Option<Vec<Vec<String>>>> {
        match self {
            Self::None => None,
            Self::All => Some(None),
            Self::Prefixes(prefixes) => Some(Some(prefixes.clone())),
        }
    }
}

/// One of `allow.network`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkAllow {
    /// A host's name, an address without brackets, or a range of addresses such as `10.0.0.0/8`.
    pub host: String,
    /// The one port; `None` is any.
    pub port: Option<u16>,
}

/// `limits`: what one run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasmLimits {
    /// `fuel`.
    pub fuel: u64,
    /// `memory` in bytes.
    pub memory: u64,
}

impl Default for WasmLimits {
    /// `100M` and `32Mi`.
    fn default() -> Self {
        Self {
            fuel: 100_000_000,
            memory: 32 << 20,
        }
    }
}

/// `onError`: what errored runs come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// They count for nothing.
    #[default]
    Ignore,
    /// `failureThreshold` of them in a row count as if they had failed.
    Fail,
}
