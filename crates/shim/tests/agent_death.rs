//! What is left when the agent, or a shim, is killed.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;
use std::process::{Child, Command};

use common::*;
use probelet_container::{Attachment, Runtime, RuntimeConfig};
use rustix::process::Signal;

/// Tells the process that plays the agent what to start: folder, cgroup and script.
const AGENT: [&str; 3] = [
    "PROBELET_TEST_AGENT_ROOT",
    "PROBELET_TEST_AGENT_CGROUP",
    "PROBELET_TEST_AGENT_SCRIPT",
];

/// An agent that starts the container `a` and is then killed.
async fn start_and_die(world: &World, script: &str) {
    let values = [world.directory.path().to_str().unwrap(), &world.cgroup, script];
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_agent", "--ignored", "--nocapture"])
        .envs(AGENT.into_iter().zip(values))
        .spawn()
        .expect("an agent");
    let mut agent = Agent(child);
    let started = world.directory.path().join("started");
    eventually("the agent has started its container", || started.exists()).await;
    agent.0.kill().expect("kill -9");
    agent.0.wait().expect("its end");
}

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "plays the agent for the other tests, which start it"]
async fn the_agent() {
    let [root, cgroup, script] = AGENT.map(|name| std::env::var(name).expect("started by another test"));
    let directory = PathBuf::from(root);
    let config = RuntimeConfig {
        root: directory.join("containers"),
        shim: PathBuf::from(SHIM),
        cgroup_parent: cgroup,
    };
    let runtime = Runtime::new(config).expect("a runtime");
    let spec = common::shell_in(&directory, "a", &script);
    let container = runtime.start(spec).await.expect("it starts");
    std::fs::write(directory.join("started"), "").unwrap();
    container.wait().await;
    std::future::pending().await
}

#[tokio::test]
async fn a_running_container_is_found_again() {
    let world = World::new();
    let script = "trap 'echo bye; exit 3' TERM; echo hello; while :; do sleep 1000 & wait; done";
    start_and_die(&world, script).await;
    let runtime = world.reopened();
    assert_eq!(runtime.list(), ["a"]);
    let container = running(runtime.attach("a").await.unwrap());
    assert_eq!(exec(&container, &["cat", "/proc/1/comm"]).await.stdout, b"sh\n");
    assert!(container.exit().is_none());
    container.signal(15, false).await.expect("a signal");
    let record = container.wait().await;
    assert_eq!((record.code, record.started_at), (3, Some(container.started_at())));
    assert_eq!(log_lines(container.log_path()), ["stdout F hello", "stdout F bye"]);
}

#[tokio::test]
async fn an_end_that_no_agent_saw_is_recorded() {
    let world = World::new();
    start_and_die(&world, "until [ -e /tmp/go ]; do sleep 0.01; done; exit 9").await;
    std::fs::write(world.directory.path().join("root-a/tmp/go"), "").unwrap();
    let runtime = world.reopened();
    eventually("the end is recorded", || world.folder("a").join("exit.json").exists()).await;
    match runtime.attach("a").await.unwrap() {
        Attachment::Exited(record) => assert_eq!((record.code, record.lost), (9, false)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lost_shim_is_noticed_and_its_container_ended() {
    let world = World::new();
    let container = world.idle("a").await;
    // The helper has been forked, and given its name, when it answers.
    exec(&container, &["true"]).await;
    let shims = world.processes_named("probelet-shim");
    assert_eq!(shims.len(), 1);
    rustix::process::kill_process(shims[0], Signal::KILL).unwrap();
    let record = container.wait().await;
    assert_eq!((record.code, record.lost), (137, true));
    // The machine's own process 1 takes leave of it.
    let process = PathBuf::from(format!("/proc/{}", container.pid()));
    eventually("the container is gone", || !process.exists()).await;
    assert_eq!(world.processes_named("probelet-exec"), []);
    assert!(matches!(world.runtime.attach("a").await.unwrap(), Attachment::Lost));
    world.runtime.remove("a").await.unwrap();
    assert!(matches!(world.runtime.attach("a").await.unwrap(), Attachment::Unknown));
}

#[tokio::test]
async fn a_signal_for_the_agents_terminal_does_not_end_a_shim() {
    let world = World::new();
    let container = world.idle("a").await;
    // The helper has been forked, and given its name, when it answers.
    exec(&container, &["true"]).await;
    let shims = world.processes_named("probelet-shim");
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        rustix::process::kill_process(shims[0], signal).unwrap();
    }
    assert_eq!(exec(&container, &["true"]).await.exit_code, 0);
    assert_eq!(world.processes_named("probelet-shim"), shims);
}
