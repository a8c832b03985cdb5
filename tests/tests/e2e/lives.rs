//! Hooks, grace periods, restart policies, several containers.

use std::time::{Duration, Instant};

use probelet_tests::{
    census::assert_ended,
    finished::Finished,
    namespace::Namespace,
    pod::{container, is_ready, is_running, restarts, runs_instance, termination, waiting_reason},
};
use serde_json::json;

use crate::{PATIENCE, WAIT, busybox, namespace, script};

#[track_caller]
fn assert_took(begin: Instant, least: u64, most: u64) {
    let took = begin.elapsed();
    assert!(
        (Duration::from_secs(least)..Duration::from_secs(most)).contains(&took),
        "it took {took:?}, not {least} to {most} s"
    );
}

#[test]
fn a_failed_post_start_hook_kills_the_container() {
    let namespace = namespace("post-start");
    let hook = "    lifecycle: { postStart: { exec: { command: [\"false\"] } } }";
    namespace
        .apply(&busybox("hooked", &(script(WAIT) + hook), ""))
        .success();
    let mut events = namespace.watch_events("hooked");
    events.until("PostStartHook failed", PATIENCE, |event| {
        event["reason"] == "FailedPostStartHook" && event["message"] == "PostStartHook failed"
    });
    events.until("the kill", PATIENCE, |event| {
        event["reason"] == "Killing" && event["message"] == "FailedPostStartHook"
    });
    namespace
        .watch("hooked")
        .until("it is tried again", PATIENCE, |pod| restarts(pod) >= 1);
    let history = namespace.history("hooked");
    assert!(
        history
            .iter()
            .all(|run| run["kind"] == "postStart" && run["outcome"] == "failure"),
        "{history:#?}"
    );
}

#[test]
fn a_failed_pre_stop_hook_is_told_and_stops_nothing() {
    let namespace = namespace("pre-stop");
    let hook = "    lifecycle: { preStop: { exec: { command: [sh, -c, 'echo no such queue; exit 3'] } } }";
    namespace.start(&busybox("hooked", &(script(WAIT) + hook), ""), "hooked");
    let mut events = namespace.watch_events("hooked");
    let begin = Instant::now();
    namespace.run(&["delete", "pod", "hooked"]).success();
    assert_took(begin, 0, 20);
    events.until("PreStopHook failed", PATIENCE, |event| {
        event["reason"] == "FailedPreStopHook" && event["message"] == "PreStopHook failed"
    });
    // Why is no event's affair, and the history has gone with the pod.
    namespace.agent().says("no such queue");
}

#[test]
fn hooks_can_sleep_and_call_the_container_over_http() {
    let namespace = namespace("hook-handlers");
    let manifest = "
apiVersion: v1
kind: Pod
metadata: { name: hooked }
spec:
  containers:
  - name: main
    image: ikubernetes/myapp:v1
    lifecycle:
      postStart: { sleep: { seconds: 2 } }
      preStop: { httpGet: { port: 80, path: /called-by-the-hook } }
";
    let begin = Instant::now();
    namespace.apply(manifest).success();
    namespace
        .watch("hooked")
        .until("the pod is ready after the hook", PATIENCE, is_ready);
    assert_took(begin, 2, 30);
    let history = namespace.history("hooked");
    assert!(
        history
            .iter()
            .any(|run| run["kind"] == "postStart" && run["outcome"] == "success"),
        "{history:#?}"
    );
    let log = namespace.command(&["logs", "--follow", "hooked"]);
    let mut log = probelet_tests::stream::Stream::lines(&mut { log });
    namespace.run(&["delete", "pod", "hooked"]).success();
    log.until("the request arrived", PATIENCE, |line| {
        line.contains("/called-by-the-hook")
    });
}

