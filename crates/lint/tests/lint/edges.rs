//! Where a rule begins and ends.

use serde_json::json;

use crate::support::{findings, fixed, rules_of};

/// The rules that find something in a container with these fields, and the pod's grace period of 30 s.
fn container(fields: &str) -> Vec<&'static str> {
    rules_of(&pod(fields))
}

fn pod(fields: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:\n  - {{name: web, image: web:1, {fields}}}\n"
    )
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_same_question_is_right_if_liveness_is_three_times_as_patient() {
    let probes = |failures| {
        format!(
            "livenessProbe: {{httpGet: {{port: 80}}, failureThreshold: {failures}}}, readinessProbe: {{httpGet: {{port: 80}}}}"
        )
    };
    assert_eq!(container(&probes(8)), ["liveness-equals-readiness"]);
    assert_eq!(container(&probes(9)), NOTHING);
}

#[test]
fn another_question_is_right_if_liveness_is_as_patient() {
    let probes = |failures| {
        format!(
            "livenessProbe: {{httpGet: {{port: 80, path: /a}}, failureThreshold: {failures}}}, readinessProbe: {{httpGet: {{port: 80}}}}"
        )
    };
    assert_eq!(container(&probes(2)), ["liveness-before-readiness"]);
    assert_eq!(container(&probes(3)), NOTHING);
}

#[test]
fn a_timeout_may_be_as_long_as_the_period() {
    let probe = |timeout| {
        format!("readinessProbe: {{tcpSocket: {{port: 80}}, periodMilliseconds: 500, timeoutMilliseconds: {timeout}}}")
    };
    assert_eq!(container(&probe(500)), NOTHING);
    assert_eq!(container(&probe(501)), ["timeout-over-period"]);
    // One that is not written is a second.
    let found = findings(&pod("readinessProbe: {tcpSocket: {port: 80}, periodMilliseconds: 500}"));
    assert_eq!(found[0].rule, "timeout-over-period");
    let patch = &found[0].fix.as_ref().unwrap().patch;
    assert_eq!(
        patch["spec"]["containers"][0]["readinessProbe"],
        json!({"timeoutMilliseconds": 500})
    );
}

#[test]
fn a_timeout_that_is_written_is_meant() {
    let probe = |more: &str| format!("readinessProbe: {{exec: {{command: [a]}}{more}}}");
    assert_eq!(container(&probe("")), ["exec-default-timeout"]);
    assert_eq!(container(&probe(", timeoutSeconds: 1")), NOTHING);
    assert_eq!(container(&probe(", timeoutMilliseconds: 900")), NOTHING);
}

#[test]
fn an_address_of_the_pod_itself_is_no_other_host() {
    let probe = |host: &str| format!("livenessProbe: {{tcpSocket: {{host: {host:?}, port: 1}}}}");
    for host in ["127.0.0.1", "localhost", "::1", "127.9.9.9"] {
        assert_eq!(container(&probe(host)), ["loopback-host"], "{host}");
    }
    for host in ["db", "10.0.0.1", "::2"] {
        assert_eq!(container(&probe(host)), ["liveness-asks-another-host"], "{host}");
    }
}

#[test]
fn a_name_decides_before_a_number_what_a_port_speaks() {
    let probe = |name: &str, number: u16, scheme: &str| {
        format!(
            "ports: [{{name: {name}, containerPort: {number}}}], readinessProbe: {{httpGet: {{port: {name}, scheme: {scheme}}}}}"
        )
    };
    assert_eq!(container(&probe("http", 8443, "HTTP")), NOTHING);
    assert_eq!(container(&probe("http", 8443, "HTTPS")), ["tls-on-http-port"]);
    assert_eq!(container(&probe("https-admin", 80, "HTTP")), ["http-on-tls-port"]);
    assert_eq!(container(&probe("admin", 443, "HTTP")), ["http-on-tls-port"]);
    assert_eq!(container(&probe("admin", 9000, "HTTPS")), NOTHING);
}

#[test]
fn a_port_of_another_protocol_is_not_declared_for_a_check() {
    let ports = |protocol: &str| {
        format!(
            "ports: [{{containerPort: 53, protocol: {protocol}}}, {{containerPort: 80}}], readinessProbe: {{tcpSocket: {{port: 53}}}}"
        )
    };
    assert_eq!(container(&ports("UDP")), ["undeclared-port"]);
    assert_eq!(container(&ports("TCP")), NOTHING);
    // Whoever lists no ports is not asked for one.
    assert_eq!(container("readinessProbe: {tcpSocket: {port: 53}}"), NOTHING);
    assert_eq!(
        container("ports: [{containerPort: 53, protocol: UDP}], readinessProbe: {tcpSocket: {port: 5353}}"),
        NOTHING
    );
}

