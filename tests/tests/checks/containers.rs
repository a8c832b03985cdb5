//! Checks and hooks that look into the container: files, logs, memory, connections. Each on a real container.

use std::{net::TcpStream, time::Duration};

use probelet_tests::{agent::Agent, namespace::Namespace, pod::address};
use serde_json::Value;

/// How long anything may take on a machine that runs all tests at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a pod whose shell runs a script, with these further fields, indented by four.
#[track_caller]
fn start(namespace: &Namespace, name: &str, script: &str, fields: &str) {
    let manifest = format!(
        "apiVersion: v1
kind: Pod
metadata: {{ name: {name} }}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: main
    image: busybox:latest
    command: [sh, -c, \"trap 'exit 0' TERM; {script} sleep 3600 & wait\"]
{fields}"
    );
    namespace.start(&manifest, name);
}

/// A readiness probe every quarter of a second.
fn readiness(check: &str, handler: &str) -> String {
    format!(
        "    readinessProbe:
      wasm: {{ component: \"builtin:{check}\", {handler} }}
      periodMilliseconds: 250
      timeoutSeconds: 2
      failureThreshold: 1
"
    )
}

/// Waits for a run with this outcome, whose message holds a text.
#[track_caller]
fn run_with(namespace: &Namespace, pod: &str, outcome: &str, text: &str) -> Value {
    namespace.wait_for_run(pod, &format!("{outcome} with `{text}`"), PATIENCE, |run| {
        run["outcome"] == outcome && run["message"].as_str().unwrap_or_default().contains(text)
    })
}

#[test]
fn a_heartbeat_is_fresh_stale_or_not_there() {
    let namespace = Agent::shared().namespace("checks-files");
    let beat = "touch /tmp/beat; while [ ! -e /tmp/stop ]; do touch /tmp/beat; sleep 0.2; done &";
    let handler = "config: { path: /tmp/beat, maxAgeSeconds: 2 }, allow: { files: [/tmp/beat] }";
    start(&namespace, "beat", beat, &readiness("file-freshness", handler));
    run_with(&namespace, "beat", "success", "");
    namespace.exec("beat", &["touch", "/tmp/stop"]).success();
    run_with(&namespace, "beat", "failure", "/tmp/beat was changed");
    namespace.exec("beat", &["rm", "/tmp/beat"]).success();
    run_with(&namespace, "beat", "failure", "there is no /tmp/beat");
}

#[test]
fn a_line_in_the_log_is_found() {
    let namespace = Agent::shared().namespace("checks-logs");
    let handler = "config: { pattern: '^panic:' }, allow: { logs: true }";
    start(&namespace, "log", "echo started;", &readiness("log-pattern", handler));
    run_with(&namespace, "log", "success", "");
    namespace
        .exec("log", &["sh", "-c", "echo panic: no more > /proc/1/fd/1"])
        .success();
    run_with(&namespace, "log", "failure", "panic: no more");
}

#[test]
fn memory_that_grows_is_a_leak() {
    let namespace = Agent::shared().namespace("checks-memory");
    let grow =
        "i=0; while [ $i -lt 200 ]; do i=$((i+1)); dd if=/dev/zero of=/dev/shm/$i bs=64k count=1; sleep 0.2; done &";
    let handler = "config: { windowSeconds: 60, minSeconds: 1, maxGrowthPerHour: 10000000 }, allow: { stats: true }";
    start(&namespace, "leak", grow, &readiness("memory-trend", handler));
    run_with(&namespace, "leak", "failure", "memory grows by");
    start(
        &namespace,
        "steady",
        "",
        &readiness("memory-trend", &handler.replace("10000000", "100000000000000")),
    );
    let run = run_with(&namespace, "steady", "success", "");
    assert!(run["fields"].to_string().contains("bytes"), "{run}");
}

#[test]
fn a_file_system_has_space_or_not() {
    let namespace = Agent::shared().namespace("checks-space");
    let handler = |least: u8| format!("config: {{ path: /, minFreePercent: {least} }}, allow: {{ files: [/] }}");
    start(&namespace, "space", "", &readiness("disk-space", &handler(0)));
    run_with(&namespace, "space", "success", "");
    // No file system in use is empty to its last byte.
    start(&namespace, "full", "", &readiness("disk-space", &handler(100)));
    run_with(&namespace, "full", "failure", "bytes free");
}

#[test]
fn connections_are_waited_for_before_the_stop() {
    let namespace = Agent::shared().namespace("checks-drain");
    let hook = "    lifecycle:
      preStop:
        wasm:
          component: \"builtin:drain-connections\"
          config: { port: 8080, wait: { everyMilliseconds: 100 } }
          allow: { exec: [[cat, /proc/net/tcp, /proc/net/tcp6]] }
";
    let listen = "nc -l -p 8080 -e sleep 3600 &";
    start(&namespace, "idle", listen, hook);
    namespace.run(&["delete", "pod", "idle"]).success();
    let failed = |pod: &str| {
        namespace
            .events(pod)
            .iter()
            .any(|event| event["reason"] == "FailedPreStopHook")
    };
    assert!(!failed("idle"), "{:#?}", namespace.events("idle"));

    start(&namespace, "busy", listen, hook);
    // A listener's state in the kernel's table is 0A.
    let listens = "until grep -q ':1F90 .* 0A ' /proc/net/tcp /proc/net/tcp6; do :; done";
    namespace.exec("busy", &["sh", "-c", listens]).success();
    let _client = TcpStream::connect((address(&namespace.pod("busy")), 8080)).expect("the pod listens");
    let mut events = namespace.watch_events("busy");
    namespace.run(&["delete", "pod", "busy", "--wait=false"]).success();
    // The same hook has not failed beside no connection; what it says is in no event, as in Kubernetes.
    events.until("the hook has failed", PATIENCE, |event| {
        event["reason"] == "FailedPreStopHook"
    });
}
