//! The eight manifests that people gave us, and what becomes of a document that has been read.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, time::Duration};

use probelet_manifest::{Handler, Pod, PortReference, RestartPolicy, describe_probe, parse_json, parse_yaml};
use serde_json::json;

fn seed(name: &str) -> Pod {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/seed").join(name);
    let mut pods = parse_yaml(&fs::read_to_string(path).unwrap(), name)
        .unwrap_or_else(|faults| panic!("{name} is refused: {faults:#?}"));
    assert_eq!(pods.len(), 1, "{name}");
    pods.remove(0)
}

/// Name of the file, of the pod, the checks, and the warnings.
const SEEDS: [(&str, &str, &str, &[&str]); 8] = [
    (
        "exec-health-hook.yaml",
        "exec-health-pod",
        "liveness exec [cat /tmp/health] delay=5s timeout=1s period=5s #success=1 #failure=3",
        &[
            "exec-health-hook.yaml:19:9: warning: spec.containers[0].livenessProbe.exec.command: the command is one word \
           with a space, so no program of that name will be found; did you mean [\"cat\", \"/tmp/health\"]?",
        ],
    ),
    (
        "exec-ready-hook.yaml",
        "exec-ready-pod",
        "readiness exec [cat /tmp/health] delay=5s timeout=1s period=5s #success=1 #failure=3",
        &[
            "exec-ready-hook.yaml:19:9: warning: spec.containers[0].readinessProbe.exec.command: the command is one word \
           with a space, so no program of that name will be found; did you mean [\"cat\", \"/tmp/health\"]?",
        ],
    ),
    (
        "http-ready-hook.yaml",
        "http-ready-pod",
        "readiness http-get http://:80/index.html delay=3s timeout=1s period=3s #success=1 #failure=3",
        &[],
    ),
    (
        "httpGet-health-hook.yaml",
        "http-health-pod",
        "liveness http-get http://:80/index.html delay=3s timeout=1s period=3s #success=1 #failure=3",
        &[],
    ),
    (
        "poststart-hook-pod.yaml",
        "poststart-hook-pod",
        "postStart exec [/bin/sh -c echo Hello from the postStart handler > /usr/share/message]",
        &[],
    ),
    (
        "prestop-hook-pod.yaml",
        "prestop-hook-pod",
        "preStop exec [/bin/sh -c echo Hello from the preStop Handler > /data/message]",
        &[],
    ),
    (
        "tcpsocket-health-hook.yaml",
        "tcpsocket-health-pod",
        "liveness tcp-socket :80 delay=5s timeout=1s period=5s #success=1 #failure=3",
        &[],
    ),
    (
        "tcpsocket-ready-hook.yaml",
        "tcpsocket-ready-pod",
        "readiness tcp-socket :80 delay=5s timeout=1s period=5s #success=1 #failure=3",
        &[],
    ),
];

#[test]
fn every_seed_manifest_is_read() {
    for (file, name, checks, warnings) in SEEDS {
        let pod = seed(file);
        assert_eq!(
            (pod.metadata.name.as_str(), pod.metadata.namespace.as_str()),
            (name, "default")
        );
        assert_eq!(pod.spec.restart_policy, RestartPolicy::Always);
        assert_eq!(pod.spec.termination_grace_period.as_secs(), 30);
        let container = &pod.spec.containers[0];
        let probes = [
            ("startup", &container.startup_probe),
            ("liveness", &container.liveness_probe),
            ("readiness", &container.readiness_probe),
        ];
        let hooks = [("postStart", &container.post_start), ("preStop", &container.pre_stop)];
        let probes = probes
            .iter()
            .filter_map(|(kind, probe)| Some(format!("{kind} {}", probe.as_ref()?.describe())));
        let hooks = hooks
            .iter()
            .filter_map(|(kind, hook)| Some(format!("{kind} {}", hook.as_ref()?.describe())));
        assert_eq!(probes.chain(hooks).collect::<Vec<_>>(), [checks], "{file}");
        let said: Vec<_> = pod.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(said, warnings, "{file}");
    }
}

#[test]
fn what_was_read_can_be_read_again_and_stays_the_same() {
    for (file, ..) in SEEDS {
        let first = seed(file);
        let second = parse_json(first.document.clone()).unwrap();
        assert_eq!(first.document, second.document, "{file}");
        assert_eq!(
            (&first.metadata, &first.spec),
            (&second.metadata, &second.spec),
            "{file}"
        );
    }
}

