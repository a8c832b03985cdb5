//! What a pod has before its containers: namespaces, network, volumes, generated files.

use std::{collections::BTreeMap, io, net::IpAddr, path::PathBuf, sync::Arc};

use probelet_engine::NetworkNamespace;
use probelet_manifest::VolumeSource;
use probelet_network::PodNetwork;

use crate::{
    adapt,
    inner::Inner,
    pod::PodEntry,
    start,
    volumes::{self, GeneratedFiles, VolumeError},
};

/// The sandbox of a pod.
pub(crate) struct Sandbox {
    pub(crate) network: PodNetwork,
    /// The pod's network namespace, for the engine's sockets; `None` is the machine's own.
    pub(crate) namespace: Option<Arc<dyn NetworkNamespace>>,
    pub(crate) files: GeneratedFiles,
    /// Where each volume is, by its name.
    pub(crate) volumes: BTreeMap<String, PathBuf>,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    #[error(transparent)]
    Network(#[from] probelet_network::NetworkError),
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error("files of the pod below {}: {source}", path.display())]
    Files { path: PathBuf, source: io::Error },
    #[error("the pod's containers: {0}")]
    Runtime(#[from] probelet_container::RuntimeError),
    #[error("the containers' roots: {0}")]
    Image(#[from] probelet_image::ImageError),
}

impl Sandbox {
    /// The pod's addresses, the primary one first.
    pub(crate) fn addresses(&self) -> &[IpAddr] {
        &self.network.addresses
    }
}

/// Makes the sandbox, or finds it again.
pub(crate) async fn create(node: &Inner, entry: &PodEntry) -> Result<Sandbox, SandboxError> {
    let volumes = prepare_volumes(entry)?;
    let spec = &entry.pod.spec;
    let hostname = hostname(entry);
    let network = node
        .network
        .create_pod(&entry.uid, &hostname, spec.host_network)
        .await?;
    let namespace = match &network.network_namespace {
        Some(path) => Some(adapt::namespace(path).map_err(|source| SandboxError::Files {
            path: path.clone(),
            source,
        })?),
        None => None,
    };
    let files = volumes::generate_files(entry.folder.path(), &hostname, &network.addresses).map_err(|source| {
        SandboxError::Files {
            path: entry.folder.path().to_owned(),
            source,
        }
    })?;
    Ok(Sandbox {
        network,
        namespace,
        files,
        volumes,
    })
}

/// Removes the sandbox and what is left of the pod's containers. Can be repeated, and needs no more than the pod's uid.
pub(crate) async fn remove(node: &Inner, uid: &str) -> Result<(), SandboxError> {
    for id in node.runtime.list().into_iter().filter(|id| pod_of(id) == uid) {
        node.runtime.remove(&id).await?;
    }
    let folder = node.store.folder(uid);
    let roots = folder.path().join("roots");
    start::blocking(move || unmount_roots(&roots)).await?;
    node.network.remove_pod(uid).await?;
    let volumes = folder.path().join("volumes");
    start::blocking(move || {
        volumes::remove_empty_dirs(&volumes).map_err(|source| SandboxError::Files { path: volumes, source })
    })
    .await
}

/// The uid of a container's pod.
pub(crate) fn pod_of(container_id: &str) -> &str {
    container_id.split_once('_').map_or(container_id, |(uid, _)| uid)
}

fn unmount_roots(roots: &std::path::Path) -> Result<(), SandboxError> {
    let entries = match std::fs::read_dir(roots) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(SandboxError::Files {
                path: roots.to_owned(),
                source,
            });
        }
        Ok(entries) => entries,
    };
    for root in entries.flatten() {
        probelet_image::unmount(&root.path())?;
    }
    Ok(())
}

/// `spec.hostname`, else the pod's name cut to what a host name may be long.
pub(crate) fn hostname(entry: &PodEntry) -> String {
    const MAX_HOSTNAME: usize = 63;
    let name = entry.pod.spec.hostname.as_deref().unwrap_or(&entry.key.name);
    name.chars()
        .take(MAX_HOSTNAME)
        .collect::<String>()
        .trim_end_matches(['-', '.'])
        .to_owned()
}

fn prepare_volumes(entry: &PodEntry) -> Result<BTreeMap<String, PathBuf>, VolumeError> {
    let mut places = BTreeMap::new();
    for volume in &entry.pod.spec.volumes {
        let place = match &volume.source {
            VolumeSource::HostPath { path, kind } => {
                volumes::prepare_host_path(&volume.name, path, *kind)?;
                path.clone()
            }
            VolumeSource::EmptyDir { memory, size_limit } => {
                let path = entry.folder.path().join("volumes").join(&volume.name);
                volumes::prepare_empty_dir(&volume.name, &path, *memory, *size_limit)?;
                path
            }
        };
        places.insert(volume.name.clone(), place);
    }
    Ok(places)
}
