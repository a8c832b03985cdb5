//! What can go wrong, by what the caller can do about it.

use std::{fmt, io, path::PathBuf, time::Duration};

use crate::{Digest, Reference, Rejection};

/// A component that cannot be kept on this machine or read from it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A component cannot be imported by this name.
    #[error("cannot import as \"{reference}\": a digest follows from the content; give a name with a tag")]
    ImportByDigest {
        /// The name.
        reference: Reference,
    },
    /// No component was imported by this name.
    #[error("component \"{reference}\" is not on this machine; `probelet plugin list` shows those that are")]
    NotFound {
        /// The name.
        reference: Reference,
    },
    /// The bytes are no component.
    #[error("{what} is no WebAssembly component: {reason}")]
    NotComponent {
        /// The file or name they came from.
        what: String,
        /// What they are instead, and what to do.
        reason: String,
    },
    /// The component is larger than any may be.
    #[error(
        "{what} is larger than {limit} bytes, the most that a component may have; build it without debug information"
    )]
    TooLarge {
        /// The file or name it came from.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// The store has as many components or names as it may have.
    #[error("{}: the store has {limit} components, the most it may have; remove some with `probelet plugin remove NAME`", path.display())]
    Full {
        /// The store.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// The store has signatures of as many components as it may have.
    #[error(
        "{}: the store has signatures of {limit} components, the most it may have, and no room for one more; remove some \
         components with `probelet plugin remove NAME`, whose signatures go when an agent clears up",
        path.display()
    )]
    SignaturesFull {
        /// The store.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A stored component is not what its digest says.
    #[error("{}: the component is corrupt: its digest is {found}, not {expected}; import or pull it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The digest it should have.
        expected: Digest,
        /// The digest it has.
        found: Digest,
    },
    /// There is no such content in the store.
    #[error("component {digest} is not in the store; import or pull it again")]
    Missing {
        /// The content's digest.
        digest: Digest,
    },
    /// Somebody else could have changed the store.
    #[error("{}: {reason}", path.display())]
    Untrusted {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and the way out.
        reason: String,
    },
    /// The index is none.
    #[error("{}: the index of components cannot be read: {reason}; move it away and import the components again", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The process is ending and does not begin anything more.
    #[error("the component store is not available: the process is stopping")]
    Stopping,
}

impl StoreError {
    pub(crate) fn file<E: Into<io::Error>>(path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::File {
            path,
            source: source.into(),
        }
    }
}

/// A registry that does not give or take a component.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The reference is none that a registry can be asked for, or pushed to.
    #[error("\"{reference}\": {reason}")]
    Reference {
        /// The reference.
        reference: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The registry, or the place where its tokens are given out, cannot be reached.
    #[error("cannot reach the registry {registry}: {reason}")]
    Unreachable {
        /// Its host.
        registry: String,
        /// Why not.
        reason: String,
    },
    /// The registry took too long.
    #[error("the registry {registry} has not answered in full within {deadline:?}")]
    Deadline {
        /// Its host.
        registry: String,
        /// How long it had.
        deadline: Duration,
    },
    /// The registry wants somebody else.
    #[error("the registry {registry} refuses access to {repository}: {reason}")]
    Unauthorized {
        /// Its host.
        registry: String,
        /// The repository.
        repository: String,
        /// Its words, and the way out.
        reason: String,
    },
    /// The registry has no such component.
    #[error(
        "component \"{reference}\" is not in the registry{reason}; see that it was pushed, and by this name and tag"
    )]
    NotFound {
        /// The reference.
        reference: String,
        /// Its words, after a colon; may be empty.
        reason: String,
    },
    /// What the registry has is no component.
    #[error("\"{reference}\" is no WebAssembly component: {reason}")]
    NotComponent {
        /// The reference.
        reference: String,
        /// What it is instead.
        reason: String,
    },
    /// The component, or another answer, is larger than it may be.
    #[error("\"{reference}\": the {what} is larger than {limit} bytes, the most that it may have")]
    TooLarge {
        /// The reference.
        reference: String,
        /// The part: `component`, `manifest`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The registry gave something else than its digest says.
    #[error(
        "\"{reference}\": the {what} from the registry is corrupt: its digest is {found}, not {expected}; push it again"
    )]
    Corrupt {
        /// The reference.
        reference: String,
        /// The part: `component`, `manifest`.
        what: &'static str,
        /// The digest it should have.
        expected: Digest,
        /// The digest it has.
        found: Digest,
    },
    /// The registry answered otherwise than registries do.
    #[error("the registry {registry} answers {answer} to a request for {what}")]
    Refused {
        /// Its host.
        registry: String,
        /// What was asked for.
        what: &'static str,
        /// Its status and words.
        answer: String,
    },
    /// The component's signatures are none, or more than are looked at.
    #[error("the signatures of \"{reference}\" in the registry cannot be used: {reason}")]
    Signatures {
        /// The component.
        reference: String,
        /// What is wrong with them.
        reason: String,
    },
    /// The file with names and passwords is none.
    #[error("{}: the registries' credentials cannot be read: {reason}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file with certificate authorities is none, or TLS cannot be set up.
    #[error("cannot set up TLS: {reason}")]
    Tls {
        /// What is wrong.
        reason: String,
    },
    /// The process is ending and does not begin anything more.
    #[error("no registry is asked any more: the process is stopping")]
    Stopping,
}

/// A reference that does not lead to a component.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// It is not on this machine and names no registry.
    #[error(
        "component \"{reference}\" is not on this machine, and the name has no registry; import it with \
         `probelet plugin import FILE --name {name}`, or write the registry before the name, as in \
         `registry.example/{reference}`"
    )]
    NotFound {
        /// The reference.
        reference: Reference,
        /// A name to import it by: the reference itself, or without its digest.
        name: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// A file of keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: the key cannot be used: {reason}", file.display())]
pub struct KeyError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it, and the way out.
    pub reason: String,
}

/// A component without a signature that counts.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Nobody has signed it.
    #[error("{component} is not signed: {}; {way_out}", looked(place, keys))]
    Unsigned {
        /// The component, with its digest.
        component: String,
        /// Where a signature was looked for.
        place: String,
        /// The files of the keys it could have been made with.
        keys: Vec<PathBuf>,
        /// How to sign it.
        way_out: String,
    },
    /// It has signatures, and none of them counts.
    #[error(
        "{component} has no signature that counts: {}; {}; {way_out}",
        list(reasons),
        looked(place, keys)
    )]
    Rejected {
        /// The component, with its digest.
        component: String,
        /// Why none counts: each reason once.
        reasons: Vec<Rejection>,
        /// Where the signatures are.
        place: String,
        /// The files of the keys it could have been made with.
        keys: Vec<PathBuf>,
        /// How to sign it.
        way_out: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
}

fn looked(place: &str, keys: &[PathBuf]) -> String {
    let keys = list(keys.iter().map(|key| key.display()));
    format!("looked in {place} for one made with {keys}")
}

fn list(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    items
        .into_iter()
        .map(|item| item.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
