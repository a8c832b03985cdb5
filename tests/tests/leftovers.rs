//! Nothing is left: processes, mounts, namespaces, interfaces, cgroups and files are counted before and after lives of
//! every kind, with every kind of forced end.
//!
//! The counts are the whole machine's, so this is one test, and nothing may run beside it.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use probelet_tests::{
    agent::{Agent, Settings, images},
    census::{Census, assert_ended, parent, process_with},
    finished::Finished,
    namespace::Namespace,
    pod::{is_ready, is_running, restarts},
};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_left_of_pods_agents_and_clients_however_they_end() {
    let before = Census::take(&shared_folders());
    let agent = Agent::start();
    let state = agent.state();
    {
        let namespace = agent.namespace("default");
        // The first life also makes what is kept on purpose, such as compiled components.
        graceful(&namespace);
        let warm = Census::take(std::slice::from_ref(&state));

        graceful(&namespace);
        probes_that_leave_processes_behind(&namespace);
        forced_during_the_hook(&namespace);
        forced_during_the_start(&namespace);
        clients_that_are_killed(&namespace);
        refused(&namespace);
        agent_that_is_killed(&namespace);
        shim_that_is_killed(&namespace);

        let mut left = Census::take(std::slice::from_ref(&state)).new_since(&warm);
        // The agent itself is another process since it was killed.
        let agent = format!("process: /proc/{} ", agent.process());
        left.retain(|line| !line.starts_with(&agent));
        assert!(
            left.is_empty(),
            "left behind while the agent runs on:\n{}",
            left.join("\n")
        );
    }
    foreground(&agent, 1);
    foreground(&agent, 2);
    drop(agent);
    assert!(!state.exists(), "{} is still there", state.display());
    let after = Census::take(&shared_folders());
    let left = after.new_since(&before);
    assert!(
        left.is_empty(),
        "left behind after the agent's end:\n{}",
        left.join("\n")
    );
    for kind in ["process", "mount", "namespace", "interface", "cgroup"] {
        println!("{kind}: {} before, {} after", before.count(kind), after.count(kind));
    }
}

/// Where an agent might leave something beside its own folder.
fn shared_folders() -> Vec<PathBuf> {
    ["/run", "/var/lib/probelet", "/dev/shm", "/dev/mqueue"]
        .map(PathBuf::from)
        .to_vec()
}

fn graceful(namespace: &Namespace) {
    let manifest = "
apiVersion: v1
kind: Pod
metadata: { name: graceful }
spec:
  terminationGracePeriodSeconds: 5
  volumes: [{ name: scratch, emptyDir: {} }]
  containers:
  - name: one
    image: busybox:latest
    command: [sh, -c, 'trap \"exit 0\" TERM; echo one > /scratch/one; sleep 3600 & wait']
    volumeMounts: [{ name: scratch, mountPath: /scratch }]
    lifecycle:
      postStart: { exec: { command: [touch, /scratch/hook] } }
      preStop: { exec: { command: [rm, /scratch/hook] } }
    livenessProbe: { exec: { command: [cat, /scratch/one] }, periodSeconds: 1 }
    readinessProbe: { exec: { command: [cat, /scratch/hook] }, periodSeconds: 1 }
  - name: two
    image: ikubernetes/myapp:v1
    livenessProbe: { httpGet: { port: 80 }, periodSeconds: 1 }
    readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 }
";
    let (mut watch, _) = namespace.start(manifest, "graceful");
    watch.reaches("the pod is ready", PATIENCE, is_ready);
    namespace.run(&["delete", "pod", "graceful"]).success();
}

/// One probe passes its deadline, the other ends well; both leave a process that has fled into a session of its own.
fn probes_that_leave_processes_behind(namespace: &Namespace) {
    let manifest = "
apiVersion: v1
kind: Pod
metadata: { name: messy }
spec:
  containers:
  - name: one
    image: busybox:latest
    command: [sleep, '86001']
    livenessProbe:
      exec: { command: [sh, -c, 'setsid sleep 86002 & exit 0'] }
      periodSeconds: 1
    readinessProbe:
      exec: { command: [sh, -c, '(setsid sleep 86003 &) ; sleep 86004'] }
      periodSeconds: 1
      timeoutSeconds: 1
";
    namespace.start(manifest, "messy");
    let mut events = namespace.watch_events("messy");
    events.until("two readiness runs have passed their deadline", PATIENCE, |event| {
        event["reason"] == "Unhealthy" && event["count"].as_u64() >= Some(2)
    });
    let runs = namespace.history("messy");
    assert!(
        runs.iter()
            .any(|run| run["kind"] == "liveness" && run["outcome"] == "success"),
        "{runs:#?}"
    );
    assert_ended("sleep 86002");
    force(namespace, "messy");
    for command in ["sleep 86001", "sleep 86002", "sleep 86003", "sleep 86004"] {
        assert_ended(command);
    }
}