#[test]
fn what_a_server_adds_is_accepted_and_its_status_dropped() {
    let pod = seed("httpGet-health-hook.yaml");
    let mut document = pod.document.clone();
    let metadata = document["metadata"].as_object_mut().unwrap();
    metadata.insert("uid".into(), json!("6f1d1cd0-2d0d-4d2a-9a0e-0e4a4f1b5a11"));
    metadata.insert("creationTimestamp".into(), json!("2026-09-01T10:00:00Z"));
    metadata.insert("resourceVersion".into(), json!("42"));
    metadata.insert("generation".into(), json!(1));
    metadata.insert("deletionTimestamp".into(), json!("2026-09-01T10:00:30Z"));
    metadata.insert("deletionGracePeriodSeconds".into(), json!(30));
    metadata.insert("managedFields".into(), json!([{"manager": "kubectl"}]));
    document["status"] = json!({"phase": "Running", "anything": [1, 2]});
    let again = parse_json(document.clone()).unwrap();
    assert_eq!(
        again.metadata.uid.as_deref(),
        Some("6f1d1cd0-2d0d-4d2a-9a0e-0e4a4f1b5a11")
    );
    assert_eq!((again.warnings, again.spec), (Vec::new(), pod.spec));
    document.as_object_mut().unwrap().remove("status");
    assert_eq!(again.document, document);
}

#[test]
fn several_documents_and_lists_are_read_in_their_order() {
    let pod = |name: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: a, image: b}}]}}}}"
        )
    };
    let text = format!(
        "---\n{}\n---\n# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- {}\n- {}\n",
        pod("a"),
        pod("b"),
        pod("c")
    );
    let pods = parse_yaml(&text, "pods.yaml").unwrap();
    assert_eq!(
        pods.iter().map(|pod| pod.metadata.name.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
}

#[test]
fn defaults_are_those_of_kubernetes() {
    let document = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {
            "terminationGracePeriodSeconds": -5,
            "securityContext": {"runAsUser": 5, "runAsGroup": 6},
            "containers": [
                {
                    "name": "a", "image": "b", "ports": [{"containerPort": 80}],
                    "resources": {"limits": {"cpu": "1.5", "memory": "64Mi"}, "requests": {"cpu": "100m"}},
                    "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 0},
                    "readinessProbe": {"grpc": {"port": 80}},
                },
                {"name": "b", "image": "b@sha256:0", "securityContext": {"runAsUser": 7, "capabilities": {"drop": ["ALL"]}}},
                {"name": "c", "image": "host:5000/b"},
                {"name": "d", "image": "host:5000/b:1"},
            ],
        },
    });
    let pod = parse_json(document).unwrap();
    let containers = &pod.spec.containers;
    // A1.20.
    assert_eq!(pod.spec.termination_grace_period.as_secs(), 1);
    assert_eq!(
        pod.document["spec"]["terminationGracePeriodSeconds"], 1,
        "as it is read back"
    );
    let policies: Vec<_> = containers
        .iter()
        .map(|container| format!("{:?}", container.image_pull_policy))
        .collect();
    assert_eq!(policies, ["Always", "IfNotPresent", "Always", "IfNotPresent"]);
    let users: Vec<_> = containers
        .iter()
        .map(|container| {
            (
                container.security_context.run_as_user,
                container.security_context.run_as_group,
            )
        })
        .collect();
    assert_eq!(
        users,
        [
            (Some(5), Some(6)),
            (Some(7), Some(6)),
            (Some(5), Some(6)),
            (Some(5), Some(6))
        ]
    );
    let resources = &containers[0].resources;
    assert_eq!(
        (resources.memory_limit, resources.memory_request),
        (Some(64 << 20), Some(64 << 20))
    );
    assert_eq!(
        (resources.cpu_limit_millis, resources.cpu_request_millis),
        (Some(1500), Some(100))
    );
    assert_eq!(containers[0].ports[0].protocol.to_string(), "TCP");
    assert!(containers[0].security_context.allow_privilege_escalation);
    // A1.1 and A1.2.
    let grpc = containers[0].readiness_probe.as_ref().unwrap();
    assert!(
        matches!(&grpc.handler, Handler::Grpc(grpc) if grpc.port.to_string() == "80" && grpc.service.is_empty() && !grpc.tls)
    );
    let probe = containers[0].liveness_probe.as_ref().unwrap();
    assert_eq!(
        probe.describe(),
        "http-get http://:80/ delay=0s timeout=1s period=10s #success=1 #failure=3"
    );
    assert_eq!(
        probe.describe(),
        describe_probe(&pod.document["spec"]["containers"][0]["livenessProbe"])
    );
    assert!(matches!(probe.handler, Handler::HttpGet(_)));
}

