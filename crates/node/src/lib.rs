//! The node agent: one task per pod, which drives the pure state machine of `probelet-lifecycle` with containers,
//! images, networks and components, and keeps what people ask about: documents, events, history, logs.
//!
//! Invariants:
//! - Nothing here decides what is ready, when a container restarts or when a probe is due: the machine does, and the
//!   status that is published is derived from its state alone.
//! - A state is on disk before its actions are taken; the agent may be killed at any moment and comes back to running
//!   containers.
//! - Every probe and hook is run by a component in the engine; there is no other way.
//!
//! It does not do: HTTP (`probelet-api`), the command line, pulling from registries.

mod adapt;
mod check;
mod clock;
mod components;
mod config;
mod correlate;
mod families;
pub mod handle;
mod here;
mod history;
mod hold;
mod inner;
mod journal;
mod kept;
mod last_words;
mod logs;
mod metrics;
mod objects;
mod plugins;
mod pod;
mod recorder;
mod recording;
mod sandbox;
mod session;
mod signal;
mod start;
mod status;
mod store;
mod task;
mod trust;
mod volumes;

use std::{sync::Arc, time::Duration};

pub use config::{NodeConfig, NodeError};
use handle::{
    Changes, CheckRequest, CheckUsage, Collection, ConditionUpdate, Created, DeleteOptions, Document, ExecOptions,
    ExecSession, Listing, LogOptions, LogStream, PodKey, RecordOptions, RequestError, RunRecord, WatchError,
};
pub use hold::{BUDGET_WINDOW, PATIENCE_UNDER_PRESSURE, held_since, set_hold};
use inner::Inner;
use pod::{Input, PodEntry};
use probelet_lifecycle::journal::Journal;
pub use store::StoreError;
use tokio::sync::{mpsc, oneshot};

/// How long those who ask wait for the containers of an earlier agent: finding one takes a few milliseconds, and one whose
/// shim does not answer must not keep the others from being managed.
const FOUND_AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// A handle on the running agent; cheap to clone.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

impl Node {
    /// Starts the agent and takes over the pods that an earlier one left. Their containers have been found again when it
    /// returns, so that whoever asks the new agent is not told that they do not run. A pod whose files are damaged is not
    /// taken over, which the log tells; it is left as it is.
    ///
    /// # Errors
    ///
    /// [`NodeError`] says what is missing: root, the shim, a free address range, a state folder without another agent.
    pub async fn start(config: NodeConfig) -> Result<Self, NodeError> {
        let inner = Inner::open(&config).await?;
        let (searching, mut all_found) = mpsc::channel(1);
        inner.recover_all(searching).await?;
        if tokio::time::timeout(FOUND_AGAIN, all_found.recv()).await.is_err() {
            tracing::warn!("some containers were not found again within {FOUND_AGAIN:?}; the search goes on");
        }
        Ok(Self { inner })
    }

    /// Ends the agent. Its pods' containers go on, and the next agent finds them; without pods the bridge goes too.
    pub async fn shutdown(&self) {
        self.inner.shutdown().await;
    }

    /// Stores a new pod and starts it. `document` is a Pod as JSON.
    ///
    /// # Errors
    ///
    /// [`RequestError::Invalid`] names each fault by its field; [`RequestError::AlreadyExists`].
    pub async fn create(&self, document: serde_json::Value) -> Result<Created, RequestError> {
        self.inner.create(document).await
    }

    /// All of a collection, or those of one namespace.
    pub fn list(&self, collection: Collection, namespace: Option<&str>) -> Listing {
        self.inner.objects.list(collection, namespace)
    }

    /// One pod.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`].
    pub fn pod(&self, key: &PodKey) -> Result<Document, RequestError> {
        self.inner
            .objects
            .get(Collection::Pods, key)
            .ok_or_else(|| not_found(key))
    }

    /// Changes after a resource version, of all or of one namespace.
    ///
    /// # Errors
    ///
    /// [`WatchError::Expired`] if that version is older than what is kept.
    pub fn watch(&self, collection: Collection, namespace: Option<&str>, after: u64) -> Result<Changes, WatchError> {
        self.inner.objects.watch(collection, namespace, after)
    }

    /// Starts a pod's deletion; a watch tells when it is gone. Returns the pod as it is now.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`].
    pub async fn delete(&self, key: &PodKey, options: DeleteOptions) -> Result<Document, RequestError> {
        let entry = self.entry(key)?;
        let (reply, document) = oneshot::channel();
        let grace_period = options.grace_period_seconds.map(Duration::from_secs);
        // Both fail only if the pod's task has ended meanwhile, and then the pod is gone.
        let sent = entry.inbox.send(Input::Delete { grace_period, reply }).await;
        sent.map_err(|_| not_found(key))?;
        document.await.map_err(|_| not_found(key))
    }

