//! Starting, finding again and removing containers.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use probelet_shim_protocol::cgroup::{Cgroup, Hierarchies};
use probelet_shim_protocol::{ControlRequest, ExitRecord, Running, ShimConfig, StartReport, StartStage, files, sealed};
use tokio::sync::RwLock;

use crate::{Container, ContainerSpec, RuntimeError, StartError, oci, shim};

/// How long killed processes may take to go. Longer means that one hangs in the kernel, which the caller must hear of.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// The signal that cannot be caught.
const SIGKILL: i32 = 9;

/// The exit code of a container whose end nobody saw (B6.3).
const LOST_CODE: i32 = 137;

/// What a runtime needs.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Holds one folder per container. Made if it does not exist, for its owner only.
    pub root: PathBuf,
    /// The binary `probelet-shim`.
    pub shim: PathBuf,
    /// The cgroup below which those of the pods lie, from the root of each hierarchy: `/probelet`.
    pub cgroup_parent: String,
}

/// Starts containers and finds them again. A clone is another handle to the same.
#[derive(Clone, Debug)]
pub struct Runtime(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    shim: OwnedFd,
    cgroup_parent: String,
    hierarchies: Hierarchies,
    /// Read while cgroups are made, written while empty parents are removed, so that none vanishes under a new child.
    cgroup_parents: RwLock<()>,
}

/// What an earlier agent's container is doing now.
#[derive(Debug)]
pub enum Attachment {
    /// It runs.
    Running(Container),
    /// It has ended, and this is how.
    Exited(ExitRecord),
    /// Its shim is gone and has recorded nothing; [`Runtime::remove`] ends what may be left of it.
    Lost,
    /// There is no such container.
    Unknown,
}

impl Runtime {
    /// Opens the runtime in `config.root`, with what an earlier one has left there.
    pub fn new(config: RuntimeConfig) -> Result<Self, RuntimeError> {
        let hierarchies = Hierarchies::discover()?;
        let shim = sealed::copy(&config.shim).map_err(|source| RuntimeError::Shim {
            path: config.shim.clone(),
            source,
        })?;
        let root = &config.root;
        let made = create_private_directory(root).and_then(|()| std::path::absolute(root));
        let root = made.map_err(|source| file_error("cannot make", root, source))?;
        let cgroup_parent = format!("/{}", config.cgroup_parent.trim_matches('/'));
        let cgroup_parents = RwLock::new(());
        Ok(Self(Arc::new(Inner {
            root,
            shim,
            cgroup_parent,
            hierarchies,
            cgroup_parents,
        })))
    }

    /// Starts a container; when it returns, the container's command has been executed. If it fails, nothing is left. If
    /// the future is dropped, the container may run nonetheless: [`Runtime::attach`] or [`Runtime::remove`] it.
    pub async fn start(&self, spec: ContainerSpec) -> Result<Container, StartError> {
        let config = |message| StartError::Config { message };
        check_name("id", &spec.id)
            .and_then(|()| check_name("pod_uid", &spec.pod_uid))
            .map_err(config)?;
        let directory = self.directory(&spec.id);
        let cgroup = format!("{}/{}/{}", self.0.cgroup_parent, spec.pod_uid, spec.id);
        let configuration = oci::configuration(&spec, &cgroup, &self.0.hierarchies).map_err(config)?;
        let log = spec.log_path.clone().unwrap_or_else(|| directory.join(files::LOG));
        let shim_config = ShimConfig {
            id: spec.id.clone(),
            cgroup: cgroup.clone(),
            log: log.clone(),
        };
        let prepare = || {
            create_private_directory(&directory)?;
            std::fs::write(directory.join(files::OCI_CONFIG), serde_json::to_vec(&configuration)?)?;
            std::fs::write(directory.join(files::SHIM_CONFIG), serde_json::to_vec(&shim_config)?)
        };
        if directory.exists() {
            return Err(config(format!(
                "a container {} exists already in {}",
                spec.id,
                directory.display()
            )));
        }
        let report = match prepare() {
            Ok(()) => self.run_shim(&directory).await,
            Err(error) => Err(format!("cannot prepare {}: {error}", directory.display())),
        };
        let error = match report {
            Ok(StartReport::Running(running)) => match self.container(&directory, &shim_config, running) {
                Ok(container) => return Ok(container),
                Err(error) => StartError::Create {
                    message: format!("cannot watch the shim: {error}"),
                },
            },
            Ok(StartReport::Failed {
                stage: StartStage::Create,
                message,
            }) => StartError::Create { message },
            Ok(StartReport::Failed {
                stage: StartStage::Run,
                message,
            }) => StartError::Run { message },
            Err(message) => StartError::Create { message },
        };
        if let Err(error) = self.remove(&spec.id).await {
            tracing::warn!(container = spec.id, %error, "a container that could not be started could not be removed");
        }
        Err(error)
    }

    async fn run_shim(&self, directory: &Path) -> Result<StartReport, String> {
        // The shim makes the cgroups.
        let _cgroups = self.0.cgroup_parents.read().await;
        shim::run(&self.0.shim, directory).await
    }

