//! What a container is given: environment, volumes, users, limits, network.

use probelet_tests::{namespace::Namespace, pod::termination, stream::Stream};
use serde_json::Value;

use crate::{PATIENCE, WAIT, busybox, namespace, script};

/// Starts a busybox container with these fields and returns what a command prints in it.
#[track_caller]
fn run_in(namespace: &Namespace, name: &str, fields: &str, spec: &str, command: &[&str]) -> String {
    namespace.start(&busybox(name, &(script(WAIT) + fields), spec), name);
    namespace.exec(name, command).success()
}

#[test]
fn command_arguments_environment_and_working_directory() {
    let namespace = namespace("command");
    let fields = "    command: [sh, -c]
    args: ['echo $GREETING $(pwd); exec sleep 3600']
    workingDir: /tmp
    env: [{ name: GREETING, value: hello }, { name: TWICE, value: $(GREETING)-$(GREETING) }]";
    namespace.start(&busybox("told", fields, ""), "told");
    // It runs before it says anything.
    let mut log = Stream::lines(&mut namespace.command(&["logs", "-f", "told"]));
    log.until("it says so", PATIENCE, |line| line == "hello /tmp");
    assert_eq!(namespace.run(&["logs", "told"]).success(), "hello /tmp\n");
    let environment = namespace.exec("told", &["env"]).success();
    assert!(environment.contains("TWICE=hello-hello\n"), "{environment}");
    assert_eq!(namespace.exec("told", &["pwd"]).success(), "/tmp\n");
}

#[test]
fn volumes_are_shared_kept_or_thrown_away() {
    let namespace = namespace("volumes");
    let host = tempfile::tempdir().expect("/tmp can be written");
    std::fs::write(host.path().join("from-the-host"), "hello\n").expect("/tmp can be written");
    let spec = format!(
        "  volumes:\n  - {{ name: host, hostPath: {{ path: {}, type: Directory }} }}\n  - {{ name: scratch, emptyDir: {{}} }}\n  - {{ name: memory, emptyDir: {{ medium: Memory, sizeLimit: 1Mi }} }}",
        host.path().display()
    );
    let fields = "    volumeMounts:
    - { name: host, mountPath: /host }
    - { name: host, mountPath: /host-read-only, readOnly: true }
    - { name: scratch, mountPath: /scratch }
    - { name: memory, mountPath: /memory }";
    let text = run_in(&namespace, "mounted", fields, &spec, &["cat", "/host/from-the-host"]);
    assert_eq!(text, "hello\n");
    namespace
        .exec("mounted", &["touch", "/host/from-the-pod", "/scratch/file"])
        .success();
    assert!(host.path().join("from-the-pod").exists());
    let refused = namespace.exec("mounted", &["touch", "/host-read-only/no"]);
    assert!(
        refused.code != Some(0) && refused.stderr.contains("Read-only file system"),
        "{refused:#?}"
    );
    let full = namespace.exec(
        "mounted",
        &["dd", "if=/dev/zero", "of=/memory/file", "bs=1M", "count=2"],
    );
    assert!(
        full.code != Some(0) && full.stderr.contains("No space left"),
        "{full:#?}"
    );
    namespace
        .run(&["delete", "pod", "mounted", "--grace-period=1"])
        .success();
    assert!(host.path().join("from-the-host").exists(), "what is the host's stays");
}

