//! Bad input gets a clear error and loses nothing.

use probelet_tests::{agent::Agent, namespace::Namespace};

use crate::{PATIENCE, WAIT, busybox, namespace, script};

/// kubectl's and our exit code for a refused manifest.
const REFUSED: i32 = 1;

/// Applies a manifest that is to be refused with each of these texts, and asserts that nothing came of it.
#[track_caller]
fn refused(namespace: &Namespace, manifest: &str, texts: &[&str]) {
    namespace.apply(manifest).failure(REFUSED, texts);
    let pods = namespace.run(&["get", "pods", "-o", "json"]).success();
    let pods: serde_json::Value = serde_json::from_str(&pods).expect("pods are a JSON document");
    assert_eq!(
        pods["items"],
        serde_json::json!([]),
        "a refused manifest leaves nothing"
    );
}

fn with_probe(probe: &str) -> String {
    busybox("bad", &format!("    livenessProbe:\n{probe}"), "")
}

#[test]
fn broken_yaml_is_refused_by_file_line_and_column() {
    refused(
        &namespace("broken-yaml"),
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  labels: {a: [}\n",
        &[".yaml:5:"],
    );
}

#[test]
fn a_misspelt_field_is_refused_with_its_path_and_the_nearest_name() {
    let manifest = with_probe("      exec: { command: [cat, /tmp/x] }\n      periodSecond: 5");
    refused(
        &namespace("misspelt"),
        &manifest,
        &[
            "spec.containers[0].livenessProbe.periodSecond",
            "periodSeconds",
            ".yaml:12:",
        ],
    );
}

#[test]
fn a_field_that_would_be_dangerous_to_ignore_is_refused() {
    let manifest = busybox(
        "bad",
        "",
        "  ephemeralContainers: [{ name: first, image: 'busybox:latest' }]",
    );
    refused(&namespace("unsupported"), &manifest, &["spec.ephemeralContainers"]);
}

#[test]
fn a_probe_needs_exactly_one_handler() {
    let namespace = namespace("handlers");
    refused(
        &namespace,
        &with_probe("      periodSeconds: 5"),
        &["livenessProbe", "must specify a handler type"],
    );
    let two = "      exec: { command: [\"true\"] }\n      tcpSocket: { port: 80 }";
    refused(
        &namespace,
        &with_probe(two),
        &["livenessProbe.tcpSocket", "may not specify more than 1 handler type"],
    );
}

#[test]
fn ports_and_numbers_out_of_range_are_refused() {
    let namespace = namespace("ranges");
    for port in ["0", "65536", "-1", "not_a_name", "\"\""] {
        let probe = format!("      tcpSocket: {{ port: {port} }}");
        refused(
            &namespace,
            &with_probe(&probe),
            &["spec.containers[0].livenessProbe.tcpSocket.port"],
        );
    }
    let cases = [
        ("periodSeconds", "-1", ""),
        ("successThreshold", "2", "must be 1"),
        ("timeoutSeconds", "-5", ""),
    ];
    for (field, value, text) in cases {
        let probe = format!("      exec: {{ command: [\"true\"] }}\n      {field}: {value}");
        refused(
            &namespace,
            &with_probe(&probe),
            &[&format!("livenessProbe.{field}"), text],
        );
    }
}

#[test]
fn a_manifest_that_is_no_pod_or_not_there_is_refused() {
    let namespace = namespace("no-pod");
    refused(
        &namespace,
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: x }\n",
        &["Deployment"],
    );
    let missing = std::path::Path::new("/nowhere/pod.yaml");
    namespace
        .apply_file(missing)
        .failure(REFUSED, &["/nowhere/pod.yaml", "No such file"]);
}

#[test]
fn several_faults_are_told_at_once() {
    let manifest = with_probe("      exec: { command: [] }\n      periodSeconds: -1");
    refused(
        &namespace("several"),
        &manifest,
        &["livenessProbe.exec.command", "livenessProbe.periodSeconds"],
    );
}

