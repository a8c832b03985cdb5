//! The node agent. (Under construction: `handle` is settled, the bodies below are not.)
#![allow(clippy::unimplemented)]
#![allow(dead_code)]
mod clock;
pub mod handle;
mod history;
mod logs;
mod objects;
mod recorder;
mod status;
mod store;
mod volumes;

use handle::*;

/// A handle on the running agent; cheap to clone.
#[derive(Clone)]
pub struct Node {}

impl Node {
    /// Stores a new pod and starts it. `document` is a Pod as JSON.
    pub async fn create(&self, _document: serde_json::Value) -> Result<Created, RequestError> {
        unimplemented!()
    }
    /// All of a collection, or those of one namespace.
    pub fn list(&self, _collection: Collection, _namespace: Option<&str>) -> Listing {
        unimplemented!()
    }
    /// One pod.
    pub fn pod(&self, _key: &PodKey) -> Result<Document, RequestError> {
        unimplemented!()
    }
    /// Changes after a resource version, of all or of one namespace.
    pub fn watch(&self, _collection: Collection, _namespace: Option<&str>, _after: u64) -> Result<Changes, WatchError> {
        unimplemented!()
    }
    /// Starts a pod's deletion; a watch tells when it is gone. Returns the pod as it is now.
    pub async fn delete(&self, _key: &PodKey, _options: DeleteOptions) -> Result<Document, RequestError> {
        unimplemented!()
    }
    /// The recorded runs of a pod's probes and hooks, oldest first.
    pub fn history(&self, _key: &PodKey) -> Result<Vec<RunRecord>, RequestError> {
        unimplemented!()
    }
    /// A container's log.
    pub async fn logs(&self, _key: &PodKey, _options: LogOptions) -> Result<LogStream, RequestError> {
        unimplemented!()
    }
    /// Runs a command in a container.
    pub async fn exec(&self, _key: &PodKey, _options: ExecOptions) -> Result<ExecSession, RequestError> {
        unimplemented!()
    }
}
