//! The schema against the manifests of this repository: it takes those that the reader takes, and refuses those that the
//! reader refuses, but for faults that no schema can see.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use jsonschema::Validator;
use probelet_explain::schema;
use probelet_manifest::{parse_json, parse_yaml, table};
use serde::Deserialize;
use serde_json::{Value, json};

/// Refused by the reader for what lies between fields, in the text of an annotation, or before the document is read.
const BEYOND: [&str; 3] = [
    "annotations-in-a-list.yaml",
    "duplicate-key.yaml",
    "request-above-limit.yaml",
];

/// Files that a reader of YAML refuses already.
const NO_YAML: [&str; 4] = ["alias-bomb.yaml", "indentation.yaml", "syntax.yaml", "tab.yaml"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

/// All YAML files below a folder.
fn manifests(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(manifests(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The documents of a text; `None` if it is no YAML.
fn documents(text: &str) -> Option<Vec<Value>> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).ok())
        .collect()
}

fn faults(validator: &Validator, document: &Value) -> Vec<String> {
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn every_manifest_that_the_reader_takes_the_schema_takes() {
    let validator = validator();
    let mut taken = 0;
    for folder in ["docs", "tests", "crates", "xtask"] {
        for path in manifests(&root().join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            if parse_yaml(&text, "pod.yaml").is_err() {
                continue;
            }
            for document in documents(&text).unwrap() {
                let found = faults(&validator, &document);
                assert!(found.is_empty(), "{}: {found:#?}", path.display());
                taken += 1;
            }
        }
    }
    // The eight given ones, twice, and the examples of plugins and rules.
    assert!(taken >= 80, "{taken}");
}

#[test]
fn the_manifests_in_the_text_of_the_documentation_are_taken_too() {
    let validator = validator();
    let mut pages = vec![root().join("README.md")];
    for folder in ["docs", "docs/guide", "docs/plugins"] {
        let entries = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let mut taken = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let blocks = text
            .split("```yaml\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap());
        for block in blocks.filter(|block| block.contains("kind: Pod")) {
            if parse_yaml(block, "pod.yaml").is_err() {
                continue;
            }
            for document in documents(block).unwrap() {
                let found = faults(&validator, &document);
                assert!(found.is_empty(), "{}: {found:#?}\n{block}", page.display());
                taken += 1;
            }
        }
    }
    assert!(taken >= 5, "{taken}");
}

#[test]
fn every_manifest_that_the_reader_refuses_the_schema_refuses() {
    let validator = validator();
    let (mut beyond, mut no_yaml) = (Vec::new(), Vec::new());
    for path in manifests(&root().join("crates/manifest/tests/data/bad")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match documents(&fs::read_to_string(&path).unwrap()) {
            None => no_yaml.push(name),
            Some(documents) if documents.iter().all(|document| faults(&validator, document).is_empty()) => {
                beyond.push(name);
            }
            Some(_) => {}
        }
    }
    assert_eq!(
        (beyond, no_yaml),
        (BEYOND.map(str::to_owned).into(), NO_YAML.map(str::to_owned).into())
    );
}

/// A pod with a value at a place.
fn pod_with(place: &str, value: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"containers": [{
            "name": "web", "image": "web:1", "livenessProbe": {"httpGet": {"port": 80}}, "lifecycle": {"preStop": {}},
            "readinessProbe": {"wasm": {"component": "./a.wasm"}},
        }]},
    });
    let (parent, name) = place.rsplit_once('/').unwrap();
    pod.pointer_mut(parent).unwrap()[name] = value;
    pod
}

