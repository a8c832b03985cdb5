//! How containers and pods are ended: rules by exit code, deadlines, stop signals, last words, gates.

use serde_json::Value;

use crate::{PATIENCE, busybox, namespace, script};

fn has_phase(phase: &'static str) -> impl Fn(&Value) -> bool {
    move |pod| pod["status"]["phase"] == phase
}

/// How the first container has ended.
fn end(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["state"]["terminated"]
}

#[test]
fn b6_5_last_words_come_from_the_file_or_else_from_the_log() {
    let namespace = namespace("last-words");
    let never = "  restartPolicy: Never";
    let written = "    command: [sh, -c, 'echo no database > /dev/termination-log; echo logged; exit 3']";
    let elsewhere = "    command: [sh, -c, 'echo over > /tmp/words']
    terminationMessagePath: /tmp/words";
    let logged = "    command: [sh, -c, 'echo first; echo no disk; exit 3']
    terminationMessagePolicy: FallbackToLogsOnError";
    let neither = "    command: [sh, -c, 'echo logged; exit 3']";
    let cases = [
        ("written", written, "no database\n"),
        ("elsewhere", elsewhere, "over\n"),
        ("logged", logged, "first\nno disk"),
        ("neither", neither, ""),
    ];
    for (name, container, _) in cases {
        namespace.apply(&busybox(name, container, never)).success();
    }
    for (name, _, message) in cases {
        let (_, pod) = namespace
            .watch(name)
            .until("it has ended", PATIENCE, |pod| end(pod).is_object());
        assert_eq!(end(&pod)["message"].as_str().unwrap_or_default(), message, "{name}");
    }
}

#[test]
fn b3_1_the_manifests_stop_signal_goes_before_the_images() {
    let namespace = namespace("stop-signal");
    let container =
        "    command: [sh, -c, \"trap 'exit 5' USR1; trap '' TERM; sleep 3600 & while true; do wait; done\"]
    lifecycle: { stopSignal: SIGUSR1 }
    livenessProbe: { exec: { command: [test, '!', -e, /tmp/stop] }, periodSeconds: 1, failureThreshold: 1 }";
    let spec = "  restartPolicy: Never\n  os: { name: linux }";
    namespace.start(&busybox("deaf", container, spec), "deaf");
    namespace.exec("deaf", &["touch", "/tmp/stop"]).success();
    let (_, pod) = namespace
        .watch("deaf")
        .until("it has ended", PATIENCE, |pod| end(pod).is_object());
    assert_eq!(end(&pod)["exitCode"], 5, "{pod:#}");
}

#[test]
fn b6_6_a_pod_that_is_active_for_too_long_fails() {
    let namespace = namespace("deadline");
    let spec = "  activeDeadlineSeconds: 3";
    namespace.apply(&busybox("late", &script(crate::WAIT), spec)).success();
    let (_, pod) = namespace.watch("late").until("it fails", PATIENCE, has_phase("Failed"));
    assert_eq!(pod["status"]["reason"], "DeadlineExceeded");
    // It ended well, by the signal; the pod has failed nevertheless.
    assert_eq!(end(&pod)["exitCode"], 0);
    let row = namespace.run(&["get", "pod", "late"]).success();
    assert!(row.contains("Completed"), "{row}");
    let events = namespace.events("late");
    assert!(
        events.iter().any(|event| event["reason"] == "DeadlineExceeded"),
        "{events:#?}"
    );
}

#[test]
fn b5_3_b5_4_rules_restart_one_container_or_all() {
    let namespace = namespace("rules");
    let manifest = "
apiVersion: v1
kind: Pod
metadata: { name: rules }
spec:
  restartPolicy: Never
  initContainers:
  - name: setup
    image: busybox:latest
    command: ['true']
  containers:
  - name: main
    image: busybox:latest
    command: [sh, -c, 'while [ ! -e /tmp/code ]; do sleep 0.1; done; exit $(cat /tmp/code)']
    restartPolicy: Never
    restartPolicyRules:
    - { action: Restart, exitCodes: { operator: In, values: [42] } }
    - { action: RestartAllContainers, exitCodes: { operator: In, values: [43] } }
  - name: other
    image: busybox:latest
    command: [sh, -c, \"trap 'exit 0' TERM; sleep 3600 & wait\"]
";
    namespace.start(manifest, "rules");
    let mut watch = namespace.watch("rules");
    let counts = |pod: &Value| -> Vec<u64> {
        let status = &pod["status"];
        let all = [
            &status["initContainerStatuses"][0],
            &status["containerStatuses"][0],
            &status["containerStatuses"][1],
        ];
        all.map(|one| one["restartCount"].as_u64().unwrap_or_default()).to_vec()
    };
    let ready = probelet_tests::pod::is_ready;
    watch.until("all run", PATIENCE, ready);
    for (code, expected) in [("42", [0, 1, 0]), ("43", [1, 2, 1])] {
        let write = ["sh", "-c", &format!("echo {code} > /tmp/code")];
        namespace.exec("rules", &write).success();
        watch.until("what the rule says", PATIENCE, |pod| {
            ready(pod) && counts(pod) == expected
        });
    }
    assert!(watch.has_seen(|pod| probelet_tests::pod::condition(pod, "AllContainersRestarting")));
}
