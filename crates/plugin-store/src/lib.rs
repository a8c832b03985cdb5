//! Components by name: a reference becomes bytes with a digest, from this machine's store or from a registry.
//!
//! Invariants:
//! - What is handed out has been verified: a blob of the store at every read, a registry's manifest and layer as they
//!   arrive. A [`Digest`] is that of the component's bytes and pins them for good, whatever becomes of a name.
//! - A name without a registry is looked for in the store only. Nothing is ever asked of a registry that a reference
//!   does not name.
//! - A registry is spoken to with HTTPS. Plain HTTP is for registries on this machine's loopback addresses.
//! - A registry's password goes to the registry itself and to where that says its tokens are given out. Whom it sends on
//!   to for uploads or content is told nothing, whatever it asks for.
//! - Everything that comes from elsewhere is bounded: components by [`MAX_COMPONENT_BYTES`], their number by
//!   [`MAX_COMPONENTS`], a registry's answers each by a limit of its own and all by a deadline.
//! - A signature counts only if one of the keys that are given has made it, and if it speaks of this repository and this
//!   manifest, or of these bytes. That one is kept in the store proves nothing: it is checked again.
//! - Requests are tried again a few times where that may help, and never a piece of an upload that may have arrived.
//! - The index is there as a whole, also after a crash and with several processes at once, and points to nothing that
//!   was not written before it.
//!
//! It does not do: compiling or checking components beyond their first bytes (the engine does), built-in components,
//! and container images. [`Store`]'s calls block; [`Resolver`]'s and [`Registry`]'s are asynchronous and need a tokio
//! runtime.

mod component;
mod credentials;
mod digest;
mod error;
mod file;
mod index;
mod kept;
mod reference;
mod registry;
mod resolver;
mod signature;
mod store;
mod verify;

pub use component::MAX_COMPONENT_BYTES;
pub use digest::{Digest, DigestError};
pub use error::{KeyError, RegistryError, ResolveError, SignatureError, StoreError};
pub use index::MAX_MANIFESTS;
pub use reference::{Reference, ReferenceError, Version};
pub use registry::{
    DEFAULT_DEADLINE, DEFAULT_RETRY_PAUSE, Located, Progress, Pushed, Registry, RegistryConfig, Uploaded, silent,
};
pub use resolver::{Origin, Resolved, Resolver};
pub use signature::{MAX_PUBLIC_KEYS, PrivateKey, PublicKeys, Rejection, SignaturePolicy, Verified};
pub use store::{Entry, GARBAGE_GRACE, Imported, MAX_COMPONENTS, Store};
pub use verify::{Source, sign_file, signature_file, verify_file};