#[test]
fn a_wrong_value_is_refused_where_it_stands() {
    let validator = validator();
    let container = "/spec/containers/0";
    let cases = [
        ("/kind", json!("Deployment")),
        ("/metadata/name", json!("Web")),
        ("/metadata/finalizers", json!(["a"])),
        ("/metadata/annotations", json!({"probelet.dev/livenes": "{}"})),
        ("/spec/restartPolicy", json!("Sometimes")),
        ("/spec/conatiners", json!([])),
        ("/spec/containers/0/imagePullPolicy", json!("always")),
        ("/spec/containers/0/env", json!([{"name": "A", "value": 5}])),
        ("/spec/containers/0/ports", json!([{"containerPort": 70000}])),
        ("/spec/containers/0/tty", json!(true)),
        ("/spec/containers/0/livenessProbe/periodSeconds", json!(-1)),
        ("/spec/containers/0/livenessProbe/successThreshold", json!(2)),
        ("/spec/containers/0/livenessProbe/httpGet/port", json!("80")),
        ("/spec/containers/0/livenessProbe/exec", json!({"command": ["a"]})),
        (
            "/spec/containers/0/livenessProbe/grpc",
            json!({"port": 80, "mode": "mTLS"}),
        ),
        ("/spec/containers/0/livenessProbe/httpGet/protocol", json!("H2C")),
        ("/spec/containers/0/livenessProbe/httpGet/addressFamily", json!("IPV6")),
        (
            "/spec/containers/0/livenessProbe/httpGet",
            json!({"port": 80, "addressFamily": "Any", "host": "db"}),
        ),
        (
            "/spec/containers/0/lifecycle/preStop",
            json!({"tcpSocket": {"port": 80, "addressFamily": "All"}}),
        ),
        ("/spec/containers/0/livenessProbe/sleep", json!({"seconds": 5})),
        (
            "/spec/containers/0/livenessProbe/exec",
            json!({"command": "cat /tmp/health"}),
        ),
        (
            "/spec/containers/0/readinessProbe/terminationGracePeriodSeconds",
            json!(5),
        ),
        ("/spec/containers/0/readinessProbe/wasm/onError", json!("Retry")),
        (
            "/spec/containers/0/readinessProbe/wasm/allow",
            json!({"exec": "redis-cli ping"}),
        ),
        ("/spec/containers/0/readinessProbe/wasm/component", json!(null)),
        (
            "/spec/containers/0/lifecycle/preStop",
            json!({"wasm": {"component": "./a.wasm", "onError": "Fail"}}),
        ),
        ("/spec/containers/0/lifecycle/preStop", json!({})),
        ("/spec/volumes", json!([{"name": "a"}])),
        ("/spec/activeDeadlineSeconds", json!(0)),
        ("/spec/os", json!({"name": "windows"})),
        ("/spec/readinessGates", json!([{"conditionType": "a b"}])),
        ("/spec/readinessGates", json!([{}])),
        (
            "/spec/initContainers",
            json!([{"name": "a", "image": "a", "startupProbe": {"tcpSocket": {"port": 80}}}]),
        ),
        (
            "/spec/initContainers",
            json!([{"name": "a", "image": "a", "restartPolicy": "Never", "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}]),
        ),
        ("/spec/containers/0/restartPolicy", json!("Sometimes")),
        ("/spec/containers/0/terminationMessagePath", json!("words")),
        ("/spec/containers/0/terminationMessagePolicy", json!("Sometimes")),
        ("/spec/containers/0/lifecycle/stopSignal", json!("SIGTREM")),
        ("/spec/containers/0/restartPolicyRules", json!([{"action": "Restart"}])),
        (
            "/spec/containers/0/restartPolicyRules",
            json!([{"action": "Sometimes", "exitCodes": {"operator": "In", "values": [1]}}]),
        ),
        (
            "/spec/containers/0/restartPolicyRules",
            json!([{"action": "Restart", "exitCodes": {"operator": "Maybe", "values": [1]}}]),
        ),
        (
            "/spec/containers/0/restartPolicyRules",
            json!([{"action": "Restart", "exitCodes": {"operator": "In", "values": []}}]),
        ),
        ("/spec/volumes", json!([{"name": "a", "configMap": {"name": "b"}}])),
    ];
    for (place, value) in cases {
        let mut pod = pod_with(place, value.clone());
        if place.contains("restartPolicyRules") {
            pod["spec"]["containers"][0]["restartPolicy"] = "Never".into();
        }
        if place.contains("stopSignal") {
            pod["spec"]["os"] = json!({"name": "linux"});
        }
        if !place.ends_with("/preStop") {
            pod.pointer_mut(&format!("{container}/lifecycle")).unwrap()["preStop"] = json!({"sleep": {"seconds": 1}});
        }
        assert!(
            parse_json(pod.clone()).is_err(),
            "{place} = {value}: the reader takes it"
        );
        let found = faults(&validator, &pod);
        assert!(!found.is_empty(), "{place} = {value}");
    }
}

#[test]
fn f20_an_address_family_is_taken_where_the_reader_takes_it() {
    let validator = validator();
    let http = |more: Value| {
        let mut http = json!({"port": 80});
        http.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        http
    };
    for more in [
        json!({"addressFamily": "All"}),
        json!({"addressFamily": "IPv6", "host": ""}),
    ] {
        let mut pod = pod_with("/spec/containers/0/livenessProbe/httpGet", http(more));
        pod["spec"]["containers"][0]["lifecycle"] = json!({
            "preStop": {"httpGet": {"port": 80, "addressFamily": "IPv4"}},
            "postStart": {"tcpSocket": {"port": 80, "addressFamily": "IPv6"}},
        });
        pod["spec"]["containers"][0]["readinessProbe"] = json!({"grpc": {"port": 80, "addressFamily": "Any"}});
        parse_json(pod.clone()).unwrap();
        assert_eq!(faults(&validator, &pod), [""; 0], "{pod}");
    }
}

#[test]
fn what_changes_nothing_is_taken_though_the_field_is_refused() {
    let validator = validator();
    let cases = [
        ("/spec/containers/0/tty", json!(false)),
        ("/spec/containers/0/envFrom", json!([])),
        ("/spec/hostUsers", json!(true)),
        ("/spec/os", json!({"name": "linux"})),
        ("/spec/affinity", json!({"nodeAffinity": {}})),
        ("/metadata/creationTimestamp", json!(null)),
    ];
    for (place, value) in cases {
        let mut pod = pod_with(place, value);
        pod["spec"]["containers"][0]["lifecycle"] = json!({});
        assert!(parse_json(pod.clone()).is_ok(), "{place}");
        assert_eq!(faults(&validator, &pod), [""; 0], "{place}");
    }
}

#[test]
fn every_kind_of_the_table_is_a_closed_definition() {
    let schema = schema();
    for kind in table().iter().filter(|kind| kind.name != "WasmProbe") {
        let definition = &schema["$defs"][kind.name];
        assert_eq!(definition["additionalProperties"], json!(false), "{}", kind.name);
        let properties = definition["properties"].as_object().unwrap();
        assert_eq!(properties.len(), kind.fields.len(), "{}", kind.name);
        let silent = properties.iter().find(|(_, property)| property["description"] == "");
        assert_eq!(silent.map(|(name, _)| name), None, "{}", kind.name);
    }
}
