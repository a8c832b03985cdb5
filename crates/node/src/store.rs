//! What the agent keeps on disk of each pod, so that it may die at any moment (invariant 5).
//!
//! `pods/UID/pod.json` is the document as it was accepted, written once and synced: what was accepted is never lost. A
//! folder without it is no pod, so what a pod cannot be run without is written and synced before it.
//! `state.json` is written before the actions of each step are taken, but not synced: it has to outlive the agent, and
//! that the page cache does; it is of no use after a crash of the machine, which ends the containers too.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use probelet_lifecycle::State;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The folder of all pods.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pods: PathBuf,
}

/// The folder of one pod.
#[derive(Clone, Debug)]
pub(crate) struct PodFolder {
    path: PathBuf,
}

/// `state.json`.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredState {
    /// The boot that the state's times belong to.
    pub(crate) boot_id: String,
    /// The machine's state, which carries its own version.
    pub(crate) state: State,
}

/// A file of the store that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct StoreError {
    /// The file or folder.
    pub path: PathBuf,
    /// What happened.
    pub source: io::Error,
}

impl StoreError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path, source }
    }
}

impl Store {
    /// Uses, and creates if need be, `directory`.
    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        let pods = directory.join("pods");
        create_private(&pods).map_err(StoreError::at(&pods))?;
        Ok(Self { pods })
    }

    /// Makes the folder of a pod that is about to be accepted.
    pub(crate) fn create_pod(&self, uid: &str) -> Result<PodFolder, StoreError> {
        let path = self.pods.join(uid);
        create_private(&path).map_err(StoreError::at(&path))?;
        Ok(PodFolder { path })
    }

    /// The folders of all pods that were accepted; what a crash left of others is removed.
    pub(crate) fn pods(&self) -> Result<Vec<PodFolder>, StoreError> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(&self.pods).map_err(StoreError::at(&self.pods))? {
            let path = entry.map_err(StoreError::at(&self.pods))?.path();
            if path.join("pod.json").exists() {
                folders.push(PodFolder { path });
            } else {
                fs::remove_dir_all(&path).map_err(StoreError::at(&path))?;
            }
        }
        Ok(folders)
    }
}

impl PodFolder {
    /// Where the pod's volumes, generated files, events and history are.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Accepts a pod: from here on it survives everything, and so does what was synced in its folder before.
    pub(crate) fn accept(&self, document: &Value) -> Result<(), StoreError> {
        write_json_synced(&self.path.join("pod.json"), document)?;
        for folder in [Some(self.path.as_path()), self.path.parent()].into_iter().flatten() {
            sync_folder(folder).map_err(StoreError::at(folder))?;
        }
        Ok(())
    }

    /// The document that was accepted.
    pub(crate) fn document(&self) -> Result<Value, StoreError> {
        read_json(&self.path.join("pod.json"))
    }

    /// Stores the state, before its actions are taken.
    pub(crate) fn write_state(&self, boot_id: &str, state: &State) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            boot_id: &'a str,
            state: &'a State,
        }
        write_json(&self.path.join("state.json"), &Borrowed { boot_id, state })
    }

    /// The last state that was stored; `None` if the agent died before the first.
    pub(crate) fn state(&self) -> Result<Option<StoredState>, StoreError> {
        let path = self.path.join("state.json");
        match read_json(&path) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Forgets the pod. Its document goes first, so that a crash in between does not bring it back.
    pub(crate) fn remove(&self) -> Result<(), StoreError> {
        let remove = || {
            match fs::remove_file(self.path.join("pod.json")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            match fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        };
        remove().map_err(StoreError::at(&self.path))
    }
}

/// Reads a JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let bytes = fs::read(path).map_err(StoreError::at(path))?;
    serde_json::from_slice(&bytes)
        .map_err(io::Error::from)
        .map_err(StoreError::at(path))
}

/// Replaces a JSON file in one step.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    write_json_beside(path, value, false)
}

/// Replaces a JSON file in one step, and not before the content is on the disk: a power loss leaves the old or the new.
pub(crate) fn write_json_synced<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    write_json_beside(path, value, true)
}

fn write_json_beside<T: Serialize>(path: &Path, value: &T, sync: bool) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(value).map_err(io::Error::from);
    let written = bytes.and_then(|bytes| write_beside(path, &bytes, sync));
    written.map_err(StoreError::at(path))
}

/// Replaces a file in one step: a reader, or an agent that comes back, sees the old content or the new.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes, false)
}

/// Creates a folder that only its owner may enter, with those above it.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write_beside(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    if sync {
        file.sync_all()?;
    }
    fs::rename(&temporary, path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