    /// Finds a container of an earlier agent again.
    pub async fn attach(&self, id: &str) -> Result<Attachment, RuntimeError> {
        let directory = self.directory(id);
        let Some(config) = read_json::<ShimConfig>(&directory.join(files::SHIM_CONFIG))? else {
            return Ok(if directory.exists() {
                Attachment::Lost
            } else {
                Attachment::Unknown
            });
        };
        let unreachable = |source| file_error("cannot ask the shim in", &directory, source);
        if let Some(running) = shim::ask_status(&directory).await.map_err(unreachable)? {
            let container = self.container(&directory, &config, running).map_err(unreachable)?;
            return Ok(Attachment::Running(container));
        }
        Ok(match read_json(&directory.join(files::EXIT_RECORD))? {
            Some(record) => Attachment::Exited(record),
            None => Attachment::Lost,
        })
    }

    fn container(&self, directory: &Path, config: &ShimConfig, running: Running) -> io::Result<Container> {
        // A container may end before anybody can look at it.
        let connection = shim::open(directory)?;
        let cgroup = self.0.hierarchies.cgroup(&config.cgroup);
        let end = {
            let (directory, cgroup) = (directory.to_owned(), cgroup.clone());
            async move {
                if let Some(connection) = connection {
                    shim::await_end(connection).await;
                }
                exit_record(&directory, cgroup, running).await
            }
        };
        Ok(Container::new(
            config.id.clone(),
            directory.to_owned(),
            config.log.clone(),
            cgroup,
            running,
            end,
        ))
    }

    /// Kills what is left of a container and removes its cgroups and its folder. A log elsewhere stays. It is no
    /// error if there is no such container.
    pub async fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        let directory = self.directory(id);
        if !directory.exists() {
            return Ok(());
        }
        if let Ok(Some(connection)) = shim::open(&directory) {
            // A shim that cannot be told, or does not end, is left without a container below.
            let _ = connection.send(
                &ControlRequest::Signal {
                    signal: SIGKILL,
                    all: true,
                },
                &[],
            );
            let _ = tokio::time::timeout(END_PATIENCE, shim::await_end(connection)).await;
        }
        if let Some(config) = read_json::<ShimConfig>(&directory.join(files::SHIM_CONFIG))? {
            self.remove_cgroups(&config.cgroup).await?;
        }
        std::fs::remove_dir_all(&directory).map_err(|source| file_error("cannot remove", &directory, source))
    }

    async fn remove_cgroups(&self, path: &str) -> Result<(), RuntimeError> {
        let cgroup = self.0.hierarchies.cgroup(path);
        destroy(cgroup.clone())
            .await
            .map_err(|source| file_error("cannot remove", cgroup.cgroup2(), source))?;
        let _parents = self.0.cgroup_parents.write().await;
        for parent in Path::new(path).ancestors().skip(1) {
            match parent.to_str() {
                Some(parent) if parent.len() > 1 => self.0.hierarchies.cgroup(parent).remove_if_empty(),
                _ => break,
            }
        }
        Ok(())
    }

    /// The ids of all containers that have a folder, running or not, in order.
    pub fn list(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0.root).into_iter().flatten().flatten();
        let mut ids: Vec<_> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        ids.sort();
        ids
    }

    fn directory(&self, id: &str) -> PathBuf {
        self.0.root.join(id)
    }
}

async fn destroy(cgroup: Cgroup) -> io::Result<()> {
    let destroyed = tokio::task::spawn_blocking(move || cgroup.destroy(END_PATIENCE)).await;
    destroyed.map_err(io::Error::other)?
}

/// Reads the record of a container whose shim is gone. Without one the container is lost; nobody watches it any more,
/// so it is ended before it is reported as ended.
async fn exit_record(directory: &Path, cgroup: Cgroup, running: Running) -> ExitRecord {
    if let Ok(Some(record)) = read_json(&directory.join(files::EXIT_RECORD)) {
        return record;
    }
    if let Err(error) = destroy(cgroup).await {
        tracing::warn!(directory = %directory.display(), %error, "a container whose shim was lost could not be ended");
    }
    ExitRecord {
        code: LOST_CODE,
        signal: None,
        oom_killed: false,
        lost: true,
        started_at: Some(running.started_at),
        finished_at: SystemTime::now(),
    }
}

/// An id names a folder, a cgroup and libcontainer's state, none of which may lie elsewhere.
fn check_name(field: &str, name: &str) -> Result<(), String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(allowed) {
        return Err(format!(
            "{field} {name:?}: letters, digits, `_`, `-` and `.` only, and no `.` in front"
        ));
    }
    Ok(())
}

fn create_private_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Reads a file that may not be there. Half of one is what a crash of the machine leaves, and then nothing has come
/// of it.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, RuntimeError> {
    match std::fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(file_error("cannot read", path, source)),
    }
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> RuntimeError {
    RuntimeError::File {
        action,
        path: path.to_owned(),
        source,
    }
}
