//! What a change of the status means for the timeline, the lanes and the totals.

use std::time::Duration;

use probelet_lifecycle::{
    State,
    config::ContainerIndex,
    status::{ContainerState, ContainerStatus, Phase, PodStatus},
};

use super::Recorder;
use crate::{duration::text, lane::Stage, report::EntryKind};

impl Recorder {
    pub(crate) fn status(&mut self, now: Duration, state: &State, status: &PodStatus) {
        self.shown = Some(status.clone());
        for (at, shown) in status.containers.iter().enumerate() {
            self.container_status(now, state, ContainerIndex(at), shown);
        }
        let ready = status
            .conditions
            .iter()
            .any(|condition| condition.name == "Ready" && condition.status);
        if ready != self.ready {
            self.account(now);
            (self.ready, self.was_ready) = (ready, self.was_ready || ready);
            if self.containers.len() > 1 {
                let words = if ready { "is ready" } else { "is not ready" };
                let cause = self.cause;
                self.push(now, None, EntryKind::Ready, words, None);
                self.cause = cause;
            }
        }
        if !self.over {
            self.pod_lane.push(now, pod_stage(status));
        }
        if matches!(status.phase, Phase::Succeeded | Phase::Failed) && !self.over && status.deletion_time.is_none() {
            let words = if status.phase == Phase::Succeeded {
                "has succeeded"
            } else {
                "has failed"
            };
            self.push(now, None, EntryKind::Phase, words, None);
            self.end(now);
        }
    }

    fn container_status(&mut self, now: Duration, state: &State, at: ContainerIndex, shown: &ContainerStatus) {
        let known = &self.containers[at.0];
        let done = state.is_done(at);
        let (ready, started) = (shown.ready, shown.started);
        if (known.ready, known.startup_over, known.done) != (ready, started, done) {
            let (was_ready, was_started) = (known.ready, known.startup_over);
            let runs = known.instance.is_some();
            self.change(now, at, |known| {
                (known.ready, known.startup_over, known.done) = (ready, started, done);
            });
            if runs && (ready != was_ready || started && !was_started) {
                self.readiness(now, at, was_ready, ready);
            }
        }
        self.totals[at.0].restarts = shown.restart_count;
        let waiting = match &shown.state {
            ContainerState::Waiting { reason, message } => (reason.as_str(), message.as_str()),
            _ => ("", ""),
        };
        if waiting.0 != self.containers[at.0].waiting {
            waiting.0.clone_into(&mut self.containers[at.0].waiting);
            self.waits(now, state, at, waiting.0, waiting.1);
        }
    }

    /// Says that a container is ready, or not, or at least started, beside what has caused it.
    fn readiness(&mut self, now: Duration, at: ContainerIndex, was_ready: bool, ready: bool) {
        let words = match (was_ready, ready) {
            (false, true) => "ready",
            (true, false) => "not ready",
            _ => "started",
        };
        if was_ready && !ready {
            self.mark(now, at.0, '!');
        }
        match self.cause.and_then(|cause| self.entries.get_mut(cause)) {
            Some(cause) => cause.note = format!("→ {words}"),
            None if words != "started" => self.line(now, at, EntryKind::Ready, format!("is {words}")),
            None => {}
        }
    }

    fn waits(&mut self, now: Duration, state: &State, at: ContainerIndex, reason: &str, message: &str) {
        let wait = state.waits_until(at).map(|until| text(until.0.saturating_sub(now)));
        let words = match (reason, wait) {
            ("" | "ContainerCreating" | "PodInitializing" | "PostStartHookError", _) => return,
            ("CrashLoopBackOff", Some(wait)) => format!("waits {wait} before its next start (CrashLoopBackOff)"),
            ("ErrImagePull", _) => format!("has no image: {message}"),
            ("ImagePullBackOff", Some(wait)) => format!("waits {wait} before the next try (ImagePullBackOff)"),
            (_, Some(wait)) => format!("waits {wait} before the next try ({reason}: {message})"),
            (_, None) => format!("waits ({reason}: {message})"),
        };
        self.line(now, at, EntryKind::Wait, words);
    }
}

fn pod_stage(status: &PodStatus) -> Stage {
    let ready = status
        .conditions
        .iter()
        .any(|condition| condition.name == "Ready" && condition.status);
    let runs = |container: &ContainerStatus| matches!(container.state, ContainerState::Running { .. });
    match status.phase {
        Phase::Succeeded | Phase::Failed => Stage::Ended,
        _ if status.deletion_time.is_some() => Stage::Stopping,
        _ if ready => Stage::Ready,
        _ if status.containers.iter().any(runs) => Stage::Unready,
        _ => Stage::Down,
    }
}
