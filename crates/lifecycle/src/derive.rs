//! The status, from the state alone (C1 to C3).

use std::time::Duration;

use crate::{
    action::HookReason,
    config::{ContainerConfig, ContainerKind},
    container::{Container, Live, Stage},
    messages::DEADLINE_EXCEEDED,
    state::{Sandbox, State},
    status::{Condition, ConditionStatus, ContainerState, ContainerStatus, Phase, PodStatus, Terminated},
    time::WallTime,
};

/// What is shown of a container of which nothing more is known than that it is not there yet (B6.4), if its pod has init
/// containers or sidecars and if not (B4.9).
const FIRST_WAITING_REASONS: (&str, &str) = ("PodInitializing", "ContainerCreating");

/// The status as it is now; a condition that changes does so at `now`.
pub(crate) fn status(state: &State, now: WallTime) -> PodStatus {
    let over = state.containers.iter().all(|container| container.stage == Stage::Done);
    // B6.3: in an initialized pod that has ended, what never ran has been lost.
    let lost = (over && state.initialized >= state.config.init_containers()).then_some(state.accepted.wall);
    let first_reason = if state.config.init_containers() > 0 {
        FIRST_WAITING_REASONS.0
    } else {
        FIRST_WAITING_REASONS.1
    };
    let containers: Vec<_> = state
        .containers
        .iter()
        .zip(&state.config.containers)
        .map(|(container, config)| container_status(container, config, first_reason, lost))
        .collect();
    let phase = phase(state);
    let deletion = state.deletion;
    let (reason, message) = match phase {
        // C1.6: with the phase, and not before.
        Phase::Failed if has_passed_its_deadline(state) => DEADLINE_EXCEEDED,
        _ => ("", ""),
    };
    PodStatus {
        phase,
        reason: reason.to_owned(),
        message: message.to_owned(),
        start_time: state.accepted.wall,
        deletion_time: deletion.map(|deletion| later(deletion.asked.wall, deletion.grace_period)),
        deletion_grace_seconds: deletion.map(|deletion| deletion.grace_period.as_secs()),
        conditions: conditions(state, phase, &containers, now),
        other_conditions: state.other_conditions.clone(),
        containers,
    }
}

fn later(time: WallTime, duration: Duration) -> WallTime {
    WallTime(
        time.0
            .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
    )
}

/// The phase (C1). A container that waits for its restart has stopped, and will run again (C1.5). What init containers
/// and sidecars came to matters to the end of a pod only in that the regular ones never ran (B4.5), and that end is not
/// shown before the last sidecar's (C1.6).
fn phase(state: &State) -> Phase {
    let containers = &state.containers;
    let regular = || containers[state.config.init_containers()..].iter();
    let ended_well = |container: &Container| container.ended.as_ref().is_some_and(|ended| ended.shown.exit_code == 0);
    let never_ran = |container: &Container| container.ended.is_none() && container.shown().is_none();
    if containers.iter().all(|container| container.stage == Stage::Done) {
        // One that was deleted before it ever ran has not ended well (C1.8).
        if regular().all(ended_well) && !has_passed_its_deadline(state) {
            Phase::Succeeded
        } else {
            Phase::Failed
        }
    } else if regular().any(never_ran) {
        Phase::Pending
    } else {
        Phase::Running
    }
}

/// Whether the pod was ended since it had been active for too long: it has failed then, whatever its containers' exit
/// codes are (B6.6).
fn has_passed_its_deadline(state: &State) -> bool {
    let cause = state.termination.map(|termination| termination.cause);
    cause == Some(HookReason::Deadline)
}

/// `lost` is when a container that has never run counts as lost, if it does.
fn container_status(
    container: &Container,
    config: &ContainerConfig,
    first_reason: &str,
    lost: Option<WallTime>,
) -> ContainerStatus {
    let shown = container.shown();
    let ended = container.ended.as_ref().map(|ended| ended.shown.clone());
    let before = container.ended_before.as_ref().map(|ended| ended.shown.clone());
    let restart_count = match (shown, &ended) {
        (Some(live), _) => live.number,
        (None, Some(ended)) => ended.instance,
        (None, None) => 0,
    };
    let waiting = |reason: &str, message: &str| {
        let (reason, message) = (reason.to_owned(), message.to_owned());
        ContainerState::Waiting { reason, message }
    };
    let (state, last_termination) = match (shown, &container.waiting, ended) {
        (None, _, None) if lost.is_some() => (ContainerState::Terminated(never_found(lost.unwrap_or_default())), None),
        (Some(live), _, _) => (
            ContainerState::Running {
                started_at: live.started.wall,
            },
            before,
        ),
        // The end moves to lastState while something else is shown (C3.2).
        (None, Some(why), ended) => (waiting(&why.reason, &why.message), ended),
        (None, None, Some(ended)) => (ContainerState::Terminated(ended), before),
        (None, None, None) => (waiting(first_reason, ""), None),
    };
    ContainerStatus {
        name: config.name.clone(),
        kind: config.kind,
        state,
        last_termination,
        ready: match config.kind {
            ContainerKind::Regular | ContainerKind::Sidecar => shown.is_some_and(Live::is_ready),
            ContainerKind::Init => container.has_ended_well(),
        },
        started: shown.is_some_and(Live::is_started),
        restart_count,
    }
}