#[test]
fn f20_a_probe_that_asks_the_application_instead_asks_the_same_addresses() {
    let fix = |tcp: &str, http: &str| {
        let found = findings(&pod(&format!(
            "livenessProbe: {{tcpSocket: {{port: 80{tcp}}}, failureThreshold: 9}}, readinessProbe: {{httpGet: {{port: 80{http}}}}}"
        )));
        let patch = &found[0].fix.as_ref().unwrap().patch;
        patch["spec"]["containers"][0]["livenessProbe"]["httpGet"]["addressFamily"].clone()
    };
    let (six, all) = (", addressFamily: IPv6", ", addressFamily: All");
    assert_eq!(fix(six, all), "IPv6");
    assert_eq!(fix(six, ""), "IPv6");
    assert_eq!(fix(six, six), "IPv6");
    assert_eq!(fix("", all), json!(null));
    assert_eq!(fix("", ""), json!(null));
}

#[test]
fn a_sleep_is_found_in_a_script() {
    let hook = |command: &str| format!("lifecycle: {{preStop: {{exec: {{command: [sh, -c, {command:?}]}}}}}}");
    for command in ["sleep 20; sleep 10", "/bin/sleep 30s && a", "a; (sleep 1m)"] {
        assert_eq!(container(&hook(command)), ["pre-stop-fills-grace-period"], "{command}");
    }
    for command in ["sleep 20; a", "sleep $TIME; a", "a sleep", "sleep 99999999999; a"] {
        assert_eq!(container(&hook(command)), NOTHING, "{command}");
    }
    assert_eq!(
        container("lifecycle: {preStop: {sleep: {seconds: 30}}}"),
        ["pre-stop-fills-grace-period"]
    );
    assert_eq!(container("lifecycle: {preStop: {sleep: {seconds: 29}}}"), NOTHING);
    assert_eq!(
        container("lifecycle: {preStop: {exec: {command: [sleep, \"3\"]}}}"),
        ["pre-stop-exec-sleep"]
    );
}

#[test]
fn a_tag_or_a_digest_keeps_an_image() {
    let image = |image: &str| {
        rules_of(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{containers: [{{name: web, image: {image:?}}}]}}\n"
        ))
    };
    for moving in ["nginx", "nginx:latest", "localhost:5000/nginx"] {
        assert_eq!(image(moving), ["image-latest"], "{moving}");
    }
    for fixed in [
        "nginx:1",
        "localhost:5000/nginx:1",
        "nginx@sha256:0000",
        "nginx:latest@sha256:0000",
    ] {
        assert_eq!(image(fixed), NOTHING, "{fixed}");
    }
}

#[test]
fn a_start_has_its_time_in_a_startup_probe() {
    let liveness = |numbers: &str| format!("livenessProbe: {{tcpSocket: {{port: 80}}, {numbers}}}");
    assert_eq!(container(&liveness("initialDelaySeconds: 29")), NOTHING);
    assert_eq!(
        container(&liveness("initialDelaySeconds: 30")),
        ["liveness-delay-without-startup-probe"]
    );
    assert_eq!(container(&liveness("failureThreshold: 29")), NOTHING);
    assert_eq!(container(&liveness("failureThreshold: 30")), ["liveness-too-patient"]);
    let with_startup = "startupProbe: {tcpSocket: {port: 80}}, ".to_owned() + &liveness("failureThreshold: 30");
    assert_eq!(container(&with_startup), NOTHING);
    let startup = |numbers: &str| format!("startupProbe: {{tcpSocket: {{port: 80}}, {numbers}}}");
    assert_eq!(container(&startup("periodSeconds: 3")), ["startup-probe-short"]);
    assert_eq!(container(&startup("periodSeconds: 3, initialDelaySeconds: 1")), NOTHING);
}

