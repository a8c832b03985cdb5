//! Users' own components as probes and hooks: what they find, what they may not, and what people see of it.

use std::fs;

use probelet_tests::{
    agent::plugin,
    finished::Finished,
    namespace::Namespace,
    pod::{container, is_ready, restarts},
    stream::Stream,
};
use serde_json::Value;

use crate::{PATIENCE, WAIT, busybox, namespace, own_agent, script};

/// A readiness probe every quarter of a second, by one of our components with this handler.
fn readiness(component: &str, handler: &str) -> String {
    readiness_by(&plugin(component).display().to_string(), handler)
}

/// The same by the component that a manifest names so.
pub(crate) fn readiness_by(component: &str, handler: &str) -> String {
    format!(
        "    readinessProbe:
      wasm: {{ component: \"{component}\", {handler} }}
      periodMilliseconds: 250
      timeoutSeconds: 2
      failureThreshold: 1
"
    )
}

/// Starts a pod with such a probe.
#[track_caller]
fn start(namespace: &Namespace, name: &str, component: &str, handler: &str) {
    let fields = script(&format!("echo to the log; {WAIT}")) + &readiness(component, handler);
    namespace.start(&busybox(name, &fields, ""), name);
}

/// Waits for a recorded run with this outcome, whose message holds the text.
#[track_caller]
fn run_with(namespace: &Namespace, pod: &str, outcome: &str, text: &str) -> Value {
    namespace.wait_for_run(pod, &format!("{outcome} with `{text}`"), PATIENCE, |run| {
        run["outcome"] == outcome && run["message"].as_str().is_some_and(|message| message.contains(text))
    })
}

/// Waits for an event.
#[track_caller]
fn event(namespace: &Namespace, pod: &str, reason: &str, text: &str) {
    let mut events: Stream<Value> = namespace.watch_events(pod);
    events.until(&format!("{reason} with `{text}`"), PATIENCE, |event| {
        event["reason"] == reason && event["message"].as_str().is_some_and(|message| message.contains(text))
    });
}

#[track_caller]
pub(crate) fn wait_until_ready(namespace: &Namespace, pod: &str) {
    namespace.watch(pod).until("it is ready", PATIENCE, is_ready);
}

#[test]
fn a_plugin_may_find_a_container_well_or_not_so_well_or_sick() {
    let namespace = namespace("plugin-verdicts");
    start(&namespace, "well", "unruly", "config: { do: nothing }");
    wait_until_ready(&namespace, "well");
    let described = namespace.run(&["describe", "pod", "well"]).success();
    for text in [
        "wasm /",
        "unruly.wasm delay=0s timeout=2s period=250ms",
        "Plugins:",
        "unruly.wasm@sha256:",
    ] {
        assert!(described.contains(text), "`{text}` is missing:\n{described}");
    }
    assert!(described.contains("(unruly 0.1.0)"), "{described}");

    start(
        &namespace,
        "so-so",
        "unruly",
        "config: { do: degrade, message: half the disks }",
    );
    wait_until_ready(&namespace, "so-so");
    event(
        &namespace,
        "so-so",
        "ProbeWarning",
        "Readiness probe warning: half the disks",
    );

    start(&namespace, "sick", "unruly", "config: { do: talk, bytes: 3 }");
    event(&namespace, "sick", "Unhealthy", "Readiness probe failed: yyy");
    assert!(!is_ready(&namespace.pod("sick")));

    // Each run shows which component it was, and what it used.
    let run = run_with(&namespace, "well", "success", "");
    let digest = run["digest"].as_str().unwrap_or_default();
    assert!(digest.starts_with("sha256:") && run["fuel"].as_u64() > Some(0), "{run}");
    assert!(described.contains(digest), "{digest}\n{described}");
}

#[test]
fn a_plugin_that_breaks_its_limits_is_errored_and_the_container_lives() {
    let namespace = namespace("plugin-limits");
    for (name, handler, text) in [
        (
            "fuel",
            "config: { do: loop }, limits: { fuel: 1M }",
            "1000000 units of fuel (limits.fuel)",
        ),
        (
            "memory",
            "config: { do: allocate, bytes: 9000000 }, limits: { memory: 4Mi }",
            "4194304 bytes of memory (limits.memory)",
        ),
        ("stack", "config: { do: recurse }", "the plugin"),
        ("panic", "config: { do: panic }", "panicked"),
    ] {
        start(&namespace, name, "unruly", handler);
        let run = run_with(&namespace, name, "errored", text);
        assert_eq!(run["tries"], 3, "as the kubelet tries (A3.13): {run}");
        event(
            &namespace,
            name,
            "Unhealthy",
            "Readiness probe errored and resulted in unknown state",
        );
        assert_eq!(restarts(&namespace.pod(name)), 0);
    }
    assert!(
        run_with(&namespace, "panic", "errored", "")["log"]
            .as_str()
            .is_some_and(|log| log.contains("on purpose")),
        "what it wrote is in the history"
    );
    // A deadline is a failure, as in Kubernetes.
    start(&namespace, "time", "unruly", "config: { do: wait_for_ever }");
    run_with(&namespace, "time", "failure", "timed out after 2s");
    event(
        &namespace,
        "time",
        "Unhealthy",
        "Readiness probe failed: timed out after 2s",
    );
}

#[test]
fn errors_count_where_the_manifest_says_so() {
    let namespace = namespace("plugin-on-error");
    let fields = script(WAIT)
        + &format!(
            "    livenessProbe:
      wasm: {{ component: {}, config: {{ do: panic }}, onError: Fail }}
      periodMilliseconds: 100
      failureThreshold: 2
",
            plugin("unruly").display()
        );
    namespace
        .apply(&busybox("strict", &fields, "  terminationGracePeriodSeconds: 1"))
        .success();
    namespace
        .watch("strict")
        .until("it was restarted", PATIENCE, |pod| restarts(pod) > 0);
    event(
        &namespace,
        "strict",
        "Killing",
        "Container main failed liveness probe, will be restarted",
    );
}

#[test]
fn what_is_not_granted_is_refused_with_the_lines_that_grant_it_and_the_audit_finds_them() {
    let namespace = namespace("plugin-grants");
    let exec = "config: { look: exec, command: [echo, hello] }";
    start(&namespace, "refused", "curious", exec);
    let run = run_with(&namespace, "refused", "errored", "needs ");
    let message = run["message"].as_str().unwrap_or_default();
    // The plugin can do more than it is asked to, and none of it is linked before it is granted.
    assert!(message.contains("wasm: { allow: { exec: true } }"), "{message}");
    event(&namespace, "refused", "Unhealthy", "allow: { exec: true }");

    let everything = "exec: [[cat]], stats: true, logs: true, files: [/etc]";
    start(
        &namespace,
        "elsewhere",
        "curious",
        &format!("{exec}, allow: {{ {everything} }}"),
    );
    let run = run_with(&namespace, "elsewhere", "errored", "is not granted");
    let message = run["message"].as_str().unwrap_or_default();
    assert!(message.contains("exec: [[\"echo\",\"hello\"]]"), "{message}");
    let audit = ["plugin", "audit", "elsewhere", "--namespace", "plugin-grants"];
    let audit = Finished::run(&mut namespace.agent().client(&audit)).success();
    for line in ["readinessProbe:", "exec:", "- echo", "- hello", "refused something"] {
        assert!(audit.contains(line), "`{line}` is missing:\n{audit}");
    }

    // And with the lines that it was told to add it is well.
    let everything = "exec: [[echo, hello]], stats: true, logs: true, files: [/etc]";
    start(
        &namespace,
        "granted",
        "curious",
        &format!("{exec}, allow: {{ {everything} }}"),
    );
    wait_until_ready(&namespace, "granted");
    event(&namespace, "granted", "ProbeWarning", "hello");
    let metrics = Finished::run(&mut namespace.agent().client(&["metrics"])).success();
    for text in [
        "pod=\"granted\",container=\"main\",check=\"readiness\",outcome=\"warning\"",
        "pod=\"elsewhere\",container=\"main\",check=\"readiness\",grant=\"exec\",result=\"refused\"",
        "pod=\"granted\",container=\"main\",check=\"readiness\",field=\"exit-code\"} 0",
    ] {
        assert!(metrics.contains(text), "`{text}` is missing:\n{metrics}");
    }
}

#[test]
fn a_plugin_sees_the_containers_stats_logs_files_and_variables() {
    let namespace = namespace("plugin-sees");
    let allow = "allow: { exec: true, stats: true, logs: true, files: [/etc], environment: [SECRET] }";
    for (name, config, outcome, text) in [
        ("logs", "look: logs, lines: 5", "warning", "Stdout to the log"),
        (
            "files",
            "look: read, path: /etc/hostname, offset: 0, length: 100",
            "warning",
            "files",
        ),
        (
            "outside",
            "look: read, path: /proc/1/environ, offset: 0, length: 100",
            "errored",
            "is not granted",
        ),
        ("variable", "look: variable, name: SECRET", "warning", "word"),
        (
            "other-variable",
            "look: variable, name: OTHER",
            "failure",
            "OTHER is not set",
        ),
    ] {
        let variables = "    env: [{ name: SECRET, value: word }, { name: OTHER, value: x }]\n";
        let handler = format!("config: {{ {config} }}, {allow}");
        let fields = script(&format!("echo to the log; {WAIT}")) + variables + &readiness("curious", &handler);
        namespace.start(&busybox(name, &fields, ""), name);
        run_with(&namespace, name, outcome, text);
    }
    start(
        &namespace,
        "stats",
        "curious",
        &format!("config: {{ look: stats }}, {allow}"),
    );
    let run = run_with(&namespace, "stats", "success", "");
    assert!(run["fields"]["memory"].as_f64() > Some(0.0), "{run}");
    assert!(run["fields"]["processes"].as_f64() >= Some(1.0), "{run}");
}

#[test]
fn what_a_plugin_keeps_outlives_the_agent_but_not_the_container() {
    let agent = own_agent();
    let namespace = agent.namespace("default");
    let allow = "allow: { exec: true, stats: true, logs: true, files: [/etc] }";
    start(
        &namespace,
        "counting",
        "curious",
        &format!("config: {{ look: state }}, {allow}"),
    );
    let counted = |what: &str, fits: &dyn Fn(f64, &Value) -> bool| {
        let run = namespace.wait_for_run("counting", what, PATIENCE, |run| {
            run["fields"]["runs"].as_f64().is_some_and(|runs| fits(runs, run))
        });
        run["fields"]["runs"].as_f64().expect("a count")
    };
    let before = counted("the third", &|runs, _| runs >= 3.0);
    agent.kill();
    agent.start_again();
    counted("one more", &|runs, _| runs > before + 3.0);
    namespace.exec("counting", &["kill", "1"]);
    namespace.watch("counting").until("it was restarted", PATIENCE, |pod| {
        restarts(pod) == 1 && container(pod, 0)["state"]["running"].is_object()
    });
    let anew = counted("the first of the next life", &|_, run| run["instance"] == 1);
    assert!(anew <= 2.0, "a restarted container begins with none: {anew}");
}

#[test]
fn a_changed_component_is_taken_up_where_the_manifest_says_so() {
    let namespace = namespace("plugin-reload");
    let folder = tempfile::tempdir().expect("/tmp can be written");
    let component = folder.path().join("check.wasm");
    fs::copy(plugin("unruly"), &component).expect("the component can be copied");
    // A path that is relative is so to the manifest.
    let manifest = |name: &str, reload: &str| {
        let probe = format!(
            "    readinessProbe:
      wasm: {{ component: ./check.wasm, config: {{ do: nothing, look: metadata, path: /etc }}, {reload}
              allow: {{ exec: true, stats: true, logs: true, files: [/etc] }} }}
      periodMilliseconds: 250
"
        );
        let path = folder.path().join(format!("{name}.yaml"));
        fs::write(&path, busybox(name, &(script(WAIT) + &probe), "")).expect("/tmp can be written");
        path
    };
    namespace.apply_file(&manifest("follows", "reload: true,")).success();
    namespace.apply_file(&manifest("stays", "")).success();
    wait_until_ready(&namespace, "follows");
    wait_until_ready(&namespace, "stays");
    let digest = |pod: &str| namespace.pod(pod)["status"]["components"][0]["digest"].clone();
    let old = digest("follows");

    fs::write(folder.path().join("new"), "no component").expect("/tmp can be written");
    fs::rename(folder.path().join("new"), &component).expect("/tmp can be written");
    event(&namespace, "follows", "PluginReloadFailed", "cannot be loaded");
    assert_eq!(digest("follows"), old);

    fs::copy(plugin("curious"), folder.path().join("new")).expect("the component can be copied");
    fs::rename(folder.path().join("new"), &component).expect("/tmp can be written");
    event(&namespace, "follows", "PluginReloaded", "readiness check: reloaded");
    run_with(&namespace, "follows", "warning", "Directory");
    assert_ne!(digest("follows"), old);
    assert_eq!(digest("stays"), old);
}

#[test]
fn a_component_is_found_by_the_name_that_it_was_imported_under() {
    let agent = own_agent();
    let namespace = agent.namespace("default");
    let import = |name: &str, component: &str| {
        let mut command = agent.client(&["plugin", "import"]);
        command.arg(plugin(component)).args(["--name", name]);
        Finished::run(&mut command)
    };
    assert!(
        import("checks/unruly:1", "unruly")
            .success()
            .contains("checks/unruly:1 imported (sha256:")
    );
    let list = Finished::run(&mut agent.client(&["plugin", "list"])).success();
    assert!(list.contains("checks/unruly:1"), "{list}");
    let annotated = format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: annotated
  annotations:
    probelet.dev/main.readiness: '{{\"component\": \"checks/unruly:1\", \"config\": {{\"do\": \"nothing\"}}}}'
spec:
  containers:
  - name: main
    image: busybox:latest
{}",
        script(WAIT)
    );
    namespace.apply(&annotated).success();
    wait_until_ready(&namespace, "annotated");
    // The running pod keeps what it has.
    Finished::run(&mut agent.client(&["plugin", "remove", "checks/unruly:1"])).success();
    agent.kill();
    agent.start_again();
    let before = namespace.history("annotated").len();
    let mut events = namespace.watch("annotated");
    events.reaches("it is ready still", PATIENCE, is_ready);
    let described = namespace.run(&["describe", "pod", "annotated"]).success();
    assert!(described.contains("wasm checks/unruly:1 delay=0s"), "{described}");
    assert!(before > 0);
    let unknown = busybox(
        "unknown",
        &(script(WAIT) + "    livenessProbe: { wasm: { component: 'nobody:1' } }\n"),
        "",
    );
    namespace.apply(&unknown).failure(
        1,
        &["livenessProbe.wasm.component", "nobody:1", "probelet plugin import"],
    );
}

#[test]
fn what_is_wrong_with_a_plugin_is_told_at_its_line_when_the_pod_is_applied() {
    let namespace = namespace("plugin-faults");
    let apply = |handler: &str| {
        let fields = script(WAIT) + &format!("    livenessProbe:\n      wasm:\n{handler}");
        namespace.apply(&busybox("faulty", &fields, ""))
    };
    let curious = plugin("curious").display().to_string();
    let config =
        format!("        component: {curious}\n        config:\n          look: logs\n          lines: none\n");
    let told = apply(&config).failure(1, &["spec.containers[0].livenessProbe.wasm.config.lines", "integer"]);
    assert!(told.contains(".yaml:16:11: "), "the line of the field: {told}");
    let missing = format!("        component: {curious}\n");
    apply(&missing).failure(1, &["livenessProbe.wasm.config", "\"look\" is a required property"]);

    let folder = tempfile::tempdir().expect("/tmp can be written");
    for (name, bytes, text) in [
        ("text", &b"(component)"[..], "WebAssembly"),
        ("module", &b"\0asm\x01\0\0\0"[..], "core"),
        ("empty", &b"\0asm\x0d\0\x01\0"[..], "exports nothing"),
    ] {
        let path = folder.path().join(format!("{name}.wasm"));
        fs::write(&path, bytes).expect("/tmp can be written");
        apply(&format!("        component: {}\n", path.display())).failure(1, &["livenessProbe.wasm.component", text]);
    }
    apply("        component: /nowhere/check.wasm\n").failure(1, &["/nowhere/check.wasm"]);
    apply("        component: builtin:sleep\n").failure(1, &["is a hook and no probe"]);
    assert!(!namespace.has("faulty"));
}

#[test]
fn a_plugin_may_be_a_hook() {
    let namespace = namespace("plugin-hook");
    let component = plugin("unruly").display().to_string();
    let hooks = format!(
        "    lifecycle:
      postStart: {{ wasm: {{ component: {component}, config: {{ do: nothing }} }} }}
      preStop: {{ wasm: {{ component: {component}, config: {{ do: give_up, message: cannot drain }} }} }}
"
    );
    namespace.start(&busybox("hooked", &(script(WAIT) + &hooks), ""), "hooked");
    wait_until_ready(&namespace, "hooked");
    assert_eq!(run_with(&namespace, "hooked", "success", "")["kind"], "postStart");
    let mut events = namespace.watch_events("hooked");
    namespace.run(&["delete", "pod", "hooked", "--wait=false"]).success();
    events.until("the hook has failed", PATIENCE, |event| {
        event["reason"] == "FailedPreStopHook"
    });
}
