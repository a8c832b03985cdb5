//! No input makes the crate panic, and whatever it accepts it accepts again.

use probelet_manifest::{describe_probe, describe_probe_of, expand_all, parse_json, parse_yaml};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Names that stand in pods, so that values get deep into the checks.
const NAMES: [&str; 53] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "name",
    "namespace",
    "uid",
    "labels",
    "containers",
    "volumes",
    "image",
    "command",
    "args",
    "env",
    "value",
    "ports",
    "containerPort",
    "protocol",
    "resources",
    "limits",
    "requests",
    "memory",
    "cpu",
    "volumeMounts",
    "mountPath",
    "livenessProbe",
    "readinessProbe",
    "exec",
    "httpGet",
    "tcpSocket",
    "port",
    "path",
    "httpHeaders",
    "lifecycle",
    "preStop",
    "sleep",
    "seconds",
    "securityContext",
    "hostPath",
    "emptyDir",
    "wasm",
    "component",
    "config",
    "allow",
    "network",
    "files",
    "environment",
    "fuel",
    "onError",
    "reload",
    "periodMilliseconds",
    "annotations",
    "probelet.dev/a.liveness",
];

fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        proptest::sample::select(vec![
            "v1", "Pod", "a", "80", "64Mi", "Always", "TCP", "/tmp", "a b", "", "./a.wasm", "{}"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..100_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 128, 6, |inner| {
        let name =
            prop_oneof![9 => proptest::sample::select(NAMES.to_vec()).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A pod that is right, with a value of any kind put somewhere into it.
fn nearly_a_pod() -> impl Strategy<Value = Value> {
    let places = [
        "/metadata",
        "/metadata/name",
        "/spec/containers",
        "/spec/containers/0/env",
        "/spec/containers/0/livenessProbe",
        "/spec/containers/0/livenessProbe/httpGet",
        "/spec/containers/0/livenessProbe/httpGet/port",
        "/spec/containers/0/livenessProbe/periodSeconds",
        "/spec/containers/0/readinessProbe/wasm",
        "/spec/containers/0/readinessProbe/wasm/allow",
        "/spec/containers/0/readinessProbe/wasm/allow/exec",
        "/spec/containers/0/readinessProbe/wasm/limits",
        "/spec/containers/0/resources",
        "/spec/containers/0/lifecycle",
        "/spec/volumes",
        "/spec/volumes/0/emptyDir",
        "/spec/terminationGracePeriodSeconds",
        "/spec/containers/0/resources/limits/memory",
    ];
    (proptest::sample::select(places.to_vec()), json()).prop_map(|(place, value)| {
        let mut pod = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
            "spec": {
                "terminationGracePeriodSeconds": 5,
                "volumes": [{"name": "a", "emptyDir": {}}],
                "containers": [{
                    "name": "a", "image": "b", "env": [], "resources": {"limits": {"memory": "1Gi"}}, "lifecycle": {},
                    "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1},
                    "readinessProbe": {"wasm": {"component": "./a.wasm", "allow": {"exec": true}, "limits": {}}},
                }],
            },
        });
        *pod.pointer_mut(place).expect("every place is in the pod") = value;
        pod
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse_yaml(&text, "pod.yaml");
    }

    #[test]
    fn no_yaml_panics(text in "[-a-b:{}\\[\\],&*!|>'\"%@#? \n\t0-9.]{0,80}") {
        let _ = parse_yaml(&text, "pod.yaml");
    }

    #[test]
    fn no_object_panics_and_yaml_says_the_same_as_json(value in prop_oneof![json(), nearly_a_pod()]) {
        describe_probe(&value);
        let from_yaml = parse_yaml(&value.to_string(), "pod.yaml");
        let from_json = parse_json(value);
        if let Ok(pod) = &from_json {
            let again = parse_json(pod.document.clone());
            prop_assert_eq!(Ok(pod), again.as_ref());
            // JSON is YAML.
            prop_assert!(from_yaml.is_ok_and(|pods| pods.len() == 1 && pods[0].spec == pod.spec));
        }
    }

    #[test]
    fn no_annotation_panics(content in json(), probe in json(), path in ".{0,20}") {
        let mut pod = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "annotations": {"probelet.dev/a.liveness": content.to_string()}},
            "spec": {"containers": [{"name": "a", "image": "b", "livenessProbe": probe}]},
        });
        describe_probe_of(&pod, "a", "liveness");
        if let Ok(mut pods) = parse_yaml(&pod.to_string(), "pod.yaml") {
            pods[0].position(&path);
            prop_assert!(pods[0].resolve_component_paths(std::path::Path::new("/base")).is_ok());
            let again = parse_json(pods[0].document.clone());
            prop_assert_eq!(again.map(|pod| pod.spec), Ok(pods.remove(0).spec));
        }
        pod["metadata"]["annotations"]["probelet.dev/a.liveness"] = content;
        let _ = parse_json(pod);
    }

    #[test]
    fn no_word_panics(words in proptest::collection::vec("[$()A-C a]{0,12}", 0..4)) {
        let env = [("A", "$(B)"), ("B", "$$(A)")].map(|(name, value)| probelet_manifest::EnvVar {
            name: name.into(),
            value: value.into(),
        });
        prop_assert_eq!(expand_all(&words, &env).len(), words.len());
    }
}

/// What is said first of a text that is refused.
fn refusal(text: &str) -> String {
    let faults = parse_yaml(text, "pod.yaml").expect_err("it is refused");
    faults[0].to_string()
}

#[test]
fn what_would_take_too_much_memory_is_refused() {
    let large = format!("a: {}", "x".repeat(1 << 20));
    assert_eq!(refusal(&large), "pod.yaml: error: the file is larger than 1024 KiB");
    let wide = format!("a: [{}]", "x,".repeat(250_000));
    assert!(
        refusal(&wide).contains("more than 200000 fields and values"),
        "{}",
        refusal(&wide)
    );
    let name = "x".repeat(1000);
    let long_paths = format!(
        "{}[{}]{}",
        format!("{{{name}: ").repeat(60),
        "x,".repeat(100_000),
        "}".repeat(60)
    );
    assert!(
        refusal(&long_paths).contains("the names of fields are too long"),
        "{}",
        refusal(&long_paths)
    );
    let aliases = format!("a: &a x\nb: [{}]", "*a ,".repeat(100));
    assert!(
        refusal(&aliases).contains("more than 64 aliases"),
        "{}",
        refusal(&aliases)
    );
    let faults = format!(
        "apiVersion: v1\nkind: Pod\n{}",
        (0..1000).map(|at| format!("x{at}: 1\n")).collect::<String>()
    );
    assert_eq!(parse_yaml(&faults, "pod.yaml").expect_err("it is refused").len(), 100);
}

#[test]
fn a_file_may_be_marked_as_utf_8() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec: { containers: [{ name: a, image: b }] }\n";
    let marked = parse_yaml(&format!("\u{feff}{pod}"), "pod.yaml").expect("a pod");
    assert_eq!(
        marked[0].document,
        parse_yaml(pod, "pod.yaml").expect("a pod")[0].document
    );
}
