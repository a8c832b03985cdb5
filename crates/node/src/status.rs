//! The machine's status in Kubernetes' wire types, with what only the agent knows: addresses and identifiers.

use std::net::IpAddr;

use k8s_openapi::{api::core::v1 as kubernetes, apimachinery::pkg::apis::meta::v1::Time};
use probelet_lifecycle::config::ContainerKind;
use probelet_lifecycle::status::{ContainerState, ContainerStatus, OtherCondition, Phase, PodStatus, Terminated};
use probelet_lifecycle::time::WallTime;

use crate::clock;

/// What the agent knows of a pod beyond its life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// The pod's addresses, the primary one first; empty until it has a sandbox.
    pub(crate) addresses: Vec<IpAddr>,
    /// The machine's addresses, in the same order.
    pub(crate) host_addresses: Vec<IpAddr>,
    /// `status.qosClass`.
    pub(crate) qos_class: &'static str,
    /// By the index of the container.
    pub(crate) containers: Vec<ContainerFacts>,
}

/// What the agent knows of a container beyond its life.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContainerFacts {
    /// The image, as the manifest names it.
    pub(crate) image: String,
    /// The image's digest; empty until it is there.
    pub(crate) image_id: String,
    /// The identifier of an instance.
    pub(crate) pod_uid: String,
}

/// The name of an instance, for the runtime and in `containerID`.
pub(crate) fn instance_id(pod_uid: &str, container: &str, instance: u32) -> String {
    format!("{pod_uid}_{container}_{instance}")
}

/// `status` of the pod's document.
pub(crate) fn pod_status(status: &PodStatus, facts: &Facts) -> kubernetes::PodStatus {
    let all = status.containers.iter().zip(&facts.containers);
    let (regular, init): (Vec<_>, Vec<_>) = all.partition(|(status, _)| status.kind == ContainerKind::Regular);
    let statuses = |of: Vec<(&ContainerStatus, &ContainerFacts)>| -> Vec<_> {
        of.into_iter()
            .map(|(status, facts)| container_status(status, facts))
            .collect()
    };
    // C3.3: init containers in the pod's order, the others sorted by name.
    let init_containers = statuses(init);
    let mut containers = statuses(regular);
    containers.sort_by(|one, other| one.name.cmp(&other.name));
    let other_conditions = status.other_conditions.iter().map(other_condition);
    kubernetes::PodStatus {
        phase: Some(phase(status.phase).to_owned()),
        reason: non_empty(&status.reason),
        message: non_empty(&status.message),
        start_time: Some(time(status.start_time)),
        conditions: Some(
            other_conditions
                .chain(status.conditions.iter().map(condition))
                .collect(),
        ),
        init_container_statuses: (!init_containers.is_empty()).then_some(init_containers),
        container_statuses: Some(containers),
        host_ip: facts.host_addresses.first().map(IpAddr::to_string),
        host_ips: each(&facts.host_addresses, |ip| kubernetes::HostIP { ip }),
        pod_ip: facts.addresses.first().map(IpAddr::to_string),
        pod_ips: each(&facts.addresses, |ip| kubernetes::PodIP { ip }),
        qos_class: Some(facts.qos_class.to_owned()),
        ..kubernetes::PodStatus::default()
    }
}

/// Addresses in a wire type of their own; `None` if there are none.
fn each<T>(addresses: &[IpAddr], wire: impl Fn(String) -> T) -> Option<Vec<T>> {
    let all = addresses.iter().map(|address| wire(address.to_string()));
    (!addresses.is_empty()).then(|| all.collect())
}

fn condition(condition: &probelet_lifecycle::status::Condition) -> kubernetes::PodCondition {
    kubernetes::PodCondition {
        type_: condition.name.clone(),
        status: if condition.status { "True" } else { "False" }.to_owned(),
        reason: non_empty(&condition.reason),
        message: non_empty(&condition.message),
        last_transition_time: Some(time(condition.last_transition)),
        ..kubernetes::PodCondition::default()
    }
}

fn other_condition(condition: &OtherCondition) -> kubernetes::PodCondition {
    kubernetes::PodCondition {
        type_: condition.name.clone(),
        status: format!("{:?}", condition.status),
        reason: non_empty(&condition.reason),
        message: non_empty(&condition.message),
        last_transition_time: Some(time(condition.last_transition)),
        ..kubernetes::PodCondition::default()
    }
}

fn container_status(status: &ContainerStatus, facts: &ContainerFacts) -> kubernetes::ContainerStatus {
    let id = |instance| format!("probelet://{}", instance_id(&facts.pod_uid, &status.name, instance));
    let mut state = kubernetes::ContainerState::default();
    let container_id = match &status.state {
        ContainerState::Waiting { reason, message } => {
            state.waiting = Some(kubernetes::ContainerStateWaiting {
                reason: non_empty(reason),
                message: non_empty(message),
            });
            status.last_termination.as_ref().map(|last| id(last.instance))
        }
        ContainerState::Running { started_at } => {
            state.running = Some(kubernetes::ContainerStateRunning {
                started_at: Some(time(*started_at)),
            });
            Some(id(status.restart_count))
        }
        ContainerState::Terminated(end) => {
            state.terminated = Some(terminated(end, id(end.instance)));
            Some(id(end.instance))
        }
    };
    kubernetes::ContainerStatus {
        name: status.name.clone(),
        image: facts.image.clone(),
        image_id: facts.image_id.clone(),
        container_id,
        state: Some(state),
        last_state: status.last_termination.as_ref().map(|last| kubernetes::ContainerState {
            terminated: Some(terminated(last, id(last.instance))),
            ..kubernetes::ContainerState::default()
        }),
        ready: status.ready,
        started: Some(status.started),
        restart_count: i32::try_from(status.restart_count).unwrap_or(i32::MAX),
        ..kubernetes::ContainerStatus::default()
    }
}

