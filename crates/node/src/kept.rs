//! What each check of a pod keeps from run to run (`probelet:plugin/state`), in memory and on disk: a plugin sees a trend
//! even across the agent's death.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{components::CheckKey, store};

/// The kept states of one pod.
pub(crate) struct KeptStates {
    folder: PathBuf,
    known: Mutex<HashMap<CheckKey, Kept>>,
}

/// What a check of one instance of its container keeps.
#[derive(Clone)]
struct Kept {
    instance: u32,
    content: Option<Arc<[u8]>>,
}

impl KeptStates {
    pub(crate) fn new(pod_folder: &Path) -> Self {
        Self {
            folder: pod_folder.join("plugin-state"),
            known: Mutex::default(),
        }
    }

    /// What the last run has left; none for a new instance.
    pub(crate) fn get(&self, key: CheckKey, instance: u32) -> Option<Arc<[u8]>> {
        let mut known = self.lock();
        if let Some(kept) = known.get(&key).filter(|kept| kept.instance == instance) {
            return kept.content.clone();
        }
        let content = fs::read(self.file(key, instance)).ok().map(Arc::from);
        let kept = Kept { instance, content };
        let content = kept.content.clone();
        if let Some(old) = known.insert(key, kept) {
            // The file of an instance that has ended; there may be none.
            let _ = fs::remove_file(self.file(key, old.instance));
        }
        content
    }

    /// Leaves something to the next run.
    pub(crate) fn set(&self, key: CheckKey, instance: u32, content: Vec<u8>) {
        let mut known = self.lock();
        if known.get(&key).is_some_and(|kept| kept.instance > instance) {
            return;
        }
        let file = self.file(key, instance);
        let written = store::create_private(&self.folder).and_then(|()| store::replace(&file, &content));
        if let Err(error) = written {
            tracing::error!(file = %file.display(), %error, "what a plugin keeps is lost if the agent dies now");
        }
        let content = Some(Arc::from(content));
        known.insert(key, Kept { instance, content });
    }

    fn file(&self, (container, role): CheckKey, instance: u32) -> PathBuf {
        self.folder.join(format!("{container}-{}-{instance}", role.name()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CheckKey, Kept>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use probelet_manifest::Role;

    use super::*;

    const KEY: CheckKey = (0, Role::Liveness);

    #[test]
    fn it_is_kept_for_one_instance_and_survives_the_agent() {
        let folder = tempfile::tempdir().unwrap();
        let states = KeptStates::new(folder.path());
        assert!(states.get(KEY, 0).is_none());
        states.set(KEY, 0, vec![1, 2]);
        assert_eq!(states.get(KEY, 0).as_deref(), Some(&[1, 2][..]));
        assert!(states.get((0, Role::Readiness), 0).is_none());

        let states = KeptStates::new(folder.path());
        assert_eq!(states.get(KEY, 0).as_deref(), Some(&[1, 2][..]));
        assert!(states.get(KEY, 1).is_none());
        // A late run of the instance before has nothing to say any more.
        states.set(KEY, 0, vec![3]);
        assert!(states.get(KEY, 1).is_none());
        assert!(!folder.path().join("plugin-state/0-liveness-0").exists());
    }
}
