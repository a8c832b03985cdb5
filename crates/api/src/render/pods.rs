//! What is shown of a pod in one line (C4).

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodSpec, PodStatus};
use serde_json::{Value, json};

use super::{
    duration::since,
    table::{Column, RowCondition},
};

/// What is shown where there is nothing.
const NONE: &str = "<none>";

/// A pod in the words of `kubectl get pod`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSummary {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// READY: how many containers are ready (C4.1).
    pub ready: usize,
    /// READY: of how many (C4.1).
    pub containers: usize,
    /// STATUS (C4.3 to C4.7).
    pub status: String,
    /// RESTARTS (C4.2).
    pub restarts: i32,
    /// When a container last ended and was started again.
    pub last_restart: Option<Timestamp>,
    created: Option<Timestamp>,
    phase: String,
    address: Option<String>,
    node: Option<String>,
    nominated_node: Option<String>,
    readiness_gates: Option<(usize, usize)>,
}

/// The columns of [`PodSummary::cells`].
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::name(),
        Column::text("Ready", "Containers that are ready, of all that are to be"),
        Column::text("Status", "What the pod is doing, or why it does not run"),
        Column::text("Restarts", "How often its containers were started again, and when last"),
        Column::text("Age", "How long ago it was created"),
        Column::text("IP", "Its address").wide(),
        Column::text("Node", "The node that it runs on").wide(),
        Column::text("Nominated Node", "The node that room is being made on for it").wide(),
        Column::text(
            "Readiness Gates",
            "Conditions beyond its containers that are met, of all that it needs",
        )
        .wide(),
    ]
}

impl PodSummary {
    /// Sums a pod up.
    pub fn of(pod: &Pod) -> Self {
        let (spec, status) = (
            pod.spec.clone().unwrap_or_default(),
            pod.status.clone().unwrap_or_default(),
        );
        let counted = Counted::of(&spec, &status);
        Self {
            name: pod.metadata.name.clone().unwrap_or_default(),
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            ready: counted.ready,
            containers: spec.containers.len() + sidecars(&spec).count(),
            status: shown_status(pod, &status, counted.reason),
            restarts: counted.restarts,
            last_restart: counted.last_restart,
            created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            address: status
                .pod_ips
                .as_ref()
                .and_then(|all| all.first())
                .map(|address| address.ip.clone()),
            node: spec.node_name.clone(),
            nominated_node: status.nominated_node_name.clone(),
            readiness_gates: readiness_gates(&spec, &status),
            phase: status.phase.unwrap_or_default(),
        }
    }

    /// The cells of its row, the wide ones included.
    pub fn cells(&self, now: Timestamp) -> Vec<Value> {
        let restarts = match self.last_restart {
            Some(last) if self.restarts != 0 => format!("{} ({} ago)", self.restarts, since(Some(last), now)),
            _ => self.restarts.to_string(),
        };
        let gates = self.readiness_gates.map(|(met, all)| format!("{met}/{all}"));
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| NONE.to_owned());
        vec![
            json!(self.name),
            json!(format!("{}/{}", self.ready, self.containers)),
            json!(self.status),
            json!(restarts),
            json!(since(self.created, now)),
            json!(or_none(&self.address)),
            json!(or_none(&self.node)),
            json!(or_none(&self.nominated_node)),
            json!(or_none(&gates)),
        ]
    }

    /// Points out that a pod has reached its end.
    pub(super) fn conditions(&self) -> Vec<RowCondition> {
        let message = match self.phase.as_str() {
            "Succeeded" => "The pod has completed successfully.",
            "Failed" => "The pod failed.",
            _ => return Vec::new(),
        };
        vec![RowCondition {
            kind: "Completed".to_owned(),
            status: "True".to_owned(),
            reason: self.phase.clone(),
            message: message.to_owned(),
        }]
    }
}

/// What the containers' statuses add up to.
#[derive(Default)]
struct Counted {
    ready: usize,
    restarts: i32,
    last_restart: Option<Timestamp>,
    /// The text for STATUS, where the containers have one.
    reason: Option<String>,
}

impl Counted {
    fn of(spec: &PodSpec, status: &PodStatus) -> Self {
        let mut all = Self::default();
        let mut of_sidecars = Self::default();
        for container in status.init_container_statuses.iter().flatten() {
            all.restarted(container);
            if is_sidecar(spec, &container.name) {
                of_sidecars.restarted(container);
            }
        }
        let (initializing, ready_sidecars) = initialization(spec, status);
        all.reason = initializing;
        all.ready = ready_sidecars;
        if all.reason.is_some() && !is_true(status, "Initialized") {
            return all;
        }
        all.restarts = of_sidecars.restarts;
        all.last_restart = of_sidecars.last_restart;
        all.regular_containers(status);
        all
    }

