//! What all pods share.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    fs::{File, OpenOptions},
    io::{Read, Write},
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use probelet_container::{Runtime, RuntimeConfig};
use probelet_engine::{Engine, EngineConfig};
use probelet_image::ImageStore;
use probelet_network::{Network, NetworkConfig};
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    clock,
    components::Components,
    config::{NodeConfig, NodeError},
    handle::{Collection, Created, PodKey, RequestError},
    hold::{Hold, PRESSURE_FILE, Pressure},
    metrics::Counters,
    objects::Objects,
    plugins::Plugins,
    pod::{Input, PodEntry},
    recorder::Recorder,
    sandbox,
    store::{LastState, PodFolder, Store, StoreError, StoredPods, create_private},
    task::{PodTask, Searching},
};

/// The cgroup of all containers.
const CGROUP_PARENT: &str = "probelet";

/// Pods on one node. Each costs some tens of megabytes of cgroups, namespaces and processes; Kubernetes' own limit is 110
/// and large nodes are run with 500 (G4, G5).
const MAX_PODS: usize = 500;

/// What all pods share.
pub(crate) struct Inner {
    pub(crate) objects: Arc<Objects>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) store: Store,
    pub(crate) images: ImageStore,
    pub(crate) network: Network,
    pub(crate) runtime: Runtime,
    pub(crate) plugins: Plugins,
    pub(crate) hold: Hold,
    counters: Mutex<Counters>,
    pub(crate) boot_id: String,
    pub(crate) host_addresses: Vec<IpAddr>,
    pods: Mutex<BTreeMap<PodKey, Arc<PodEntry>>>,
    /// The names of pods that are set aside: who comes back must find its own free.
    set_aside: Mutex<BTreeSet<PodKey>>,
    /// The components of pods that an earlier agent accepted, by their uids, as long as this one does not manage them.
    unmanaged: Mutex<BTreeMap<String, Vec<String>>>,
    tasks: Mutex<JoinSet<()>>,
    /// Held as long as the agent lives.
    _lock: File,
}

impl Inner {
    pub(crate) async fn open(config: &NodeConfig) -> Result<Arc<Self>, NodeError> {
        if !rustix::process::geteuid().is_root() {
            return Err(NodeError::NotRoot);
        }
        let directory = &config.state_directory;
        create_private(directory).map_err(StoreError::at(directory))?;
        let lock = lock(directory)?;
        let shim = config.shim()?;
        let subnet = config
            .pod_cidr
            .parse()
            .map_err(|error: ipnet::AddrParseError| NodeError::PodCidr {
                range: config.pod_cidr.clone(),
                reason: error.to_string(),
            })?;
        let subnet_ipv6 =
            config
                .pod_cidr_ipv6
                .parse()
                .map_err(|error: ipnet::AddrParseError| NodeError::PodCidrIpv6 {
                    range: config.pod_cidr_ipv6.clone(),
                    reason: error.to_string(),
                })?;
        let pressure = config
            .cpu_pressure_limit
            .map(|limit| Pressure::open(PRESSURE_FILE, limit));
        let pressure = pressure
            .transpose()
            .map_err(|source| NodeError::NoPressure { source })?;
        let versions = directory.join("resource-version");
        let objects = Arc::new(Objects::open(versions.clone()).map_err(StoreError::at(&versions))?);
        let images = ImageStore::open(&config.images())?;
        let runtime = Runtime::new(RuntimeConfig {
            root: config.containers(),
            shim,
            cgroup_parent: CGROUP_PARENT.to_owned(),
        })?;
        let network = Network::open(NetworkConfig {
            bridge: config.bridge.clone(),
            subnet,
            subnet_ipv6,
            directory: config.network(),
        })
        .await?;
        let engine = Engine::new(EngineConfig {
            cache_directory: Some(config.component_cache()),
            compiler: config.compiler.clone(),
            ..EngineConfig::default()
        })?;
        let plugins = Plugins::open(engine, config).await?;
        let boot_id = clock::boot_id().map_err(StoreError::at(Path::new("/proc/sys/kernel/random/boot_id")))?;
        Ok(Arc::new(Self {
            recorder: Arc::new(Recorder::new(objects.clone())),
            objects,
            store: Store::open(directory)?,
            images,
            host_addresses: probelet_network::host_addresses(),
            network,
            runtime,
            plugins,
            hold: Hold::new(directory, config.restart_budget, pressure),
            counters: Mutex::new(Counters::default()),
            boot_id,
            pods: Mutex::new(BTreeMap::new()),
            set_aside: Mutex::default(),
            unmanaged: Mutex::default(),
            tasks: Mutex::new(JoinSet::new()),
            _lock: lock,
        }))
    }