#[test]
fn a_probe_in_an_annotation_is_found_and_mended_there() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  annotations:\n    \
                probelet.dev/web.liveness: '{\"component\": \"./a.wasm\", \"failureThreshold\": 1}'\nspec:\n  \
                containers:\n  - {name: web, image: web:1}\n";
    let mut text = text.to_owned();
    for (rule, below) in [
        ("liveness-fails-once", ".failureThreshold"),
        ("wasm-errors-ignored", ""),
    ] {
        let found = findings(&text);
        let finding = found.iter().find(|finding| finding.rule == rule).unwrap();
        assert_eq!(
            finding.path,
            format!("metadata.annotations[probelet.dev/web.liveness]{below}")
        );
        assert_eq!(finding.line, Some(6), "{finding}");
        text = fixed(&text, finding);
    }
    assert_eq!(rules_of(&text), NOTHING, "{text}");
    assert!(
        text.contains(r#"{"component":"./a.wasm","failureThreshold":3,"onError":"Fail"}"#),
        "{text}"
    );
}

#[test]
fn a_pod_in_a_list_has_its_place_in_it() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: web}\n  spec:\n    \
                nodeSelector: {a: b}\n    containers:\n    - name: web\n      image: nginx\n";
    let places: Vec<_> = findings(text)
        .into_iter()
        .map(|finding| (finding.rule, finding.path, finding.line))
        .collect();
    assert_eq!(
        places,
        [
            ("manifest-warning", "items[0].spec.nodeSelector".to_owned(), Some(8)),
            ("image-latest", "items[0].spec.containers[0].image".to_owned(), Some(11)),
        ]
    );
}

#[test]
fn what_the_reader_warns_of_is_said_once() {
    assert_eq!(container("command: [a b]"), ["command-in-one-word"]);
    let wasm = "readinessProbe: {wasm: {component: a.wasm, onError: Fail}}";
    let found = findings(&pod(wasm));
    // The name is a file's and a reference's that moves.
    let rules: Vec<_> = found.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, ["wasm-moving-tag"]);
}

fn init_pod(init_containers: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  initContainers: [{init_containers}]\n  containers:\n  \
         - {{name: web, image: web:1, {rest}}}\n"
    )
}

#[test]
fn init_containers_are_looked_at_and_their_fixes_find_them() {
    let text = init_pod("{name: migrate, image: migrate, command: [a b]}", "");
    let found = findings(&text);
    let rules: Vec<_> = found.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, ["image-latest", "command-in-one-word"]);
    assert_eq!(found[0].path, "spec.initContainers[0].image");
    assert_eq!(found[0].container.as_deref(), Some("migrate"));
    let text = fixed(&text, &found[0]);
    let text = fixed(&text, &found[1]);
    assert_eq!(rules_of(&text), NOTHING, "{text}");
}

#[test]
fn a_warning_about_an_init_container_is_taken_away_where_it_stands() {
    let text = init_pod("{name: migrate, image: migrate:1, stdinOnce: true}", "");
    let found = findings(&text);
    assert_eq!(found[0].rule, "manifest-warning");
    assert_eq!(found[0].container.as_deref(), Some("migrate"));
    assert_eq!(rules_of(&fixed(&text, &found[0])), NOTHING);
}

#[test]
fn only_an_init_container_that_runs_on_needs_a_readiness_probe() {
    let ports = "ports: [{containerPort: 9000}]";
    assert_eq!(
        rules_of(&init_pod(&format!("{{name: a, image: a:1, {ports}}}"), "")),
        NOTHING
    );
    let sidecar = format!("{{name: a, image: a:1, restartPolicy: Always, {ports}}}");
    assert_eq!(rules_of(&init_pod(&sidecar, "")), ["no-readiness-probe"]);
}

#[test]
fn a_containers_own_restart_policy_goes_before_the_pods() {
    let probe = "livenessProbe: {tcpSocket: {port: 80}}";
    let with = |policy: &str, own: &str| format!("{}  restartPolicy: {policy}\n", pod(&format!("{probe}{own}")));
    assert_eq!(rules_of(&with("Never", "")), ["liveness-without-restart"]);
    assert_eq!(rules_of(&with("Never", ", restartPolicy: Always")), NOTHING);
    let text = with("Always", ", restartPolicy: OnFailure");
    let found = findings(&text);
    assert_eq!(found[0].rule, "liveness-restart-on-failure");
    assert_eq!(rules_of(&fixed(&text, &found[0])), NOTHING);
    // Whoever writes rules by exit codes knows what becomes of a failure.
    let rules =
        ", restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [1]}}]";
    assert_eq!(rules_of(&with("Never", rules)), NOTHING);
    let sidecar = format!("{{name: a, image: a:1, restartPolicy: Always, {probe}}}");
    let text = format!("{}  restartPolicy: Never\n", init_pod(&sidecar, ""));
    assert_eq!(rules_of(&text), NOTHING);
}
