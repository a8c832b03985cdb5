use std::sync::Arc;

use serde_json::{Value, json};

use serde::Deserialize;

use super::*;

fn now() -> Timestamp {
    "2026-09-01T12:00:00Z".parse().unwrap()
}

/// A pod of these containers' statuses.
fn pod(name: &str, status: Value, statuses: &[Value]) -> Value {
    let names = statuses
        .iter()
        .map(|status| json!({"name": status["name"]}))
        .collect::<Vec<_>>();
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": "2026-09-01T11:58:00Z"},
        "spec": {"containers": names},
        "status": {"phase": "Running", "containerStatuses": statuses},
    });
    for (field, value) in status.as_object().unwrap() {
        pod["status"][field] = value.clone();
    }
    pod
}

fn container(name: &str, ready: bool, restarts: i32, state: Value) -> Value {
    json!({"name": name, "image": "", "imageID": "", "ready": ready, "restartCount": restarts, "state": state})
}

fn running(name: &str, ready: bool, restarts: i32) -> Value {
    container(
        name,
        ready,
        restarts,
        json!({"running": {"startedAt": "2026-09-01T11:58:30Z"}}),
    )
}

fn waiting(reason: &str) -> Value {
    json!({"waiting": {"reason": reason}})
}

fn ended(code: i32, reason: &str) -> Value {
    json!({"terminated": {"exitCode": code, "reason": reason, "finishedAt": "2026-09-01T11:59:00Z"}})
}

fn restarted(mut container: Value) -> Value {
    container["lastState"] = ended(137, "Error");
    container
}

