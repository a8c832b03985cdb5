//! A running container.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use probelet_shim_protocol::cgroup::Cgroup;
use probelet_shim_protocol::{ControlReply, ControlRequest, ExitRecord, Running};
use tokio::sync::{Semaphore, watch};

use crate::{RuntimeError, files, shim};

/// A container that was started. A clone is another handle to the same; dropping all of them leaves it running.
#[derive(Clone, Debug)]
pub struct Container(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: String,
    directory: PathBuf,
    log: PathBuf,
    cgroup: Cgroup,
    running: Running,
    exit: watch::Receiver<Option<ExitRecord>>,
    /// Bounds the looks into its files that run at once, in all [`Files`](crate::Files) together.
    looks: Arc<Semaphore>,
}

impl Container {
    /// `end` gives the record when the container has ended.
    pub(crate) fn new(
        id: String,
        directory: PathBuf,
        log: PathBuf,
        cgroup: Cgroup,
        running: Running,
        end: impl Future<Output = ExitRecord> + Send + 'static,
    ) -> Self {
        let (sender, exit) = watch::channel(None);
        tokio::spawn(async move { sender.send_replace(Some(end.await)) });
        Self(Arc::new(Inner {
            id,
            directory,
            log,
            cgroup,
            running,
            exit,
            looks: Arc::new(Semaphore::new(files::LOOKS_PER_CONTAINER_MAX)),
        }))
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its process 1, as the host numbers it.
    pub fn pid(&self) -> u32 {
        self.0.running.pid
    }

    /// When its command was executed.
    pub fn started_at(&self) -> SystemTime {
        self.0.running.started_at
    }

    /// The file with its output in CRI log format: `<time> stdout F <line>`. It is bounded: a full one is renamed to
    /// `<name>.1`, that to `<name>.2` and so on, and a new one takes its place.
    pub fn log_path(&self) -> &Path {
        &self.0.log
    }

    /// Waits for its end. No process of it is left then.
    pub async fn wait(&self) -> ExitRecord {
        let mut exit = self.0.exit.clone();
        match exit.wait_for(Option::is_some).await.map(|record| *record) {
            Ok(Some(record)) => record,
            // The task that watches ends without a record only with the runtime, and so does this one.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Its end, if it has ended.
    pub fn exit(&self) -> Option<ExitRecord> {
        *self.0.exit.borrow()
    }

    /// Sends `signal` to its process 1, or to `all` of its processes.
    pub async fn signal(&self, signal: i32, all: bool) -> Result<(), RuntimeError> {
        let not_running = || RuntimeError::NotRunning { id: self.0.id.clone() };
        let failed = |message: String| RuntimeError::Signal {
            id: self.0.id.clone(),
            message,
        };
        let connection = shim::open(&self.0.directory).map_err(|error| failed(error.to_string()))?;
        let connection = connection.ok_or_else(not_running)?;
        let request = ControlRequest::Signal { signal, all };
        connection.send(&request, &[]).map_err(|_| not_running())?;
        match connection.receive().await.map_err(|error| failed(error.to_string()))? {
            Some((ControlReply::Done, _)) => Ok(()),
            Some((ControlReply::Failed(message), _)) => Err(failed(message)),
            Some((ControlReply::Status(_), _)) => Err(failed("the shim answered another question".to_owned())),
            None => Err(not_running()),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.0.directory
    }

    pub(crate) fn cgroup(&self) -> &Cgroup {
        &self.0.cgroup
    }

    pub(crate) fn looks(&self) -> &Arc<Semaphore> {
        &self.0.looks
    }
}