    /// Sets conditions of a pod that are not the agent's own, such as those that readiness gates wait for. Returns the pod
    /// as it is then. A pod keeps 32 of them; what is beyond is dropped.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`].
    pub async fn set_conditions(
        &self,
        key: &PodKey,
        conditions: Vec<ConditionUpdate>,
    ) -> Result<Document, RequestError> {
        let entry = self.entry(key)?;
        let (reply, document) = oneshot::channel();
        // Both fail only if the pod's task has ended meanwhile, and then the pod is gone.
        let sent = entry.inbox.send(Input::Conditions { conditions, reply }).await;
        sent.map_err(|_| not_found(key))?;
        document.await.map_err(|_| not_found(key))
    }

    /// The recorded runs of a pod's probes and hooks, oldest first.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`].
    pub fn history(&self, key: &PodKey) -> Result<Vec<RunRecord>, RequestError> {
        Ok(self.entry(key)?.runs())
    }

    /// What the runs of a pod's probes and hooks have taken since the agent's start.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`].
    pub fn usage(&self, key: &PodKey) -> Result<Vec<CheckUsage>, RequestError> {
        Ok(self.entry(key)?.usage())
    }

    /// Runs a component once against a running container. It counts for nothing and is in no history. Gives what the
    /// run came to, as [`Outcome::document`](probelet_engine::Outcome::document) has it.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`], [`RequestError::Conflict`] for a container that does not run, and
    /// [`RequestError::Invalid`] with the faults of the handler.
    pub async fn check(&self, key: &PodKey, request: CheckRequest) -> Result<serde_json::Value, RequestError> {
        let entry = self.entry(key)?;
        let checked = here::check(&self.inner, &entry, request).await;
        // What is run by hand is another one after each edit.
        self.inner.let_go_of_plugins();
        checked
    }

    /// Waits for the next run of a check that fits, and gives it as a case file for `probelet plugin test`, without its
    /// secrets. Dropping the future ends the wait.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`]; [`RequestError::Invalid`] for a check that the container has not;
    /// [`RequestError::Conflict`] if the pod ends first, or the run cannot be recorded.
    pub async fn record(&self, key: &PodKey, options: RecordOptions) -> Result<String, RequestError> {
        let entry = self.entry(key)?;
        let record = recording::wait(&entry, &options)?;
        let ended = || RequestError::Conflict(format!("pod {} has ended before such a run", key.name));
        // The entry would keep the pod's end from showing.
        drop(entry);
        record.await.map_err(|_| ended())?.map_err(RequestError::Conflict)
    }

    /// What a pod's machine was told, as far back as it is recorded.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`]; [`RequestError::Internal`] if the record cannot be read.
    pub fn journal(&self, key: &PodKey) -> Result<Journal, RequestError> {
        let folder = self.entry(key)?.folder.path().to_owned();
        let missing = || format!("the journal of pod {} in {} cannot be read", key.name, folder.display());
        journal::read(&folder, clock::now()).ok_or_else(|| RequestError::Internal(missing()))
    }

    /// The agent's metrics, in the text format that Prometheus reads.
    pub fn metrics(&self) -> String {
        let entries: Vec<_> = self.inner.pods().values().cloned().collect();
        let mut metrics = metrics::Metrics::default();
        for entry in entries {
            entry.measure(&mut metrics);
        }
        metrics.add_counters(&self.inner.counters());
        metrics.add_hold(self.inner.hold.is_thrown());
        metrics.text()
    }

    /// The kubelet's metrics of probes, in the same format: what a kubelet serves at `/metrics/probes` (A5.3).
    pub fn probe_metrics(&self) -> String {
        let entries: Vec<_> = self.inner.pods().values().cloned().collect();
        let mut metrics = metrics::Metrics::default();
        for entry in entries {
            entry.measure_probes(&mut metrics);
        }
        metrics.text()
    }

    /// A container's log.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`] for a pod or container that is not there, [`RequestError::Conflict`] for an instance
    /// that has not started yet or a container that must be named.
    pub async fn logs(&self, key: &PodKey, options: LogOptions) -> Result<LogStream, RequestError> {
        session::logs(&*self.entry(key)?, options).await
    }

    /// Runs a command in a container.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotFound`] for a pod or container that is not there, [`RequestError::Conflict`] for a container
    /// that does not run or must be named.
    pub async fn exec(&self, key: &PodKey, options: ExecOptions) -> Result<ExecSession, RequestError> {
        session::exec(&self.entry(key)?, options).await
    }

    fn entry(&self, key: &PodKey) -> Result<Arc<PodEntry>, RequestError> {
        self.inner.pod(key).ok_or_else(|| not_found(key))
    }
}

fn not_found(key: &PodKey) -> RequestError {
    RequestError::NotFound(format!("pods \"{}\" not found", key.name))
}
