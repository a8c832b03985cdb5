//! Kubernetes events: counted, bounded, published as documents.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use probelet_lifecycle::{
    action::{PodEvent, Severity},
    time::WallTime,
};
use serde::{Deserialize, Serialize};

use crate::{
    clock,
    correlate::{COMBINED, Correlator},
    handle::{Collection, PodKey},
    objects::Objects,
};

/// Different events kept of one pod; the one that was seen least recently gives way.
const EVENTS_PER_POD: usize = 64;

/// How long the events of a deleted pod are still shown, as an API server keeps events for an hour.
const KEPT_AFTER_DELETION: i64 = 60 * 60 * 1000;

/// Deleted pods whose events are still shown; the oldest gives way.
const DELETED_PODS: usize = 256;

/// The pod that events are about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) key: PodKey,
    pub(crate) uid: String,
    /// The containers' field paths, such as `spec.containers{app}`, by their index.
    pub(crate) containers: Vec<String>,
}

/// One event, as it is kept: the same reason and message again only raises its count (C6.1).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counted {
    name: String,
    warning: bool,
    reason: String,
    message: String,
    field_path: Option<String>,
    count: i32,
    first: WallTime,
    last: WallTime,
}

/// What makes two events one: type, reason, message and field path (C6.1).
type Identity = (bool, String, String, Option<String>);

/// One that stands for many has the same message at all times, and no field path (C6.2).
fn identity(warning: bool, reason: &str, message: &str, field_path: Option<&str>) -> Identity {
    if message.starts_with(COMBINED) {
        return (warning, reason.to_owned(), COMBINED.to_owned(), None);
    }
    (
        warning,
        reason.to_owned(),
        message.to_owned(),
        field_path.map(str::to_owned),
    )
}

/// Records the events of all pods.
pub(crate) struct Recorder {
    objects: Arc<Objects>,
    deleted: Mutex<Vec<(WallTime, Vec<PodKey>)>>,
}

/// The events of one pod; owned by its task.
pub(crate) struct PodEvents {
    recorder: Arc<Recorder>,
    subject: Subject,
    path: std::path::PathBuf,
    events: Vec<Counted>,
    index: HashMap<Identity, usize>,
    correlator: Correlator,
    serial: u64,
}

impl Recorder {
    pub(crate) fn new(objects: Arc<Objects>) -> Self {
        Self {
            objects,
            deleted: Mutex::new(Vec::new()),
        }
    }

    /// Opens the events of a pod, with those that an earlier agent recorded.
    pub(crate) fn open(self: &Arc<Self>, subject: Subject, folder: &Path) -> PodEvents {
        let path = folder.join("events.json");
        let events: Vec<Counted> = crate::store::read_json(&path).unwrap_or_default();
        let mut pod_events = PodEvents {
            recorder: self.clone(),
            subject,
            path,
            events,
            index: HashMap::new(),
            correlator: Correlator::default(),
            serial: clock::now().wall.0.unsigned_abs(),
        };
        pod_events.rebuild_index();
        for event in &pod_events.events {
            pod_events.publish(event);
        }
        pod_events
    }

    /// Removes what has been kept of deleted pods for long enough.
    fn expire(&self, now: WallTime, deleted: Vec<PodKey>) {
        let mut kept = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((now, deleted));
        let expired = kept
            .iter()
            .position(|(time, _)| now.0 - time.0 < KEPT_AFTER_DELETION)
            .unwrap_or(0)
            .max(kept.len().saturating_sub(DELETED_PODS));
        for (_, events) in kept.drain(..expired) {
            for event in events {
                self.objects.remove(Collection::Events, &event);
            }
        }
    }
}

impl PodEvents {
    /// Counts and publishes one event.
    pub(crate) fn record(&mut self, now: WallTime, event: &PodEvent) {
        let Some(message) = self.correlator.correlate(now, event) else {
            return;
        };
        let warning = event.severity == Severity::Warning;
        let container = event.container.and_then(|index| self.subject.containers.get(index.0));
        let field_path = container.cloned();
        let key = identity(warning, &event.reason, &message, field_path.as_deref());
        let at = match self.index.get(&key) {
            Some(&at) => {
                self.events[at].message = message;
                self.events[at].count = self.events[at].count.saturating_add(1);
                self.events[at].last = now;
                at
            }
            None => {
                self.make_room();
                self.serial += 1;
                self.events.push(Counted {
                    name: format!("{}.{:x}", self.subject.key.name, self.serial),
                    warning,
                    reason: event.reason.clone(),
                    message,
                    field_path,
                    count: 1,
                    first: now,
                    last: now,
                });
                self.index.insert(key, self.events.len() - 1);
                self.events.len() - 1
            }
        };
        self.publish(&self.events[at]);
        if let Err(error) = crate::store::write_json(&self.path, &self.events) {
            tracing::error!(%error, "events of the pod are missing on disk");
        }
    }

    /// The pod is gone; its events are shown a while longer.
    pub(crate) fn close(&self, now: WallTime) {
        let keys = self.events.iter().map(|event| self.key(event)).collect();
        self.recorder.expire(now, keys);
    }

    fn make_room(&mut self) {
        if self.events.len() < EVENTS_PER_POD {
            return;
        }
        let oldest = (0..self.events.len()).min_by_key(|&at| self.events[at].last);
        if let Some(at) = oldest {
            let event = self.events.remove(at);
            self.recorder.objects.remove(Collection::Events, &self.key(&event));
            self.rebuild_index();
        }
    }