#[test]
fn a_pre_stop_hook_runs_before_the_signal_and_within_the_grace_period() {
    let namespace = namespace("hook-order");
    let folder = tempfile::tempdir().expect("/tmp can be written");
    let volume = format!(
        "  terminationGracePeriodSeconds: 4\n  volumes: [{{ name: v, hostPath: {{ path: {} }} }}]",
        folder.path().display()
    );
    let container = "    command: [sh, -c, \"trap 'echo signal >> /v/story; exit 0' TERM; sleep 3600 & wait\"]
    volumeMounts: [{ name: v, mountPath: /v }]
    lifecycle: { preStop: { exec: { command: [sh, -c, 'echo hook >> /v/story; sleep 1'] } } }";
    namespace.start(&busybox("ordered", container, &volume), "ordered");
    namespace.run(&["delete", "pod", "ordered"]).success();
    let story = std::fs::read_to_string(folder.path().join("story")).expect("the container wrote to the host");
    assert_eq!(story, "hook\nsignal\n");

    // A hook that never ends takes the whole grace period, and two seconds are left for the signal (B2.6).
    let endless = container.replace("sleep 1'", "sleep 86101'");
    namespace.start(&busybox("endless", &endless, &volume), "endless");
    let begin = Instant::now();
    namespace.run(&["delete", "pod", "endless"]).success();
    assert_took(begin, 4, 8);
    assert_ended("sleep 86101");
}

#[test]
fn the_grace_period_is_the_pods_own_or_the_one_asked_for() {
    let namespace = namespace("grace");
    // Process 1 has no handler for SIGTERM and ignores it.
    let deaf = "    command: [sleep, '3600']";
    namespace.start(&busybox("own", deaf, "  terminationGracePeriodSeconds: 3"), "own");
    namespace.start(&busybox("asked", deaf, ""), "asked");
    let begin = Instant::now();
    namespace.run(&["delete", "pod", "own"]).success();
    assert_took(begin, 3, 6);
    let begin = Instant::now();
    namespace.run(&["delete", "pod", "asked", "--grace-period=2"]).success();
    assert_took(begin, 2, 5);
}

#[test]
fn a_second_deletion_can_only_shorten_the_grace_period() {
    let namespace = namespace("shorter");
    let (mut watch, _) = namespace.start(&busybox("deaf", "    command: [sleep, '86102']", ""), "deaf");
    namespace.run(&["delete", "pod", "deaf", "--wait=false"]).success();
    watch.until("it is being deleted", PATIENCE, |pod| {
        !pod["metadata"]["deletionTimestamp"].is_null()
    });
    let shown = namespace.run(&["get", "pod", "deaf"]).success();
    assert!(shown.contains("Terminating"), "{shown}");
    let begin = Instant::now();
    namespace
        .run(&["delete", "pod", "deaf", "--grace-period=0", "--force"])
        .success();
    assert_took(begin, 0, 6);
    assert!(!namespace.has("deaf"));
    assert_ended("sleep 86102");
}

#[test]
fn never_means_never_and_on_failure_means_on_failure() {
    let namespace = namespace("policies");
    let pod = |name: &str, code: u32, policy: &str| {
        let container = format!("    command: [sh, -c, 'exit {code}']");
        namespace
            .apply(&busybox(name, &container, &format!("  restartPolicy: {policy}")))
            .success();
        namespace.watch(name)
    };
    let phase = |pod: &serde_json::Value| pod["status"]["phase"].as_str().unwrap_or_default().to_owned();

    pod("succeeds", 0, "Never").until("it has succeeded", PATIENCE, |pod| phase(pod) == "Succeeded");
    let (_, failed) = pod("fails", 3, "Never").until("it has failed", PATIENCE, |pod| phase(pod) == "Failed");
    assert_eq!(
        (&termination(&failed)["exitCode"], restarts(&failed)),
        (&serde_json::Value::from(3), 0)
    );
    pod("ends-well", 0, "OnFailure").until("it has succeeded", PATIENCE, |pod| phase(pod) == "Succeeded");
    let (_, again) = pod("ends-badly", 3, "OnFailure").until("it backs off", PATIENCE, |pod| {
        restarts(pod) >= 1 && waiting_reason(pod) == "CrashLoopBackOff"
    });
    assert_eq!(
        phase(&again),
        "Running",
        "a container that will be restarted keeps its pod running (C1.5)"
    );
    for (name, status) in [("succeeds", "Completed"), ("fails", "Error")] {
        let shown = namespace.run(&["get", "pod", name]).success();
        assert!(shown.contains(status), "{shown}");
    }
}

