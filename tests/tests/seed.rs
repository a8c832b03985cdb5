//! Every row of the table in `data/seed/README.md`, on real containers.
//!
//! The manifests are the ones that people gave us, unmodified. All rows run at once against one agent, so the suite
//! takes about as long as its slowest row, five minutes. Times are taken as a user sees them, on the watch.

use std::time::{Duration, Instant};

use probelet_tests::{
    agent::{Agent, seed},
    namespace::Namespace,
    pod::{address, condition, container, is_ready, is_running, restarts, runs_instance, termination, waiting_reason},
    stream::Stream,
};
use serde_json::Value;

/// What a shared machine may add to any of the times below.
const NOISE: f64 = 2.0;

/// Restarts until back-off is longer than a life of exec-health-pod: 10, 20, 40, then 80 s.
const MAX_HIDDEN_WAITS: u64 = 6;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn default_namespace() -> Namespace {
    Agent::shared().namespace("default")
}

/// Asserts how long something took; the upper end gets [`NOISE`] on top.
#[track_caller]
fn assert_took(what: &str, from: Instant, to: Instant, least: f64, most: f64) {
    let took = to.saturating_duration_since(from).as_secs_f64();
    // A watcher learns of the start a little late, and so finds what follows a little early.
    let early = 0.3;
    assert!(
        (least - early..=most + NOISE).contains(&took),
        "{what} took {took:.2} s, not {least} to {most} s"
    );
}

/// Waits for an event of this reason whose message holds the text.
#[track_caller]
fn event(events: &mut Stream<Value>, reason: &str, text: &str, patience: u64) -> (Instant, Value) {
    counted_event(events, reason, text, 1, patience)
}

/// The same, counted at least so often.
#[track_caller]
fn counted_event(events: &mut Stream<Value>, reason: &str, text: &str, count: u64, patience: u64) -> (Instant, Value) {
    let what = format!("the event {reason} `{text}`, {count} times");
    events.until(&what, seconds(patience), |event| {
        event["reason"] == reason
            && event["message"].as_str().is_some_and(|message| message.contains(text))
            && event["count"].as_u64() >= Some(count)
    })
}

/// The runs of one kind of probe or hook that had this outcome.
fn runs<'a>(history: &'a [Value], kind: &str, outcome: &str) -> Vec<&'a Value> {
    history
        .iter()
        .filter(|run| run["kind"] == kind && run["outcome"] == outcome)
        .collect()
}

