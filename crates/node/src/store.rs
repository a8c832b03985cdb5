//! What the agent keeps on disk of each pod, so that it may die at any moment (invariant 5).
//!
//! `pods/UID/pod.json` is the document as it was accepted, written once and synced: what was accepted is never lost. A
//! folder without it is no pod, so what a pod cannot be run without is written and synced before it.
//! `state.json` is written before the actions of each step are taken, but not synced: it has to outlive the agent, and
//! that the page cache does; it is of no use after a crash of the machine, which ends the containers too.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use probelet_lifecycle::State;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::handle::PodKey;

/// A pod's document. A folder without it is no pod.
const DOCUMENT: &str = "pod.json";

/// The folder of all pods.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pods: PathBuf,
}

/// What there is of pods.
#[derive(Debug, Default)]
pub(crate) struct StoredPods {
    /// Those that were accepted.
    pub(crate) accepted: Vec<PodFolder>,
    /// What a crash has left of others: before they were accepted, or when they were about to be forgotten.
    pub(crate) left: Vec<PodFolder>,
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
    /// The pod's addresses, which are shown for as long as it has a status, its network or not.
    #[serde(default)]
    pub(crate) addresses: Vec<IpAddr>,
}

/// What is known of a pod's state.
pub(crate) enum LastState {
    /// There is none, or only one of another boot: its times mean nothing, and none of the pod's containers lives.
    None,
    /// It cannot even be told of which boot it is.
    Damaged(StoreError),
    /// This is it.
    Stored(Box<StoredState>),
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
        let folder = self.folder(uid);
        create_private(&folder.path).map_err(StoreError::at(&folder.path))?;
        Ok(folder)
    }

    /// The folders of all pods.
    pub(crate) fn pods(&self) -> Result<StoredPods, StoreError> {
        let mut found = StoredPods::default();
        for entry in fs::read_dir(&self.pods).map_err(StoreError::at(&self.pods))? {
            let folder = PodFolder {
                path: entry.map_err(StoreError::at(&self.pods))?.path(),
            };
            if Uuid::parse_str(&folder.uid()).is_err() {
                tracing::warn!(path = %folder.path.display(), "something lies among the pods that is none, and is left alone");
                continue;
            }
            // Where nobody can say whether it was accepted, nothing of it is taken for what is left over.
            match folder.path.join(DOCUMENT).try_exists() {
                Ok(false) => found.left.push(folder),
                Ok(true) | Err(_) => found.accepted.push(folder),
            }
        }
        Ok(found)
    }

    /// The folder of a pod, which need not be there.
    pub(crate) fn folder(&self, uid: &str) -> PodFolder {
        PodFolder {
            path: self.pods.join(uid),
        }
    }
}

impl PodFolder {
    /// The pod's uid, by which everything of it is named.
    pub(crate) fn uid(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Where the pod's volumes, generated files, events and history are.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Accepts a pod: from here on it survives everything, and so does what was synced in its folder before.
    pub(crate) fn accept(&self, document: &Value) -> Result<(), StoreError> {
        write_json_synced(&self.path.join(DOCUMENT), document)?;
        for folder in [Some(self.path.as_path()), self.path.parent()].into_iter().flatten() {
            sync_folder(folder).map_err(StoreError::at(folder))?;
        }
        Ok(())
    }

    /// The document that was accepted.
    pub(crate) fn document(&self) -> Result<Value, StoreError> {
        read_json(&self.path.join(DOCUMENT))
    }

    /// The pod's name, if its document can be read for as much.
    pub(crate) fn key(&self) -> Option<PodKey> {
        let document = self.document().ok()?;
        let text = |field: &str| document["metadata"][field].as_str().map(str::to_owned);
        Some(PodKey {
            namespace: text("namespace").unwrap_or_else(|| "default".to_owned()),
            name: text("name")?,
        })
    }

    /// Stores the state, before its actions are taken.
    pub(crate) fn write_state(&self, boot_id: &str, state: &State, addresses: &[IpAddr]) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            boot_id: &'a str,
            state: &'a State,
            addresses: &'a [IpAddr],
        }
        let stored = Borrowed {
            boot_id,
            state,
            addresses,
        };
        write_json(&self.path.join("state.json"), &stored)
    }

    /// The last state that was stored in this boot.
    pub(crate) fn state(&self, boot_id: &str) -> Result<LastState, StoreError> {
        #[derive(Deserialize)]
        struct Boot {
            boot_id: String,
        }
        let path = self.path.join("state.json");
        let bytes = match fs::read(&path) {
            // It is written before the first action is taken, so that it is missing only where nothing was done yet, or where
            // somebody has removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(LastState::Damaged(StoreError::at(&path)(error)));
            }
            other => other.map_err(StoreError::at(&path))?,
        };
        match parse::<Boot>(&path, &bytes) {
            Err(error) => Ok(LastState::Damaged(error)),
            // Another boot's may be of another version as well.
            Ok(boot) if boot.boot_id != boot_id => Ok(LastState::None),
            Ok(_) => parse(&path, &bytes).map(|stored| LastState::Stored(Box::new(stored))),
        }
    }

    /// Forgets the pod. Its document goes first, so that a crash in between does not bring it back.
    pub(crate) fn remove(&self) -> Result<(), StoreError> {
        let remove = || {
            match fs::remove_file(self.path.join(DOCUMENT)) {
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
    parse(path, &bytes)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StoreError> {
    let parsed = serde_json::from_slice(bytes).map_err(io::Error::from);
    parsed.map_err(StoreError::at(path))
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