#[test]
fn a_liveness_kill_under_never_ends_the_pod() {
    let namespace = namespace("liveness-never");
    let probe = "    livenessProbe: { exec: { command: [\"false\"] }, periodSeconds: 1, failureThreshold: 1 }";
    namespace
        .apply(&busybox("once", &(script(WAIT) + probe), "  restartPolicy: Never"))
        .success();
    let mut watch = namespace.watch("once");
    let (_, pod) = watch.until("it has ended", PATIENCE, |pod| {
        ["Failed", "Succeeded"].contains(&pod["status"]["phase"].as_str().unwrap_or_default())
    });
    assert_eq!(restarts(&pod), 0);
    let events = namespace.events("once");
    // Without ", will be restarted" (A4.5).
    assert!(
        events
            .iter()
            .any(|event| event["message"] == "Container main failed liveness probe"),
        "{events:#?}"
    );
}

#[test]
fn containers_of_a_pod_live_and_die_by_themselves_and_share_a_network() {
    let namespace = namespace("several-containers");
    let manifest = "
apiVersion: v1
kind: Pod
metadata: { name: two }
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: web
    image: ikubernetes/myapp:v1
    readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 }
  - name: side
    image: busybox:latest
    command: [sh, -c, 'trap \"exit 0\" TERM; sleep 3600 & wait']
    livenessProbe: { exec: { command: [wget, -qO-, 'http://127.0.0.1/index.html'] }, periodSeconds: 1 }
";
    let (mut watch, _) = namespace.start(manifest, "two");
    watch.reaches("both are ready", PATIENCE, is_ready);
    let shown = namespace.run(&["get", "pod", "two"]).success();
    assert!(shown.contains("2/2"), "{shown}");
    // Statuses come by name (C3.3): side, then web.
    namespace.run(&["exec", "two", "-c", "web", "--", "nginx", "-s", "stop"]);
    watch.until("web alone was restarted", PATIENCE, |pod| {
        container(pod, 1)["restartCount"] == 1 && container(pod, 1)["state"]["running"].is_object()
    });
    let hostname = |container| {
        namespace
            .run(&["exec", "two", "-c", container, "--", "hostname"])
            .success()
    };
    assert_eq!((hostname("web").trim(), hostname("side").trim()), ("two", "two"));
    let begin = Instant::now();
    namespace.run(&["delete", "pod", "two"]).success();
    assert_took(begin, 0, 10);
}

#[test]
fn a_container_that_ends_by_itself_is_restarted_and_its_former_log_kept() {
    let namespace = namespace("own-end");
    let container = "    command: [sh, -c, 'echo life; [ -e /v/second ] && exec sleep 3600; touch /v/second; exit 7']
    volumeMounts: [{ name: v, mountPath: /v }]";
    namespace
        .apply(&busybox("ends", container, "  volumes: [{ name: v, emptyDir: {} }]"))
        .success();
    let mut watch = namespace.watch("ends");
    let (_, pod) = watch.until("it was restarted", PATIENCE, |pod| runs_instance(pod, 1));
    assert_eq!(termination(&pod)["exitCode"], 7);
    assert_eq!(namespace.run(&["logs", "ends", "--previous"]).success(), "life\n");
    watch.always("it stays", Duration::from_secs(1), is_running);
}

#[test]
fn b1_8_a_hook_that_asks_a_plain_server_with_tls_is_repeated_without_and_that_is_told() {
    let namespace = namespace("hook-fallback");
    let manifest = "
apiVersion: v1
kind: Pod
metadata: { name: hooked }
spec:
  containers:
  - name: main
    image: ikubernetes/myapp:v1
    readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 }
    lifecycle: { preStop: { httpGet: { port: 80, scheme: HTTPS, path: /called-by-the-hook } } }
