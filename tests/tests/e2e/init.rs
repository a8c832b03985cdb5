//! Init containers and sidecars.

use std::fs::read_to_string;

use serde_json::Value;
use tempfile::TempDir;

use crate::{PATIENCE, namespace};

/// Three containers that write down what they do: an init container, a sidecar with a startup probe, and one more.
const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  restartPolicy: POLICY
  volumes: [{ name: v, hostPath: { path: FOLDER } }]
  initContainers:
  - name: setup
    image: busybox:latest
    command: [sh, -c, \"echo setup >> /v/story; sleep 1; exit $(cat /v/code)\"]
    volumeMounts: [{ name: v, mountPath: /v }]
  - name: log
    image: busybox:latest
    restartPolicy: Always
    command: [sh, -c, \"trap 'echo log ends >> /v/story; exit 0' TERM; echo log >> /v/story; touch /v/up; sleep 3600 & wait\"]
    startupProbe: { exec: { command: [cat, /v/up] }, periodSeconds: 1 }
    readinessProbe: { exec: { command: [cat, /v/up] }, periodSeconds: 1 }
    lifecycle: { preStop: { exec: { command: [sh, -c, 'echo log hook >> /v/story'] } } }
    volumeMounts: [{ name: v, mountPath: /v }]
  containers:
  - name: main
    image: busybox:latest
    command: [sh, -c, \"trap 'sleep 4; echo main ends >> /v/story; exit 0' TERM; echo main >> /v/story; MAIN\"]
    volumeMounts: [{ name: v, mountPath: /v }]
";

/// The manifest, with the folder that the containers share, and the exit code of the init container.
fn pod(policy: &str, code: i32, main: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("/tmp can be written");
    std::fs::write(folder.path().join("code"), code.to_string()).expect("/tmp can be written");
    let path = folder.path().display().to_string();
    let manifest = POD.replace("POLICY", policy).replace("FOLDER", &path);
    (folder, manifest.replace("MAIN", main))
}

fn story(folder: &TempDir) -> Vec<String> {
    let story = read_to_string(folder.path().join("story")).unwrap_or_default();
    story.lines().map(str::to_owned).collect()
}

fn init_container(pod: &Value, index: usize) -> &Value {
    &pod["status"]["initContainerStatuses"][index]
}

fn has_phase(phase: &'static str) -> impl Fn(&Value) -> bool {
    move |pod| pod["status"]["phase"] == phase
}

#[test]
fn b4_1_b4_3_b4_6_containers_start_in_order_and_sidecars_end_last() {
    let namespace = namespace("init-order");
    let (folder, manifest) = pod("Always", 0, "sleep 3600 & wait");
    namespace.apply(&manifest).success();
    let mut table = namespace.table("web");
    table.until("the column counts", PATIENCE, |line| line.contains("Init:0/2"));
    table.until("the init container is done", PATIENCE, |line| line.contains("Init:1/2"));
    table.until("all run", PATIENCE, |line| {
        line.contains("2/2") && line.contains("Running")
    });
    let shown = namespace.pod("web");
    let setup = init_container(&shown, 0);
    assert_eq!(
        (&setup["ready"], &setup["state"]["terminated"]["reason"]),
        (&true.into(), &"Completed".into())
    );
    let log = init_container(&shown, 1);
    assert_eq!((&log["ready"], &log["started"]), (&true.into(), &true.into()));
    namespace.run(&["delete", "pod", "web"]).success();
    // The hook of the sidecar begins at once, its signal waits for the main container's end.
    assert_eq!(
        story(&folder),
        ["setup", "log", "main", "log hook", "main ends", "log ends"]
    );
}

#[test]
fn b4_2_an_init_container_that_fails_is_tried_again_or_fails_the_pod() {
    let namespace = namespace("init-fails");
    let (folder, manifest) = pod("OnFailure", 3, "exit 0");
    namespace.apply(&manifest).success();
    let mut watch = namespace.watch("web");
    watch.until("it waits", PATIENCE, |pod| {
        init_container(pod, 0)["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    });
    let initialized = &namespace.pod("web")["status"]["conditions"][1];
    assert_eq!(initialized["message"], "containers with incomplete status: [setup log]");
    let row = namespace.run(&["get", "pod", "web"]).success();
    assert!(row.contains("Init:CrashLoopBackOff"), "{row}");
    std::fs::write(folder.path().join("code"), "0").expect("/tmp can be written");
    // B4.5: the pod ends with its last regular container, and the sidecar with it.
    watch.until("it succeeds", PATIENCE, has_phase("Succeeded"));
    assert_eq!(story(&folder).last().map(String::as_str), Some("log ends"));

    let (folder, manifest) = pod("Never", 4, "exit 0");
    let manifest = manifest.replace("name: web", "name: once");
    namespace.apply(&manifest).success();
    let (_, failed) = namespace.watch("once").until("it fails", PATIENCE, has_phase("Failed"));
    assert_eq!(init_container(&failed, 0)["state"]["terminated"]["exitCode"], 4);
    assert_eq!(story(&folder), ["setup"]);
}

#[test]
fn b4_4_a_sidecar_is_restarted_and_the_rest_goes_on() {
    let namespace = namespace("sidecar-restarts");
    let (folder, manifest) = pod("Never", 0, "sleep 3600 & wait");
    namespace.apply(&manifest).success();
    let mut watch = namespace.watch("web");
    watch.until("all run", PATIENCE, probelet_tests::pod::is_ready);
    let kill = ["exec", "web", "-c", "log", "--", "sh", "-c", "kill 1"];
    // The command dies with the container that it has ended.
    namespace.run(&kill);
    watch.until("it runs again", PATIENCE, |pod| {
        let log = init_container(pod, 1);
        log["restartCount"] == 1 && log["ready"] == true
    });
    assert_eq!(probelet_tests::pod::restarts(&namespace.pod("web")), 0);
    assert_eq!(story(&folder), ["setup", "log", "main", "log ends", "log"]);
    namespace.run(&["delete", "pod", "web"]).success();
}
