//! What is wrong with a pod at the end of a record.

use probelet_lifecycle::{
    config::ContainerKind,
    status::{ContainerState, ContainerStatus, Phase, PodStatus},
};

use super::{Why, causes, failures, is_start, words};
use crate::{
    lane::Stage,
    report::{Entry, EntryKind, Report},
};

/// What is wrong with a container; `None` if it is ready, or has ended well.
pub(super) fn of_container(report: &Report, container: usize) -> Option<Why<'_>> {
    let name = report.subject(Some(container));
    let shown = report.shown.as_ref().map(|shown| &shown.containers[container]);
    let began = last_start(report, container);
    // Where nothing ever began no lane says anything.
    let stage = report.lanes[container].last().unwrap_or(Stage::Down);
    if matches!(stage, Stage::Ready | Stage::Unready)
        && let Some(causes) = held_back(report, container)
    {
        let what = format!("{name} fails its liveness probe, and its restart is held back");
        return Some(Why::new(what, causes));
    }
    match stage {
        Stage::Ready => None,
        Stage::Unready => Some(unready(report, container, began)),
        Stage::Stopping => {
            let life = began.map_or(0, |began| began + 1)..report.entries.len();
            let what = format!("{name} is being stopped");
            Some(Why::new(
                what,
                or_start(report, causes(report, Some(container), life, None), began),
            ))
        }
        Stage::Down => {
            let what = match shown.map(|shown| &shown.state) {
                Some(ContainerState::Waiting { reason, message }) if !is_usual(reason) => {
                    format!("{name} is not running: {}", said(reason, message))
                }
                _ => format!("{name} is not running"),
            };
            Some(Why::new(what, story(report, container, began)))
        }
        // Where the pod has failed as a whole, that is what is told.
        Stage::Ended if report.shown.as_ref().is_some_and(|shown| !shown.reason.is_empty()) => None,
        Stage::Ended => {
            let how = failed(shown?)?;
            Some(Why::new(
                format!("{name} has failed: {how}"),
                story(report, container, began),
            ))
        }
    }
}

/// What is wrong with a pod whose containers are all well; `None` if it is ready, or has ended well.
pub(super) fn of_pod(report: &Report) -> Option<Why<'_>> {
    let shown = report.shown.as_ref()?;
    match shown.phase {
        Phase::Succeeded => None,
        Phase::Failed => {
            let what = match said(&shown.reason, &shown.message) {
                reason if reason.is_empty() => "the pod has failed".to_owned(),
                reason => format!("the pod has failed: {reason}"),
            };
            let kinds = [EntryKind::Event, EntryKind::Exit, EntryKind::Phase];
            let told = report.entries.iter().filter(|entry| kinds.contains(&entry.kind));
            Some(Why::new(what, told.collect()))
        }
        Phase::Pending | Phase::Running => {
            let ready = shown.conditions.iter().find(|condition| condition.name == "Ready")?;
            if ready.status {
                return None;
            }
            let what = format!("the pod is not ready: {}", said(&ready.reason, &ready.message));
            Some(Why::new(what, of_conditions(report, shown)))
        }
    }
}

/// When the pod's containers became what they are, and what was done to its conditions since the record began.
fn of_conditions<'a>(report: &'a Report, shown: &PodStatus) -> Vec<&'a Entry> {
    let ended = |container: usize| matches!(shown.containers[container].state, ContainerState::Terminated(_));
    let told = report
        .entries
        .iter()
        .enumerate()
        .filter(|(at, entry)| match entry.container {
            None => entry.text.starts_with("condition "),
            Some(container) if ended(container) => entry.kind == EntryKind::Exit,
            Some(container) => last_start(report, container) == Some(*at) || becomes_ready(entry),
        });
    told.map(|(_, entry)| entry).collect()
}

