//! A pod, as the rest of the node knows it; its task is in `task`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use probelet_container::Container;
use probelet_lifecycle::{
    action::{ActionId, PodEvent},
    config::ContainerIndex,
    event::Event,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    check::CheckResult,
    components::Components,
    handle::{CheckUsage, ConditionUpdate, Document, PodKey, RunRecord},
    history::History,
    kept::KeptStates,
    metrics::Metrics,
    recorder::Subject,
    recording::Recordings,
    sandbox::Sandbox,
    store::PodFolder,
};

/// Inputs that may wait for the task. Those who send wait for room, so nothing is lost; more than this would only hide
/// a task that is stuck.
pub(crate) const INBOX: usize = 64;

/// What others may know of a pod, and do with it.
pub(crate) struct PodEntry {
    pub(crate) key: PodKey,
    pub(crate) uid: String,
    pub(crate) pod: probelet_manifest::Pod,
    pub(crate) folder: PodFolder,
    pub(crate) inbox: mpsc::Sender<Input>,
    pub(crate) components: Components,
    pub(crate) kept: KeptStates,
    /// Those who wait for records of its checks' runs.
    pub(crate) recordings: Recordings,
    history: Mutex<History>,
    instances: Mutex<Vec<Option<Instance>>>,
    /// The sandbox, as long as the pod's task has it.
    sandbox: Mutex<Weak<Sandbox>>,
}

/// A running instance of a container.
#[derive(Clone)]
pub(crate) struct Instance {
    /// Its number, which is also the restart count.
    pub(crate) number: u32,
    /// The runtime's handle on it.
    pub(crate) container: Container,
    /// Turns true when it has ended.
    pub(crate) ended: watch::Receiver<bool>,
}

/// What the task is told.
pub(crate) enum Input {
    /// The machine's own event.
    Event(Event),
    /// The sandbox is there.
    Sandbox(ActionId, Box<Sandbox>),
    /// A container's image is there.
    Image {
        action: ActionId,
        container: ContainerIndex,
        image: Box<probelet_image::Image>,
        message: String,
    },
    /// A container runs.
    Started {
        action: ActionId,
        container: ContainerIndex,
        instance: u32,
        running: Box<Container>,
    },
    /// A probe or hook has ended.
    Checked { action: ActionId, result: Box<CheckResult> },
    /// Somebody deletes the pod; the reply is its document after that.
    Delete {
        grace_period: Option<Duration>,
        reply: oneshot::Sender<Document>,
    },
    /// Somebody sets conditions; the reply is the pod's document after that.
    Conditions {
        conditions: Vec<ConditionUpdate>,
        reply: oneshot::Sender<Document>,
    },
    /// Something about its components that people are to be told.
    Tell(PodEvent),
    /// The agent stops; the pod goes on without it.
    Detach,
}

impl PodEntry {
    pub(crate) fn new(
        pod: probelet_manifest::Pod,
        folder: PodFolder,
        components: Components,
    ) -> (Arc<Self>, mpsc::Receiver<Input>) {
        let (inbox, receiver) = mpsc::channel(INBOX);
        let entry = Self {
            key: PodKey {
                namespace: pod.metadata.namespace.clone(),
                name: pod.metadata.name.clone(),
            },
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            components,
            kept: KeptStates::new(folder.path()),
            history: Mutex::new(History::open(folder.path())),
            instances: Mutex::new(vec![None; pod.spec.all_containers().count()]),
            recordings: Recordings::default(),
            sandbox: Mutex::default(),
            pod,
            folder,
            inbox,
        };
        (Arc::new(entry), receiver)
    }

    /// The pod's sandbox, if it has one at present.
    pub(crate) fn sandbox(&self) -> Option<Arc<Sandbox>> {
        self.sandbox.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// Makes the sandbox known to others, for as long as the task has it.
    pub(crate) fn set_sandbox(&self, sandbox: &Arc<Sandbox>) {
        *self.sandbox.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(sandbox);
    }

    /// The recorded runs, oldest first.
    pub(crate) fn runs(&self) -> Vec<RunRecord> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).runs()
    }

    /// What the runs of its checks took.
    pub(crate) fn usage(&self) -> Vec<CheckUsage> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).usage()
    }

    /// Adds what is known of the pod's checks.
    pub(crate) fn measure(&self, metrics: &mut Metrics) {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.add(&self.key, history.totals(), &history.last());
    }

    /// Adds what the kubelet counts of the pod's probes.
    pub(crate) fn measure_probes(&self, metrics: &mut Metrics) {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.add_probes(&self.key, &self.uid, history.totals());
    }

    /// A container, by the place that the state machine knows it by: init containers first.
    pub(crate) fn container(&self, index: ContainerIndex) -> &probelet_manifest::Container {
        let container = self.pod.spec.container_at(index.0);
        container.expect("the state machine names containers of its configuration only")
    }

    /// The running instance of a container.
    pub(crate) fn instance(&self, container: usize) -> Option<Instance> {
        self.instances().get(container).cloned().flatten()
    }

    /// The running instances, by the containers' places.
    pub(crate) fn instances(&self) -> MutexGuard<'_, Vec<Option<Instance>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a run to the history.
    pub(crate) fn record(&self, record: RunRecord) {
        self.history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(record);
    }

    /// Whom the pod's events are about.
    pub(crate) fn subject(&self) -> Subject {
        let spec = &self.pod.spec;
        let paths = spec.all_containers().enumerate().map(|(place, container)| {
            let (field, _) = spec.field_of(place);
            format!("spec.{field}{{{}}}", container.name)
        });
        let containers = paths.collect();
        Subject {
            key: self.key.clone(),
            uid: self.uid.clone(),
            containers,
        }
    }
}
