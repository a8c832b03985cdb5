//! The names of the store's components: one file, replaced as a whole.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Digest, Reference, StoreError,
    file::{self, Links},
};

/// The most names. A machine runs some dozens of pods with a few components each; the list is read as a whole whenever
/// a name is looked up.
pub(crate) const MAX_NAMES: usize = 1024;

/// The most manifests of one component that are known in a repository. Most tools make another at every push, so that each
/// tag has its own; a component that is pushed again and again does not fill the index.
pub const MAX_MANIFESTS: usize = 8;

/// The largest index that is read: [`MAX_NAMES`] of the longest names take less than half.
const MAX_BYTES: usize = 2 << 20;

/// What a name stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The content.
    pub(crate) digest: Digest,
    /// How long it is.
    pub(crate) size: u64,
    /// When the name was given to it.
    pub(crate) created: Timestamp,
    /// For what was pulled: the manifest it was the layer of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) manifest: Option<Digest>,
}

/// All names.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Index {
    refs: BTreeMap<Reference, Record>,
    #[serde(skip)]
    path: PathBuf,
}

impl Index {
    pub(crate) fn read(root: &Path) -> Result<Self, StoreError> {
        let path = root.join("index.json");
        let unreadable = |reason: String| StoreError::Index {
            path: path.clone(),
            reason,
        };
        let bytes = match file::read(&path, Links::Refuse, MAX_BYTES) {
            Ok(bytes) => bytes.ok_or_else(|| unreadable(format!("it is larger than {MAX_BYTES} bytes")))?,
            Err(StoreError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    path,
                    ..Self::default()
                });
            }
            Err(error) => return Err(error),
        };
        let index: Self = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        Ok(Self { path, ..index })
    }

    pub(crate) fn write(&self, scratch: &Path) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(io::Error::from)
            .map_err(StoreError::file(&self.path))?;
        file::write(&self.path, scratch, &bytes)
    }

    pub(crate) fn get(&self, reference: &Reference) -> Option<&Record> {
        self.refs.get(reference)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Reference, &Record)> {
        self.refs.iter()
    }

    /// Gives a name to something, whatever it stood for before. False: there is no room for another.
    #[must_use]
    pub(crate) fn insert(&mut self, reference: Reference, record: Record) -> bool {
        let fits = self.refs.len() < MAX_NAMES || self.refs.contains_key(&reference);
        if fits {
            self.refs.insert(reference, record);
        }
        fits
    }

    pub(crate) fn remove(&mut self, reference: &Reference) -> Option<Record> {
        self.refs.remove(reference)
    }

    /// Makes room for one more manifest of a component in a repository: the oldest goes if there are
    /// [`MAX_MANIFESTS`].
    pub(crate) fn forget_oldest_manifests(&mut self, repository: &Reference, component: &Digest) {
        let is_known = |name: &Reference, record: &Record| {
            record.manifest.is_some() && record.digest == *component && name.is_same_repository(repository)
        };
        let known = self.refs.iter().filter(|(name, record)| is_known(name, record));
        let mut known: Vec<_> = known.map(|(name, record)| (record.created, name.clone())).collect();
        known.sort();
        known.truncate((known.len() + 1).saturating_sub(MAX_MANIFESTS));
        for (_, name) in known {
            self.refs.remove(&name);
        }
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Reference, &Record) -> bool) {
        self.refs.retain(|reference, record| keep(reference, record));
    }
}