#[test]
fn the_security_context_holds_for_the_container_and_for_what_is_run_in_it() {
    let namespace = namespace("security");
    let fields = "    securityContext:
      runAsUser: 1234
      runAsGroup: 2345
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: { drop: [ALL] }";
    let status = run_in(&namespace, "bound", fields, "", &["cat", "/proc/self/status"]);
    let field = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // Process 1 is the container's own.
    let own = namespace.exec("bound", &["cat", "/proc/1/status"]).success();
    for status in [&status, &own] {
        assert_eq!(field(status, "Uid"), ["1234"; 4], "{status}");
        assert_eq!(field(status, "Gid"), ["2345"; 4], "{status}");
        assert_eq!(field(status, "NoNewPrivs"), ["1"], "{status}");
        assert_eq!(field(status, "Seccomp"), ["2"], "{status}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(status, set), ["0000000000000000"], "{set}: {status}");
        }
        // Bit 13 of the ignored signals is SIGPIPE, which Rust's runtime ignores and no child may inherit.
        let ignored = u64::from_str_radix(&field(status, "SigIgn")[0], 16).expect("a mask is a number");
        assert_eq!(ignored & (1 << 12), 0, "SIGPIPE is ignored: {status}");
    }
    let refused = namespace.exec("bound", &["touch", "/file"]);
    assert!(
        refused.code != Some(0) && refused.stderr.contains("Read-only file system"),
        "{refused:#?}"
    );
    let masked = namespace.exec("bound", &["cat", "/proc/kcore"]);
    assert!(masked.code != Some(0) || masked.stdout.is_empty(), "{masked:#?}");

    let default = run_in(&namespace, "default", "", "", &["cat", "/proc/self/status"]);
    assert_eq!(field(&default, "Seccomp"), ["2"], "{default}");
    let bounding = u64::from_str_radix(&field(&default, "CapBnd")[0], 16).expect("a mask is a number");
    assert_eq!(bounding & (1 << 21), 0, "CAP_SYS_ADMIN is no default: {default}");
    let denied = namespace.exec("default", &["unshare", "-m", "true"]);
    assert_ne!(
        denied.code,
        Some(0),
        "seccomp and capabilities deny new namespaces: {denied:#?}"
    );

    let fields = "    securityContext: { privileged: true }";
    let status = run_in(&namespace, "free", fields, "", &["cat", "/proc/self/status"]);
    assert_eq!(field(&status, "Seccomp"), ["0"], "{status}");
}

#[test]
fn memory_has_a_limit_and_who_passes_it_is_told_so() {
    let namespace = namespace("memory");
    let fields = "    command: [sh, -c, 'x=a; while true; do x=$x$x; done']
    resources: { limits: { memory: 32Mi } }";
    namespace
        .apply(&busybox("greedy", fields, "  restartPolicy: Never"))
        .success();
    let mut watch = namespace.watch("greedy");
    let (_, pod) = watch.until("it was killed", PATIENCE, |pod| pod["status"]["phase"] == "Failed");
    assert_eq!(
        (&termination(&pod)["reason"], &termination(&pod)["exitCode"]),
        (&Value::from("OOMKilled"), &Value::from(137),)
    );
}

#[test]
fn processor_time_has_a_limit() {
    let namespace = namespace("processor");
    let fields = "    resources: { limits: { cpu: 100m }, requests: { cpu: 50m } }";
    // A tenth of a processor: a loop of a few hundredths of a second of work takes ten times as long on the clock.
    let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; times";
    let begin = std::time::Instant::now();
    let times = run_in(&namespace, "slow", fields, "", &["sh", "-c", script]);
    let wall = begin.elapsed().as_secs_f64();
    // `0m0.123000s 0m0.010000s`: user and system time of the shell.
    let used: f64 = times
        .split_whitespace()
        .take(2)
        .filter_map(|time| time.trim_end_matches('s').rsplit_once('m'))
        .filter_map(|(_, seconds)| seconds.parse::<f64>().ok())
        .sum();
    assert!(used > 0.05, "the loop was too short to tell: {times}");
    assert!(wall > used * 4.0, "{used} s of work took {wall} s: nothing limited it");
}

#[test]
fn a_pod_may_use_the_hosts_network() {
    let namespace = namespace("host-network");
    let interfaces = run_in(&namespace, "host", "", "  hostNetwork: true", &["ls", "/sys/class/net"]);
    let bridge = &namespace.agent().settings().bridge;
    assert!(
        interfaces.split_whitespace().any(|one| one == bridge),
        "the agent's bridge is seen: {interfaces}"
    );
    let interfaces = run_in(&namespace, "own", "", "", &["ip", "-o", "link"]);
    assert_eq!(interfaces.lines().count(), 2, "loopback and one more: {interfaces}");
}

#[test]
fn pods_reach_each_other_and_have_the_name_asked_for() {
    let namespace = namespace("network");
    let manifest = busybox(
        "web",
        "    readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 }",
        "  hostname: asked-for",
    )
    .replace("busybox:latest", "ikubernetes/myapp:v1");
    let (mut watch, _) = namespace.start(&manifest, "web");
    let (_, pod) = watch.until("it is ready", PATIENCE, probelet_tests::pod::is_ready);
    assert_eq!(namespace.exec("web", &["hostname"]).success(), "asked-for\n");
    let url = format!("http://{}/index.html", probelet_tests::pod::address(&pod));
    let page = run_in(&namespace, "client", "", "", &["wget", "-qO-", &url]);
    assert!(!page.is_empty());
    let wide = namespace.run(&["get", "pod", "web", "-o", "wide"]).success();
    assert!(
        wide.contains(probelet_tests::pod::address(&pod)) && wide.contains("NOMINATED NODE"),
        "{wide}"
    );
}