    /// What is counted for the whole node.
    pub(crate) fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All pods.
    pub(crate) fn pods(&self) -> MutexGuard<'_, BTreeMap<PodKey, Arc<PodEntry>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One pod.
    pub(crate) fn pod(&self, key: &PodKey) -> Option<Arc<PodEntry>> {
        self.pods().get(key).cloned()
    }

    /// Accepts a new pod and starts its task. Its components are found and compiled first, so this may take a while.
    pub(crate) async fn create(self: &Arc<Self>, document: Value) -> Result<Created, RequestError> {
        let mut pod = probelet_manifest::parse_json(document).map_err(RequestError::Invalid)?;
        let key = PodKey {
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
        };
        self.check_room(&key)?;
        let (components, unsigned) = Components::admit(self, &pod).await.map_err(|faults| {
            self.let_go_of_plugins();
            RequestError::Invalid(faults)
        })?;
        let unsigned_warnings = unsigned.iter().map(|unsigned| unsigned.diagnostic().to_string());
        let warnings = pod.warnings.iter().map(ToString::to_string);
        let warnings = warnings.chain(unsigned_warnings).collect();
        let uid = Uuid::new_v4().to_string();
        let metadata = &mut pod.document["metadata"];
        metadata["uid"] = uid.as_str().into();
        metadata["creationTimestamp"] = clock::seconds_text(clock::now().wall).into();
        pod.metadata.uid = Some(uid.clone());

        let (entry, inbox) = {
            let mut pods = self.pods();
            self.room(&pods, &key)?;
            let folder = accept(&self.store, &uid, &pod.document, &components);
            let folder = folder.map_err(|error| RequestError::Internal(error.to_string()))?;
            let (entry, inbox) = PodEntry::new(pod, folder, components);
            pods.insert(key, entry.clone());
            (entry, inbox)
        };
        let task = PodTask::new(self.clone(), entry.clone(), inbox, None);
        let stored = task.publish_first();
        self.spawn(task.run_new());
        for unsigned in unsigned {
            // The pod may have ended meanwhile.
            let _ = entry.inbox.send(Input::Tell(unsigned.event())).await;
        }
        Ok(Created { pod: stored, warnings })
    }

    /// Whether a pod of that name may be created.
    fn check_room(&self, key: &PodKey) -> Result<(), RequestError> {
        self.room(&self.pods(), key)
    }

    fn room(&self, pods: &BTreeMap<PodKey, Arc<PodEntry>>, key: &PodKey) -> Result<(), RequestError> {
        if lock_of(&self.set_aside).contains(key) {
            return Err(RequestError::Conflict(format!(
                "a pod of the name {} is set aside, since a file of it cannot be used; the agent's log says which",
                key.name
            )));
        }
        room(pods, key)
    }

    /// Takes over all pods that an earlier agent left, and removes what is left of others. `searching` is dropped when
    /// their containers have been found again.
    ///
    /// A pod whose files cannot be used is set aside: nothing of it is touched, and the others are managed.
    pub(crate) async fn recover_all(self: &Arc<Self>, searching: Searching) -> Result<(), NodeError> {
        let stored = self.store.pods()?;
        lock_of(&self.unmanaged).extend(
            stored
                .accepted
                .iter()
                .map(|folder| (folder.uid(), Components::pinned_by(folder))),
        );
        self.sweep(&stored).await?;
        for folder in stored.accepted {
            let (path, uid, key) = (folder.path().to_owned(), folder.uid(), folder.key());
            let recovered = self.recover(folder, searching.clone()).await;
            if recovered.is_ok() {
                lock_of(&self.unmanaged).remove(&uid);
            }
            if let Err(error) = recovered {
                lock_of(&self.set_aside).extend(key);
                tracing::error!(
                    folder = %path.display(), %error,
                    "a pod is not managed, since a file of it cannot be used; its containers go on. Put the file back and \
                     start the agent again, or remove pod.json from the folder: the next agent ends what it finds of such \
                     a pod"
                );
            }
        }
        Ok(())
    }

