//! Whole manifests: the users' own, and a catalogue of bad ones with what is said of each.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, time::Duration};

use probelet_manifest::{Diagnostic, Handler, ImagePullPolicy, Pod, PortReference, parse_json, parse_yaml};
use proptest::prelude::*;

const HEAD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: c\n    image: busybox\n";

fn texts(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(ToString::to_string).collect()
}

fn pod(text: &str) -> Pod {
    parse_yaml(text, "pod.yaml")
        .map_err(|faults| texts(&faults))
        .unwrap()
        .remove(0)
}

/// What is said of a manifest that is refused.
fn faults(text: &str) -> Vec<String> {
    texts(&parse_yaml(text, "pod.yaml").expect_err("it is refused"))
}

/// What is said of a container with these lines, which begin in line 9.
fn faults_of_container(lines: &str) -> Vec<String> {
    faults(&format!("{HEAD}{lines}"))
}

#[test]
fn the_eight_manifests_are_taken_as_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/seed");
    let files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 8);
    for file in files {
        let pods = parse_yaml(&fs::read_to_string(&file).unwrap(), "seed.yaml").map_err(|faults| texts(&faults));
        assert_eq!(pods.unwrap().len(), 1, "{}", file.display());
    }
}

#[test]
fn probes_are_defaulted_and_described_as_kubectl_does() {
    let seed = include_str!("data/seed/http-ready-hook.yaml");
    let probe = pod(seed).spec.containers.remove(0).readiness_probe.unwrap();
    assert_eq!(
        probe.describe(),
        "http-get http://:80/index.html delay=3s timeout=1s period=3s #success=1 #failure=3"
    );
    let probe = pod(include_str!("data/seed/tcpsocket-ready-hook.yaml"))
        .spec
        .containers
        .remove(0)
        .readiness_probe
        .unwrap();
    assert_eq!(
        probe.describe(),
        "tcp-socket :80 delay=5s timeout=1s period=5s #success=1 #failure=3"
    );
    assert_eq!(probe.handler.to_string(), "tcp-socket :80");
}

#[test]
fn a_command_in_one_word_is_warned_of_with_the_fix() {
    let pod = pod(include_str!("data/seed/exec-health-hook.yaml"));
    let expected = "pod.yaml:18:17: warning: spec.containers[0].livenessProbe.exec.command: the command is one word with \
                    a space, so no program \"cat /tmp/health\" will be found; did you mean [\"cat\", \"/tmp/health\"]?";
    let found = texts(&pod.warnings);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0].split_once(": warning: ").unwrap().1,
        expected.split_once(": warning: ").unwrap().1
    );
    assert!(found[0].starts_with("pod.yaml:18:"), "{}", found[0]);
}

#[test]
fn the_document_carries_the_defaults_and_goes_in_again() {
    let first = pod(&format!(
        "{HEAD}    ports: [{{containerPort: 80}}]\n    livenessProbe: {{httpGet: {{port: 80}}, periodSeconds: 0}}\n"
    ));
    let container = &first.document["spec"]["containers"][0];
    assert_eq!(first.document["spec"]["restartPolicy"], "Always");
    assert_eq!(first.document["metadata"]["namespace"], "default");
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(container["ports"][0]["protocol"], "TCP");
    assert_eq!(container["livenessProbe"]["periodSeconds"], 10);
    assert_eq!(container["livenessProbe"]["httpGet"]["scheme"], "HTTP");
    assert_eq!(first.spec.containers[0].image_pull_policy, ImagePullPolicy::Always);
    assert_eq!(
        first.spec.containers[0].liveness_probe.as_ref().unwrap().period,
        Duration::from_secs(10)
    );

    let mut document = first.document.clone();
    document["metadata"]["uid"] = "a-1".into();
    document["metadata"]["resourceVersion"] = "7".into();
    document["status"] = serde_json::json!({"phase": "Running"});
    let again = parse_json(document).unwrap();
    assert_eq!(again.spec, first.spec);
    assert_eq!(again.metadata.uid.as_deref(), Some("a-1"));
    assert_eq!(again.document["status"], serde_json::Value::Null);
}

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
    let pod = pod(&text);
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
    assert!(pod.warnings.is_empty(), "{:?}", texts(&pod.warnings));
}

