//! What a manifest may say: each field explained as `kubectl explain` does it, and all of them as a JSON schema.
//!
//! Invariants:
//! - Kubernetes' fields and their descriptions are Kubernetes' own, of the version that k8s-openapi is set to; what becomes
//!   of each field is what the manifest crate's table says. Nothing is written down here that is said there.
//! - Every manifest that the schema takes has only fields that the manifest crate takes. It is stricter than that crate: a
//!   field that is there must have a value, and what Kubernetes' types require must be there.
//! - It is pure: no file, no network.
//!
//! It does not do: checks over several fields, but for those that exclude each other. The manifest crate does them.

mod explanation;
mod own;
mod schema;
mod text;
mod types;

pub use explanation::{ExplainError, Explanation, FieldExplanation, explain};
pub use schema::schema;
