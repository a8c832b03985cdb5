//! From a container's part of the manifest to a running instance.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use probelet_container::{
    Attachment, Capabilities, Container, ContainerSpec, ExitRecord, Mount, MountKind, Resources, StartError, User,
};
use probelet_image::{Image, ImageError};
use probelet_lifecycle::{
    action::ActionId,
    config::ContainerIndex,
    event::{self as machine_event, Event},
};
use probelet_manifest::{self as manifest, ImagePullPolicy};

use crate::{
    inner::Inner,
    last_words, logs,
    pod::{Input, PodEntry},
    sandbox::{self, Sandbox},
    status::{ContainerFacts, Facts, instance_id},
};

/// Looks for a container's image. Until registries come, an imported image satisfies every pull policy.
pub(crate) async fn ensure_image(node: &Arc<Inner>, entry: &PodEntry, action: ActionId, at: ContainerIndex) -> Input {
    let container = entry.container(at);
    let (images, name) = (node.images.clone(), container.image.clone());
    let resolved = blocking(move || images.resolve(&name)).await;
    let failed = |error, message| Input::Event(Event::ImageFailed { action, error, message });
    match resolved {
        Ok(image) => Input::Image {
            action,
            container: at,
            image: Box::new(image),
            message: format!("Container image \"{}\" already present on machine", container.image),
        },
        Err(error @ ImageError::NotFound { .. }) if container.image_pull_policy == ImagePullPolicy::Never => failed(
            machine_event::ImageError::NeverPull,
            format!(
                "Container image \"{}\" is not present with pull policy of Never: {error}",
                container.image
            ),
        ),
        Err(error @ ImageError::NotFound { .. }) => failed(machine_event::ImageError::Pull, error.to_string()),
        Err(error @ ImageError::InvalidName { .. }) => {
            failed(machine_event::ImageError::InvalidName, error.to_string())
        }
        Err(error) => failed(machine_event::ImageError::Inspect, error.to_string()),
    }
}

/// Runs something that blocks, such as reading and mounting images, beside the asynchronous threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Starts an instance, or finds it running if an earlier agent got that far.
pub(crate) async fn start(
    node: &Arc<Inner>,
    entry: &PodEntry,
    sandbox: Option<Arc<Sandbox>>,
    action: ActionId,
    container: ContainerIndex,
    instance: u32,
) -> Input {
    let failed = |error, message| Input::Event(Event::ContainerStartFailed { action, error, message });
    let id = instance_id(&entry.uid, &entry.container(container).name, instance);
    match node.runtime.attach(&id).await {
        Ok(Attachment::Running(running)) => {
            return Input::Started {
                action,
                container,
                instance,
                running: Box::new(running),
            };
        }
        // An ended instance of that number never ran as far as the machine knows: it starts anew.
        Ok(_) => {}
        Err(error) => return failed(machine_event::StartError::Create, error.to_string()),
    }
    let Some(sandbox) = sandbox else {
        return failed(
            machine_event::StartError::Create,
            "the pod's sandbox is gone".to_owned(),
        );
    };
    let spec = match prepare(node, entry, &sandbox, container, instance).await {
        Ok(spec) => spec,
        Err((error, message)) => return failed(error, message),
    };
    match node.runtime.start(spec).await {
        Ok(running) => Input::Started {
            action,
            container,
            instance,
            running: Box::new(running),
        },
        Err(error) => {
            let stage = match &error {
                StartError::Config { .. } => machine_event::StartError::Config,
                StartError::Create { .. } => machine_event::StartError::Create,
                StartError::Run { .. } => machine_event::StartError::Run,
            };
            failed(stage, error.to_string())
        }
    }
}

/// Why a container cannot be started, as the state machine takes it.
type Refusal = (machine_event::StartError, String);

fn create_error(error: impl ToString) -> Refusal {
    (machine_event::StartError::Create, error.to_string())
}

fn config_error(error: impl ToString) -> Refusal {
    (machine_event::StartError::Config, error.to_string())
}

/// Clears the ground, mounts the root and works out what the container is to be.
async fn prepare(
    node: &Arc<Inner>,
    entry: &PodEntry,
    sandbox: &Sandbox,
    at: ContainerIndex,
    instance: u32,
) -> Result<ContainerSpec, Refusal> {
    let container = entry.container(at);
    remove_earlier(node, entry, &container.name, instance).await?;
    let (images, name) = (node.images.clone(), container.image.clone());
    let directory = root_directory(entry, &container.name, instance);
    let (image, root) = blocking(move || {
        let image = images.resolve(&name)?;
        let root = images.mount(&image, &directory)?;
        Ok::<_, ImageError>((image, root))
    })
    .await
    .map_err(create_error)?;
    container_spec(entry, sandbox, container, instance, &image, root)
}