#[test]
fn unknown_and_unsupported_fields_are_named_with_their_place() {
    assert_eq!(
        faults_of_container("    livenessProbe:\n      tcpSocket: {port: 80}\n      periodSecond: 5\n"),
        [
            "pod.yaml:11:7: error: spec.containers[0].livenessProbe.periodSecond: unknown field of Probe; did you mean \
          \"periodSeconds\"?"
        ]
    );
    assert_eq!(
        faults(&format!("{HEAD}  initContainers: [{{name: i}}]\n")),
        [
            "pod.yaml:9:3: error: spec.initContainers: not supported: the containers would start without what they prepare; \
          they come with the lifecycle work"
        ]
    );
    assert_eq!(
        faults_of_container("    livenessProbe: {grpc: {port: 80}}\n"),
        [
            "pod.yaml:9:21: error: spec.containers[0].livenessProbe.grpc: not supported: gRPC probes are not supported yet; \
          use exec, httpGet or tcpSocket"
        ]
    );
    let warned = pod(&format!("{HEAD}  nodeSelector: {{disk: ssd}}\n  hostPID: false\n"));
    assert_eq!(
        texts(&warned.warnings),
        [
            "pod.yaml:9:3: warning: spec.nodeSelector: not supported yet and without effect: there is one node, and the pod \
          runs on it"
        ]
    );
}

#[test]
fn faults_of_yaml_have_their_place() {
    let unclosed = faults("apiVersion: v1\nkind: Pod\nmetadata: {name: p\nspec: x\n");
    assert!(unclosed[0].starts_with("pod.yaml:4:"), "{unclosed:?}");
    assert_eq!(
        faults(&format!("{HEAD}    image: other\n")),
        ["pod.yaml:9:5: error: spec.containers[0].image: the field is there twice"]
    );
    assert_eq!(faults(""), ["pod.yaml: error: there is no pod in it"]);
    assert!(
        faults("kind: Deployment\napiVersion: apps/v1\n")[0]
            .contains("found apiVersion \"apps/v1\" and kind \"Deployment\"")
    );
    let bomb = format!(
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n{}",
        (0..9)
            .map(|level| {
                let (this, last) = (char::from(b'b' + level), char::from(b'a' + level));
                format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 7].join(", "))
            })
            .collect::<String>()
    );
    assert!(
        faults(&bomb)[0].contains("with aliases resolved"),
        "{:?}",
        faults(&bomb)
    );
    assert!(
        faults(&"[".repeat(1000))[0].contains("levels deep"),
        "{:?}",
        faults(&"[".repeat(1000))
    );
}