    fn restarted(&mut self, container: &ContainerStatus) {
        self.restarts = self.restarts.saturating_add(container.restart_count);
        let last = container
            .last_state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        let finished = last.and_then(|last| last.finished_at.as_ref()).map(|time| time.0);
        self.last_restart = self.last_restart.max(finished);
    }

    /// C4.5 and C4.6: the first container's reason wins, since the last are looked at first.
    fn regular_containers(&mut self, status: &PodStatus) {
        let (mut one_runs, mut failure) = (false, None);
        for container in status.container_statuses.iter().flatten().rev() {
            self.restarted(container);
            let state = container.state.as_ref();
            if let Some(reason) = state.and_then(waiting_reason) {
                self.reason = Some(reason.to_owned());
            } else if let Some(end) = state.and_then(|state| state.terminated.as_ref()) {
                self.reason = Some(how_it_ended(end));
                if end.exit_code != 0 {
                    failure = self.reason.clone();
                }
            } else if container.ready && state.is_some_and(|state| state.running.is_some()) {
                one_runs = true;
                self.ready += 1;
            }
        }
        if self.reason.as_deref() != Some("Completed") {
            return;
        }
        if one_runs && is_true(status, "Ready") {
            self.reason = Some("Running".to_owned());
        } else if failure.is_some() {
            self.reason = failure;
        } else if one_runs {
            self.reason = Some("NotReady".to_owned());
        }
    }
}

/// C4.4: what the first unfinished init container does, and how many sidecars before it are ready.
fn initialization(spec: &PodSpec, status: &PodStatus) -> (Option<String>, usize) {
    let mut ready = 0;
    for (index, container) in status.init_container_statuses.iter().flatten().enumerate() {
        let state = container.state.as_ref();
        let end = state.and_then(|state| state.terminated.as_ref());
        if end.is_some_and(|end| end.exit_code == 0) {
            continue;
        }
        if is_sidecar(spec, &container.name) && container.started == Some(true) {
            ready += usize::from(container.ready);
            continue;
        }
        let reason = match (end, state.and_then(waiting_reason)) {
            (Some(end), _) => how_it_ended(end),
            (None, Some(reason)) if reason != "PodInitializing" => reason.to_owned(),
            _ => format!("{index}/{}", spec.init_containers.as_ref().map_or(0, Vec::len)),
        };
        return (Some(format!("Init:{reason}")), ready);
    }
    (None, ready)
}

fn shown_status(pod: &Pod, status: &PodStatus, of_containers: Option<String>) -> String {
    let deleted = pod.metadata.deletion_timestamp.is_some();
    let phase = status.phase.clone().unwrap_or_default();
    let reason = status.reason.clone().filter(|reason| !reason.is_empty());
    if deleted && reason.as_deref() == Some("NodeLost") {
        return "Unknown".to_owned();
    }
    if deleted && phase != "Succeeded" && phase != "Failed" {
        return "Terminating".to_owned();
    }
    let gated =
        status.conditions.iter().flatten().find(|condition| {
            condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("SchedulingGated")
        });
    of_containers
        .or_else(|| gated.and_then(|gated| gated.reason.clone()))
        .or(reason)
        .unwrap_or(phase)
}

fn how_it_ended(end: &ContainerStateTerminated) -> String {
    match (
        end.reason.as_deref().unwrap_or_default(),
        end.signal.unwrap_or_default(),
    ) {
        ("", 0) => format!("ExitCode:{}", end.exit_code),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn waiting_reason(state: &ContainerState) -> Option<&str> {
    state
        .waiting
        .as_ref()?
        .reason
        .as_deref()
        .filter(|reason| !reason.is_empty())
}

fn sidecars(spec: &PodSpec) -> impl Iterator<Item = &str> {
    let init_containers = spec.init_containers.iter().flatten();
    init_containers
        .filter(|one| one.restart_policy.as_deref() == Some("Always"))
        .map(|one| one.name.as_str())
}

fn is_sidecar(spec: &PodSpec, name: &str) -> bool {
    sidecars(spec).any(|sidecar| sidecar == name)
}

fn is_true(status: &PodStatus, condition: &str) -> bool {
    status
        .conditions
        .iter()
        .flatten()
        .any(|one| one.type_ == condition && one.status == "True")
}

fn readiness_gates(spec: &PodSpec, status: &PodStatus) -> Option<(usize, usize)> {
    let gates = spec.readiness_gates.as_ref().filter(|gates| !gates.is_empty())?;
    let met = gates
        .iter()
        .filter(|gate| is_true(status, &gate.condition_type))
        .count();
    Some((met, gates.len()))
}