/// A container that runs and is not ready.
fn unready(report: &Report, container: usize, began: Option<usize>) -> Why<'_> {
    let name = report.subject(Some(container));
    let own = |entry: &&Entry| entry.container == Some(container);
    let since = began.map_or(0, |began| began + 1);
    let mut life = report.entries[since..].iter().filter(own);
    let post_start = life.rfind(|entry| entry.kind == EntryKind::Hook && words(entry).0 == "postStart");
    if let Some(begin) = post_start.filter(|entry| matches!(words(entry).1, "begins" | "runs")) {
        let what = format!("{name} is not ready: its postStart hook is still running");
        return Why::new(
            what,
            began
                .map(|began| &report.entries[began])
                .into_iter()
                .chain([begin])
                .collect(),
        );
    }
    // It has lost its readiness, or never had it since its start.
    let from = report
        .entries
        .iter()
        .rposition(|entry| own(&entry) && (is_start(entry) || becomes_ready(entry)));
    let range = from.map_or(0, |from| from + 1)..report.entries.len();
    let causes = causes(report, Some(container), range, None);
    let shown = report.shown.as_ref().map(|shown| shown.containers[container].kind);
    let what = if shown == Some(ContainerKind::Init) {
        format!("{name} has not ended yet, and what follows it waits for that")
    } else {
        format!("{name} is not ready")
    };
    Why::new(what, or_start(report, causes, from))
}

fn becomes_ready(entry: &Entry) -> bool {
    entry.note == "→ ready" || entry.text == "is ready"
}

fn or_start<'a>(report: &'a Report, causes: Vec<&'a Entry>, start: Option<usize>) -> Vec<&'a Entry> {
    if causes.is_empty() {
        start.map(|start| &report.entries[start]).into_iter().collect()
    } else {
        causes
    }
}

/// What led to a container's not running: of its last instance what ended it, and all that was tried since. What befell
/// the pod before it ever ran counts too, such as a sandbox that could not be made.
fn story(report: &Report, container: usize, began: Option<usize>) -> Vec<&Entry> {
    let life = began.map_or(0, |began| began + 1)..report.entries.len();
    let is_end = |entry: &Entry| entry.container == Some(container) && entry.kind == EntryKind::Exit;
    if report.entries[life.clone()].iter().any(is_end) {
        return causes(report, Some(container), life, None);
    }
    let kinds = [EntryKind::Start, EntryKind::Wait, EntryKind::Exit, EntryKind::Event];
    let told = report.entries[life].iter().filter(|entry| {
        let own = entry.container.is_none_or(|other| other == container);
        own && kinds.contains(&entry.kind) || entry.kind == EntryKind::Delete
    });
    told.collect()
}

/// What led to a restart that is held back; `None` if none is.
fn held_back(report: &Report, container: usize) -> Option<Vec<&Entry>> {
    let began = last_start(report, container).map_or(0, |began| began + 1);
    let entries = &report.entries;
    let own = |entry: &Entry| entry.container == Some(container);
    let is_held = |entry: &Entry| own(entry) && entry.text.starts_with("RestartHeld");
    let recovers = |entry: &Entry| {
        let liveness = own(entry) && entry.kind == EntryKind::Probe && words(entry).0 == "liveness";
        liveness && matches!(words(entry).1, "succeeds" | "warns")
    };
    let since = entries[began..]
        .iter()
        .rposition(recovers)
        .map_or(began, |at| began + at + 1);
    let first = since + entries[since..].iter().position(is_held)?;
    let is_hold = |entry: &&Entry| entry.container.is_none() && entry.text.starts_with("restarts because of liveness");
    let hold = entries[..first].iter().rfind(is_hold);
    let life: Vec<_> = entries[since..first].iter().filter(|entry| own(entry)).collect();
    let mut causes = failures(&life);
    causes.push(&entries[first]);
    let newest = entries[first..]
        .iter()
        .rfind(|entry| own(entry) && words(entry).0 == "liveness");
    causes.extend(newest);
    causes.extend(hold);
    causes.sort_by_key(|entry| entry.at);
    Some(causes)
}

fn last_start(report: &Report, container: usize) -> Option<usize> {
    let own = |entry: &Entry| entry.container == Some(container) && is_start(entry);
    report.entries.iter().rposition(own)
}

/// Whether a container waits for what is only on its way.
fn is_usual(reason: &str) -> bool {
    matches!(reason, "ContainerCreating" | "PodInitializing")
}

/// How a container has failed that has ended for good; `None` if it has not.
fn failed(shown: &ContainerStatus) -> Option<String> {
    match &shown.state {
        ContainerState::Terminated(ended) if ended.has_failed() => {
            let how = format!("{}, with {}", ended.reason, ended.exit_code);
            Some(said(&how, &ended.message))
        }
        // It was given up before it ran.
        ContainerState::Waiting { reason, message } if !is_usual(reason) => Some(said(reason, message)),
        _ => None,
    }
}

fn said(reason: &str, message: &str) -> String {
    let parts = [reason, message].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(": ")
}
