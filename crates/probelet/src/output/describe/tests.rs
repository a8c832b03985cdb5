use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-09-01T12:00:00Z".parse().unwrap()
}

/// A pod with one of everything.
fn document() -> Value {
    json!({
        "metadata": {
            "name": "web", "namespace": "default", "uid": "u",
            "labels": {"app": "x", "tier": "front"},
            "annotations": {"short": "b", "long": "z".repeat(200), "lines": "one\ntwo\n", LAST_APPLIED: "{}"},
        },
        "spec": {
            "nodeName": "box",
            "containers": [
                {
                    "name": "main", "image": "busybox:latest", "command": ["sh", "-c", "echo a\necho b"], "args": ["x"],
                    "ports": [{"containerPort": 80}, {"containerPort": 81, "protocol": "UDP"}],
                    "env": [{"name": "A", "value": "1"}, {"name": "LONGER", "value": "two\nlines"}],
                    "resources": {"limits": {"memory": "64Mi", "cpu": "500m"}, "requests": {"cpu": "100m"}},
                    "livenessProbe": {"exec": {"command": ["cat", "/tmp/health"]}, "periodSeconds": 5},
                    "readinessProbe": {"httpGet": {"path": "/index.html", "port": 80}, "initialDelaySeconds": 3},
                    "volumeMounts": [
                        {"name": "host", "mountPath": "/z", "readOnly": true},
                        {"name": "scratch", "mountPath": "/a", "subPath": "s"},
                    ],
                },
                {"name": "second", "image": "nothing\u{1b}[2J:1",
                 "livenessProbe": {"wasm": {"component": "/p/ping.wasm"}, "periodMilliseconds": 250}, "ports": [{"containerPort": 80, "hostPort": 8080}]},
            ],
            "readinessGates": [{"conditionType": "example.com/warm"}, {"conditionType": "Initialized"}],
            "volumes": [
                {"name": "host", "hostPath": {"path": "/tmp", "type": "Directory"}},
                {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                {"name": "other", "emptyDir": {}},
            ],
        },
        "usage": [{
            "container": "second", "kind": "liveness", "runs": 40,
            "wallMicros": {"p50": 1200, "p90": 1500, "p99": 3400, "max": 9000},
            "fuel": {"p50": 100, "p90": 100, "p99": 120, "max": 130},
            "memoryBytes": {"p50": 65_536, "p90": 65_536, "p99": 65_537, "max": 70_000},
        }],
        "status": {
            "phase": "Running", "hostIP": "10.88.0.1", "podIP": "10.88.0.2", "podIPs": [{"ip": "10.88.0.2"}],
            "qosClass": "Burstable",
            "components": [
                {"container": "second", "check": "liveness", "component": "/p/ping.wasm", "digest": "sha256:12",
                 "name": "ping", "version": "1.0"},
                {"container": "second", "check": "preStop", "component": "drain:1", "digest": "sha256:34",
                 "error": "it is gone"},
            ],
            "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "False"}],
            "containerStatuses": [
                {
                    "name": "main", "image": "busybox:latest", "imageID": "sha256:aa", "containerID": "probelet://x",
                    "ready": true, "restartCount": 2, "state": {"running": {}},
                    "lastState": {"terminated": {"exitCode": 137, "signal": 9, "reason": "Error", "message": "killed"}},
                },
                {
                    "name": "second", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}},
                },
            ],
        },
    })
}

fn event(reason: &str, count: i32, first: &str, last: &str) -> Value {
    json!({
        "metadata": {"name": reason}, "type": "Warning", "reason": reason, "message": "Liveness probe failed: \n",
        "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{main}"}, "count": count,
        "firstTimestamp": first, "lastTimestamp": last, "source": {"component": "probelet"},
    })
}

#[test]
fn a_pod_with_one_of_everything() {
    let events = [
        event("Unhealthy", 21, "2026-09-01T11:58:02Z", "2026-09-01T11:59:52Z"),
        event("Started", 1, "2026-09-01T11:58:00Z", "2026-09-01T11:58:00Z"),
    ];
    let text = pod(&document(), &events, now()).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn a_pod_that_is_being_deleted_and_has_nothing() {
    let document = json!({
        "metadata": {
            "name": "bare", "namespace": "default", "deletionTimestamp": "2026-09-01T11:59:30Z",
            "deletionGracePeriodSeconds": 30,
        },
        "spec": {"containers": [{"name": "main", "image": "i"}]},
        "status": {"phase": "Pending", "reason": "Evicted"},
    });
    let text = pod(&document, &[], now()).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn times_are_written_as_go_writes_them() {
    let text = rfc_1123(&Time("2026-09-01T12:00:00Z".parse().unwrap()));
    // The zone is this machine's; what does not depend on it is the form.
    let shape: String = text
        .chars()
        .map(|one| if one.is_ascii_digit() { '0' } else { one })
        .collect();
    assert!(
        shape.ends_with(" 0000 00:00:00 +0000") || shape.ends_with(" 0000 00:00:00 -0000"),
        "{text}"
    );
    assert_eq!(text.len(), "Tue, 01 Sep 2026 12:00:00 +0000".len());
}
