//! The agent's interface to the world: a Kubernetes-style REST API, and a client for it.
//!
//! - [`server`] makes the API of an [`Agent`]; [`serve`](server::serve) offers it on whatever listener it is given, such
//!   as [`unix::OwnerSocket`].
//! - [`client`] speaks it on a unix socket.
//! - [`render`] and [`remote_command`] are what both sides have in common: the Tables that people read, and the frames
//!   in which a command's input and output travel.
//!
//! Invariants:
//! - Nothing here decides anything about pods. Documents are handed through as the agent stores them, unknown fields
//!   included; typed views of them are only read.
//! - Every refusal is a Kubernetes `Status`, those of unknown paths and broken bodies too.
//! - Whatever a client can make the server hold is bounded: bodies, headers, connections, watches, sessions.
//! - A request that asks for something that is not there yet (a label selector, a dry run) is refused, never answered
//!   as if it had not asked.
//!
//! It does not authenticate: a transport does, before it hands a connection over.

mod agent;
pub mod client;
pub mod remote_command;
pub mod render;
pub mod server;
pub mod unix;

pub use agent::Agent;
pub use server::unchanged::is_unchanged;

/// The group and version of what Kubernetes has no API for.
pub const PROBELET_API: &str = "probelet.dev/v1alpha1";