    fn rebuild_index(&mut self) {
        let entries = self.events.iter().enumerate();
        self.index = entries
            .map(|(at, event)| {
                let path = event.field_path.as_deref();
                (identity(event.warning, &event.reason, &event.message, path), at)
            })
            .collect();
    }

    fn key(&self, event: &Counted) -> PodKey {
        PodKey {
            namespace: self.subject.key.namespace.clone(),
            name: event.name.clone(),
        }
    }

    fn publish(&self, event: &Counted) {
        let document = serde_json::to_value(self.document(event)).expect("an event has string keys only");
        self.recorder.objects.put(Collection::Events, self.key(event), document);
    }

    fn document(&self, event: &Counted) -> Event {
        Event {
            metadata: ObjectMeta {
                name: Some(event.name.clone()),
                namespace: Some(self.subject.key.namespace.clone()),
                creation_timestamp: Some(Time(clock::timestamp(event.first))),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: Some(self.subject.key.namespace.clone()),
                name: Some(self.subject.key.name.clone()),
                uid: Some(self.subject.uid.clone()),
                field_path: event.field_path.clone(),
                resource_version: None,
            },
            type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(event.reason.clone()),
            message: Some(event.message.clone()),
            count: Some(event.count),
            first_timestamp: Some(Time(clock::timestamp(event.first))),
            last_timestamp: Some(Time(clock::timestamp(event.last))),
            source: Some(EventSource {
                component: Some("probelet".to_owned()),
                host: None,
            }),
            reporting_component: Some("probelet".to_owned()),
            ..Event::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> (tempfile::TempDir, Arc<Objects>, PodEvents) {
        let folder = tempfile::tempdir().unwrap();
        let objects = Arc::new(Objects::open(folder.path().join("resource-version")).unwrap());
        let recorder = Arc::new(Recorder::new(objects.clone()));
        let key = PodKey {
            namespace: "default".into(),
            name: "web".into(),
        };
        let subject = Subject {
            key,
            uid: "u".into(),
            containers: vec!["spec.containers{app}".into()],
        };
        let events = recorder.open(subject, folder.path());
        (folder, objects, events)
    }

    fn event(message: &str) -> PodEvent {
        PodEvent {
            severity: Severity::Warning,
            reason: "Unhealthy".into(),
            message: message.into(),
            container: Some(probelet_lifecycle::config::ContainerIndex(0)),
            repeated: false,
        }
    }

    fn of_reason(reason: String) -> PodEvent {
        PodEvent {
            reason,
            ..event("failed")
        }
    }

    #[test]
    fn the_same_event_again_raises_the_count_and_moves_the_last_time() {
        let (_folder, objects, mut events) = fixture();
        events.record(WallTime(1_000), &event("failed"));
        events.record(WallTime(119_000), &event("failed"));
        let items = objects.list(Collection::Events, None).items;
        assert_eq!(items.len(), 1);
        assert_eq!(items[0]["count"], 2);
        assert_eq!(items[0]["firstTimestamp"], "1970-01-01T00:00:01Z");
        assert_eq!(items[0]["lastTimestamp"], "1970-01-01T00:01:59Z");
        assert_eq!(items[0]["involvedObject"]["fieldPath"], "spec.containers{app}");
    }

    #[test]
    fn the_least_recently_seen_gives_way() {
        let (_folder, objects, mut events) = fixture();
        for serial in 0..i64::try_from(EVENTS_PER_POD).unwrap() {
            events.record(WallTime(serial), &of_reason(format!("Failed{serial}")));
        }
        events.record(WallTime(1000), &of_reason("Failed0".into()));
        events.record(WallTime(1001), &of_reason("OneMore".into()));
        let kept: Vec<_> = objects.list(Collection::Events, None).items;
        let has = |reason: &str| kept.iter().any(|event| event["reason"] == reason);
        assert_eq!(kept.len(), EVENTS_PER_POD);
        assert!(has("Failed0") && has("OneMore") && !has("Failed1"));
    }

    #[test]
    fn c6_2_those_that_are_put_together_are_one_event_with_the_newest_message() {
        let (_folder, objects, mut events) = fixture();
        for serial in 1..=20 {
            events.record(WallTime(serial), &event(&format!("failed {serial}")));
        }
        let kept: Vec<_> = objects.list(Collection::Events, None).items;
        assert_eq!(kept.len(), 10);
        let combined: Vec<_> = kept.iter().filter(|event| event["count"] == 11).collect();
        assert_eq!(combined[0]["message"], "(combined from similar events): failed 20");
    }

    #[test]
    fn they_survive_the_agent_and_outlive_the_pod_for_an_hour() {
        let (folder, objects, mut events) = fixture();
        events.record(WallTime(1), &event("failed"));
        let (recorder, subject) = (events.recorder.clone(), events.subject.clone());
        drop(events);
        let mut events = recorder.open(subject.clone(), folder.path());
        events.record(WallTime(2), &event("failed"));
        assert_eq!(objects.list(Collection::Events, None).items[0]["count"], 2);
        events.close(WallTime(3));
        assert_eq!(objects.list(Collection::Events, None).items.len(), 1);
        recorder.expire(WallTime(3 + KEPT_AFTER_DELETION), Vec::new());
        assert!(objects.list(Collection::Events, None).items.is_empty());
    }
}
