//! Pods' networks: a bridge on the machine, and for each pod a network namespace that is connected to it, with an IPC
//! and a UTS namespace beside it.
//!
//! Invariants:
//! - No process holds a namespace open: each is pinned by a mount in the network's folder, and so outlives the agent.
//! - Every operation can be repeated, also after an earlier one was cut off in its middle.
//! - A pod keeps its addresses as long as it lives; the records on disk say which addresses are taken. One of IPv4 comes
//!   first; one of IPv6 follows where the machine can have it.
//! - A bridge has one agent: a lock says whose it is, and one with foreign addresses or interfaces is nobody's.
//! - A thread that enters a namespace comes back out of it, or the process ends.
//!
//! It does not do: routing or address translation to the outside (pods reach each other and the machine), port
//! forwarding, DNS, policies. Of the kernel's settings it touches those of IPv6 alone, on the bridge and inside pods.

mod addresses;
mod error;
mod ipv6;
mod links;
mod namespace;
mod network;
mod owner;
mod ranges;

pub use error::NetworkError;
pub use ipv6::Ipv6Range;
pub use namespace::{Entered, NamespaceHandle};
pub use network::{Network, NetworkConfig, PodNetwork, host_addresses};
