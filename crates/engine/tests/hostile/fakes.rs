//! A container that answers as a real one would, from memory: real ones are the end-to-end suite's business.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures::{FutureExt, future::BoxFuture};
use probelet_engine::{
    ContainerExec, ContainerFiles, ContainerLogs, ContainerStats, Destination, ExecError, ExecGrant, ExecOutput,
    FileError, FileKind, Grants, LogLine, Metadata, NetworkGrant, Space, Stats,
};
use serde_json::Value;

/// Where the pod's own services would be.
const POD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 88, 0, 2));

/// Calls of hanging hosts that nobody has given up yet.
static HANGING: AtomicUsize = AtomicUsize::new(0);

struct Container {
    /// Below these paths its files may be read.
    paths: Vec<String>,
}

/// A container of which the host has no answer to give.
struct Hanging;

/// One call that waits for ever, until it is dropped.
struct Call;

/// How many calls wait for ever for answers of [`Hanging`].
pub(crate) fn hanging() -> usize {
    HANGING.load(Ordering::Relaxed)
}

impl Drop for Call {
    fn drop(&mut self) {
        HANGING.fetch_sub(1, Ordering::Relaxed);
    }
}

fn never<T: Send + 'static>() -> BoxFuture<'static, T> {
    HANGING.fetch_add(1, Ordering::Relaxed);
    let call = Call;
    async move {
        let _call = call;
        std::future::pending().await
    }
    .boxed()
}

impl ContainerExec for Hanging {
    fn exec(&self, _: Vec<String>, _: Instant, _: usize) -> BoxFuture<'static, Result<ExecOutput, ExecError>> {
        never()
    }
}

impl ContainerStats for Hanging {
    fn stats(&self) -> BoxFuture<'static, Result<Stats, String>> {
        never()
    }
}

impl ContainerLogs for Hanging {
    fn tail(&self, _: usize) -> BoxFuture<'static, Result<Vec<LogLine>, String>> {
        never()
    }
}

impl ContainerFiles for Hanging {
    fn metadata(&self, _: String) -> BoxFuture<'static, Result<Metadata, FileError>> {
        never()
    }

    fn read(&self, _: String, _: u64, _: usize) -> BoxFuture<'static, Result<Vec<u8>, FileError>> {
        never()
    }

    fn list(&self, _: String) -> BoxFuture<'static, Result<Vec<String>, FileError>> {
        never()
    }

    fn space(&self, _: String) -> BoxFuture<'static, Result<Space, FileError>> {
        never()
    }
}

impl ContainerExec for Container {
    fn exec(
        &self,
        command: Vec<String>,
        deadline: Instant,
        most: usize,
    ) -> BoxFuture<'static, Result<ExecOutput, ExecError>> {
        async move {
            if command == ["true"] {
                return Ok(ExecOutput::default());
            }
            // All others never end by themselves; one also writes.
            tokio::time::sleep_until(deadline.into()).await;
            drop(vec![b'y'; most]);
            Err(ExecError::DeadlineExceeded)
        }
        .boxed()
    }
}

impl ContainerStats for Container {
    fn stats(&self) -> BoxFuture<'static, Result<Stats, String>> {
        std::future::ready(Ok(Stats::default())).boxed()
    }
}

impl ContainerLogs for Container {
    fn tail(&self, lines: usize) -> BoxFuture<'static, Result<Vec<LogLine>, String>> {
        let line = LogLine {
            time: 0,
            stderr: false,
            text: "z".repeat(200),
        };
        std::future::ready(Ok(vec![line; lines])).boxed()
    }
}

impl Container {
    fn find(&self, path: &str) -> Result<(), FileError> {
        let is_granted = |granted: &String| {
            path.strip_prefix(granted)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self.paths.iter().any(is_granted) && !path.contains("..") {
            true => Ok(()),
            false => Err(FileError::NotGranted),
        }
    }
}

impl ContainerFiles for Container {
    fn metadata(&self, path: String) -> BoxFuture<'static, Result<Metadata, FileError>> {
        let found = self.find(&path).map(|()| Metadata {
            kind: FileKind::File,
            size: u64::MAX,
            modified: 0,
        });
        std::future::ready(found).boxed()
    }

    fn read(&self, path: String, _: u64, length: usize) -> BoxFuture<'static, Result<Vec<u8>, FileError>> {
        std::future::ready(self.find(&path).map(|()| vec![0; length])).boxed()
    }

    fn list(&self, path: String) -> BoxFuture<'static, Result<Vec<String>, FileError>> {
        std::future::ready(self.find(&path).map(|()| vec!["n".repeat(255); 100_000])).boxed()
    }

    fn space(&self, path: String) -> BoxFuture<'static, Result<Space, FileError>> {
        std::future::ready(self.find(&path).map(|()| Space { total: 1, available: 1 })).boxed()
    }
}

/// The grants that a manifest names in this way, for a pod that uses the node's network: there the node's own services
/// are nearest.
pub(crate) fn grants(allow: &Value, host_hangs: bool) -> Grants {
    match host_hangs {
        true => granted(allow, Arc::new(Hanging)),
        false => granted(
            allow,
            Arc::new(Container {
                paths: words(&allow["files"]),
            }),
        ),
    }
}

fn granted<C>(allow: &Value, container: Arc<C>) -> Grants
where
    C: ContainerExec + ContainerStats + ContainerLogs + ContainerFiles + 'static,
{
    let is_granted = |name: &str| allow.get(name).is_some_and(|grant| *grant != Value::Bool(false));
    Grants {
        exec: is_granted("exec").then(|| ExecGrant {
            container: container.clone(),
            prefixes: allow["exec"]
                .as_array()
                .map(|commands| commands.iter().map(words).collect()),
        }),
        network: is_granted("network").then(|| NetworkGrant {
            namespace: None,
            pod_addresses: vec![POD],
            destinations: words(&allow["network"]).iter().map(|text| destination(text)).collect(),
            tls_unverified: false,
        }),
        stats: is_granted("stats").then(|| container.clone() as Arc<dyn ContainerStats>),
        logs: is_granted("logs").then(|| container.clone() as Arc<dyn ContainerLogs>),
        files: is_granted("files").then_some(container as Arc<dyn ContainerFiles>),
        ..Grants::default()
    }
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().into_iter().flatten();
    words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

/// `HOST`, `HOST:PORT` or a range.
fn destination(text: &str) -> Destination {
    match text
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
    {
        Some((host, port)) => Destination::new(host, Some(port)),
        None => Destination::new(text, None),
    }
}