#[test]
fn a_name_that_is_taken_or_unknown_is_told() {
    let namespace = namespace("names");
    let manifest = busybox("taken", &script(WAIT), "");
    namespace.start(&manifest, "taken");
    let other = manifest
        .replace("taken", "other")
        .replace("name: other", "name: taken")
        .replace("3600", "3601");
    namespace.apply(&other).failure(1, &["taken"]);
    for arguments in [
        &["get", "pod", "nobody"][..],
        &["describe", "pod", "nobody"],
        &["delete", "pod", "nobody"],
        &["logs", "nobody"],
        &["history", "nobody"],
        &["exec", "nobody", "--", "true"],
    ] {
        namespace.run(arguments).failure(1, &["\"nobody\" not found"]);
    }
    namespace
        .run(&["logs", "taken", "-c", "nowhere"])
        .failure(1, &["nowhere"]);
}

#[test]
fn deletion_without_grace_has_to_be_asked_for_by_name() {
    let namespace = namespace("force-flag");
    let manifest = busybox("kept", &script(WAIT), "");
    namespace.start(&manifest, "kept");
    namespace
        .run(&["delete", "pod", "kept", "--grace-period=0"])
        .failure(1, &["--force"]);
    assert!(namespace.has("kept"));
}

#[test]
fn a_program_that_is_not_there_is_named_and_tried_again() {
    let namespace = namespace("no-program");
    namespace
        .apply(&busybox("bad", "    command: [/no/such/program]", ""))
        .success();
    let mut events = namespace.watch_events("bad");
    events.until("the failure is told", PATIENCE, |event| {
        event["reason"] == "Failed"
            && event["message"]
                .as_str()
                .is_some_and(|text| text.contains("/no/such/program"))
    });
    let mut watch = namespace.watch("bad");
    watch.until("the container waits to be tried again", PATIENCE, |pod| {
        let status = &pod["status"]["containerStatuses"][0];
        let reason = status["state"]["waiting"]["reason"].as_str().unwrap_or_default();
        ["RunContainerError", "CreateContainerError", "CrashLoopBackOff"].contains(&reason)
    });
    // The node goes on with other pods.
    namespace.start(&busybox("good", &script(WAIT), ""), "good");
}

#[test]
fn a_host_path_of_the_wrong_type_is_named() {
    let namespace = namespace("host-path");
    let volume = "  volumes: [{ name: v, hostPath: { path: /etc, type: File } }]";
    namespace
        .apply(&busybox(
            "bad",
            "    volumeMounts: [{ name: v, mountPath: /v }]",
            volume,
        ))
        .success();
    namespace
        .watch_events("bad")
        .until("the failure is told", PATIENCE, |event| {
            event["type"] == "Warning"
                && event["message"]
                    .as_str()
                    .is_some_and(|text| text.contains("hostPath type check failed: /etc is not a file"))
        });
    assert_eq!(namespace.pod("bad")["status"]["phase"], "Pending");
}

#[test]
fn no_agent_is_told_with_the_command_that_starts_one() {
    let folder = tempfile::tempdir().expect("/tmp can be written");
    let mut command = std::process::Command::new(probelet_tests::agent::binary("probelet"));
    command.args(["get", "pods"]).env("PROBELET_STATE_DIR", folder.path());
    let finished = probelet_tests::finished::Finished::run(&mut command);
    finished.failure(1, &["probelet node"]);
}

#[test]
fn the_agent_needs_root_and_says_so() {
    use std::os::unix::process::CommandExt;

    let agent = Agent::shared();
    // The binary may lie where nobody may look.
    let folder = tempfile::tempdir().expect("/tmp can be written");
    for name in ["probelet", "probelet-shim"] {
        std::fs::copy(probelet_tests::agent::binary(name), folder.path().join(name)).expect("/tmp can be written");
    }
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), everybody).expect("the folder is ours");
    let settings = agent.settings();
    let mut command = std::process::Command::new(folder.path().join("probelet"));
    command.args([
        "node",
        "--bridge",
        &settings.bridge,
        "--pod-cidr",
        &settings.pod_range,
        "--state-dir",
    ]);
    command.arg(folder.path().join("state")).uid(65534).gid(65534);
    probelet_tests::finished::Finished::run(&mut command).failure(1, &["root"]);
}