/// Removes all of the instances before this one, but for the last one's log (`logs --previous`).
async fn remove_earlier(node: &Arc<Inner>, entry: &PodEntry, container: &str, instance: u32) -> Result<(), Refusal> {
    for number in instance.saturating_sub(2)..=instance {
        let id = instance_id(&entry.uid, container, number);
        node.runtime.remove(&id).await.map_err(create_error)?;
        let root = root_directory(entry, container, number);
        blocking(move || probelet_image::unmount(&root))
            .await
            .map_err(create_error)?;
    }
    if let Some(old) = instance.checked_sub(2) {
        logs::remove(&log_path(entry, container, old)).map_err(create_error)?;
    }
    std::fs::create_dir_all(entry.folder.path().join("logs").join(container)).map_err(create_error)
}

fn container_spec(
    entry: &PodEntry,
    sandbox: &Sandbox,
    container: &manifest::Container,
    instance: u32,
    image: &Image,
    root: PathBuf,
) -> Result<ContainerSpec, Refusal> {
    let security = &container.security_context;
    Ok(ContainerSpec {
        id: instance_id(&entry.uid, &container.name, instance),
        pod_uid: entry.uid.clone(),
        args: arguments(container, image)?,
        working_directory: working_directory(container, image),
        user: user(container, image, &root)?,
        mounts: mounts(entry, sandbox, container, instance)?,
        network_namespace: sandbox.network.network_namespace.clone(),
        ipc_namespace: Some(sandbox.network.ipc_namespace.clone()),
        uts_namespace: sandbox.network.uts_namespace.clone(),
        capabilities: Capabilities {
            add: security.capabilities_add.clone(),
            drop: security.capabilities_drop.clone(),
        },
        privileged: security.privileged,
        allow_privilege_escalation: security.allow_privilege_escalation,
        read_only_root: security.read_only_root_filesystem,
        resources: Resources {
            memory_limit: container.resources.memory_limit,
            memory_request: container.resources.memory_request,
            cpu_limit_millis: container.resources.cpu_limit_millis,
            cpu_request_millis: container.resources.cpu_request_millis,
            pids_limit: None,
        },
        annotations: vec![
            ("io.kubernetes.pod.name".to_owned(), entry.key.name.clone()),
            ("io.kubernetes.pod.namespace".to_owned(), entry.key.namespace.clone()),
            ("io.kubernetes.pod.uid".to_owned(), entry.uid.clone()),
            ("io.kubernetes.container.name".to_owned(), container.name.clone()),
        ],
        log_path: Some(log_path(entry, &container.name, instance)),
        environment: environment(entry, container, image),
        root,
    })
}

/// The image's variables, the pod's host name, then the manifest's, which win.
fn environment(entry: &PodEntry, container: &manifest::Container, image: &Image) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let image_variables = image
        .config
        .environment
        .iter()
        .filter_map(|variable| variable.split_once('='));
    let hostname = ("HOSTNAME", sandbox::hostname(entry));
    let set = image_variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .chain([(hostname.0.to_owned(), hostname.1)])
        .chain(manifest::expanded_environment(&container.env));
    for (name, value) in set {
        match variables.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => variables.push((name, value)),
        }
    }
    variables
}

/// `command` replaces the image's entrypoint and its arguments; `args` replaces the arguments alone.
fn arguments(container: &manifest::Container, image: &Image) -> Result<Vec<String>, Refusal> {
    let expand = |words: &[String]| manifest::expand_all(words, &container.env);
    let (mut command, args) = match (&container.command[..], &container.args[..]) {
        ([], []) => (image.config.entrypoint.clone(), image.config.command.clone()),
        ([], args) => (image.config.entrypoint.clone(), expand(args)),
        (command, args) => (expand(command), expand(args)),
    };
    command.extend(args);
    if command.is_empty() {
        return Err(config_error(format!(
            "no command specified: the image \"{}\" names none; set command of container {}",
            container.image, container.name
        )));
    }
    Ok(command)
}

fn working_directory(container: &manifest::Container, image: &Image) -> PathBuf {
    let named = container
        .working_dir
        .as_deref()
        .or(image.config.working_directory.as_deref());
    PathBuf::from(named.filter(|directory| !directory.is_empty()).unwrap_or("/"))
}