    /// Removes the containers, networks and folders of pods that are no more. What cannot be removed is left to the next
    /// agent.
    async fn sweep(&self, stored: &StoredPods) -> Result<(), NodeError> {
        let accepted: BTreeSet<_> = stored.accepted.iter().map(PodFolder::uid).collect();
        let mut left: BTreeSet<_> = stored.left.iter().map(PodFolder::uid).collect();
        left.extend(self.network.list()?);
        left.extend(self.runtime.list().iter().map(|id| sandbox::pod_of(id).to_owned()));
        for uid in left.difference(&accepted) {
            let removed = match sandbox::remove(self, uid).await {
                Ok(()) => self.store.folder(uid).remove().map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match removed {
                Ok(()) => tracing::warn!(uid, "what was left of a pod that is no more is removed"),
                Err(error) => tracing::error!(uid, error, "something is left of a pod that is no more"),
            }
        }
        Ok(())
    }

    async fn recover(self: &Arc<Self>, folder: PodFolder, searching: Searching) -> Result<(), SetAside> {
        let pod = probelet_manifest::parse_json(folder.document()?).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            SetAside::Invalid {
                faults: faults.join("; "),
            }
        })?;
        let stored = match folder.state(&self.boot_id)? {
            LastState::Stored(stored) => Some(*stored),
            LastState::None => None,
            // It is not synced, and may have been lost when the machine went down. Nothing of the pod runs then.
            LastState::Damaged(error) if !self.network.has_namespaces(&folder.uid()) => {
                tracing::error!(%error, "a pod's state is lost; nothing of the pod runs, and it begins anew");
                None
            }
            LastState::Damaged(error) => return Err(error.into()),
        };
        let components = Components::recover(self, &pod, &folder).await;
        let (entry, inbox) = PodEntry::new(pod, folder, components);
        match self.pods().entry(entry.key.clone()) {
            // Two tasks of one name would end each other's pod, and neither could be told to stop.
            btree_map::Entry::Occupied(_) => return Err(SetAside::SameName),
            btree_map::Entry::Vacant(place) => place.insert(entry.clone()),
        };
        let recovered = stored.is_some();
        let task = PodTask::new(self.clone(), entry, inbox, stored);
        task.publish_first();
        if recovered {
            self.spawn(task.run_recovered(searching));
        } else {
            self.spawn(task.run_new());
        }
        Ok(())
    }

    /// Takes a pod that has ended for good off the books, and its components with it unless another pod has them too.
    pub(crate) fn forget(self: &Arc<Self>, entry: &PodEntry) {
        self.pods().remove(&entry.key);
        self.objects.remove(Collection::Pods, &entry.key);
        if !entry.components.digests().is_empty() {
            self.let_go_of_plugins();
        }
    }

    /// Lets go of the components that no pod runs.
    pub(crate) fn let_go_of_plugins(self: &Arc<Self>) {
        let node = self.clone();
        tokio::spawn(async move {
            let entries: Vec<_> = node.pods().values().cloned().collect();
            let in_use = entries.iter().flat_map(|entry| entry.components.digests());
            let unmanaged: Vec<_> = lock_of(&node.unmanaged).values().flatten().cloned().collect();
            node.plugins.keep_only(in_use.chain(unmanaged).collect()).await;
        });
    }

    /// Ends all tasks and leaves the containers running.
    pub(crate) async fn shutdown(&self) {
        let entries: Vec<_> = self.pods().values().cloned().collect();
        for entry in &entries {
            // A task that has ended needs no telling.
            let _ = entry.inbox.send(Input::Detach).await;
        }
        let mut tasks = std::mem::take(&mut *self.tasks());
        while tasks.join_next().await.is_some() {}
        if self.pods().is_empty()
            && let Err(error) = self.network.close().await
        {
            tracing::warn!(%error, "the bridge is left");
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        // Ended tasks are kept until they are asked for.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a pod that an earlier agent accepted is not managed.
#[derive(Debug, thiserror::Error)]
enum SetAside {
    /// A file cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was set aside before, and another one took its name.
    #[error("another pod of the same name is managed; delete that one first")]
    SameName,
    /// It is no pod to this agent; another version may have accepted it.
    #[error("pod.json is not valid: {faults}")]
    Invalid { faults: String },
}

/// Puts a pod on disk. Its document comes last: wherever this ends, there is a pod that has all it needs, or none.
fn accept(store: &Store, uid: &str, document: &Value, components: &Components) -> Result<PodFolder, StoreError> {
    let folder = store.create_pod(uid)?;
    components.store(&folder)?;
    folder.accept(document)?;
    Ok(folder)
}

/// Whether a pod of that name may be added.
fn room(pods: &BTreeMap<PodKey, Arc<PodEntry>>, key: &PodKey) -> Result<(), RequestError> {
    if pods.contains_key(key) {
        return Err(RequestError::AlreadyExists(key.name.clone()));
    }
    if pods.len() >= MAX_PODS {
        return Err(RequestError::Conflict(format!(
            "this node runs {MAX_PODS} pods already; delete some first"
        )));
    }
    Ok(())
}

/// Makes sure that there is one agent only: the lock ends with the process, however that ends.
fn lock(directory: &Path) -> Result<File, NodeError> {
    let path = directory.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(StoreError::at(&path))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut text = String::new();
        let _ = file.read_to_string(&mut text);
        return Err(NodeError::AlreadyRunning {
            directory: directory.to_owned(),
            pid: text.trim().parse().ok(),
        });
    }
    let write = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    write.map_err(StoreError::at(&path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    const UID: &str = "3c2a7c0e-9a53-4f0e-8a41-0c5f0d6f1a01";

    #[test]
    fn a_pod_is_there_with_its_components_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let components = Components::of_one_check();

        // An agent that dies before the document is written leaves no pod.
        components.store(&store.create_pod(UID).unwrap()).unwrap();
        let pinned = directory.path().join("pods").join(UID).join("components.json");
        assert!(pinned.exists());
        let StoredPods { accepted, left } = store.pods().unwrap();
        assert!(accepted.is_empty());
        assert_eq!(left.iter().map(PodFolder::uid).collect::<Vec<_>>(), [UID]);

        let document = json!({"kind": "Pod"});
        accept(&store, UID, &document, &components).unwrap();
        // What is no pod is neither taken for one nor for what is left of one.
        fs::create_dir(directory.path().join("pods/lost+found")).unwrap();
        let StoredPods { accepted: pods, left } = store.pods().unwrap();
        assert_eq!((pods.len(), left.len()), (1, 0));
        assert_eq!(pods[0].key(), None);
        assert_eq!(Components::pinned_by(&pods[0]), [format!("sha256:{:064}", 1)]);
        assert_eq!(pods[0].document().unwrap(), document);
        assert!(pinned.exists());
    }

    #[test]
    fn a_state_is_this_boots_or_none_or_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Store::open(directory.path()).unwrap().create_pod(UID).unwrap();
        let state = |text: &str| {
            fs::write(folder.path().join("state.json"), text).unwrap();
            folder.state("this")
        };
        // It is written before anything is done: without it nobody knows what was.
        assert!(matches!(folder.state("this"), Ok(LastState::Damaged(_))));
        // As a machine leaves it that went down.
        for cut in ["", r#"{"boot_id":"th"#, "\0\0\0\0"] {
            assert!(matches!(state(cut), Ok(LastState::Damaged(_))), "{cut}");
        }
        let unknown = |boot: &str| format!(r#"{{"boot_id":"{boot}","state":{{"version":99}}}}"#);
        assert!(matches!(state(&unknown("other")), Ok(LastState::None)));
        let text = state(&unknown("this")).err().unwrap().to_string();
        assert!(text.contains("state.json") && text.contains("version 99"), "{text}");
    }

    #[test]
    fn a_pod_whose_components_cannot_be_written_down_is_not_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        // No file can take the place of a folder.
        let pinned = directory.path().join("pods").join(UID).join("components.json");
        fs::create_dir_all(&pinned).unwrap();
        let error = accept(&store, UID, &json!({"kind": "Pod"}), &Components::of_one_check()).unwrap_err();
        assert!(error.to_string().contains("components.json"), "{error}");
        let StoredPods { accepted, left } = store.pods().unwrap();
        assert_eq!((accepted.len(), left.len()), (0, 1));
        left[0].remove().unwrap();
        assert!(!directory.path().join("pods").join(UID).exists());
    }
}
