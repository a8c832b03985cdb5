//! What is noted of a simulation while it runs: the timeline, the lanes of the chart, the totals.

mod status;

use std::{collections::HashMap, time::Duration};

use probelet_lifecycle::{
    action::{HookReason, PodEvent, ProbeKind, Severity},
    config::{ContainerIndex, PodConfig, ProbeConfig},
    event::{Exit, ProbeOutcome, Verdict},
    status::{ConditionStatus, PodStatus},
};

use crate::{
    duration::text,
    lane::{Lane, Stage},
    report::{ContainerTotals, CountedEvent, Entry, EntryKind, PodTotals},
};

/// The most entries of a timeline. A container that crashes all day makes some thousand; whatever makes more repeats
/// itself, and the totals go on counting.
const MAX_ENTRIES: usize = 20_000;

/// The most marks of a chart, as many as entries: each of them is one.
const MAX_MARKS: usize = MAX_ENTRIES;

/// The most kinds of events; an agent, too, keeps no more for each pod.
const MAX_EVENTS: usize = 1000;

/// What is told in the timeline by a line of its own, in other words.
const TOLD_OTHERWISE: [&str; 10] = [
    "Created",
    "Failed",
    "Started",
    "Pulled",
    "Unhealthy",
    "ProbeWarning",
    "Recovered",
    "BackOff",
    "FailedPostStartHook",
    "FailedPreStopHook",
];

/// A container as it is now.
#[derive(Clone, Debug, Default)]
struct Now {
    instance: Option<u32>,
    began: bool,
    stopping: bool,
    ready: bool,
    startup_over: bool,
    works: bool,
    done: bool,
    waiting: String,
}

impl Now {
    fn stage(&self) -> Stage {
        match (self.instance, self.stopping, self.ready) {
            (Some(_), true, _) => Stage::Stopping,
            (Some(_), false, true) => Stage::Ready,
            (Some(_), false, false) => Stage::Unready,
            (None, ..) if self.done => Stage::Ended,
            (None, ..) => Stage::Down,
        }
    }
}

/// A probe run that is worth a line.
pub(crate) struct ProbeLine<'a> {
    pub(crate) container: ContainerIndex,
    pub(crate) kind: ProbeKind,
    pub(crate) config: &'a ProbeConfig,
    pub(crate) outcome: &'a ProbeOutcome,
    /// How many of its sort there were in a row.
    pub(crate) streak: u32,
    /// Whether the run before was not good.
    pub(crate) was_bad: bool,
    /// Whether it has changed the probe's result.
    pub(crate) changed: bool,
}

/// Notes what happens.
pub(crate) struct Recorder {
    containers: Vec<Now>,
    ready: bool,
    pub(crate) over: bool,
    was_ready: bool,
    last: Duration,
    pub(crate) entries: Vec<Entry>,
    pub(crate) omitted: u64,
    /// The last entry of each container, and of the pod at the end.
    newest: Vec<Option<usize>>,
    /// The line of the probe run that is being taken: what it brings about is said in it.
    cause: Option<usize>,
    events: HashMap<(String, String, Option<usize>), usize>,
    pub(crate) counted: Vec<CountedEvent>,
    pub(crate) pod: PodTotals,
    pub(crate) totals: Vec<ContainerTotals>,
    pub(crate) pod_lane: Lane,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) marks: Vec<(Duration, usize, char)>,
    /// What was shown of the pod at last.
    pub(crate) shown: Option<PodStatus>,
}

impl Recorder {
    pub(crate) fn new(config: &PodConfig) -> Self {
        let totals = config
            .containers
            .iter()
            .map(|container| ContainerTotals::new(&container.name));
        let count = config.containers.len();
        Self {
            containers: vec![
                Now {
                    works: false,
                    ..Now::default()
                };
                count
            ],
            ready: false,
            over: false,
            was_ready: false,
            last: Duration::ZERO,
            entries: Vec::new(),
            omitted: 0,
            newest: vec![None; count + 1],
            cause: None,
            events: HashMap::new(),
            counted: Vec::new(),
            pod: PodTotals::default(),
            totals: totals.collect(),
            pod_lane: Lane::default(),
            lanes: vec![Lane::default(); count],
            marks: Vec::new(),
            shown: None,
        }
    }

    /// The same for a life that is looked at from this time on.
    pub(crate) fn since(config: &PodConfig, origin: Duration) -> Self {
        Self {
            last: origin,
            ..Self::new(config)
        }
    }

    /// An instance ran already when the record begins.
    pub(crate) fn adopted(&mut self, container: ContainerIndex, instance: u32) {
        self.change(self.last, container, |known| {
            *known = Now {
                instance: Some(instance),
                began: true,
                works: true,
                ..Now::default()
            };
        });
    }

