//! The documents that clients list and watch, under one resource version that survives the agent.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::watch;

use crate::handle::{Change, ChangeKind, Changes, Collection, Document, Listing, PodKey, WatchError};

/// Changes that a watch can go back to. At 100 pods that all change twice a second this is the last 20 s, which a client
/// needs to list, connect and watch; one that falls further behind lists again (410), as with Kubernetes.
const MAX_CHANGES: usize = 4096;

/// Resource versions are reserved on disk in blocks, so that handing one out costs no write.
const RESERVED_AT_ONCE: u64 = 10_000;

/// All documents, and the changes to them.
pub(crate) struct Objects {
    inner: Mutex<Inner>,
    newest: watch::Sender<u64>,
    reservation: PathBuf,
}

struct Inner {
    documents: BTreeMap<(Collection, PodKey), Document>,
    changes: VecDeque<(Collection, String, Change)>,
    /// The last version that was handed out.
    version: u64,
    /// Versions up to this one may be handed out without a write.
    reserved: u64,
    /// Changes up to this version are no longer in `changes`.
    forgotten: u64,
}

impl Objects {
    /// Goes on from the versions that an earlier agent reserved in the file `reservation`.
    pub(crate) fn open(reservation: PathBuf) -> std::io::Result<Self> {
        let reserved = match fs::read_to_string(&reservation) {
            Ok(text) => text.trim().parse().unwrap_or(0),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let inner = Inner {
            documents: BTreeMap::new(),
            changes: VecDeque::new(),
            version: reserved,
            reserved,
            forgotten: reserved,
        };
        Ok(Self {
            inner: Mutex::new(inner),
            newest: watch::Sender::new(reserved),
            reservation,
        })
    }

    /// Adds or replaces a document, giving it the next resource version. Returns it as it is stored.
    pub(crate) fn put(&self, collection: Collection, key: PodKey, mut document: Value) -> Document {
        let mut inner = self.lock();
        let version = inner.next_version(&self.reservation);
        set_version(&mut document, version);
        let document: Document = Arc::new(document);
        let known = inner.documents.insert((collection, key.clone()), document.clone());
        let kind = if known.is_some() {
            ChangeKind::Modified
        } else {
            ChangeKind::Added
        };
        inner.remember(
            collection,
            key.namespace,
            Change {
                kind,
                resource_version: version,
                object: document.clone(),
            },
        );
        drop(inner);
        self.newest.send_replace(version);
        document
    }

    /// Removes a document, if it is there.
    pub(crate) fn remove(&self, collection: Collection, key: &PodKey) {
        let mut inner = self.lock();
        let Some(document) = inner.documents.remove(&(collection, key.clone())) else {
            return;
        };
        let version = inner.next_version(&self.reservation);
        let mut last = (*document).clone();
        set_version(&mut last, version);
        let change = Change {
            kind: ChangeKind::Deleted,
            resource_version: version,
            object: Arc::new(last),
        };
        inner.remember(collection, key.namespace.clone(), change);
        drop(inner);
        self.newest.send_replace(version);
    }

    /// One document.
    pub(crate) fn get(&self, collection: Collection, key: &PodKey) -> Option<Document> {
        self.lock().documents.get(&(collection, key.clone())).cloned()
    }

    /// All documents of a collection, or those of one namespace.
    pub(crate) fn list(&self, collection: Collection, namespace: Option<&str>) -> Listing {
        let inner = self.lock();
        let items = inner
            .documents
            .iter()
            .filter(|((of, key), _)| *of == collection && namespace.is_none_or(|wanted| key.namespace == wanted))
            .map(|(_, document)| document.clone())
            .collect();
        Listing {
            resource_version: inner.version,
            items,
        }
    }

    /// The changes after a version.
    pub(crate) fn watch(
        self: &Arc<Self>,
        collection: Collection,
        namespace: Option<&str>,
        after: u64,
    ) -> Result<Changes, WatchError> {
        if after < self.lock().forgotten {
            return Err(WatchError::Expired(after));
        }
        let watcher = Watcher {
            objects: self.clone(),
            newest: self.newest.subscribe(),
            collection,
            namespace: namespace.map(str::to_owned),
            after: Some(after),
        };
        Ok(Box::pin(futures::stream::unfold(watcher, Watcher::next)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can leave it half-changed: every section below ends in infallible assignments.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next_version(&mut self, reservation: &Path) -> u64 {
        self.version += 1;
        if self.version > self.reserved {
            self.reserved = self.version + RESERVED_AT_ONCE;
            if let Err(error) = crate::store::replace(reservation, self.reserved.to_string().as_bytes()) {
                tracing::error!(file = %reservation.display(), %error, "the resource version cannot be reserved; \
                    watches may have to start anew after the agent's next start");
            }
        }
        self.version
    }

    fn remember(&mut self, collection: Collection, namespace: String, change: Change) {
        if self.changes.len() == MAX_CHANGES
            && let Some((_, _, oldest)) = self.changes.pop_front()
        {
            self.forgotten = oldest.resource_version;
        }
        self.changes.push_back((collection, namespace, change));
    }
}

struct Watcher {
    objects: Arc<Objects>,
    newest: watch::Receiver<u64>,
    collection: Collection,
    namespace: Option<String>,
    /// The last version that was looked at; `None` once the watch has ended.
    after: Option<u64>,
}

impl Watcher {
    async fn next(mut self) -> Option<(Result<Change, WatchError>, Self)> {
        loop {
            let after = self.after?;
            match self.find(after) {
                Ok(Some(change)) => {
                    self.after = Some(change.resource_version);
                    return Some((Ok(change), self));
                }
                Ok(None) => self.newest.changed().await.ok()?,
                Err(error) => {
                    self.after = None;
                    return Some((Err(error), self));
                }
            }
        }
    }

    fn find(&mut self, after: u64) -> Result<Option<Change>, WatchError> {
        let inner = self.objects.lock();
        if after < inner.forgotten {
            return Err(WatchError::Expired(after));
        }
        self.newest.mark_unchanged();
        let from = inner
            .changes
            .partition_point(|(_, _, change)| change.resource_version <= after);
        let found = inner.changes.range(from..).find(|(collection, namespace, _)| {
            *collection == self.collection && self.namespace.as_ref().is_none_or(|wanted| wanted == namespace)
        });
        if found.is_none() {
            self.after = Some(inner.version);
        }
        Ok(found.map(|(_, _, change)| change.clone()))
    }
}

fn set_version(document: &mut Value, version: u64) {
    document["metadata"]["resourceVersion"] = Value::String(version.to_string());
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> PodKey {
        PodKey {
            namespace: "default".into(),
            name: name.into(),
        }
    }

    fn objects() -> (tempfile::TempDir, Arc<Objects>) {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(folder.path().join("resource-version")).unwrap();
        (folder, Arc::new(objects))
    }

    #[tokio::test]
    async fn a_watch_misses_nothing_between_list_and_watch() {
        let (_folder, objects) = objects();
        objects.put(Collection::Pods, key("a"), json!({"metadata": {}}));
        let listing = objects.list(Collection::Pods, Some("default"));
        objects.put(Collection::Events, key("a.1"), json!({"metadata": {}}));
        objects.put(Collection::Pods, key("a"), json!({"metadata": {}, "n": 2}));
        objects.remove(Collection::Pods, &key("a"));

        let mut changes = objects.watch(Collection::Pods, None, listing.resource_version).unwrap();
        let modified = changes.next().await.unwrap().unwrap();
        let deleted = changes.next().await.unwrap().unwrap();

        assert_eq!(
            (modified.kind, modified.object["n"].as_i64()),
            (ChangeKind::Modified, Some(2))
        );
        assert_eq!(deleted.kind, ChangeKind::Deleted);
        assert!(deleted.resource_version > modified.resource_version);
    }

    #[tokio::test]
    async fn a_watch_that_waits_is_woken_by_a_change() {
        let (_folder, objects) = objects();
        let mut changes = objects.watch(Collection::Pods, None, 0).unwrap();
        let next = tokio::spawn(async move { changes.next().await.unwrap().unwrap() });
        tokio::task::yield_now().await;
        objects.put(Collection::Pods, key("b"), json!({"metadata": {"name": "b"}}));
        assert_eq!(next.await.unwrap().object["metadata"]["name"], "b");
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_told_to_list_again() {
        let (_folder, objects) = objects();
        let mut changes = objects.watch(Collection::Pods, None, 0).unwrap();
        for _ in 0..=MAX_CHANGES {
            objects.put(Collection::Pods, key("a"), json!({"metadata": {}}));
        }
        assert!(matches!(changes.next().await, Some(Err(WatchError::Expired(0)))));
        assert!(changes.next().await.is_none());
        assert!(matches!(
            objects.watch(Collection::Pods, None, 0).err(),
            Some(WatchError::Expired(0))
        ));
    }

    #[test]
    fn versions_go_on_after_a_restart_and_older_watches_expire() {
        let (folder, objects) = objects();
        objects.put(Collection::Pods, key("a"), json!({"metadata": {}}));
        let before = objects.list(Collection::Pods, None).resource_version;
        drop(objects);
        let objects = Arc::new(Objects::open(folder.path().join("resource-version")).unwrap());
        assert!(objects.list(Collection::Pods, None).resource_version > before);
        assert!(objects.watch(Collection::Pods, None, before).is_err());
    }
}
