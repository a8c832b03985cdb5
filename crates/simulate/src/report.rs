//! What a simulation has shown.

use std::time::Duration;

use probelet_lifecycle::status::PodStatus;
use serde::{Serialize, Serializer};

use crate::{
    clockwork::Ended,
    lane::{Lane, Stage},
};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, since the pod was accepted.
    pub at: Duration,
    /// When it happened for the last time in a row.
    pub last: Duration,
    /// How often it happened in a row.
    pub times: u64,
    /// Which container it is about; `None` is the pod.
    pub container: Option<usize>,
    /// Which instance of the container ran.
    pub instance: Option<u32>,
    /// What sort of thing it is.
    pub kind: EntryKind,
    /// What happened.
    pub text: String,
    /// For an outcome that counts: which one in a row it was, and how many it takes.
    pub streak: Option<(u32, u32)>,
    /// What it brought about, or which time it was.
    pub note: String,
}

/// The sorts of things that happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EntryKind {
    /// A container starts.
    Start,
    /// A container ends.
    Exit,
    /// A probe's run counts, or does so no more.
    Probe,
    /// A container or the pod becomes ready, or is so no more.
    Ready,
    /// A hook begins or ends.
    Hook,
    /// A container is sent a signal.
    Signal,
    /// A container waits.
    Wait,
    /// A Kubernetes event that no other entry tells.
    Event,
    /// The pod is deleted.
    Delete,
    /// The pod has ended for good.
    Phase,
    /// The pod is gone.
    End,
}

/// A Kubernetes event, as often as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedEvent {
    /// Whether its type is `Warning`, else `Normal`.
    pub warning: bool,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// The container that it is about.
    pub container: Option<usize>,
    /// How often it was recorded.
    pub count: u64,
    /// When for the first time.
    pub first: Duration,
    /// When for the last time.
    pub last: Duration,
}

/// How long a container was what.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerTotals {
    /// Its name.
    pub name: String,
    /// How often it was started again.
    pub restarts: u32,
    /// How long it was ready.
    #[serde(rename = "readySeconds", serialize_with = "seconds")]
    pub ready: Duration,
    /// How long it ran without being ready.
    #[serde(rename = "unreadySeconds", serialize_with = "seconds")]
    pub unready: Duration,
    /// How long its ends took.
    #[serde(rename = "stoppingSeconds", serialize_with = "seconds")]
    pub stopping: Duration,
    /// How long it did not run although it should, once it had run.
    #[serde(rename = "downSeconds", serialize_with = "seconds")]
    pub down: Duration,
}

impl ContainerTotals {
    pub(crate) fn new(name: &str) -> Self {
        let zero = Duration::ZERO;
        Self {
            name: name.to_owned(),
            restarts: 0,
            ready: zero,
            unready: zero,
            stopping: zero,
            down: zero,
        }
    }

    pub(crate) fn add(&mut self, stage: Stage, began: bool, passed: Duration) {
        match stage {
            Stage::Ready => self.ready += passed,
            Stage::Unready => self.unready += passed,
            Stage::Stopping => self.stopping += passed,
            Stage::Down if began => self.down += passed,
            Stage::Down | Stage::Ended => {}
        }
    }
}

/// How long the pod was what.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodTotals {
    /// From its acceptance to its end, or to the end of the simulation.
    #[serde(rename = "livedSeconds", serialize_with = "seconds")]
    pub lived: Duration,
    /// How long it was ready.
    #[serde(rename = "readySeconds", serialize_with = "seconds")]
    pub ready: Duration,
    /// How long it was not.
    #[serde(rename = "unreadySeconds", serialize_with = "seconds")]
    pub unready: Duration,
    /// How much of that was before it was ready for the first time.
    #[serde(rename = "beforeFirstReadySeconds", serialize_with = "seconds")]
    pub before_ready: Duration,
    /// How long it was ready though one of its applications could not work: requests failed.
    #[serde(rename = "readyThoughUnableSeconds", serialize_with = "seconds")]
    pub unable: Duration,
    /// How long it was not ready though its applications could work: it was idle for nothing.
    #[serde(rename = "unreadyThoughAbleSeconds", serialize_with = "seconds")]
    pub idle: Duration,
}

impl PodTotals {
    pub(crate) fn add(&mut self, ready: bool, able: bool, was_ready: bool, passed: Duration) {
        if ready {
            self.ready += passed;
        } else {
            self.unready += passed;
        }
        if !was_ready {
            self.before_ready += passed;
        }
        match (ready, able) {
            (true, false) => self.unable += passed,
            (false, true) => self.idle += passed,
            _ => {}
        }
    }
}

/// Writes a duration as seconds.
fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(in_seconds(*duration))
}

pub(crate) fn in_seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// What the simulation of one pod has shown.
#[derive(Clone, Debug)]
pub struct Report {
    /// The pod's name.
    pub name: String,
    /// The pod's namespace.
    pub namespace: String,
    /// How long was simulated.
    pub simulated: Duration,
    /// Why the simulation ended.
    pub ended: Ended,
    /// How many probes ran.
    pub probe_runs: u64,
    /// What happened, in the order of time.
    pub entries: Vec<Entry>,
    /// How many more things happened than there is room for; the totals contain them.
    pub omitted: u64,
    /// The Kubernetes events.
    pub events: Vec<CountedEvent>,
    /// How long the pod was what.
    pub pod: PodTotals,
    /// How long each container was what, in the order of the manifest.
    pub containers: Vec<ContainerTotals>,
    pub(crate) pod_lane: Lane,
    pub(crate) lanes: Vec<Lane>,
    /// What charts mark: when, the lane (the pod's comes after those of the containers), and as what.
    pub(crate) marks: Vec<(Duration, usize, char)>,
    /// What was shown of the pod at last, if anything was.
    pub(crate) shown: Option<PodStatus>,
}

impl Report {
    /// How often the pod's containers were started again.
    pub fn restarts(&self) -> u32 {
        self.containers.iter().map(|container| container.restarts).sum()
    }

    /// How many restarts are in the report: of a pod that is looked at from the middle of its life, not those before.
    pub fn restarts_seen(&self) -> usize {
        self.marks.iter().filter(|mark| mark.2 == 'R').count()
    }

    /// Makes all times count from `origin`.
    pub(crate) fn shift(&mut self, origin: Duration) {
        for entry in &mut self.entries {
            (entry.at, entry.last) = (entry.at.saturating_sub(origin), entry.last.saturating_sub(origin));
        }
        for event in &mut self.events {
            (event.first, event.last) = (event.first.saturating_sub(origin), event.last.saturating_sub(origin));
        }
        for mark in &mut self.marks {
            mark.0 = mark.0.saturating_sub(origin);
        }
        self.lanes
            .iter_mut()
            .chain([&mut self.pod_lane])
            .for_each(|lane| lane.shift(origin));
        self.simulated = self.simulated.saturating_sub(origin);
        self.pod.lived = self.pod.lived.saturating_sub(origin);
    }

    /// The name of what an entry is about.
    pub(crate) fn subject(&self, container: Option<usize>) -> &str {
        container.map_or("pod", |container| self.containers[container].name.as_str())
    }
}
