//! From a reference to pinned content.

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Digest, Entry, Located, Progress, Pushed, Reference, Registry, RegistryError, ResolveError, Store, StoreError,
    Version, silent,
};

/// Where a component came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Imported into this machine's store by its name.
    Local,
    /// From the registry that the reference names, now or earlier.
    Registry,
    /// From a file.
    File,
}

/// What a reference stood for when it was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The digest of the component's bytes: what to keep, and to [`get`](Store::get) the bytes with.
    pub digest: Digest,
    /// The digest of the manifest, if it came from a registry.
    pub manifest_digest: Option<Digest>,
    /// How many bytes the component has.
    pub size: u64,
    /// Where it came from.
    pub origin: Origin,
}

/// Finds components in the store, or pulls them into it. A clone is another handle to the same.
#[derive(Clone, Debug)]
pub struct Resolver {
    store: Store,
    registry: Arc<Registry>,
}

impl Resolver {
    /// Looks in `store` first and puts there what comes from `registry`, which others may use as well.
    #[must_use]
    pub fn new(store: Store, registry: impl Into<Arc<Registry>>) -> Self {
        Self {
            store,
            registry: registry.into(),
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The client of registries, for pushing.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What the reference stands for now. Its bytes are then in the store, where nothing removes them for
    /// [`GARBAGE_GRACE`](crate::GARBAGE_GRACE).
    ///
    /// What was imported by the name comes first. Else its registry is asked: each time for a tag, which may have moved,
    /// and once for a digest.
    ///
    /// # Errors
    ///
    /// [`ResolveError::NotFound`] if it is not here and names no registry; else what the store or the registry says.
    pub async fn resolve(&self, reference: &Reference) -> Result<Resolved, ResolveError> {
        let resolved = self.locate(reference).await?;
        self.fetch(reference, &resolved, &silent).await?;
        Ok(resolved)
    }

    /// The first half of [`resolve`](Self::resolve): what the reference stands for, of which nothing is downloaded yet.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    pub async fn locate(&self, reference: &Reference) -> Result<Resolved, ResolveError> {
        if let Some(resolved) = self.locate_here(reference).await? {
            return Ok(resolved);
        }
        if reference.registry().is_none() {
            let name = match reference.version() {
                Version::Tag(_) => reference.to_string(),
                Version::Digest(_) => reference.repository().to_owned(),
            };
            return Err(ResolveError::NotFound {
                reference: reference.clone(),
                name,
            });
        }
        let located = self.registry.locate(reference).await?;
        Ok(Resolved {
            digest: located.digest,
            manifest_digest: Some(located.manifest_digest),
            size: located.size,
            origin: Origin::Registry,
        })
    }

    /// The second half: downloads what was located into the store, unless it is there.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    pub async fn fetch(
        &self,
        reference: &Reference,
        resolved: &Resolved,
        progress: &Progress<'_>,
    ) -> Result<(), ResolveError> {
        // All else is in the store already.
        let Some(manifest_digest) = resolved.manifest_digest else {
            return Ok(());
        };
        let (digest, size) = (resolved.digest, resolved.size);
        if !self.with_store(move |store| store.touch(&digest)).await? {
            let located = Located {
                manifest_digest,
                digest,
                size,
            };
            let bytes = self.registry.fetch(reference, &located, progress).await?;
            self.with_store(move |store| store.keep(&bytes)).await?;
        }
        let pinned = reference.pinned(manifest_digest);
        self.with_store(move |store| store.remember(&pinned, digest, size))
            .await?;
        Ok(())
    }

    /// [`Registry::push`]es, and spares the registry what it has in another repository from which the component was pulled.
    ///
    /// # Errors
    ///
    /// As [`Registry::push`], and what the store says.
    pub async fn push(
        &self,
        reference: &Reference,
        bytes: Vec<u8>,
        progress: &Progress<'_>,
    ) -> Result<Pushed, ResolveError> {
        let (digest, target) = (Digest::of(&bytes), reference.clone());
        let names = self.with_store(Store::list).await?;
        let elsewhere = names.iter().find(|entry| {
            let name = &entry.reference;
            entry.digest == digest
                && entry.manifest_digest.is_some()
                && name.is_same_registry(&target)
                && !name.is_same_repository(&target)
        });
        let mount_from = elsewhere.map(|entry| entry.reference.repository());
        let pushed = self.registry.push(reference, bytes, mount_from, progress).await;
        pushed.map_err(|error: RegistryError| error.into())
    }

    /// Puts the component in a file into the store, without a name.
    ///
    /// # Errors
    ///
    /// As [`Store::read_file`] and [`Store::keep`].
    pub async fn resolve_file(&self, path: &Path) -> Result<Resolved, ResolveError> {
        let path = path.to_owned();
        let kept = move |store: &Store| {
            let bytes = Store::read_file(&path)?;
            Ok((store.keep(&bytes)?, bytes.len() as u64))
        };
        let (digest, size) = self.with_store(kept).await?;
        Ok(Resolved {
            digest,
            manifest_digest: None,
            size,
            origin: Origin::File,
        })
    }

    async fn locate_here(&self, reference: &Reference) -> Result<Option<Resolved>, ResolveError> {
        let reference = reference.clone();
        let found = move |store: &Store| {
            let Some(entry) = store.find(&reference)? else {
                return Ok(None);
            };
            if store.touch(&entry.digest)? {
                return Ok(Some(entry));
            }
            if entry.manifest_digest.is_some() {
                // Lost, but the registry has it.
                return Ok(None);
            }
            // Says what is wrong.
            store.get(&entry.digest).map(|_| Some(entry))
        };
        let entry = self.with_store(found).await?;
        Ok(entry.map(|entry: Entry| Resolved {
            digest: entry.digest,
            manifest_digest: entry.manifest_digest,
            size: entry.size,
            origin: if entry.manifest_digest.is_some() {
                Origin::Registry
            } else {
                Origin::Local
            },
        }))
    }

    /// The store's calls block: they run beside the runtime's threads.
    pub(crate) async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Stopping),
        })
    }
}
