//! The checks and hooks that come with probelet, beside those that stand for Kubernetes' own handlers.
//!
//! Each module is one: its configuration, and a function that checks once, or does what the hook does. The components in
//! the folders beside this one are nothing but these functions, exported; `combine` runs several of them in one.
//!
//! Servers are not trusted: of what they say a bounded part is read, and nothing that they say makes a check panic. The
//! tests here run natively, on what servers say; those against the real servers are in `tests/tests/checks`.

pub mod combine;
pub mod disk_space;
pub mod dns;
pub mod drain;
pub mod drain_connections;
pub mod file_freshness;
pub mod http_assert;
pub mod log_pattern;
pub mod memory_trend;
pub mod mysql;
pub mod nats;
pub mod notify;
pub mod postgres;
pub mod quiet;
pub mod redis;
pub mod secure;
pub mod source;
mod start_tls;
pub mod stuck_counter;
pub mod tcp_expect;
mod text;
pub mod tls_expiry;
pub mod warm_up;

#[cfg(test)]
mod tests;
