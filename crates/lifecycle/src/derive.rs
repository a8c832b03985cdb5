//! The status, from the state alone (C1 to C3).

use std::time::Duration;

use crate::{
    config::ContainerConfig,
    container::{Container, Stage},
    state::{Sandbox, State},
    status::{Condition, ContainerState, ContainerStatus, Phase, PodStatus},
    time::WallTime,
};

/// The status as it is now; a condition that changes does so at `now`.
pub(crate) fn status(state: &State, now: WallTime) -> PodStatus {
    let containers: Vec<_> = state
        .containers
        .iter()
        .zip(&state.config.containers)
        .map(|(container, config)| container_status(container, config))
        .collect();
    let phase = phase(state);
    let deletion = state.deletion;
    PodStatus {
        phase,
        reason: String::new(),
        message: String::new(),
        start_time: state.accepted.wall,
        deletion_time: deletion.map(|deletion| later(deletion.asked.wall, deletion.grace_period)),
        deletion_grace_seconds: deletion.map(|deletion| deletion.grace_period.as_secs()),
        conditions: conditions(state, phase, &containers, now),
        containers,
    }
}

fn later(time: WallTime, duration: Duration) -> WallTime {
    WallTime(time.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
}

/// The phase (C1). A container that waits for its restart has stopped, and will run again (C1.5).
fn phase(state: &State) -> Phase {
    let containers = &state.containers;
    let ended_well = |container: &Container| container.ended.as_ref().is_some_and(|ended| ended.shown.exit_code == 0);
    if containers.iter().all(|container| container.stage == Stage::Done) {
        // One that was deleted before it ever started has not ended well (C1.8).
        return if containers.iter().all(ended_well) { Phase::Succeeded } else { Phase::Failed };
    }
    let never_ran = |container: &Container| {
        container.ended.is_none() && container.live().is_none_or(|live| live.post_start.is_some()) && container.stage != Stage::Done
    };
    if containers.iter().any(never_ran) { Phase::Pending } else { Phase::Running }
}

fn container_status(container: &Container, config: &ContainerConfig) -> ContainerStatus {
    let live = container.live();
    let ended = container.ended.as_ref().map(|ended| ended.shown.clone());
    let before = container.ended_before.as_ref().map(|ended| ended.shown.clone());
    let waiting = |reason: &str, message: &str| ContainerState::Waiting {
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    let (state, last_termination) = match (&container.stage, live) {
        (_, Some(live)) if live.post_start.is_some() => (waiting("ContainerCreating", ""), before),
        (_, Some(live)) => (ContainerState::Running { started_at: live.started.wall }, before),
        // C3.2: the end moves to lastState while something else is shown.
        (Stage::BackingOff { reason, message, .. }, _) => (waiting(reason, message), ended.or(before)),
        _ => match ended {
            Some(ended) => (ContainerState::Terminated(ended), before),
            None => (waiting("ContainerCreating", ""), before),
        },
    };
    ContainerStatus {
        name: config.name.clone(),
        state,
        last_termination,
        ready: live.is_some_and(crate::container::Live::is_ready),
        started: live.is_some_and(crate::container::Live::is_started),
        restart_count: container.instance.unwrap_or(0),
    }
}

/// The conditions (C2), with the times of those that have not changed.
fn conditions(state: &State, phase: Phase, containers: &[ContainerStatus], now: WallTime) -> Vec<Condition> {
    let sandbox = matches!(state.sandbox, Sandbox::Ready | Sandbox::Removing { .. });
    let unready: Vec<_> =
        containers.iter().filter(|container| !container.ready).map(|container| container.name.as_str()).collect();
    let (ready, reason, message) = match phase {
        Phase::Succeeded => (false, "PodCompleted", String::new()),
        Phase::Failed => (false, "PodFailed", String::new()),
        _ if unready.is_empty() => (true, "", String::new()),
        _ => (
            false,
            "ContainersNotReady",
            format!("containers with unready status: [{}]", unready.join(" ")),
        ),
    };
    let initialized = if phase == Phase::Succeeded { "PodCompleted" } else { "" };
    [
        ("PodReadyToStartContainers", sandbox, "", String::new()),
        ("Initialized", true, initialized, String::new()),
        ("Ready", ready, reason, message.clone()),
        ("ContainersReady", ready, reason, message),
        ("PodScheduled", true, "", String::new()),
    ]
    .into_iter()
    .map(|(name, status, reason, message)| {
        let before = state.conditions.iter().find(|before| before.name == name && before.status == status);
        let last_transition = before.map_or(now, |before| before.last_transition);
        Condition { name: name.to_owned(), status, reason: reason.to_owned(), message, last_transition }
    })
    .collect()
}
