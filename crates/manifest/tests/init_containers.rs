//! Init containers and sidecars (A1.14).
#![allow(clippy::unwrap_used)]

use probelet_manifest::{ImagePullPolicy, RestartPolicy, RestartPolicyRule, RestartPolicyRuleAction, parse_yaml};
use serde_json::json;

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    probelet.dev/log.liveness: '{"component": "./log.wasm"}'
spec:
  initContainers:
  - name: setup
    image: setup
  - name: log
    image: log:1
    restartPolicy: Always
    ports: [{containerPort: 80}]
    startupProbe: {tcpSocket: {port: 80}}
    readinessProbe: {wasm: {component: ./ready.wasm}}
    lifecycle: {postStart: {exec: {command: ["true"]}}}
  containers:
  - name: web
    image: web:1
    restartPolicy: Never
    restartPolicyRules:
    - { action: RestartAllContainers, exitCodes: { operator: NotIn, values: [0, 1] } }
    livenessProbe: {wasm: {component: ./web.wasm}}
"#;

#[test]
fn a1_14_a_sidecar_may_have_probes_and_hooks() {
    let pod = parse_yaml(POD, "pod.yaml").unwrap().remove(0);
    let spec = &pod.spec;
    let names: Vec<_> = spec.all_containers().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["setup", "log", "web"]);
    let log = &spec.init_containers[1];
    assert!(log.restarts_always() && log.startup_probe.is_some() && log.post_start.is_some());
    assert!(log.liveness_probe.is_some(), "written as an annotation");
    assert_eq!(
        (
            spec.init_containers[0].restart_policy,
            spec.containers[0].restart_policy
        ),
        (None, Some(RestartPolicy::Never))
    );
}

#[test]
fn a1_1_the_defaults_are_filled_in_as_for_containers() {
    let pod = parse_yaml(POD, "pod.yaml").unwrap().remove(0);
    assert_eq!(pod.spec.init_containers[0].image_pull_policy, ImagePullPolicy::Always);
    let log = &pod.document["spec"]["initContainers"][1];
    assert_eq!(log["imagePullPolicy"], json!("IfNotPresent"));
    assert_eq!(log["startupProbe"]["periodSeconds"], json!(10));
    assert_eq!(log["ports"][0]["protocol"], json!("TCP"));
}

#[test]
fn a_components_place_is_counted_from_the_first_init_container() {
    let mut pod = parse_yaml(POD, "pod.yaml").unwrap().remove(0);
    pod.resolve_component_paths("/base".as_ref()).unwrap();
    let checks = pod.wasm_checks();
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            (
                check.container,
                check.role.name(),
                check.path.as_str(),
                check.wasm.component.to_string(),
            )
        })
        .collect();
    let expected = [
        (
            1,
            "liveness",
            "metadata.annotations[probelet.dev/log.liveness]",
            "/base/log.wasm",
        ),
        (
            1,
            "readiness",
            "spec.initContainers[1].readinessProbe.wasm",
            "/base/ready.wasm",
        ),
        (2, "liveness", "spec.containers[0].livenessProbe.wasm", "/base/web.wasm"),
    ];
    assert_eq!(
        checks,
        expected.map(|(at, role, path, component)| (at, role, path, component.to_owned()))
    );
    let stored = &pod.document["spec"]["initContainers"][1]["readinessProbe"]["wasm"]["component"];
    assert_eq!(stored, &json!("/base/ready.wasm"));
}

#[test]
fn b5_3_rules_are_read_in_their_order() {
    let pod = parse_yaml(POD, "pod.yaml").unwrap().remove(0);
    let expected = RestartPolicyRule {
        action: RestartPolicyRuleAction::RestartAllContainers,
        listed: false,
        exit_codes: vec![0, 1],
    };
    assert_eq!(pod.spec.containers[0].restart_policy_rules, [expected]);
}

#[test]
fn the_document_can_be_read_again() {
    let pod = parse_yaml(POD, "pod.yaml").unwrap().remove(0);
    let again = probelet_manifest::parse_json(pod.document.clone()).unwrap();
    assert_eq!((&again.spec, &again.document), (&pod.spec, &pod.document));
}