/// The cells of each pod, joined.
fn rows(collection: Collection, documents: Vec<Value>) -> String {
    let documents: Vec<Document> = documents.into_iter().map(Arc::new).collect();
    let table = table(collection, &documents, 1, Include::None, now());
    let lines = table.rows.iter().map(|row| {
        let cells = row
            .cells
            .iter()
            .map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned));
        cells.collect::<Vec<_>>().join(" | ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_pod_in_one_line() {
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}], "podIP": "10.88.0.2", "podIPs": [{"ip": "10.88.0.2"}]});
    let mut deleted = pod("deleted", json!({}), &[running("c", true, 0)]);
    deleted["metadata"]["deletionTimestamp"] = json!("2026-09-01T12:00:30Z");
    let mut ended_while_deleted = pod(
        "ended-while-deleted",
        json!({"phase": "Failed"}),
        &[container("c", false, 0, ended(1, "Error"))],
    );
    ended_while_deleted["metadata"]["deletionTimestamp"] = json!("2026-09-01T12:00:30Z");
    let mut unknown_age = pod("unknown-age", json!({"reason": "Evicted", "phase": "Failed"}), &[]);
    unknown_age["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("creationTimestamp");
    let shown = rows(
        Collection::Pods,
        vec![
            pod(
                "creating",
                json!({"phase": "Pending"}),
                &[container("c", false, 0, waiting("ContainerCreating"))],
            ),
            pod("ready", ready.clone(), &[running("c", true, 0)]),
            pod("unready", json!({}), &[running("c", false, 0)]),
            pod("restarted", ready.clone(), &[restarted(running("c", true, 3))]),
            pod(
                "completed",
                json!({}),
                &[container("c", false, 0, ended(0, "Completed"))],
            ),
            pod(
                "one-of-two-completed",
                ready,
                &[running("a", true, 0), container("b", false, 0, ended(0, "Completed"))],
            ),
            pod(
                "not-ready",
                json!({}),
                &[running("a", true, 0), container("b", false, 0, ended(0, "Completed"))],
            ),
            pod(
                "one-failed",
                json!({}),
                &[
                    container("a", false, 0, ended(0, "Completed")),
                    container("b", false, 0, ended(1, "Error")),
                ],
            ),
            pod(
                "back-off",
                json!({}),
                &[restarted(container("c", false, 4, waiting("CrashLoopBackOff")))],
            ),
            pod(
                "first-wins",
                json!({}),
                &[
                    container("a", false, 0, waiting("ErrImagePull")),
                    container("b", false, 0, ended(1, "Error")),
                ],
            ),
            pod(
                "signal",
                json!({}),
                &[container(
                    "c",
                    false,
                    0,
                    json!({"terminated": {"exitCode": 137, "signal": 9}}),
                )],
            ),
            pod(
                "exit-code",
                json!({}),
                &[container("c", false, 0, json!({"terminated": {"exitCode": 3}}))],
            ),
            deleted,
            ended_while_deleted,
            unknown_age,
            json!({"metadata": {"name": "unreadable", "creationTimestamp": "2026-09-01T11:00:00Z"}, "spec": 7}),
        ],
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn a_pod_that_initializes() {
    let init = |statuses: &[Value]| {
        let mut pod = pod(
            "p",
            json!({"phase": "Pending"}),
            &[container("c", false, 0, waiting("PodInitializing"))],
        );
        pod["spec"]["initContainers"] = json!([{"name": "one"}, {"name": "sidecar", "restartPolicy": "Always"}]);
        pod["status"]["initContainerStatuses"] = json!(statuses);
        pod
    };
    let mut sidecar = running("sidecar", true, 2);
    sidecar["started"] = json!(true);
    let mut initialized = init(&[
        container("one", true, 5, ended(0, "Completed")),
        restarted(sidecar.clone()),
    ]);
    initialized["status"]["conditions"] = json!([{"type": "Initialized", "status": "True"}]);
    let shown = rows(
        Collection::Pods,
        vec![
            init(&[running("one", false, 0)]),
            init(&[container("one", false, 0, waiting("PodInitializing"))]),
            init(&[restarted(container("one", false, 1, waiting("CrashLoopBackOff")))]),
            init(&[container("one", false, 0, ended(2, "Error"))]),
            init(&[container(
                "one",
                false,
                0,
                json!({"terminated": {"exitCode": 137, "signal": 9}}),
            )]),
            init(&[
                container("one", true, 0, ended(0, "Completed")),
                running("sidecar", false, 0),
            ]),
            initialized,
        ],
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn c4_3_c4_4_c4_7_c4_8_what_is_seldom_seen_has_kubectls_words_too() {
    let deleted = |mut pod: Value| {
        pod["metadata"]["deletionTimestamp"] = json!("2026-09-01T12:00:30Z");
        pod
    };
    let lost = |status: Value| deleted(pod("p", status, &[running("c", true, 0)]));
    let waiting_for_a_node = json!({
        "phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
    });
    let mut initializing = pod(
        "p",
        json!({"phase": "Pending"}),
        &[container("c", false, 0, waiting("PodInitializing"))],
    );
    initializing["spec"]["initContainers"] = json!([{"name": "one"}]);
    initializing["status"]["initContainerStatuses"] =
        json!([container("one", false, 0, json!({"terminated": {"exitCode": 3}}))]);
    let conditions = json!({"conditions": [
        {"type": "warm", "status": "True"}, {"type": "cold", "status": "False"}, {"type": "Ready", "status": "False"},
    ]});
    let mut gates = pod("p", conditions, &[running("c", true, 0)]);
    gates["spec"]["readinessGates"] =
        json!([{"conditionType": "warm"}, {"conditionType": "cold"}, {"conditionType": "missing"}]);
    let shown = rows(
        Collection::Pods,
        vec![
            lost(json!({"reason": "NodeLost"})),
            pod("p", json!({"reason": "NodeLost"}), &[running("c", true, 0)]),
            lost(json!({"reason": "NodeLost", "phase": "Failed"})),
            pod("p", waiting_for_a_node, &[]),
            initializing,
            gates,
        ],
    );
    let columns = |line: &str| {
        let cells: Vec<_> = line.split(" | ").collect();
        format!("{} {}", cells[2], cells[8])
    };
    assert_eq!(
        shown.lines().map(columns).collect::<Vec<_>>(),
        [
            "Unknown <none>",
            "NodeLost <none>",
            "Unknown <none>",
            "SchedulingGated <none>",
            "Init:ExitCode:3 <none>",
            "Running 1/3",
        ]
    );
}

#[test]
fn a_pods_end_is_pointed_out() {
    let documents = ["Running", "Succeeded", "Failed"].map(|phase| Arc::new(pod("p", json!({"phase": phase}), &[])));
    let table = table(Collection::Pods, &documents, 1, Include::None, now());
    let reasons = table
        .rows
        .iter()
        .map(|row| row.conditions.iter().map(|one| one.reason.clone()).collect::<Vec<_>>());
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        [vec![], vec!["Succeeded".to_owned()], vec!["Failed".to_owned()]]
    );
}

#[test]
fn an_event_in_one_line() {
    let event = |fields: Value| {
        let mut event = json!({
            "metadata": {"name": "p.1"}, "type": "Warning", "reason": "Unhealthy", "message": " Liveness probe failed \n",
            "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"},
            "source": {"component": "probelet"}, "reportingComponent": "probelet",
        });
        for (field, value) in fields.as_object().unwrap() {
            event[field] = value.clone();
        }
        event
    };
    let counted = event(json!({
        "count": 21, "firstTimestamp": "2026-09-01T11:58:02Z", "lastTimestamp": "2026-09-01T11:59:52Z",
    }));
    let once = event(json!({"count": 1, "firstTimestamp": "2026-09-01T11:59:00Z", "source": {}}));
    let series = event(json!({
        "eventTime": "2026-09-01T11:50:00.000000Z",
        "series": {"count": 3, "lastObservedTime": "2026-09-01T11:59:58.000000Z"},
    }));
    let ages = [&counted, &once, &series].map(|event| event_age(&Event::deserialize(event).unwrap(), now()));
    assert_eq!(ages, ["8s (x21 over 118s)", "60s", "2s (x3 over 10m)"]);
    let shown = rows(Collection::Events, vec![counted, once, series]);
    insta::assert_snapshot!(shown);
}