fn forced_during_the_hook(namespace: &Namespace) {
    let manifest = "
apiVersion: v1
kind: Pod
metadata: { name: hooked }
spec:
  containers:
  - name: one
    image: busybox:latest
    command: [sleep, '3600']
    lifecycle: { preStop: { exec: { command: [sleep, '86005'] } } }
";
    let (mut watch, _) = namespace.start(manifest, "hooked");
    namespace.run(&["delete", "pod", "hooked", "--wait=false"]).success();
    watch.until("the pod is being deleted", PATIENCE, |pod| {
        !pod["metadata"]["deletionTimestamp"].is_null()
    });
    force(namespace, "hooked");
    assert_ended("sleep 86005");
}

fn forced_during_the_start(namespace: &Namespace) {
    namespace.apply(&sleeper("hasty", "3600")).success();
    force(namespace, "hasty");
}

fn clients_that_are_killed(namespace: &Namespace) {
    let (mut watch, _) = namespace.start(&sleeper("watched", "3600"), "watched");
    let mut session = namespace
        .command(&["exec", "watched", "--", "sh", "-c", "echo started; exec sleep 86006"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client can be run");
    wait_for_line(&mut session, "started");
    let mut follower = namespace
        .command(&["logs", "--follow", "watched"])
        .spawn()
        .expect("the client can be run");
    for client in [&mut session, &mut follower] {
        client.kill().expect("a child can be killed");
        client.wait().expect("a child can be waited for");
    }
    // Deleting the pod would end it in any case; it has to end with its client.
    let mut events = Namespace::watch(namespace, "watched");
    events.always("the pod runs on", Duration::from_secs(2), is_running);
    assert_ended("sleep 86006");
    force(namespace, "watched");
    watch.always("nothing restarts", Duration::ZERO, |pod| restarts(pod) == 0);
}

fn refused(namespace: &Namespace) {
    assert_ne!(namespace.apply("kind: Pod\nspec: {").code, Some(0));
    assert_ne!(namespace.run(&["exec", "nobody", "--", "true"]).code, Some(0));
    namespace
        .apply(&sleeper("imageless", "1").replace("busybox:latest", "nowhere/nothing:1"))
        .success();
    force(namespace, "imageless");
}

fn agent_that_is_killed(namespace: &Namespace) {
    namespace.start(&sleeper("orphan", "86007"), "orphan");
    namespace.agent().kill();
    assert!(
        process_with("sleep 86007").is_some(),
        "the container runs on without its agent"
    );
    namespace.agent().start_again();
    force(namespace, "orphan");
    assert_ended("sleep 86007");
}

fn shim_that_is_killed(namespace: &Namespace) {
    let (mut watch, _) = namespace.start(&sleeper("shimless", "86008"), "shimless");
    let container = process_with("sleep 86008").expect("the container runs");
    let shim = Pid::from_raw(parent(container).cast_signed()).expect("a process has a number above 0");
    kill_process(shim, Signal::KILL).expect("root may kill the shim");
    watch.until("the loss is noticed and the container restarted", PATIENCE, |pod| {
        restarts(pod) > 0
    });
    force(namespace, "shimless");
    assert_ended("sleep 86008");
}

/// `probelet run`, ended by so many Ctrl-C.
fn foreground(agent: &Agent, interrupts: usize) {
    let folder = tempfile::tempdir().expect("/tmp can be written");
    let state = folder.path().join("state");
    let manifest = folder.path().join("pod.yaml");
    std::fs::write(&manifest, sleeper("foreground", "86009")).expect("/tmp can be written");
    let settings = Settings::unique();
    for archive in images() {
        Finished::run(
            agent
                .client(&["image", "import"])
                .arg(archive)
                .env("PROBELET_STATE_DIR", &state),
        )
        .success();
    }
    let mut command: Command = agent.client(&["run"]);
    command
        .arg(&manifest)
        .args(["--bridge", &settings.bridge, "--pod-cidr", &settings.pod_range]);
    command.env("PROBELET_STATE_DIR", &state).stdout(Stdio::piped());
    let mut agent = command.spawn().expect("the agent can be run");
    let rows = wait_for_line(&mut agent, "1/1");
    for _ in 0..interrupts {
        kill_process(Pid::from_child(&agent), Signal::INT).expect("a child can be interrupted");
    }
    // Read on, or the agent would meet a closed pipe; the end of its output is its end.
    rows.lines().for_each(drop);
    agent.wait().expect("a child can be waited for");
    assert_ended("sleep 86009");
}

/// Reads until a line holds the text, and hands the rest back.
#[track_caller]
fn wait_for_line(child: &mut Child, text: &str) -> BufReader<std::process::ChildStdout> {
    let mut reader = BufReader::new(child.stdout.take().expect("stdout was asked for as a pipe"));
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        let count = reader.read_line(&mut line).expect("a pipe can be read");
        assert_ne!(count, 0, "the output has ended without `{text}`");
    }
    reader
}

/// A pod that does nothing for so many seconds. Nothing waits for its grace period: sleep ignores SIGTERM as process 1.
fn sleeper(name: &str, seconds: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{ name: {name} }}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: one
    image: busybox:latest
    command: [sleep, '{seconds}']
"
    )
}

/// Deletes by force, and waits until the pod is gone.
#[track_caller]
fn force(namespace: &Namespace, pod: &str) {
    namespace
        .run(&["delete", "pod", pod, "--grace-period=0", "--force"])
        .success();
    assert!(!namespace.has(pod), "{pod} is still there");
}
