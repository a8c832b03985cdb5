//! What the API needs of the agent.

use futures::future::BoxFuture;
use probelet_lifecycle::journal::Journal;
use probelet_node::{
    Node,
    handle::{
        Changes, CheckRequest, CheckUsage, Collection, ConditionUpdate, Created, DeleteOptions, Document, ExecOptions,
        ExecSession, Listing, LogOptions, LogStream, PodKey, RecordOptions, RequestError, RunRecord, WatchError,
    },
};
use serde_json::Value;

/// The agent, as the API sees it: [`Node`], or a test's stand-in for it. See there for what the methods do.
pub trait Agent: Send + Sync + 'static {
    /// Stores a new pod and starts it.
    fn create(&self, document: Value) -> BoxFuture<'_, Result<Created, RequestError>>;

    /// All of a collection, or those of one namespace.
    fn list(&self, collection: Collection, namespace: Option<&str>) -> Listing;

    /// One pod.
    fn pod(&self, key: &PodKey) -> Result<Document, RequestError>;

    /// Changes after a resource version.
    fn watch(&self, collection: Collection, namespace: Option<&str>, after: u64) -> Result<Changes, WatchError>;

    /// Starts a pod's deletion.
    fn delete<'a>(&'a self, key: &'a PodKey, options: DeleteOptions) -> BoxFuture<'a, Result<Document, RequestError>>;

    /// Sets conditions of a pod that are not the agent's own.
    fn set_conditions<'a>(
        &'a self,
        key: &'a PodKey,
        conditions: Vec<ConditionUpdate>,
    ) -> BoxFuture<'a, Result<Document, RequestError>>;

    /// The recorded runs of a pod's probes and hooks, oldest first.
    fn history(&self, key: &PodKey) -> Result<Vec<RunRecord>, RequestError>;

    /// What the runs of a pod's probes and hooks have taken since the agent's start.
    fn usage(&self, key: &PodKey) -> Result<Vec<CheckUsage>, RequestError>;

    /// Runs a component once against a running container.
    fn check<'a>(&'a self, key: &'a PodKey, request: CheckRequest) -> BoxFuture<'a, Result<Value, RequestError>>;

    /// Waits for the next run of a check that fits, and gives it as a case file.
    fn record<'a>(&'a self, key: &'a PodKey, options: RecordOptions) -> BoxFuture<'a, Result<String, RequestError>>;

    /// What a pod's machine was told, as far back as it is recorded.
    fn journal(&self, key: &PodKey) -> Result<Journal, RequestError>;

    /// The agent's metrics, in the text format that Prometheus reads.
    fn metrics(&self) -> String;

    /// The kubelet's metrics of probes, in the same format.
    fn probe_metrics(&self) -> String;

    /// A container's log.
    fn logs<'a>(&'a self, key: &'a PodKey, options: LogOptions) -> BoxFuture<'a, Result<LogStream, RequestError>>;

    /// Runs a command in a container.
    fn exec<'a>(&'a self, key: &'a PodKey, options: ExecOptions) -> BoxFuture<'a, Result<ExecSession, RequestError>>;
}

impl Agent for Node {
    fn create(&self, document: Value) -> BoxFuture<'_, Result<Created, RequestError>> {
        Box::pin(Node::create(self, document))
    }

    fn list(&self, collection: Collection, namespace: Option<&str>) -> Listing {
        Node::list(self, collection, namespace)
    }

    fn pod(&self, key: &PodKey) -> Result<Document, RequestError> {
        Node::pod(self, key)
    }

    fn watch(&self, collection: Collection, namespace: Option<&str>, after: u64) -> Result<Changes, WatchError> {
        Node::watch(self, collection, namespace, after)
    }

    fn delete<'a>(&'a self, key: &'a PodKey, options: DeleteOptions) -> BoxFuture<'a, Result<Document, RequestError>> {
        Box::pin(Node::delete(self, key, options))
    }

    fn set_conditions<'a>(
        &'a self,
        key: &'a PodKey,
        conditions: Vec<ConditionUpdate>,
    ) -> BoxFuture<'a, Result<Document, RequestError>> {
        Box::pin(Node::set_conditions(self, key, conditions))
    }

    fn history(&self, key: &PodKey) -> Result<Vec<RunRecord>, RequestError> {
        Node::history(self, key)
    }

    fn usage(&self, key: &PodKey) -> Result<Vec<CheckUsage>, RequestError> {
        Node::usage(self, key)
    }

    fn check<'a>(&'a self, key: &'a PodKey, request: CheckRequest) -> BoxFuture<'a, Result<Value, RequestError>> {
        Box::pin(Node::check(self, key, request))
    }

    fn record<'a>(&'a self, key: &'a PodKey, options: RecordOptions) -> BoxFuture<'a, Result<String, RequestError>> {
        Box::pin(Node::record(self, key, options))
    }

    fn journal(&self, key: &PodKey) -> Result<Journal, RequestError> {
        Node::journal(self, key)
    }

    fn metrics(&self) -> String {
        Node::metrics(self)
    }

    fn probe_metrics(&self) -> String {
        Node::probe_metrics(self)
    }

    fn logs<'a>(&'a self, key: &'a PodKey, options: LogOptions) -> BoxFuture<'a, Result<LogStream, RequestError>> {
        Box::pin(Node::logs(self, key, options))
    }

    fn exec<'a>(&'a self, key: &'a PodKey, options: ExecOptions) -> BoxFuture<'a, Result<ExecSession, RequestError>> {
        Box::pin(Node::exec(self, key, options))
    }
}
