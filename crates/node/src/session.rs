//! What people do with a running container: read its log, run commands in it.

use std::sync::Arc;

use probelet_container::{ExecSessionRequest, WindowSize};
use probelet_lifecycle::config::ContainerIndex;
use probelet_manifest::Diagnostic;
use tokio::sync::{oneshot, watch};

use crate::{
    handle::{ExecOptions, ExecSession, LogOptions, LogStream, RequestError},
    logs,
    pod::{Instance, PodEntry},
    start,
};

/// Opens a container's log.
pub(crate) async fn logs(entry: &PodEntry, options: LogOptions) -> Result<LogStream, RequestError> {
    let container = container_index(entry, options.container.as_deref())?;
    let name = &entry.container(ContainerIndex(container)).name;
    let running = entry.instance(container);
    let newest = newest_log(entry, name).ok_or_else(|| {
        RequestError::Conflict(format!(
            "container \"{name}\" in pod \"{}\" is waiting to start and has no log yet",
            entry.key.name
        ))
    })?;
    let wanted = if options.previous {
        newest
            .checked_sub(1)
            .filter(|number| start::log_path(entry, name, *number).exists())
            .ok_or_else(|| {
                RequestError::Conflict(format!(
                    "previous terminated container \"{name}\" in pod \"{}\" not found",
                    entry.key.name
                ))
            })?
    } else {
        newest
    };
    let ended = match running {
        Some(instance) if instance.number == wanted => instance.ended,
        _ => watch::channel(true).1,
    };
    let path = start::log_path(entry, name, wanted);
    logs::open(&path, &options, ended)
        .await
        .map_err(|error| RequestError::Internal(format!("{}: {error}", path.display())))
}

/// The number of the newest instance that has a log.
fn newest_log(entry: &PodEntry, container: &str) -> Option<u32> {
    let folder = start::log_path(entry, container, 0);
    let files = std::fs::read_dir(folder.parent()?).ok()?.flatten();
    files
        .filter_map(|file| file.file_name().to_str()?.strip_suffix(".log")?.parse().ok())
        .max()
}

/// Starts a command in a container.
pub(crate) async fn exec(entry: &Arc<PodEntry>, options: ExecOptions) -> Result<ExecSession, RequestError> {
    let (container, instance) = running(entry, options.container.as_deref())?;
    let name = &entry.container(ContainerIndex(container)).name;
    if options.command.is_empty() {
        return Err(RequestError::Invalid(vec![Diagnostic::error(
            "",
            "you must specify at least one command for the container",
        )]));
    }
    let request = ExecSessionRequest {
        command: options.command,
        stdin: options.stdin,
        tty: options.tty,
    };
    let session = instance
        .container
        .exec_session(request)
        .await
        .map_err(|error| RequestError::Internal(format!("command in container \"{name}\": {error}")))?;
    let (sender, exit) = oneshot::channel();
    let (status, mut sender) = (session.status, sender);
    tokio::spawn(async move {
        let end = tokio::select! {
            end = status.wait() => end.map_err(|error| error.to_string()),
            // The session was dropped, and `status` with it, which ends the command.
            () = sender.closed() => return,
        };
        let _ = sender.send(end);
    });
    let terminal = session.terminal;
    Ok(ExecSession {
        stdin: session.stdin.map(|stdin| Box::new(stdin) as _),
        stdout: Box::new(session.stdout),
        stderr: session.stderr.map(|stderr| Box::new(stderr) as _),
        resize: Box::new(move |columns, rows| {
            if let Some(terminal) = &terminal
                && let Err(error) = terminal.resize(WindowSize { columns, rows })
            {
                tracing::debug!(%error, "a terminal was not resized");
            }
        }),
        exit,
    })
}

/// The container that is meant, and its running instance.
pub(crate) fn running(entry: &PodEntry, name: Option<&str>) -> Result<(usize, Instance), RequestError> {
    let container = container_index(entry, name)?;
    let instance = entry.instance(container);
    let instance = instance.filter(|instance| !*instance.ended.borrow()).ok_or_else(|| {
        RequestError::Conflict(format!(
            "container \"{}\" of pod \"{}\" does not run; see `probelet describe pod {}`",
            entry.container(ContainerIndex(container)).name,
            entry.key.name,
            entry.key.name
        ))
    })?;
    Ok((container, instance))
}

/// The container that is meant: the only one if none is named.
pub(crate) fn container_index(entry: &PodEntry, name: Option<&str>) -> Result<usize, RequestError> {
    let containers = || entry.pod.spec.all_containers();
    match name {
        Some(name) => containers()
            .position(|container| container.name == name)
            .ok_or_else(|| {
                let known: Vec<_> = containers().map(|container| container.name.as_str()).collect();
                RequestError::NotFound(format!(
                    "container {name} is not valid for pod {}; it has: {}",
                    entry.key.name,
                    known.join(", ")
                ))
            }),
        // As kubectl does: the first one is meant that is no init container.
        None => Ok(entry.pod.spec.init_containers.len()),
    }
}
