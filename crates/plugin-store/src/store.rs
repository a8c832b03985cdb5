//! The components of this machine: content by its digest, and names for it.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::{
    Digest, Reference, StoreError, Version, component,
    component::MAX_COMPONENT_BYTES,
    file::{self, Links},
    index::{Index, MAX_NAMES, Record},
    signature::Signature,
    verify,
};

/// The most components in a store. Many times what a machine runs, and an end to one that nobody cleans up.
pub const MAX_COMPONENTS: usize = MAX_NAMES;

/// How long content is safe from [`Store::collect_garbage`] after it was put in or resolved last: longer than the
/// way from a resolved reference to a pod that is known to run with it.
pub const GARBAGE_GRACE: Duration = Duration::from_secs(600);

/// A name in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The name.
    pub reference: Reference,
    /// The digest of the component's bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// When it was imported or pulled by this name.
    pub created: Timestamp,
    /// The digest of its manifest if it was pulled; none if it was imported.
    pub manifest_digest: Option<Digest>,
}

/// What an import came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The digest of the component's bytes.
    pub digest: Digest,
    /// Whether a signature lay beside the file, by whichever key, and is kept with it.
    pub has_signature: bool,
}

/// A folder of components. A clone is another handle to the same; several processes may use one at once.
///
/// All calls block.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// Held by who changes the store.
pub(crate) struct Lock {
    _file: File,
}

