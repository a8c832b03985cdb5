//! Runs probes and hooks, each of which is a WebAssembly component: loading and caching components, linking what a
//! run is granted, limits, and one run from its request to its [`Outcome`].
//!
//! It keeps these invariants:
//! - A fresh instance for each run. What is not granted is not linked, and the error names the manifest lines that
//!   would grant it. No real filesystem, environment or arguments are ever there.
//! - Fuel bounds a guest's computing, memory, tables, handles and output are capped, and a wall-clock deadline bounds
//!   everything, host calls included. When a run has returned, nothing of it is left behind: no socket, no task, no
//!   command in a container.
//! - A socket is made in the network namespace that its destination belongs to, after the destination has been
//!   checked, and stays there whichever thread uses it.
//! - A deadline that passes is a failure; a trap or an exhausted limit is "errored" (invariant 6 of the design).
//! - A compiled component is loaded from disk only if nobody else could have written it.
//!
//! It knows nothing of pods' lives: who is checked, how often and what follows from it is its callers' business. It
//! does not know containers or networks either, only traits such as [`ContainerExec`] and [`NetworkNamespace`].

mod bindings;
mod cache;
mod clock;
mod compile;
mod config;
mod container;
mod context;
mod describe;
mod document;
mod engine;
mod error;
mod explain;
mod flavour;
mod interface;
mod kept;
mod limiter;
mod linker;
mod log;
mod network;
mod outcome;
mod plugin;
mod queue;
mod request;
mod run;
mod signature;
mod state;
mod ticker;
mod turns;
mod uses;

pub use compile::{CompilerProgram, compiler_main};
pub use config::{ConfigFault, Misfit};
pub use container::{
    ContainerExec, ContainerFiles, ContainerLogs, ContainerStats, ExecError, ExecOutput, FileError, FileKind, LogLine,
    Metadata, Space, Stats,
};
pub use describe::Description;
pub use engine::{Engine, EngineConfig, MAX_COMPONENT_BYTES};
pub use error::{EngineError, LoadError};
pub use log::cut;
pub use network::{
    ClientConnection, Destination, Host, HttpFailure, NetworkStandIn, PeerCertificate, RealExchange, StandInBody,
    TlsFailure, TlsOptions, TlsSession,
};
pub use outcome::{Field, FieldValue, HTTP_FALLBACK, Outcome, Usage, Verdict};
pub use plugin::Plugin;
pub use request::{
    Check, ExecGrant, Grants, HookReason, Limits, NetworkGrant, NetworkNamespace, Port, ProbeKind, RunRequest, Subject,
};
pub use uses::{Grant, GrantUse};

/// How much earlier than the host's deadline the plugin's own one is (invariant 3 of the design): enough to return from
/// a wait and to format a sentence on a busy machine.
pub const SOFT_DEADLINE_MARGIN: std::time::Duration = std::time::Duration::from_millis(50);