#[test]
fn a_command_that_cannot_be_executed_is_warned_of_and_restarts_the_container_with_growing_back_off() {
    let namespace = default_namespace();
    let applied = namespace.apply_file(&seed("exec-health-hook.yaml"));
    assert!(
        applied.stderr.contains(r#"["cat", "/tmp/health"]"#),
        "the warning names the fix: {applied:#?}"
    );
    applied.success();
    let (mut watch, started) = namespace.wait_until_running("exec-health-pod");
    let mut events = namespace.watch_events("exec-health-pod");

    let (first, _) = event(&mut events, "Unhealthy", "Liveness probe failed: ", 20);
    assert_took("the first failure", started, first, 5.0, 5.0);
    let (third, unhealthy) = counted_event(&mut events, "Unhealthy", "cat /tmp/health", 3, 20);
    let message = unhealthy["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("no such file or directory"),
        "the program is missing: {message}"
    );
    assert_eq!(
        (&unhealthy["type"], &unhealthy["involvedObject"]["fieldPath"]),
        (&Value::from("Warning"), &Value::from("spec.containers{busybox}"),)
    );
    let (killing, _) = event(
        &mut events,
        "Killing",
        "Container busybox failed liveness probe, will be restarted",
        10,
    );
    assert_took("the third failure", started, third, 15.0, 15.0);
    assert_took("the kill", started, killing, 15.0, 15.0);

    // The shell is process 1 and has no handler for SIGTERM, so only SIGKILL after the grace period ends it.
    let (ended, pod) = watch.until("the first instance has ended", seconds(45), |pod| {
        termination(pod)["exitCode"] == 137 && restarts(pod) == 0 || restarts(pod) == 1
    });
    assert_took("the grace period", killing, ended, 30.0, 31.0);
    assert_eq!(termination(&pod)["reason"], "Error");
    let (again, _) = watch.until("the second instance runs", seconds(10), |pod| runs_instance(pod, 1));
    assert_took("the first restart, which waits for nothing,", ended, again, 0.0, 1.0);

    // From here on it goes round and round. How long a restart waits is counted from the end before the one just seen
    // (B5.5, B5.10), and a life takes 45 s: the first waits hide behind it, the first to show is a longer one.
    let mut started = again;
    for instance in 1..=MAX_HIDDEN_WAITS {
        let (ended, pod) = watch.until("an instance has ended", seconds(60), |pod| {
            restarts(pod) > instance || !waiting_reason(pod).is_empty() || !is_running(pod)
        });
        assert_took("a life", started, ended, 45.0, 46.0);
        let (next, _) = watch.until("the next instance runs", seconds(330), |pod| {
            runs_instance(pod, instance + 1)
        });
        let waited = watch.has_seen(|pod| waiting_reason(pod) == "CrashLoopBackOff");
        assert!(
            waited || next.duration_since(ended) < seconds(3),
            "it waits without saying so: {pod}"
        );
        if waited {
            assert!(next.duration_since(ended) > seconds(3), "back-off is a wait: {pod}");
            break;
        }
        started = next;
    }
    assert!(
        watch.has_seen(|pod| waiting_reason(pod) == "CrashLoopBackOff"),
        "back-off grows until it shows"
    );
    event(
        &mut events,
        "BackOff",
        "Back-off restarting failed container busybox in pod exec-health-pod_default",
        5,
    );
    let shown = column(&namespace, "exec-health-pod", "RESTARTS");
    let count = restarts(&namespace.pod("exec-health-pod"));
    assert!(
        shown.starts_with(&format!("{count} (")),
        "the count and the time of the last one: {shown}"
    );
    let history = namespace.history("exec-health-pod");
    assert!(
        runs(&history, "liveness", "failure").len() >= 6,
        "each failure was recorded: {history:#?}"
    );
    assert_eq!(runs(&history, "liveness", "success").len(), 0);
}

#[test]
fn a_removed_file_makes_a_ready_container_restart_again_and_again() {
    let namespace = default_namespace();
    let manifest = std::fs::read_to_string(seed("exec-health-hook.yaml"))
        .expect("the manifest is there")
        .replace(r#"["cat /tmp/health"]"#, r#"["cat", "/tmp/health"]"#)
        .replace("/tmp/healthy", "/tmp/health")
        .replace("exec-health-pod", "exec-health-mended-pod");
    let (mut watch, started) = namespace.start(&manifest, "exec-health-mended-pod");
    let mut events = namespace.watch_events("exec-health-mended-pod");
    watch.reaches("the pod is ready", seconds(5), is_ready);

    let (killing, _) = event(&mut events, "Killing", "failed liveness probe, will be restarted", 60);
    assert_took("the kill", started, killing, 40.0, 45.0);
    let text = "Liveness probe failed: cat: can't open '/tmp/health': No such file";
    let is_told = |event: &Value| {
        event["message"]
            .as_str()
            .is_some_and(|message| message.starts_with(text))
    };
    assert!(events.has_seen(is_told), "the failures before the kill are told");
    let (restarted, pod) = watch.until("the container was restarted", seconds(45), |pod| runs_instance(pod, 1));
    assert_took("the restart", killing, restarted, 30.0, 32.0);
    assert_eq!(termination(&pod)["exitCode"], 137);
    let (again, _) = counted_event(
        &mut events,
        "Killing",
        "failed liveness probe, will be restarted",
        2,
        60,
    );
    assert_took("the second kill", restarted, again, 40.0, 45.0);

    let history = namespace.history("exec-health-mended-pod");
    assert!(runs(&history, "liveness", "success").len() >= 5 && runs(&history, "liveness", "failure").len() >= 6);
}

#[test]
fn a_missing_page_restarts_the_container_and_the_restart_brings_it_back() {
    let namespace = default_namespace();
    namespace.apply_file(&seed("httpGet-health-hook.yaml")).success();
    let (mut watch, _) = namespace.wait_until_running("http-health-pod");
    let mut events = namespace.watch_events("http-health-pod");
    watch.reaches("the pod is ready", seconds(5), is_ready);
    namespace
        .exec("http-health-pod", &["rm", "/usr/share/nginx/html/index.html"])
        .success();

    let text = "Liveness probe failed: HTTP probe failed with statuscode: 404";
    let times = [1, 2, 3].map(|count| counted_event(&mut events, "Unhealthy", text, count, 10).0);
    assert_took("the second failure", times[0], times[1], 3.0, 3.0);
    assert_took("the third failure", times[1], times[2], 3.0, 3.0);
    let (killing, _) = event(
        &mut events,
        "Killing",
        "Container myapp failed liveness probe, will be restarted",
        5,
    );
    let (restarted, _) = watch.until("the container was restarted", seconds(35), |pod| runs_instance(pod, 1));
    assert_took("nginx's end and the restart", killing, restarted, 0.0, 5.0);

    // Healthy again: the next three runs succeed, and nothing else is said about it.
    watch.always("the restarted container stays", seconds(13), |pod| {
        restarts(pod) == 1 && is_ready(pod)
    });
    let history = namespace.history("http-health-pod");
    let second_life: Vec<&Value> = history.iter().filter(|run| run["instance"] == 1).collect();
    assert!(
        second_life.len() >= 3 && second_life.iter().all(|run| run["outcome"] == "success"),
        "{second_life:#?}"
    );
}

#[test]
fn a_stopped_server_is_seen_as_completed_and_not_ready_before_it_runs_again() {
    let namespace = default_namespace();
    namespace.apply_file(&seed("tcpsocket-health-hook.yaml")).success();
    let (mut watch, _) = namespace.wait_until_running("tcpsocket-health-pod");
    let mut table = namespace.table("tcpsocket-health-pod");
    let columns = ["NAME", "READY", "STATUS", "RESTARTS", "AGE"];
    table.until("the header", seconds(5), |line| line.split_whitespace().eq(columns));
    table.until("the pod is ready", seconds(5), |line| {
        starts_with(line, &["1/1", "Running", "0"])
    });
    // The first run is 5 s after the start, and without it the history would have nothing to show.
    let mut events = namespace.watch_events("tcpsocket-health-pod");
    watch.always("the probe has nothing to complain of", seconds(7), |pod| {
        is_ready(pod) && restarts(pod) == 0
    });
    assert!(!runs(&namespace.history("tcpsocket-health-pod"), "liveness", "success").is_empty());

    // What stops nginx may be killed by its end.
    namespace.exec("tcpsocket-health-pod", &["nginx", "-s", "stop"]);
    table.until("0/1 Completed", seconds(10), |line| {
        starts_with(line, &["0/1", "Completed", "0"])
    });
    table.until("1/1 Running again", seconds(10), |line| {
        starts_with(line, &["1/1", "Running", "1"])
    });
    let (_, pod) = watch.until("RESTARTS 1", seconds(10), |pod| runs_instance(pod, 1));
    assert_eq!(
        (&termination(&pod)["exitCode"], &termination(&pod)["reason"]),
        (&Value::from(0), &Value::from("Completed"),)
    );
    event(&mut events, "Started", "Container started", 5);
}

#[test]
fn a_container_that_never_gets_ready_is_left_alone() {
    let namespace = default_namespace();
    namespace.apply_file(&seed("exec-ready-hook.yaml")).success();
    let (mut watch, _) = namespace.wait_until_running("exec-ready-pod");
    let mut events = namespace.watch_events("exec-ready-pod");
    event(&mut events, "Unhealthy", "Readiness probe failed: ", 20);
    watch.always("0/1 Running, RESTARTS 0", seconds(30), |pod| {
        !is_ready(pod) && runs_instance(pod, 0)
    });
    counted_event(&mut events, "Unhealthy", "cat /tmp/health", 5, 5);

    let unhealthy: Vec<Value> = namespace
        .events("exec-ready-pod")
        .into_iter()
        .filter(|event| event["reason"] == "Unhealthy")
        .collect();
    assert_eq!(unhealthy.len(), 1, "one event, counted: {unhealthy:#?}");
    let described = namespace.run(&["describe", "pod", "exec-ready-pod"]).success();
    let line = described
        .lines()
        .find(|line| line.contains("Unhealthy"))
        .expect("describe shows the event");
    assert!(
        line.contains(" (x") && line.contains(" over "),
        "counted as kubectl shows it: {line}"
    );
    assert_eq!(column(&namespace, "exec-ready-pod", "READY"), "0/1");
    assert_eq!(column(&namespace, "exec-ready-pod", "STATUS"), "Running");
    assert_eq!(column(&namespace, "exec-ready-pod", "RESTARTS"), "0");
    assert_eq!(
        runs(&namespace.history("exec-ready-pod"), "readiness", "success").len(),
        0
    );
}

#[test]
fn a_missing_page_takes_readiness_away_and_its_return_gives_it_back() {
    let namespace = default_namespace();
    namespace.apply_file(&seed("http-ready-hook.yaml")).success();
    let (mut watch, started) = namespace.wait_until_running("http-ready-pod");
    let (ready, _) = watch.until("the pod is ready", seconds(15), is_ready);
    assert_took("readiness", started, ready, 3.0, 3.0);
    let described = namespace.run(&["describe", "pod", "http-ready-pod"]).success();
    for text in [
        "Readiness:",
        "http-get http://:80/index.html delay=3s timeout=1s period=3s #success=1 #failure=3",
        "Conditions:",
    ] {
        assert!(described.contains(text), "`{text}` is missing:\n{described}");
    }

    let page = "/usr/share/nginx/html/index.html";
    namespace
        .exec("http-ready-pod", &["mv", page, "/tmp/index.html"])
        .success();
    let removed = Instant::now();
    let (unready, pod) = watch.until("1/1 becomes 0/1", seconds(20), |pod| !is_ready(pod));
    assert_took("the third failure", removed, unready, 6.0, 9.0);
    assert!(!condition(&pod, "ContainersReady") && runs_instance(&pod, 0));
    namespace
        .exec("http-ready-pod", &["mv", "/tmp/index.html", page])
        .success();
    let returned = Instant::now();
    let (ready, pod) = watch.until("0/1 becomes 1/1", seconds(20), is_ready);
    assert_took("the next success", returned, ready, 0.0, 3.0);
    assert_eq!(restarts(&pod), 0);
    let texts = namespace.events("http-ready-pod");
    let text = "Readiness probe failed: HTTP probe failed with statuscode: 404";
    assert!(texts.iter().any(|event| event["message"] == text), "{texts:#?}");
    namespace.history("http-ready-pod");
}

#[test]
fn a_server_on_another_port_is_not_ready() {
    let namespace = default_namespace();
    namespace.apply_file(&seed("tcpsocket-ready-hook.yaml")).success();
    let (mut watch, started) = namespace.wait_until_running("tcpsocket-ready-pod");
    let (ready, _) = watch.until("the pod is ready", seconds(20), is_ready);
    assert_took("readiness", started, ready, 5.0, 5.0);

    let script = "sed -i 's/listen *80;/listen 8080;/' /etc/nginx/conf.d/default.conf && nginx -s reload";
    namespace
        .exec("tcpsocket-ready-pod", &["/bin/sh", "-c", script])
        .success();
    let (_, pod) = watch.until("1/1 becomes 0/1", seconds(30), |pod| !is_ready(pod));
    assert!(runs_instance(&pod, 0) && container(&pod, 0)["ready"] == false);
    let text = format!(
        "Readiness probe failed: dial tcp {}:80: connect: connection refused",
        address(&pod)
    );
    event(
        &mut namespace.watch_events("tcpsocket-ready-pod"),
        "Unhealthy",
        &text,
        5,
    );
    assert_eq!(column(&namespace, "tcpsocket-ready-pod", "READY"), "0/1");
    assert_eq!(column(&namespace, "tcpsocket-ready-pod", "RESTARTS"), "0");
    namespace.history("tcpsocket-ready-pod");
}

#[test]
fn a_post_start_hook_writes_into_its_container() {
    let namespace = default_namespace();
    namespace.apply_file(&seed("poststart-hook-pod.yaml")).success();
    let (mut watch, _) = namespace.wait_until_running("poststart-hook-pod");
    // Only a finished hook lets the pod become ready.
    watch.reaches("the pod is ready", seconds(20), is_ready);
    let message = namespace
        .exec("poststart-hook-pod", &["cat", "/usr/share/message"])
        .success();
    assert_eq!(message, "Hello from the postStart handler\n");
    let history = namespace.history("poststart-hook-pod");
    assert_eq!(runs(&history, "postStart", "success").len(), 1, "{history:#?}");
}

#[test]
fn a_pre_stop_hook_writes_to_the_host_before_the_pod_is_gone() {
    let namespace = default_namespace();
    let message = "/tmp/message";
    let _ = std::fs::remove_file(message);
    namespace.apply_file(&seed("prestop-hook-pod.yaml")).success();
    namespace.wait_until_running("prestop-hook-pod");
    let begin = Instant::now();
    namespace.run(&["delete", "pod", "prestop-hook-pod"]).success();
    assert_took("the deletion", begin, Instant::now(), 0.0, 30.0);
    assert!(!namespace.has("prestop-hook-pod"));
    let text = std::fs::read_to_string(message).expect("the hook has written to the host");
    std::fs::remove_file(message).expect("the file can be removed");
    assert_eq!(text, "Hello from the preStop Handler\n");
}

/// Whether a line of the table, behind the pod's name, begins with these columns.
fn starts_with(line: &str, columns: &[&str]) -> bool {
    let found: Vec<&str> = line.split_whitespace().skip(1).take(columns.len()).collect();
    found == columns
}

/// What `get pod` shows in a column. Columns stand under their headings, three spaces apart at least.
#[track_caller]
fn column(namespace: &Namespace, pod: &str, heading: &str) -> String {
    let table = namespace.run(&["get", "pod", pod]).success();
    let mut lines = table.lines();
    let (head, row) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let begin = head
        .find(heading)
        .unwrap_or_else(|| panic!("no column {heading}:\n{table}"));
    let cell = row.get(begin..).unwrap_or_default();
    cell.split("   ").next().unwrap_or_default().trim().to_owned()
}