fn terminated(end: &Terminated, container_id: String) -> kubernetes::ContainerStateTerminated {
    kubernetes::ContainerStateTerminated {
        exit_code: end.exit_code,
        signal: end.signal,
        reason: non_empty(&end.reason),
        message: non_empty(&end.message),
        started_at: Some(time(end.started_at)),
        finished_at: Some(time(end.finished_at)),
        container_id: Some(container_id),
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
    }
}

fn time(time: WallTime) -> Time {
    // Kubernetes' own times have whole seconds, and clients compare them as text.
    Time(clock::timestamp(WallTime(time.0.div_euclid(1000) * 1000)))
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// 2026-09-01T12:00:00.900Z, and so many seconds later.
    fn at(seconds: i64) -> WallTime {
        WallTime(1_788_264_000_900 + seconds * 1000)
    }

    fn end(instance: u32) -> Terminated {
        Terminated {
            exit_code: 137,
            signal: Some(9),
            reason: "Error".to_owned(),
            message: "last words".to_owned(),
            started_at: at(0),
            finished_at: at(5),
            instance,
        }
    }

    fn container(name: &str, kind: ContainerKind, state: ContainerState) -> ContainerStatus {
        ContainerStatus {
            name: name.to_owned(),
            kind,
            state,
            last_termination: None,
            ready: false,
            started: false,
            restart_count: 1,
        }
    }

    fn shown(containers: Vec<ContainerStatus>) -> Value {
        let of_container = |_: &ContainerStatus| ContainerFacts {
            image: "web:1".to_owned(),
            image_id: "sha256:1".to_owned(),
            pod_uid: "u".to_owned(),
        };
        let facts = Facts {
            addresses: vec![
                IpAddr::from([10, 88, 0, 2]),
                IpAddr::from([0xfd12, 0, 0, 0, 0, 0, 0, 2]),
            ],
            host_addresses: vec![IpAddr::from([192, 0, 2, 2])],
            qos_class: "BestEffort",
            containers: containers.iter().map(of_container).collect(),
        };
        let status = PodStatus {
            phase: Phase::Running,
            reason: String::new(),
            message: String::new(),
            start_time: at(0),
            deletion_time: None,
            deletion_grace_seconds: None,
            conditions: Vec::new(),
            other_conditions: Vec::new(),
            containers,
        };
        serde_json::to_value(pod_status(&status, &facts)).unwrap()
    }

    #[test]
    fn c3_1_c3_3_containers_are_shown_with_what_they_do_and_did_in_kubernetes_order() {
        let waiting = || ContainerState::Waiting {
            reason: "CrashLoopBackOff".to_owned(),
            message: "back-off 10s".to_owned(),
        };
        let running = ContainerState::Running { started_at: at(7) };
        let mut again = container("web", ContainerKind::Regular, running);
        (again.last_termination, again.ready, again.started) = (Some(end(0)), true, true);
        let mut waits = container("back", ContainerKind::Regular, waiting());
        waits.last_termination = Some(end(1));
        let ended = |name| container(name, ContainerKind::Init, ContainerState::Terminated(end(1)));
        let status = shown(vec![ended("second"), ended("first"), again, waits]);

        let terminated = |name: &str, instance: u32| {
            json!({"terminated": {
                "exitCode": 137, "signal": 9, "reason": "Error", "message": "last words",
                "startedAt": "2026-09-01T12:00:00Z", "finishedAt": "2026-09-01T12:00:05Z",
                "containerID": format!("probelet://u_{name}_{instance}"),
            }})
        };
        let init = |name: &str| {
            json!({
                "name": name, "image": "web:1", "imageID": "sha256:1", "containerID": format!("probelet://u_{name}_1"),
                "state": terminated(name, 1), "ready": false, "started": false, "restartCount": 1,
            })
        };
        assert_eq!(status["initContainerStatuses"], json!([init("second"), init("first")]));
        assert_eq!(
            status["containerStatuses"],
            json!([
                {
                    "name": "back", "image": "web:1", "imageID": "sha256:1", "containerID": "probelet://u_back_1",
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                    "lastState": terminated("back", 1), "ready": false, "started": false, "restartCount": 1,
                },
                {
                    "name": "web", "image": "web:1", "imageID": "sha256:1", "containerID": "probelet://u_web_1",
                    "state": {"running": {"startedAt": "2026-09-01T12:00:07Z"}},
                    "lastState": terminated("web", 0), "ready": true, "started": true, "restartCount": 1,
                },
            ])
        );
        // One that never ran has no identifier.
        let status = shown(vec![container("new", ContainerKind::Regular, waiting())]);
        assert_eq!(status["containerStatuses"][0].get("containerID"), None);
    }

    #[test]
    fn f20_addresses_of_both_families_are_shown_the_first_one_alone_too() {
        let status = shown(Vec::new());
        assert_eq!(
            (&status["podIP"], &status["hostIP"]),
            (&json!("10.88.0.2"), &json!("192.0.2.2"))
        );
        assert_eq!(status["podIPs"], json!([{"ip": "10.88.0.2"}, {"ip": "fd12::2"}]));
        assert_eq!(status["hostIPs"], json!([{"ip": "192.0.2.2"}]));
    }
}
