//! What can go wrong, by what the caller can do about it.

use std::{io, path::PathBuf};

use ipnet::IpNet;

/// A network that cannot be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Something else on this machine uses addresses of the range.
    #[error("the address range {range} is in use already, by {by}; choose another one with {}", option(*range))]
    RangeInUse {
        /// The range.
        range: IpNet,
        /// Who uses it: an interface's address or a route.
        by: String,
    },
    /// The range has no room for the bridge and a pod.
    #[error(
        "the address range {range} is too small for a bridge and a pod; choose one of /{} or larger with {}",
        range.max_prefix_len() - 3, option(*range)
    )]
    RangeTooSmall {
        /// The range.
        range: IpNet,
    },
    /// All addresses are taken.
    #[error("no address of the range {range} is free; delete pods, or choose a larger range with {}", option(*range))]
    Exhausted {
        /// The range.
        range: IpNet,
    },
    /// There is no IPv6 on this machine.
    #[error("pods can have no address of {range}: {reason}; start the agent with --pod-cidr-ipv6 none to do without")]
    NoIpv6 {
        /// The range.
        range: IpNet,
        /// Why there is none.
        reason: &'static str,
    },
    /// The bridge's name cannot be an interface's, or is that of another interface.
    #[error("\"{name}\" cannot be the pods' bridge: {reason}; choose another name with --bridge")]
    Bridge {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Another agent has the bridge.
    #[error(
        "another agent{} has the bridge {name}; stop it, or give this one a bridge and a range of its own with --bridge \
         and --pod-cidr",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    BridgeTaken {
        /// The bridge.
        name: String,
        /// The other agent, if it said who it is.
        pid: Option<u32>,
    },
    /// The bridge is there and somebody else's.
    #[error("the bridge {name} is not this agent's: {reason}; or choose another name with --bridge")]
    ForeignBridge {
        /// The bridge.
        name: String,
        /// What says so, and what to do if it is wrong.
        reason: String,
    },
    /// The kernel refused a change of interfaces, addresses or routes.
    #[error("cannot {action}: {source}")]
    Netlink {
        /// What was tried.
        action: String,
        /// The kernel's answer.
        source: rtnetlink::Error,
    },
    /// A namespace could not be made, pinned or entered.
    #[error("cannot {action}: {source}")]
    Namespace {
        /// What was tried.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A record or pin cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The option that says the range.
fn option(range: IpNet) -> &'static str {
    match range {
        IpNet::V4(_) => "--pod-cidr",
        IpNet::V6(_) => "--pod-cidr-ipv6",
    }
}

impl NetworkError {
    pub(crate) fn netlink(action: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> Self {
        let action = action.into();
        move |source| Self::Netlink { action, source }
    }

    pub(crate) fn namespace<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |source| Self::Namespace {
            action,
            source: source.into(),
        }
    }

    pub(crate) fn file<E: Into<io::Error>>(path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::File {
            path,
            source: source.into(),
        }
    }
}
