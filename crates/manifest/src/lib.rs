//! Kubernetes Pod manifests: from YAML or JSON to checked, defaulted views of the original document.
//!
//! Invariants:
//! - No field is ignored in silence: each is supported, warned of, or refused, as one table says (`docs/fields.md`), and
//!   a name that the table does not know is refused with the nearest one that it does.
//! - All faults of a document are reported together, each with its path, and from a file with its line and column.
//! - The document that comes out is the one that went in, with Kubernetes' defaults filled in; it can go in again.
//! - Nothing that is read makes this crate panic, or use more than a bounded multiple of its size.
//!
//! It does not do: anything that needs the machine, such as looking for images, paths or names.

mod check;
mod command;
mod container;
mod defaults;
mod describe;
mod diagnostic;
mod expand;
mod fields;
mod names;
mod pod;
mod position;
mod probe;
mod quantity;
mod readiness_gate;
mod restart;
mod role;
mod signal;
mod source;
mod termination_message;
mod types;
mod volume;
mod wasm;
mod yaml;

pub use command::intended_command;
pub use describe::{describe_probe, describe_probe_of};
pub use diagnostic::{Diagnostic, Severity};
pub use expand::{expand_all, expanded_environment};
pub use fields::{Field, Kind, Support, documentation, table};
pub use names::nearest;
pub use pod::{parse_json, parse_yaml};
pub use role::Role;
pub use signal::stop_signals;
pub use types::{
    AddressFamily, Container, ContainerPort, EnvVar, Grpc, Handler, Header, HostPathType, HttpGet, ImagePullPolicy,
    Metadata, Pod, PodSpec, PortReference, Probe, Protocol, Resources, RestartPolicy, RestartPolicyRule,
    RestartPolicyRuleAction, Scheme, SecurityContext, TcpSocket, Volume, VolumeMount, VolumeSource,
};
pub use wasm::annotation::{LINT_IGNORE, annotation_name};
pub use wasm::{Allow, ComponentReference, ExecAllow, NetworkAllow, OnError, Wasm, WasmCheck, WasmLimits, parse_wasm};
pub use yaml::{Document as YamlDocument, read as read_yaml};