#[test]
fn a1_8_a1_17_grace_periods_and_sleeps_are_admitted_up_to_their_bounds() {
    let document = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {
            "terminationGracePeriodSeconds": 10,
            "containers": [{
                "name": "a", "image": "b:1",
                "livenessProbe": {"tcpSocket": {"port": 80}, "terminationGracePeriodSeconds": 60},
                "lifecycle": {"postStart": {"sleep": {"seconds": 0}}, "preStop": {"sleep": {"seconds": 10}}},
            }],
        },
    });
    let pod = parse_json(document).unwrap();
    assert!(pod.warnings.is_empty(), "{:?}", pod.warnings);
    let container = &pod.spec.containers[0];
    let probe = container.liveness_probe.as_ref().unwrap();
    assert_eq!(probe.termination_grace_period.unwrap().as_secs(), 60);
    assert_eq!(container.post_start, Some(Handler::Sleep { seconds: 0 }));
    assert_eq!(container.pre_stop, Some(Handler::Sleep { seconds: 10 }));
}

#[test]
fn probes_are_described_as_kubectl_does() {
    let tail = "delay=0s timeout=1s period=10s #success=1 #failure=3";
    for (probe, expected) in [
        (
            json!({"exec": {"command": ["cat", "/tmp/health"]}}),
            "exec [cat /tmp/health]",
        ),
        (
            json!({"httpGet": {"host": "::1", "port": "web", "path": "a?b", "scheme": "HTTPS"}}),
            "http-get https://[::1]:web/a%3Fb",
        ),
        (json!({"tcpSocket": {"host": "db", "port": 5432}}), "tcp-socket db:5432"),
        (
            json!({"grpc": {"port": 5000, "service": "cart"}}),
            "grpc <pod>:5000 cart",
        ),
        (json!({"grpc": {"port": "health", "mode": "TLS"}}), "grpc <pod>:health "),
    ] {
        assert_eq!(describe_probe(&probe), format!("{expected} {tail}"));
    }
    assert_eq!(describe_probe(&json!({"grpc": {"port": 0}})), "unknown");
}

const HEAD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: c\n    image: busybox\n";

#[test]
fn everything_of_the_slice_is_read() {
    let text = format!(
        "{HEAD}    command: [\"/bin/a\", \"$(X)\"]\n    args: [b]\n    workingDir: /w\n    env: [{{name: X, value: \"1\"}}]\n\
         \x20   resources: {{limits: {{cpu: 0.5, memory: 64Mi}}, requests: {{cpu: 100m}}}}\n\
         \x20   volumeMounts: [{{name: v, mountPath: /v, readOnly: true}}]\n\
         \x20   securityContext: {{runAsUser: 5, capabilities: {{drop: [ALL]}}, allowPrivilegeEscalation: false}}\n\
         \x20   ports: [{{name: web, containerPort: 80}}]\n\
         \x20   startupProbe: {{tcpSocket: {{port: web}}, terminationGracePeriodSeconds: 3}}\n\
         \x20   lifecycle: {{postStart: {{exec: {{command: [x]}}}}, preStop: {{sleep: {{seconds: 3}}}}}}\n\
         \x20 volumes: [{{name: v, hostPath: {{path: /tmp, type: Directory}}}}]\n\
         \x20 restartPolicy: Never\n  terminationGracePeriodSeconds: 5\n  hostNetwork: true\n  hostname: h\n\
         \x20 securityContext: {{runAsUser: 4, runAsGroup: 6}}\n"
    );
    let pod = parse_yaml(&text, "pod.yaml").unwrap().remove(0);
    let container = &pod.spec.containers[0];
    assert_eq!(container.resources.memory_limit, Some(64 << 20));
    assert_eq!(
        (
            container.resources.cpu_limit_millis,
            container.resources.cpu_request_millis
        ),
        (Some(500), Some(100))
    );
    assert_eq!(
        (
            container.security_context.run_as_user,
            container.security_context.run_as_group
        ),
        (Some(5), Some(6))
    );
    assert!(!container.security_context.allow_privilege_escalation && pod.spec.host_network);
    assert_eq!(container.pre_stop, Some(Handler::Sleep { seconds: 3 }));
    let startup = container.startup_probe.as_ref().unwrap();
    assert_eq!(startup.termination_grace_period, Some(Duration::from_secs(3)));
    assert!(matches!(&startup.handler, Handler::TcpSocket(tcp) if tcp.port == PortReference::Name("web".into())));
    assert!(pod.warnings.is_empty(), "{:?}", pod.warnings);
}
