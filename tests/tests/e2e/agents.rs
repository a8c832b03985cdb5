//! The agent itself: two of them, and one that dies.

use std::{fs, time::Duration};

use probelet_tests::{
    agent::Settings,
    finished::Finished,
    pod::{container, is_ready, restarts, runs_instance, termination},
};

use crate::{PATIENCE, WAIT, busybox, own_agent, script};

#[test]
fn a_second_agent_on_the_same_folder_is_refused_and_harms_nothing() {
    let agent = own_agent();
    let namespace = agent.namespace("default");
    namespace.start(&busybox("kept", &script(WAIT), ""), "kept");
    let state = agent.state().display().to_string();
    Finished::run(&mut agent.node(&Settings::unique())).failure(1, &[&state]);
    assert!(namespace.has("kept"));
    namespace.exec("kept", &["true"]).success();
}

#[test]
fn an_address_range_that_is_in_use_is_refused_by_the_name_of_its_user() {
    let agent = own_agent();
    // The bridge is there at the latest when it has a pod.
    agent
        .namespace("default")
        .start(&busybox("main", &script(WAIT), ""), "main");
    let folder = tempfile::tempdir().expect("/tmp can be written");
    let mut settings = Settings::unique();
    settings.pod_range = agent.settings().pod_range.clone();
    let mut other = agent.node(&settings);
    other.env("PROBELET_STATE_DIR", folder.path().join("state"));
    Finished::run(&mut other).failure(1, &[&settings.pod_range, &agent.settings().bridge]);
}

#[test]
fn the_agent_dies_and_comes_back_and_nobody_notices() {
    let agent = own_agent();
    let namespace = agent.namespace("default");
    let probes = "    readinessProbe: { exec: { command: [cat, /tmp/ready] }, periodSeconds: 1 }
    livenessProbe: { exec: { command: [\"true\"] }, periodSeconds: 1 }";
    let text =
        "touch /tmp/ready; echo before; while ! [ -e /tmp/go ]; do sleep 0.1; done; echo meanwhile; sleep 3600 & wait";
    let (mut watch, _) = namespace.start(&busybox("kept", &(script(text) + probes), ""), "kept");
    let (_, before) = watch.until("it is ready", PATIENCE, is_ready);
    let ends = "    command: [sh, -c, 'while ! [ -e /v/end ]; do sleep 0.1; done; exit 23']
    volumeMounts: [{ name: v, mountPath: /v }]";
    let host = tempfile::tempdir().expect("/tmp can be written");
    let volume = format!(
        "  restartPolicy: Never\n  volumes: [{{ name: v, hostPath: {{ path: {} }} }}]",
        host.path().display()
    );
    namespace.start(&busybox("ends", ends, &volume), "ends");
    let history = namespace.history("kept").len();

    agent.kill();
    // It ends while nobody looks.
    fs::write(host.path().join("end"), "").expect("/tmp can be written");
    agent.start_again();

    let mut watch = namespace.watch("kept");
    // Never a guess: what is published from the first moment on is what was known.
    watch.always("ready, never restarted", Duration::from_secs(5), |pod| {
        is_ready(pod) && runs_instance(pod, 0)
    });
    let after = namespace.pod("kept");
    assert_eq!(
        container(&before, 0)["containerID"],
        container(&after, 0)["containerID"]
    );
    for addresses in ["podIP", "podIPs"] {
        assert_eq!(before["status"][addresses], after["status"][addresses]);
    }
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"]);
    namespace.exec("kept", &["touch", "/tmp/go"]).success();
    let mut log = probelet_tests::stream::Stream::lines(&mut namespace.command(&["logs", "-f", "kept"]));
    log.until("the log goes on", PATIENCE, |line| line == "meanwhile");
    assert!(log.has_seen(|line| line == "before"), "the log is whole");
    assert!(namespace.history("kept").len() >= history, "the history is not lost");

    let mut watch = namespace.watch("ends");
    let (_, ended) = watch.until("its end is known", PATIENCE, |pod| pod["status"]["phase"] == "Failed");
    assert_eq!(termination(&ended)["exitCode"], 23);
    assert_eq!(restarts(&ended), 0);
}

#[test]
fn a_deletion_that_was_under_way_goes_on_after_the_agents_death() {
    let agent = own_agent();
    let namespace = agent.namespace("default");
    let pod = busybox(
        "deaf",
        "    command: [sleep, '3600']",
        "  terminationGracePeriodSeconds: 8",
    );
    let (mut watch, _) = namespace.start(&pod, "deaf");
    namespace.run(&["delete", "pod", "deaf", "--wait=false"]).success();
    watch.until("it is being deleted", PATIENCE, |pod| {
        !pod["metadata"]["deletionTimestamp"].is_null()
    });
    let applied = namespace.apply(&pod);
    assert!(applied.stderr.contains("pod deaf is being deleted"), "{applied:#?}");
    assert_eq!(applied.success(), "pod/deaf unchanged\n");
    agent.kill();
    agent.start_again();
    // Waits until it is gone; the grace period is what was left of it.
    let begin = std::time::Instant::now();
    namespace.run(&["delete", "pod", "deaf"]);
    assert!(!namespace.has("deaf"));
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        begin.elapsed()
    );
}

#[test]
fn b1_16_a_container_whose_post_start_hook_runs_is_found_again() {
    let agent = own_agent();
    let namespace = agent.namespace("default");
    let hook =
        "    lifecycle: { postStart: { exec: { command: [sh, -c, 'while ! [ -e /v/go ]; do sleep 0.1; done'] } } }
    volumeMounts: [{ name: v, mountPath: /v }]";
    let host = tempfile::tempdir().expect("/tmp can be written");
    let volume = format!(
        "  volumes: [{{ name: v, hostPath: {{ path: {} }} }}]",
        host.path().display()
    );
    namespace
        .apply(&busybox("hooked", &(script(crate::WAIT) + hook), &volume))
        .success();
    let mut events = namespace.watch_events("hooked");
    events.until("it runs", PATIENCE, |event| event["reason"] == "Started");
    agent.kill();
    agent.start_again();
    // The hook is asked for again, and finds its container, which only an agent that has found it can tell of.
    let go = host.path().join("go");
    fs::write(&go, "").expect("/tmp can be written");
    namespace.watch("hooked").until("the hook is over", PATIENCE, |pod| {
        is_ready(pod) && runs_instance(pod, 0)
    });
    fs::remove_file(&go).expect("it is there");
    namespace.exec("hooked", &["kill", "1"]);
    // The next instance has a hook to wait for, too.
    namespace.watch("hooked").until("its end is seen", PATIENCE, |pod| {
        container(pod, 0)["state"]["terminated"].is_object()
    });
}