impl Store {
    /// Uses, and makes if need be, the folder `root`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Untrusted`] if it belongs to somebody else or others may write it, [`StoreError::File`] if it
    /// cannot be made.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self { root: root.to_owned() };
        let blobs = root.join("blobs");
        for folder in [
            root.to_owned(),
            blobs,
            store.blobs(),
            store.signature_folder(),
            store.scratch(),
        ] {
            file::private_folder(&folder)?;
        }
        Ok(store)
    }

    /// Keeps a component by a name, which may have stood for another before.
    ///
    /// # Errors
    ///
    /// No name stands for anything else then: [`StoreError::ImportByDigest`], [`StoreError::NotComponent`],
    /// [`StoreError::TooLarge`], [`StoreError::Full`] or [`StoreError::File`].
    pub fn import(&self, name: &Reference, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.import_signed(name, bytes, None)
    }

    fn import_signed(
        &self,
        name: &Reference,
        bytes: &[u8],
        signature: Option<&Signature>,
    ) -> Result<Digest, StoreError> {
        if let Version::Digest(_) = name.version() {
            return Err(StoreError::ImportByDigest {
                reference: name.clone(),
            });
        }
        component::check(name, bytes)?;
        let lock = self.lock()?;
        let mut index = Index::read(&self.root)?;
        let digest = Digest::of(bytes);
        let record = Record {
            digest,
            size: bytes.len() as u64,
            created: Timestamp::now(),
            manifest: None,
        };
        if !index.insert(name.clone(), record) {
            return Err(self.full());
        }
        if signature.is_some() && !self.has_room_for_signatures(&lock, &digest)? {
            return Err(StoreError::SignaturesFull {
                path: self.root.clone(),
                limit: MAX_COMPONENTS,
            });
        }
        // Content first, so that no name points to nothing, and its signature, without which it may be refused.
        self.add(&lock, bytes)?;
        if let Some(signature) = signature {
            self.add_signatures(&lock, &digest, std::slice::from_ref(signature))?;
        }
        index.write(&self.scratch())?;
        Ok(digest)
    }

    /// [`import`](Self::import)s a file, with its signature if there is one [beside it](crate::signature_file).
    ///
    /// # Errors
    ///
    /// As [`import`](Self::import) and [`read_file`](Self::read_file); [`StoreError::File`] if what lies beside it is no
    /// signature, [`StoreError::SignaturesFull`] if that cannot be kept.
    pub fn import_file(&self, name: &Reference, path: &Path) -> Result<Imported, StoreError> {
        let bytes = Self::read_file(path)?;
        let signature = verify::read_signature(path)?;
        Ok(Imported {
            digest: self.import_signed(name, &bytes, signature.as_ref())?,
            has_signature: signature.is_some(),
        })
    }

    /// The component in a file outside the store.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`], [`StoreError::TooLarge`] or [`StoreError::NotComponent`].
    pub fn read_file(path: &Path) -> Result<Vec<u8>, StoreError> {
        let bytes = file::read(path, Links::Follow, MAX_COMPONENT_BYTES)?;
        let bytes = bytes.ok_or_else(|| StoreError::TooLarge {
            what: path.display().to_string(),
            limit: MAX_COMPONENT_BYTES,
        })?;
        component::check(&path.display(), &bytes)?;
        Ok(bytes)
    }

    /// Keeps content without a name: what a running pod was started with. It stays until
    /// [`collect_garbage`](Self::collect_garbage) finds it unused.
    ///
    /// # Errors
    ///
    /// As [`import`](Self::import).
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        component::check(&digest, bytes)?;
        self.add(&self.lock()?, bytes)
    }

    /// The bytes with this digest.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if they are not here, [`StoreError::Corrupt`] if they are others by now.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.blob(digest);
        let bytes = match file::read(&path, Links::Refuse, MAX_COMPONENT_BYTES) {
            Ok(Some(bytes)) => bytes,
            // Too large to be what was put in; its digest is of no interest.
            Ok(None) => {
                return Err(StoreError::TooLarge {
                    what: path.display().to_string(),
                    limit: MAX_COMPONENT_BYTES,
                });
            }
            Err(StoreError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { digest: *digest });
            }
            Err(error) => return Err(error),
        };
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(StoreError::Corrupt {
                path,
                expected: *digest,
                found,
            });
        }
        Ok(bytes)
    }

    /// All names, in their order.
    ///
    /// # Errors
    ///
    /// [`StoreError::Index`] or [`StoreError::File`].
    pub fn list(&self) -> Result<Vec<Entry>, StoreError> {
        Ok(Index::read(&self.root)?.iter().map(entry).collect())
    }

    /// What a name stands for here: a tag for what was imported by it, a digest for what was pulled by that of its
    /// manifest or imported with that of its bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Index`] or [`StoreError::File`].
    pub fn find(&self, reference: &Reference) -> Result<Option<Entry>, StoreError> {
        let index = Index::read(&self.root)?;
        if let Some(record) = index.get(reference) {
            return Ok(Some(entry((reference, record))));
        }
        let Version::Digest(digest) = reference.version() else {
            return Ok(None);
        };
        let imported = index.iter().find(|(name, record)| {
            record.manifest.is_none() && record.digest == *digest && name.is_same_repository(reference)
        });
        Ok(imported.map(entry))
    }

    /// Forgets a name. The content stays until [`collect_garbage`](Self::collect_garbage), since pods may run with it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`].
    pub fn remove(&self, reference: &Reference) -> Result<Entry, StoreError> {
        let _lock = self.lock()?;
        let mut index = Index::read(&self.root)?;
        let Some(record) = index.remove(reference) else {
            return Err(StoreError::NotFound {
                reference: reference.clone(),
            });
        };
        index.write(&self.scratch())?;
        Ok(entry((reference, &record)))
    }

    /// Removes content that has no imported name, is not `in_use` and has rested for [`GARBAGE_GRACE`], and the names
    /// by which it was pulled. Gives what was removed.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`] or [`StoreError::Index`]; some of it may be removed by then.
    pub fn collect_garbage(&self, in_use: &HashSet<Digest>) -> Result<Vec<Digest>, StoreError> {
        let _lock = self.lock()?;
        let mut index = Index::read(&self.root)?;
        let imported: HashSet<Digest> = index
            .iter()
            .filter(|(_, record)| record.manifest.is_none())
            .map(|(_, record)| record.digest)
            .collect();
        let old = rested(&self.blobs())?;
        let garbage: HashSet<Digest> = old
            .iter()
            .filter_map(|path| path.file_name()?.to_str().and_then(Digest::from_hex))
            .filter(|digest| !imported.contains(digest) && !in_use.contains(digest))
            .collect();
        if index.iter().any(|(_, record)| garbage.contains(&record.digest)) {
            // Names first, so that none points to nothing.
            index.retain(|_, record| !garbage.contains(&record.digest));
            index.write(&self.scratch())?;
        }
        let named = index
            .iter()
            .flat_map(|(_, record)| record.manifest.into_iter().chain([record.digest]));
        let signatures = self.signature_garbage(&named.collect())?;
        // What a process left that died while it wrote.
        let abandoned = rested(&self.scratch())?.into_iter().chain(signatures);
        for path in garbage.iter().map(|digest| self.blob(digest)).chain(abandoned) {
            fs::remove_file(&path).map_err(StoreError::file(path))?;
        }
        let mut garbage: Vec<Digest> = garbage.into_iter().collect();
        garbage.sort();
        Ok(garbage)
    }

    /// Remembers that a manifest's component is this content, so that its digest need not be asked for again.
    pub(crate) fn remember(&self, pulled: &Reference, digest: Digest, size: u64) -> Result<(), StoreError> {
        let Version::Digest(manifest) = pulled.version() else {
            return Ok(());
        };
        let _lock = self.lock()?;
        let mut index = Index::read(&self.root)?;
        if index.get(pulled).is_some_and(|record| record.digest == digest) {
            return Ok(());
        }
        index.forget_oldest_manifests(pulled, &digest);
        let record = Record {
            digest,
            size,
            created: Timestamp::now(),
            manifest: Some(*manifest),
        };
        if !index.insert(pulled.clone(), record) {
            // It only means that the registry is asked again.
            tracing::debug!(reference = %pulled, "no room to remember a pulled component's name");
            return Ok(());
        }
        index.write(&self.scratch())
    }

    /// Whether the content is here and whole; if so it is safe from the collection of garbage for a while.
    pub(crate) fn touch(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.touch_locked(&self.lock()?, digest)
    }

    fn touch_locked(&self, _lock: &Lock, digest: &Digest) -> Result<bool, StoreError> {
        match self.get(digest) {
            Ok(_) => {}
            Err(StoreError::Missing { .. }) => return Ok(false),
            Err(error @ (StoreError::Corrupt { .. } | StoreError::TooLarge { .. } | StoreError::Untrusted { .. })) => {
                tracing::warn!(%error, "a component in the store is to be replaced");
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let path = self.blob(digest);
        let file = file::open(&path, Links::Refuse, File::options().read(true))?;
        file.set_modified(SystemTime::now()).map_err(StoreError::file(path))?;
        Ok(true)
    }

    /// Puts content in unless it is there and whole.
    fn add(&self, lock: &Lock, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if self.touch_locked(lock, &digest)? {
            return Ok(digest);
        }
        let path = self.blob(&digest);
        let folder = self.blobs();
        let count = fs::read_dir(&folder)
            .map_err(StoreError::file(&folder))?
            .take(MAX_COMPONENTS)
            .count();
        if count == MAX_COMPONENTS && fs::symlink_metadata(&path).is_err() {
            return Err(self.full());
        }
        file::write(&path, &self.scratch(), bytes)?;
        Ok(digest)
    }

    fn full(&self) -> StoreError {
        StoreError::Full {
            path: self.root.clone(),
            limit: MAX_COMPONENTS,
        }
    }

    fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    pub(crate) fn signature_folder(&self) -> PathBuf {
        self.root.join("signatures")
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.join("temporary")
    }

    pub(crate) fn lock(&self) -> Result<Lock, StoreError> {
        let path = self.root.join("lock");
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = file::open(&path, Links::Refuse, &mut options)?;
        flock(&file, FlockOperation::LockExclusive).map_err(StoreError::file(&path))?;
        Ok(Lock { _file: file })
    }
}

fn entry((reference, record): (&Reference, &Record)) -> Entry {
    Entry {
        reference: reference.clone(),
        digest: record.digest,
        size: record.size,
        created: record.created,
        manifest_digest: record.manifest,
    }
}

/// The files of a folder that nobody has touched for [`GARBAGE_GRACE`]. A time in the future is that of a clock that was
/// set back: not old.
pub(crate) fn rested(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::file(folder))? {
        let entry = entry.map_err(StoreError::file(folder))?;
        let metadata = entry.metadata().map_err(StoreError::file(entry.path()))?;
        let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
        if metadata.is_file() && age.is_some_and(|age| age >= GARBAGE_GRACE) {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}