/// The end of a container that has never run, in the kubelet's words (B6.3).
fn never_found(at: WallTime) -> Terminated {
    Terminated {
        exit_code: 137,
        signal: None,
        reason: "ContainerStatusUnknown".to_owned(),
        message: "The container could not be located when the pod was terminated".to_owned(),
        started_at: at,
        finished_at: at,
        instance: 0,
    }
}

/// The conditions (C2), with the times of those that have not changed.
fn conditions(state: &State, phase: Phase, containers: &[ContainerStatus], now: WallTime) -> Vec<Condition> {
    let has_sandbox = state.sandbox == Sandbox::Ready;
    let (initialized, why_not, which) = initialization(phase, containers);
    let (containers_ready, reason, message) = readiness(phase, containers);
    let (ready, why_unready, gates) = if containers_ready {
        passes_gates(state)
    } else {
        (false, reason, message.clone())
    };
    let restarting_all = state.config.may_restart_all().then(|| restarting_all(state, phase));
    let published = state.published.iter().flat_map(|status| &status.conditions);
    [
        ("PodReadyToStartContainers", has_sandbox, "", String::new()),
        ("Initialized", initialized, why_not, which),
        ("Ready", ready, why_unready, gates),
        ("ContainersReady", containers_ready, reason, message),
        ("PodScheduled", true, "", String::new()),
    ]
    .into_iter()
    .chain(restarting_all)
    .map(|(name, status, reason, message)| {
        let before = published
            .clone()
            .find(|before| before.name == name && before.status == status);
        let last_transition = before.map_or(now, |before| before.last_transition);
        Condition {
            name: name.to_owned(),
            status,
            reason: reason.to_owned(),
            message,
            last_transition,
        }
    })
    .collect()
}

/// Whether the init containers have ended and the sidecars started, and if not which have not (C2.2). Once a regular
/// container has run it stays so, whatever becomes of the sidecars.
fn initialization(phase: Phase, containers: &[ContainerStatus]) -> (bool, &'static str, String) {
    if phase == Phase::Succeeded {
        return (true, "PodCompleted", String::new());
    }
    let has_run = |container: &ContainerStatus| {
        let waits = matches!(container.state, ContainerState::Waiting { .. });
        container.kind == ContainerKind::Regular && (!waits || container.last_termination.is_some())
    };
    let incomplete = containers.iter().filter(|container| match container.kind {
        ContainerKind::Init => !container.ready,
        ContainerKind::Sidecar => !container.started,
        ContainerKind::Regular => false,
    });
    let incomplete: Vec<_> = incomplete.map(|container| container.name.as_str()).collect();
    if incomplete.is_empty() || containers.iter().any(has_run) {
        return (true, "", String::new());
    }
    let names = incomplete.join(" ");
    (
        false,
        "ContainersNotInitialized",
        format!("containers with incomplete status: [{names}]"),
    )
}

/// Whether the conditions are true that the pod's readiness gates name, and if not which are not (C2.4).
fn passes_gates(state: &State) -> (bool, &'static str, String) {
    let faults = state.config.readiness_gates.iter().filter_map(|gate| {
        let condition = state.other_conditions.iter().find(|condition| condition.name == *gate);
        match condition.map(|condition| condition.status) {
            Some(ConditionStatus::True) => None,
            None => Some(format!(
                "corresponding condition of pod readiness gate \"{gate}\" does not exist."
            )),
            Some(status) => Some(format!(
                "the status of pod readiness gate \"{gate}\" is not \"True\", but {status:?}"
            )),
        }
    });
    let faults: Vec<_> = faults.collect();
    if faults.is_empty() {
        (true, "", String::new())
    } else {
        (false, "ReadinessGatesNotReady", faults.join(", "))
    }
}

/// Whether a rule is restarting all containers (B5.4).
fn restarting_all(state: &State, phase: Phase) -> (&'static str, bool, &'static str, String) {
    let name = "AllContainersRestarting";
    match phase {
        Phase::Succeeded => (name, false, "PodCompleted", String::new()),
        Phase::Failed => (name, false, "PodFailed", String::new()),
        Phase::Pending | Phase::Running if state.restarting_all => {
            let message = "container exited with restart policy rule".to_owned();
            (name, true, "RestartAllContainersStarted", message)
        }
        Phase::Pending | Phase::Running => (name, false, "", String::new()),
    }
}

/// Whether all regular containers and sidecars are ready, and if not why (C1.7, C2.3).
fn readiness(phase: Phase, containers: &[ContainerStatus]) -> (bool, &'static str, String) {
    let unready = containers
        .iter()
        .filter(|container| container.kind != ContainerKind::Init && !container.ready);
    let unready: Vec<_> = unready.map(|container| container.name.as_str()).collect();
    match phase {
        Phase::Succeeded => (false, "PodCompleted", String::new()),
        Phase::Failed => (false, "PodFailed", String::new()),
        Phase::Pending | Phase::Running if unready.is_empty() => (true, "", String::new()),
        Phase::Pending | Phase::Running => (
            false,
            "ContainersNotReady",
            format!("containers with unready status: [{}]", unready.join(" ")),
        ),
    }
}
