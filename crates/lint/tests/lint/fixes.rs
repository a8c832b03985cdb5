//! Pods that nobody wrote: whatever is found in one, its fix is a manifest that is taken, in which the rule is silent at
//! that place.

use probelet_manifest::parse_yaml;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{findings, fixed};

fn handler() -> impl Strategy<Value = Value> {
    let port = prop_oneof![
        Just(json!(80)),
        Just(json!(443)),
        Just(json!(9000)),
        Just(json!("http")),
        Just(json!("https")),
        Just(json!("odd")),
    ];
    let host = prop_oneof![4 => Just(Value::Null), 1 => Just(json!("127.0.0.1")), 1 => Just(json!("db.example.com"))];
    let scheme = prop_oneof![Just(Value::Null), Just(json!("HTTPS"))];
    prop_oneof![
        (host.clone(), port.clone(), scheme).prop_map(|(host, port, scheme)| json!({
            "httpGet": {"host": host, "port": port, "scheme": scheme}
        })),
        (host, port).prop_map(|(host, port)| json!({"tcpSocket": {"host": host, "port": port}})),
        prop_oneof![
            Just(json!(["cat /tmp/health"])),
            Just(json!(["sleep", "7"])),
            Just(json!(["sh", "-c", "sleep 40; a"]))
        ]
        .prop_map(|command| json!({"exec": {"command": command}})),
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(exec, files, network)| {
            let files = if files { json!(["/"]) } else { json!([]) };
            let network = if network { json!(["db:5432"]) } else { json!([]) };
            json!({"wasm": {"component": "./a.wasm", "reload": exec, "allow": {
                "exec": exec, "files": files, "network": network,
            }}})
        }),
        Just(json!({"wasm": {"component": "registry.example.com/a"}})),
    ]
}

fn probe(is_readiness: bool) -> impl Strategy<Value = Value> {
    let number = |most: u32| prop_oneof![Just(Value::Null), (1..=most).prop_map(Value::from)];
    let delay = prop_oneof![
        Just(json!({})),
        Just(json!({"initialDelaySeconds": 60})),
        Just(json!({"initialDelayMilliseconds": 1500})),
    ];
    let period = prop_oneof![
        Just(json!({})),
        Just(json!({"periodSeconds": 1})),
        Just(json!({"periodSeconds": 900})),
        Just(json!({"periodMilliseconds": 300})),
    ];
    let timeout = prop_oneof![
        Just(json!({})),
        Just(json!({"timeoutSeconds": 30})),
        Just(json!({"timeoutMilliseconds": 700})),
    ];
    let numbers = (delay, period, timeout, number(40), number(20), number(90));
    (handler(), numbers).prop_map(move |(handler, (delay, period, timeout, failures, successes, grace))| {
        let only = if is_readiness {
            json!({"failureThreshold": failures, "successThreshold": successes})
        } else {
            json!({"failureThreshold": failures, "terminationGracePeriodSeconds": grace})
        };
        let parts = [handler, delay, period, timeout, only];
        let fields = parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten();
        Value::Object(fields.filter(|(_, value)| !value.is_null()).collect())
    })
}

fn hook() -> impl Strategy<Value = Value> {
    prop_oneof![handler(), Just(json!({"sleep": {"seconds": 10}}))].prop_map(|mut hook| {
        // A hook's component is not granted by the table of probes only.
        if let Some(wasm) = hook.get_mut("wasm").and_then(Value::as_object_mut) {
            wasm.shift_remove("allow");
        }
        hook
    })
}

/// A pod of one container, which may be a sidecar, and whose component may be written as an annotation.
fn pod() -> impl Strategy<Value = Value> {
    let some = |strategy: BoxedStrategy<Value>| prop_oneof![Just(Value::Null), strategy];
    let probes = (
        some(probe(false).boxed()),
        some(probe(false).boxed()),
        some(probe(true).boxed()),
    );
    let hooks = (some(hook().boxed()), some(hook().boxed()));
    let ports = prop_oneof![
        Just(json!([])),
        Just(json!([{"containerPort": 80}])),
        Just(json!([{"name": "http", "containerPort": 80}, {"name": "https", "containerPort": 443}])),
        Just(json!([{"name": "http", "containerPort": 80, "protocol": "UDP"}])),
    ];
    let policy = prop_oneof![Just("Always"), Just("OnFailure"), Just("Never")];
    let grace = prop_oneof![Just(0), Just(3), Just(30), Just(60)];
    (probes, hooks, ports, (policy, grace), any::<[bool; 4]>()).prop_map(
        |((startup, liveness, readiness), (start, stop), ports, (policy, grace), [is_sidecar, moved @ ..])| {
            let mut annotations = Map::new();
            let mut container = json!({"name": "web", "image": "nginx", "ports": ports});
            let roles = [
                ("startup", startup, moved[0]),
                ("liveness", liveness, moved[1]),
                ("readiness", readiness, moved[2]),
            ];
            for (role, mut probe, moved) in roles {
                match probe.as_object_mut().and_then(|probe| probe.shift_remove("wasm")) {
                    Some(wasm) if moved => {
                        annotations.insert(format!("probelet.dev/web.{role}"), wasm.to_string().into());
                    }
                    Some(wasm) => probe["wasm"] = wasm,
                    None => {}
                }
                if probe.as_object().is_some_and(|probe| !probe.is_empty()) {
                    container[format!("{role}Probe")] = probe;
                }
            }
            for (name, hook) in [("postStart", start), ("preStop", stop)] {
                if !hook.is_null() {
                    container["lifecycle"][name] = hook;
                }
            }
            let (mut init_containers, mut containers) = (json!([]), json!([container]));
            if is_sidecar {
                init_containers = containers;
                init_containers[0]["restartPolicy"] = "Always".into();
                containers = json!([{"name": "app", "image": "app:1"}]);
            }
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations": annotations},
                "spec": {
                    "initContainers": init_containers, "containers": containers, "restartPolicy": policy, "terminationGracePeriodSeconds": grace,
                },
            })
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_found_its_fix_silences(pod in pod()) {
        let text = serde_yaml::to_string(&pod).unwrap();
        // A few are refused, such as those whose hook sleeps longer than the grace period.
        if parse_yaml(&text, "pod.yaml").is_err() {
            return Ok(());
        }
        for finding in findings(&text) {
            prop_assert!(finding.line.is_some() && finding.column.is_some(), "{finding}");
            if finding.fix.is_none() {
                continue;
            }
            let mended = fixed(&text, &finding);
            if let Err(faults) = parse_yaml(&mended, "pod.yaml") {
                prop_assert!(false, "{finding}\n{faults:#?}\n{mended}");
            }
            let again = findings(&mended).into_iter().find(|other| {
                (other.rule, &other.path) == (finding.rule, &finding.path)
            });
            prop_assert!(again.is_none(), "{finding}\nis still there in\n{mended}");
        }
    }
}