    /// Counts the time until now to what has been since the last time.
    pub(crate) fn account(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.last);
        self.last = now;
        if passed.is_zero() || self.over {
            return;
        }
        for (container, totals) in self.containers.iter().zip(&mut self.totals) {
            totals.add(container.stage(), container.began, passed);
        }
        let working = |container: &Now| container.instance.is_some() && container.works;
        let able = self
            .containers
            .iter()
            .all(|container| container.done || working(container));
        self.pod.add(self.ready, able, self.was_ready, passed);
    }

    /// Changes what is known of a container.
    fn change(&mut self, now: Duration, container: ContainerIndex, change: impl FnOnce(&mut Now)) {
        self.account(now);
        change(&mut self.containers[container.0]);
        self.lanes[container.0].push(now, self.containers[container.0].stage());
    }

    /// Adds an entry; gives its number, unless there is no more room.
    fn push(
        &mut self,
        at: Duration,
        container: Option<ContainerIndex>,
        kind: EntryKind,
        text: impl Into<String>,
        streak: Option<(u32, u32)>,
    ) -> Option<usize> {
        let (slot, text) = (
            container.map_or(self.containers.len(), |container| container.0),
            text.into(),
        );
        let newest = self.newest[slot].and_then(|newest| self.entries.get_mut(newest));
        // The same again, with nothing else of this container in between.
        let same = |entry: &&mut Entry| kind == EntryKind::Probe && entry.text == text && entry.streak == streak;
        self.cause = None;
        if let Some(entry) = newest.filter(same) {
            (entry.times, entry.last) = (entry.times + 1, at);
            return self.newest[slot];
        }
        if self.entries.len() == MAX_ENTRIES {
            self.omitted += 1;
            return None;
        }
        self.entries.push(Entry {
            at,
            last: at,
            times: 1,
            container: container.map(|container| container.0),
            instance: container.and_then(|container| self.containers[container.0].instance),
            kind,
            text,
            streak,
            note: String::new(),
        });
        self.newest[slot] = Some(self.entries.len() - 1);
        self.newest[slot]
    }

    fn mark(&mut self, now: Duration, lane: usize, mark: char) {
        if self.marks.len() < MAX_MARKS {
            self.marks.push((now, lane, mark));
        }
    }

    fn line(&mut self, at: Duration, container: ContainerIndex, kind: EntryKind, text: impl Into<String>) {
        self.push(at, Some(container), kind, text, None);
    }

    pub(crate) fn started(&mut self, now: Duration, container: ContainerIndex, instance: u32) {
        self.change(now, container, |known| {
            *known = Now {
                instance: Some(instance),
                began: true,
                works: true,
                ..Now::default()
            };
        });
        if instance == 0 {
            self.line(now, container, EntryKind::Start, "starts");
        } else {
            self.mark(now, container.0, 'R');
            let note = format!("restart {instance}");
            let entry = self.push(now, Some(container), EntryKind::Start, "starts again", None);
            if let Some(entry) = entry.and_then(|entry| self.entries.get_mut(entry)) {
                entry.note = note;
            }
        }
    }

    pub(crate) fn start_failed(&mut self, now: Duration, container: ContainerIndex, message: &str) {
        self.line(
            now,
            container,
            EntryKind::Start,
            format!("cannot be started: {message}"),
        );
    }

    pub(crate) fn exited(&mut self, now: Duration, container: ContainerIndex, exit: &Exit, age: Duration) {
        let stopping = self.containers[container.0].stopping;
        let why = match exit {
            Exit { oom_killed: true, .. } => ", out of memory".to_owned(),
            Exit { code: 137, .. } if stopping => ", killed".to_owned(),
            _ if stopping => String::new(),
            _ => format!(" by itself, {} after its start", text(age)),
        };
        self.line(now, container, EntryKind::Exit, format!("ends with {}{why}", exit.code));
        self.change(now, container, |known| {
            (known.instance, known.stopping, known.works) = (None, false, false);
        });
    }

    /// Whether an application could do its work.
    pub(crate) fn works(&mut self, now: Duration, container: ContainerIndex, works: bool) {
        if self.containers[container.0].works != works {
            self.change(now, container, |known| known.works = works);
        }
    }

    pub(crate) fn probe(&mut self, now: Duration, line: &ProbeLine<'_>) {
        let name = match line.kind {
            ProbeKind::Startup => "startup",
            ProbeKind::Liveness => "liveness",
            ProbeKind::Readiness => "readiness",
        };
        let message = match line.outcome.message.as_str() {
            "" => String::new(),
            message => format!(": {message}"),
        };
        let (failures, successes) = (line.config.failure_threshold, line.config.success_threshold);
        let (word, threshold) = match line.outcome.verdict {
            Verdict::Failure if line.streak > failures => ("goes on failing", None),
            Verdict::Failure => ("fails", Some(failures)),
            Verdict::Errored if line.config.errored_is_failure && line.streak <= failures => {
                ("cannot be run", Some(failures))
            }
            Verdict::Errored => ("cannot be run", None),
            Verdict::Warning => ("warns", None),
            Verdict::Success if successes > 1 && line.streak <= successes => ("succeeds", Some(successes)),
            Verdict::Success if line.was_bad => ("succeeds again", None),
            Verdict::Success => ("succeeds", None),
        };
        let text = format!("{name} {word}{message}");
        let streak = threshold.map(|threshold| (line.streak, threshold));
        let entry = self.push(now, Some(line.container), EntryKind::Probe, text, streak);
        self.cause = entry.filter(|_| line.changed);
    }

    /// Whether a container is being ended.
    pub(crate) fn is_stopping(&self, container: ContainerIndex) -> bool {
        self.containers[container.0].stopping
    }

    /// A hook ran already when the record begins.
    pub(crate) fn hook_runs(&mut self, now: Duration, container: ContainerIndex, reason: HookReason) {
        let name = hook_name(reason);
        self.line(now, container, EntryKind::Hook, format!("{name} runs already"));
        if reason != HookReason::Start {
            self.change(now, container, |known| known.stopping = true);
        }
    }

    pub(crate) fn hook_begins(
        &mut self,
        now: Duration,
        container: ContainerIndex,
        reason: HookReason,
        limit: Duration,
        takes: Option<Duration>,
    ) {
        if reason != HookReason::Start {
            self.change(now, container, |known| known.stopping = true);
            if takes != Some(Duration::ZERO) {
                self.line(
                    now,
                    container,
                    EntryKind::Hook,
                    format!("preStop begins, and has {}", text(limit)),
                );
            }
        } else if takes != Some(Duration::ZERO) {
            self.line(now, container, EntryKind::Hook, "postStart begins");
        }
    }

    pub(crate) fn hook_ends(
        &mut self,
        now: Duration,
        container: ContainerIndex,
        reason: HookReason,
        error: Option<&str>,
    ) {
        let name = hook_name(reason);
        let text = match error {
            None => format!("{name} is done"),
            Some(error) => format!("{name} fails: {error}"),
        };
        self.line(now, container, EntryKind::Hook, text);
    }

    pub(crate) fn hook_cancelled(&mut self, now: Duration, container: ContainerIndex, reason: HookReason) {
        let why = match self.containers[container.0].instance {
            Some(_) => "before its end",
            None => "with its container",
        };
        let name = hook_name(reason);
        self.line(now, container, EntryKind::Hook, format!("{name} is stopped {why}"));
    }

    pub(crate) fn stop_signal(
        &mut self,
        now: Duration,
        container: ContainerIndex,
        signal: &str,
        left: Option<Duration>,
    ) {
        self.change(now, container, |known| known.stopping = true);
        let left = left
            .map(|left| format!(", and has {} until SIGKILL", text(left)))
            .unwrap_or_default();
        self.line(now, container, EntryKind::Signal, format!("is sent {signal}{left}"));
    }

    pub(crate) fn kill(&mut self, now: Duration, container: ContainerIndex) {
        self.line(now, container, EntryKind::Signal, "is sent SIGKILL: its time is over");
    }

    pub(crate) fn deleted(&mut self, now: Duration, grace_period: Duration) {
        self.mark(now, self.containers.len(), 'D');
        let grace = text(grace_period);
        let words = format!("is deleted, with a grace period of {grace}");
        self.push(now, None, EntryKind::Delete, words, None);
    }

    pub(crate) fn condition(&mut self, now: Duration, name: &str, status: ConditionStatus) {
        let words = format!("condition {name} is set to {status:?}");
        self.push(now, None, EntryKind::Event, words, None);
    }

    pub(crate) fn held(&mut self, now: Duration, held: bool) {
        let words = if held {
            "are held back"
        } else {
            "are no longer held back"
        };
        let words = format!("restarts because of liveness {words}");
        self.push(now, None, EntryKind::Event, words, None);
    }

    pub(crate) fn gone(&mut self, now: Duration) {
        self.push(now, None, EntryKind::End, "is gone", None);
        self.end(now);
    }

    /// When something happened for the last time.
    pub(crate) fn newest(&self) -> Duration {
        let newest = self.entries.iter().map(|entry| entry.last).max();
        newest.unwrap_or_default().max(self.pod.lived)
    }

    /// The pod's life is over, or the simulation is. A pod that has ended can still be deleted.
    pub(crate) fn end(&mut self, now: Duration) {
        if !self.over {
            self.account(now);
            self.over = true;
            self.pod.lived = now;
        }
    }

    pub(crate) fn event(&mut self, now: Duration, event: PodEvent) {
        if !TOLD_OTHERWISE.contains(&event.reason.as_str()) {
            let words = format!("{}: {}", event.reason, event.message);
            self.push(now, event.container, EntryKind::Event, words, None);
        }
        let container = event.container.map(|container| container.0);
        let key = (event.reason, event.message, container);
        if let Some(at) = self.events.get(&key) {
            let counted = &mut self.counted[*at];
            (counted.count, counted.last) = (counted.count + 1, now);
        } else if self.counted.len() < MAX_EVENTS {
            self.events.insert(key.clone(), self.counted.len());
            self.counted.push(CountedEvent {
                warning: event.severity == Severity::Warning,
                reason: key.0,
                message: key.1,
                container,
                count: 1,
                first: now,
                last: now,
            });
        }
    }
}

fn hook_name(reason: HookReason) -> &'static str {
    if reason == HookReason::Start {
        "postStart"
    } else {
        "preStop"
    }
}