#[test]
fn each_handler_is_checked() {
    let probe = |lines: &str| {
        let found = faults_of_container(&format!("    livenessProbe: {lines}\n"));
        found
            .iter()
            .map(|fault| fault.split_once("livenessProbe").unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(probe("{}"), [": Required value: must specify a handler type"]);
    assert_eq!(
        probe("{exec: {command: [a]}, tcpSocket: {port: 1}}"),
        [".tcpSocket: Forbidden: may not specify more than 1 handler type"]
    );
    assert_eq!(probe("{exec: {command: []}}"), [".exec.command: Required value"]);
    assert_eq!(probe("{tcpSocket: {}}"), [".tcpSocket.port: Required value"]);
    assert_eq!(
        probe("{tcpSocket: {port: 70000}}"),
        [".tcpSocket.port: Invalid value: 70000: must be between 1 and 65535, inclusive"]
    );
    assert!(probe("{tcpSocket: {port: \"80\"}}")[0].ends_with("write the number without quotes"));
    assert_eq!(
        probe("{httpGet: {port: 80, scheme: http}}"),
        [".httpGet.scheme: Unsupported value: \"http\": supported values: \"HTTP\", \"HTTPS\""]
    );
    assert!(probe("{httpGet: {port: 80, httpHeaders: [{name: \"a b\", value: c}]}}")[0].contains("a header's name"));
    assert_eq!(
        probe("{tcpSocket: {port: 1}, successThreshold: 2}"),
        [".successThreshold: Invalid value: 2: must be 1"]
    );
    assert_eq!(
        probe("{tcpSocket: {port: 1}, periodSeconds: -1}"),
        [".periodSeconds: Invalid value: -1: must be greater than or equal to 1"]
    );
    assert_eq!(
        probe("{tcpSocket: {port: 1}, timeoutSeconds: \"5\"}"),
        [".timeoutSeconds: expected a whole number, found the text \"5\""]
    );
    assert_eq!(
        probe("{tcpSocket: {port: 1}, terminationGracePeriodSeconds: 0}"),
        [".terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0"]
    );
    let readiness =
        faults_of_container("    readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 3}\n");
    assert!(
        readiness[0].ends_with("must not be set for readinessProbes"),
        "{readiness:?}"
    );
}

#[test]
fn a_named_port_that_is_not_there_is_warned_of() {
    let pod = pod(&format!(
        "{HEAD}    ports: [{{name: web, containerPort: 80}}]\n    readinessProbe: {{httpGet: {{port: http}}}}\n"
    ));
    let found = texts(&pod.warnings);
    assert!(
        found[0]
            .ends_with("the container has no port named \"http\", so the check cannot be run; its ports are named web"),
        "{found:?}"
    );
}

#[test]
fn all_faults_are_reported_together() {
    let found = faults(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: P\nspec:\n  restartPolicy: Sometimes\n  containers:\n  - name: c\n    \
         volumeMounts: [{name: v, mountPath: rel}]\n  - {name: C, image: i, env: [{name: A, value: 1}]}\n",
    );
    let places: Vec<_> = found.iter().map(|fault| fault.split(": ").nth(2).unwrap()).collect();
    assert_eq!(
        places,
        [
            "metadata.name",
            "spec.containers[0].image",
            "spec.containers[0].volumeMounts[0].name",
            "spec.containers[0].volumeMounts[0].mountPath",
            "spec.containers[1].name",
            "spec.containers[1].env[0].value",
            "spec.restartPolicy",
        ],
        "{found:#?}"
    );
}

#[test]
fn names_may_be_there_once_only() {
    let twice = faults(&format!(
        "{HEAD}  - name: c\n    image: i\n  volumes: [{{name: v, emptyDir: {{}}}}, {{name: v, emptyDir: {{}}}}]\n"
    ));
    assert_eq!(
        twice.iter().filter(|fault| fault.contains("Duplicate value")).count(),
        2,
        "{twice:?}"
    );
}

#[test]
fn lists_and_several_documents_are_read() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: c, image: i}]}}\n";
    let pods = parse_yaml(&format!("{list}---\n{HEAD}---\n"), "pods.yaml").unwrap();
    let names: Vec<_> = pods.iter().map(|pod| pod.metadata.name.as_str()).collect();
    assert_eq!(names, ["a", "p"]);
}

#[test]
fn the_page_of_fields_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fields.md");
    let page = probelet_manifest::documentation();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        page,
        "run UPDATE_DOCS=1 cargo test -p probelet-manifest"
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z:{}\\[\\]&*!|> \n'\"-]{0,200}") {
        let _ = parse_yaml(&text, "x");
    }

    #[test]
    fn no_value_of_a_field_makes_it_panic(at in 0_usize..40, value in prop_oneof![
        Just(serde_json::json!(null)), Just(serde_json::json!([{}])), Just(serde_json::json!({"a": 1})),
        any::<i64>().prop_map(|number| serde_json::json!(number)), ".{0,8}".prop_map(|text| serde_json::json!(text)),
    ]) {
        let text = format!("{HEAD}    livenessProbe: {{httpGet: {{port: 80, httpHeaders: [{{name: A, value: b}}]}}}}\n    ports: [{{containerPort: 1}}]\n");
        let mut document = pod(&text).document;
        let mut places = Vec::new();
        paths(&document, String::new(), &mut places);
        let place = &places[at % places.len()];
        *document.pointer_mut(place).unwrap() = value;
        let _ = parse_json(document);
    }
}

fn paths(value: &serde_json::Value, path: String, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| paths(value, format!("{path}/{key}"), found)),
        serde_json::Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(at, item)| paths(item, format!("{path}/{at}"), found));
        }
        _ => {}
    }
    found.push(path);
}