";
    namespace.apply(manifest).success();
    let (_, pod) = namespace.watch("hooked").until("the pod is ready", PATIENCE, is_ready);
    let mut events = namespace.watch_events("hooked");
    namespace.run(&["delete", "pod", "hooked"]).success();
    let told = format!(
        "request to HTTPS lifecycle hook {}:80 got HTTP response, retry with HTTP succeeded",
        probelet_tests::pod::address(&pod)
    );
    events.until("the retry is told", PATIENCE, |event| {
        event["reason"] == "LifecycleHTTPFallback" && event["message"] == *told
    });
    assert!(!events.has_seen(|event| event["reason"] == "FailedPreStopHook"));
    assert_counted(&namespace, "kubelet_lifecycle_handler_http_fallbacks_total");
}

/// Whether the agent's metrics count at least one of these.
#[track_caller]
fn assert_counted(namespace: &Namespace, name: &str) {
    let metrics = Finished::run(&mut namespace.agent().client(&["metrics"])).success();
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
    let count = line.and_then(|line| line.split(' ').next_back()?.parse::<f64>().ok());
    assert!(count >= Some(1.0), "{name}: {line:?}");
}

#[test]
fn b1_12_a_sleep_that_is_cut_short_fails_and_is_counted() {
    let namespace = namespace("short-sleep");
    let hook = "    lifecycle: { preStop: { sleep: { seconds: 3600 } } }";
    let grace = "  terminationGracePeriodSeconds: 3600";
    namespace.start(&busybox("sleeper", &(script(WAIT) + hook), grace), "sleeper");
    let begin = Instant::now();
    namespace
        .run(&["delete", "pod", "sleeper", "--grace-period", "1"])
        .success();
    assert_took(begin, 1, 30);
    assert_counted(&namespace, "kubelet_sleep_action_terminated_early_total");
}

#[test]
fn c2_4_c2_7_a_readiness_gate_opens_and_closes_with_the_condition_that_a_controller_sets() {
    let namespace = namespace("gated");
    let gate = "  readinessGates: [{ conditionType: example.com/warm }]";
    namespace.apply(&busybox("gated", &script(WAIT), gate)).success();
    let mut watch = namespace.watch("gated");
    let is = |pod: &serde_json::Value, name: &str| probelet_tests::pod::condition(pod, name);
    let (_, pod) = watch.until("its container is ready", PATIENCE, |pod| is(pod, "ContainersReady"));
    assert!(!is_ready(&pod), "nobody has opened the gate: {pod:#}");

    let set = |status: &str, expected: &str| {
        let condition = json!([{ "type": "example.com/warm", "status": status }]);
        let path = "/api/v1/namespaces/gated/pods/gated/status";
        let agent = namespace.agent();
        let answer = agent.patch(path, &json!({ "status": { "conditions": condition } }));
        assert_eq!(answer, expected, "{status}");
    };
    set("Perhaps", "HTTP/1.1 422 Unprocessable Entity");
    set("True", "HTTP/1.1 200 OK");
    watch.until("the gate is open", PATIENCE, is_ready);
    let wide = namespace.run(&["get", "pod", "gated", "-o", "wide"]).success();
    assert!(wide.contains("1/1"), "{wide}");
    set("False", "HTTP/1.1 200 OK");
    let (_, pod) = watch.until("the gate is closed", PATIENCE, |pod| !is_ready(pod));
    let ready = pod["status"]["conditions"].as_array().into_iter().flatten();
    let ready: Vec<_> = ready.filter(|one| one["type"] == "Ready").collect();
    assert_eq!(ready[0]["reason"], "ReadinessGatesNotReady");
    assert_eq!(
        ready[0]["message"],
        "the status of pod readiness gate \"example.com/warm\" is not \"True\", but False"
    );
}