/// The manifest's user and group, else the image's.
fn user(container: &manifest::Container, image: &Image, root: &Path) -> Result<User, Refusal> {
    let security = &container.security_context;
    let named = security.run_as_user.map(|uid| uid.to_string());
    let named = named.as_deref().or(image.config.user.as_deref()).unwrap_or("");
    let user = probelet_image::resolve_user(root, named).map_err(config_error)?;
    Ok(User {
        uid: user.uid,
        gid: security.run_as_group.unwrap_or(user.gid),
        additional_gids: user.additional_gids,
    })
}

fn mounts(
    entry: &PodEntry,
    sandbox: &Sandbox,
    container: &manifest::Container,
    instance: u32,
) -> Result<Vec<Mount>, Refusal> {
    let bind = |source: &Path, destination: &str, read_only| Mount {
        destination: destination.into(),
        read_only,
        kind: MountKind::Bind {
            source: source.to_owned(),
        },
    };
    let mut mounts = vec![
        bind(&sandbox.files.hosts, "/etc/hosts", false),
        bind(&sandbox.files.hostname, "/etc/hostname", false),
        bind(&sandbox.files.resolv_conf, "/etc/resolv.conf", false),
    ];
    for mount in &container.volume_mounts {
        let Some(source) = sandbox.volumes.get(&mount.name) else {
            return Err(config_error(format!(
                "volume mount \"{}\" names no volume of the pod",
                mount.name
            )));
        };
        mounts.push(bind(source, &mount.mount_path, mount.read_only));
    }
    let last_words = last_words::create(entry, &container.name, instance).map_err(create_error)?;
    mounts.push(bind(&last_words, &container.termination_message_path, false));
    Ok(mounts)
}

/// Where the root of an instance is mounted.
pub(crate) fn root_directory(entry: &PodEntry, container: &str, instance: u32) -> PathBuf {
    entry
        .folder
        .path()
        .join("roots")
        .join(format!("{container}_{instance}"))
}

/// The log of an instance.
pub(crate) fn log_path(entry: &PodEntry, container: &str, instance: u32) -> PathBuf {
    entry
        .folder
        .path()
        .join("logs")
        .join(container)
        .join(format!("{instance}.log"))
}

/// What became of an instance that ran when the last agent ended.
pub(crate) enum Found {
    Running(Box<Container>),
    Ended(ExitRecord),
}

/// Finds an instance again. One that cannot be found has ended, nobody knows how (B6.3).
pub(crate) async fn attach(node: &Arc<Inner>, entry: &PodEntry, container: ContainerIndex, instance: u32) -> Found {
    let id = instance_id(&entry.uid, &entry.container(container).name, instance);
    match node.runtime.attach(&id).await {
        Ok(Attachment::Running(running)) => return Found::Running(Box::new(running)),
        Ok(Attachment::Exited(record)) => return Found::Ended(record),
        Ok(Attachment::Lost | Attachment::Unknown) => {}
        Err(error) => tracing::error!(pod = %entry.key, %id, %error, "the container was not found again"),
    }
    Found::Ended(ExitRecord {
        code: 137,
        signal: None,
        oom_killed: false,
        lost: true,
        started_at: None,
        finished_at: std::time::SystemTime::now(),
    })
}

/// What the agent knows of a pod before it has a sandbox.
pub(crate) fn facts(node: &Inner, entry: &PodEntry) -> Facts {
    let containers = entry.pod.spec.all_containers().map(|container| ContainerFacts {
        image: container.image.clone(),
        image_id: node
            .images
            .resolve(&container.image)
            .map(|image| image.id)
            .unwrap_or_default(),
        pod_uid: entry.uid.clone(),
    });
    Facts {
        addresses: Vec::new(),
        host_addresses: node.host_addresses.clone(),
        qos_class: qos_class(&entry.pod.spec),
        containers: containers.collect(),
    }
}

/// `Guaranteed` if every container has limits of both and equal requests, `BestEffort` if none has any, else `Burstable`.
fn qos_class(spec: &manifest::PodSpec) -> &'static str {
    let resources = || spec.all_containers().map(|container| &container.resources);
    let none = |resources: &manifest::Resources| {
        resources.memory_limit.is_none()
            && resources.memory_request.is_none()
            && resources.cpu_limit_millis.is_none()
            && resources.cpu_request_millis.is_none()
    };
    let full = |resources: &manifest::Resources| {
        resources.memory_limit.is_some()
            && resources.cpu_limit_millis.is_some()
            && resources
                .memory_request
                .is_none_or(|request| Some(request) == resources.memory_limit)
            && resources
                .cpu_request_millis
                .is_none_or(|request| Some(request) == resources.cpu_limit_millis)
    };
    if resources().all(none) {
        "BestEffort"
    } else if resources().all(full) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}
