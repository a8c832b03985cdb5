//! The engine driven from outside: the real built-in components, an unruly one, and servers that answer as told.
//!
//! The components must have been built: `cargo xtask build`.

mod commands;
mod concurrent;
mod concurrent_sockets;
mod container;
mod contract;
mod datagrams;
mod exec;
mod fixture;
mod frozen;
mod grpc;
mod http;
mod http2;
mod limits;
mod load;
mod namespaces;
#[path = "../requests/mod.rs"]
mod requests;
mod room;
mod secure;
mod server;
mod tcp;
