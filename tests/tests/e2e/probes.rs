//! Probes: what the seed's manifests do not use.

use std::time::Duration;

use probelet_tests::pod::{container, is_ready, restarts, runs_instance, termination};

use crate::{PATIENCE, WAIT, busybox, namespace, script};

#[test]
fn a_startup_probe_holds_the_others_back_and_can_kill() {
    let namespace = namespace("startup");
    let probes = "
    startupProbe: { exec: { command: [cat, /tmp/up] }, periodSeconds: 1, failureThreshold: 30 }
    livenessProbe: { exec: { command: [\"true\"] }, periodSeconds: 1 }";
    let command = script("sleep 3; touch /tmp/up; sleep 3600 & wait");
    let (mut watch, _) = namespace.start(&busybox("slow", &(command + probes), ""), "slow");
    let (_, pod) = watch.until("it has started", PATIENCE, |pod| container(pod, 0)["started"] == true);
    assert!(
        watch.has_seen(|pod| container(pod, 0)["started"] == false),
        "it was not started at once"
    );
    assert_eq!(restarts(&pod), 0);
    let mut watch = namespace.watch("slow");
    watch.until("it is ready", PATIENCE, is_ready);
    let history = namespace.history("slow");
    let liveness = history.iter().position(|run| run["kind"] == "liveness");
    let started = history
        .iter()
        .position(|run| run["kind"] == "startup" && run["outcome"] == "success");
    assert!(
        started.is_some() && liveness.is_none_or(|first| Some(first) > started),
        "{history:#?}"
    );

    let never = "    startupProbe: { exec: { command: [\"false\"] }, periodSeconds: 1, failureThreshold: 2 }";
    namespace
        .apply(&busybox("never", &(script(WAIT) + never), ""))
        .success();
    namespace
        .watch("never")
        .until("the startup probe has killed it", PATIENCE, |pod| restarts(pod) >= 1);
    let events = namespace.events("never");
    let text = "Container main failed startup probe, will be restarted";
    assert!(events.iter().any(|event| event["message"] == text), "{events:#?}");
}

#[test]
fn a_probe_that_hangs_fails_in_time_and_leaves_nothing() {
    let namespace = namespace("hanging");
    let probe = "
    readinessProbe: { exec: { command: [sh, -c, 'sleep 86201 & sleep 86202'] }, periodSeconds: 1, timeoutSeconds: 1 }";
    namespace.start(&busybox("hanging", &(script(WAIT) + probe), ""), "hanging");
    namespace
        .watch_events("hanging")
        .until("the deadline is told", PATIENCE, |event| {
            event["reason"] == "Unhealthy"
                && event["message"]
                    .as_str()
                    .is_some_and(|text| text.contains("timed out after 1s"))
                && event["count"].as_u64() >= Some(2)
        });
    for run in namespace.history("hanging") {
        assert_eq!(run["outcome"], "failure", "a deadline that passes is a failure: {run}");
        let wall = Duration::from_micros(run["wallMicros"].as_u64().expect("a run has a wall time"));
        assert!(
            wall >= Duration::from_millis(900) && wall < Duration::from_secs(4),
            "{run}"
        );
    }
}

#[test]
fn network_probes_find_the_pods_own_server_by_number_and_by_name() {
    let namespace = namespace("network-probes");
    let manifest = |name: &str| {
        format!(
            "
apiVersion: v1
kind: Pod
metadata: {{ name: {name} }}
spec:
  containers:
  - name: main
    image: ikubernetes/myapp:v1
    ports: [{{ name: web, containerPort: 80 }}]
    startupProbe: {{ tcpSocket: {{ port: web, host: 127.0.0.1 }}, periodSeconds: 1 }}
    livenessProbe: {{ httpGet: {{ port: web, httpHeaders: [{{ name: Host, value: example.org }}] }}, periodSeconds: 1 }}
    readinessProbe: {{ httpGet: {{ port: 80, path: /nowhere }}, periodSeconds: 1 }}
"
        )
    };
    // Two pods with the same port: each is probed in its own network.
    for name in ["one", "two"] {
        namespace.apply(&manifest(name)).success();
    }
    for name in ["one", "two"] {
        namespace.watch_events(name).until("404 was told", PATIENCE, |event| {
            event["message"] == "Readiness probe failed: HTTP probe failed with statuscode: 404"
                && event["count"].as_u64() >= Some(3)
        });
        let pod = namespace.pod(name);
        assert!(runs_instance(&pod, 0) && container(&pod, 0)["started"] == true && !is_ready(&pod));
        let history = namespace.history(name);
        assert!(
            history
                .iter()
                .any(|run| run["kind"] == "liveness" && run["outcome"] == "success"),
            "{history:#?}"
        );
    }
}

#[test]
fn the_probes_own_grace_period_counts_for_the_kills_it_causes() {
    let namespace = namespace("probe-grace");
    let container = "    command: [sleep, '3600']
    livenessProbe:
      exec: { command: [\"false\"] }
      periodSeconds: 1
      failureThreshold: 1
      terminationGracePeriodSeconds: 2";
    let (mut watch, begin) = namespace.start(&busybox("deaf", container, ""), "deaf");
    let (restarted, pod) = watch.until("it was restarted", PATIENCE, |pod| runs_instance(pod, 1));
    let took = restarted.duration_since(begin);
    assert!(
        took > Duration::from_secs(2) && took < Duration::from_secs(8),
        "it took {took:?}"
    );
    assert_eq!(termination(&pod)["exitCode"], 137);
}

#[test]
fn a_check_that_cannot_be_run_is_warned_of_and_told_and_counts_for_nothing() {
    let namespace = namespace("errored");
    let probe = "    livenessProbe: { tcpSocket: { port: web }, periodSeconds: 1, failureThreshold: 1 }";
    // Its neighbour's port is none of its own (A2.1).
    let neighbour = "
  - name: neighbour
    image: busybox:latest
    command: [httpd, -f, -p, '8080']
    ports: [{ name: web, containerPort: 8080 }]";
    let applied = namespace.apply(&busybox("portless", &(script(WAIT) + probe + neighbour), ""));
    assert!(applied.stderr.contains("no port named \"web\""), "{applied:#?}");
    applied.success();
    namespace
        .watch_events("portless")
        .until("it is told", PATIENCE, |event| {
            event["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("Liveness probe errored and resulted in unknown"))
                && event["count"].as_u64() >= Some(3)
        });
    assert!(
        runs_instance(&namespace.pod("portless"), 0),
        "what cannot be checked is not the container's fault"
    );
}

/// The pod's own network has both families on its loopback interface, whatever its address is.
#[test]
fn f20_a_server_of_either_family_is_reached_by_the_name_of_the_local_host() {
    let namespace = namespace("families");
    for (name, listens) in [("four", "127.0.0.1"), ("six", "[::1]")] {
        let command = script(&format!("httpd -f -p {listens}:8080 & {WAIT}"));
        let probes = "
    startupProbe: { tcpSocket: { port: 8080, host: localhost }, periodSeconds: 1, failureThreshold: 60 }
    readinessProbe: { httpGet: { port: 8080, host: localhost, path: /etc/passwd }, periodSeconds: 1 }";
        namespace.apply(&busybox(name, &(command + probes), "")).success();
        namespace.watch(name).until("it is ready", PATIENCE, is_ready);
    }
}

#[test]
fn a1_10_a2_29_a_command_runs_in_the_container_as_its_main_process_does_and_in_no_shell() {
    let namespace = namespace("commands");
    let fields = "
    env: [{ name: MARK, value: of-the-container }]
    securityContext: { runAsUser: 33, runAsGroup: 33 }
    resources: { limits: { memory: 64Mi } }
    readinessProbe:
      exec: { command: [sh, -c, 'echo $(id -u):$(id -g) $MARK $(hostname) $(pwd); cat /proc/1/comm >&2; exit 3'] }
      periodSeconds: 1
      timeoutSeconds: 10
    livenessProbe:
      exec: { command: [cat, \"$HOME; true\"] }
      periodSeconds: 1
      timeoutSeconds: 10
      failureThreshold: 1000";
    namespace.start(&busybox("told", &(script(WAIT) + fields), ""), "told");
    let mut events = namespace.watch_events("told");
    let mut fails = |probe: &str, text: &str| {
        let expected = format!("{probe} probe failed: {text}");
        events.until(&expected, PATIENCE, |event| {
            event["message"]
                .as_str()
                .is_some_and(|said| said.starts_with(&expected))
        });
    };
    // Its output first, then what it complained of.
    fails("Readiness", "33:33 of-the-container told /\nsh");
    fails("Liveness", "cat: can't open '$HOME; true': No such file or directory");
}

/// What stands in `$(…)` is a variable of the manifest to a probe's command, and nothing to a hook's.
#[test]
fn a2_30_b1_5_variables_are_put_into_a_probes_command_and_not_into_a_hooks() {
    let namespace = namespace("expansion");
    let fields = "
    env: [{ name: MARK, value: made }]
    lifecycle: { postStart: { exec: { command: [touch, '/tmp/$(MARK)'] } } }
    readinessProbe: { exec: { command: [test, '$(MARK) $(NONE) $$(MARK)', '=', 'made $$(NONE) $$(MARK)'] }, periodSeconds: 1 }";
    namespace
        .apply(&busybox("expanded", &(script(WAIT) + fields), ""))
        .success();
    namespace.watch("expanded").until("it is ready", PATIENCE, is_ready);
    let files = namespace.exec("expanded", &["ls", "/tmp"]).success();
    assert_eq!(files, "$(MARK)\n");
}

/// The servers are this test's own: the pod's network is the machine's.
#[test]
fn a2_4_a_pod_on_the_hosts_network_is_probed_at_the_nodes_address() {
    let namespace = namespace("host-probes");
    let spec = "  hostNetwork: true";
    let (_, _) = namespace.start(&busybox("first", &script(WAIT), spec), "first");
    let first = namespace.pod("first");
    let node = first["status"]["hostIP"].as_str().expect("the node has an address");
    assert_eq!(first["status"]["podIP"], node);
    assert_eq!(first["status"]["podIPs"], first["status"]["hostIPs"]);
    let node: std::net::IpAddr = node.parse().expect("an address");
    assert!(!node.is_loopback(), "this machine has no network");

    for (name, address) in [("reached", node), ("missed", "127.0.0.1".parse().expect("an address"))] {
        let server = std::net::TcpListener::bind((address, 0)).expect("a free port");
        let port = server.local_addr().expect("it is bound").port();
        let probe = format!("    readinessProbe: {{ tcpSocket: {{ port: {port} }}, periodSeconds: 1 }}");
        namespace
            .apply(&busybox(name, &(script(WAIT) + &probe), spec))
            .success();
        if name == "reached" {
            namespace.watch(name).until("it is ready", PATIENCE, is_ready);
            continue;
        }
        let refused = format!("Readiness probe failed: dial tcp {node}:{port}: connect: connection refused");
        namespace
            .watch_events(name)
            .until(&refused, PATIENCE, |event| event["message"] == refused.as_str());
    }
}
