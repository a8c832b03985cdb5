//! What containers use, as their cgroups count it.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
use probelet_container::{Container, ContainerSpec, Resources, StatsError};

/// Whether this host's kernel counts memory where the container is.
fn counts_memory() -> bool {
    let controllers = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    controllers.map_or(true, |names| names.contains("memory"))
}

#[tokio::test]
async fn a_container_that_works_within_limits() {
    let world = World::new();
    let resources = Resources {
        memory_limit: Some(64 << 20),
        cpu_limit_millis: Some(100),
        pids_limit: Some(50),
        ..Resources::default()
    };
    // Files in memory are used memory, and no cache.
    let script = "dd if=/dev/zero of=/dev/shm/file bs=1M count=8; sleep 1000 & while :; do :; done";
    let mut spec = world.shell("a", script);
    spec.mounts.push(probelet_container::Mount {
        destination: "/dev/shm".into(),
        read_only: false,
        kind: probelet_container::MountKind::Tmpfs { size_bytes: None },
    });
    let container = world
        .runtime
        .start(ContainerSpec { resources, ..spec })
        .await
        .expect("it starts");
    let stats = || container.stats().unwrap();
    eventually("the limit holds it back", || stats().cpu.throttled_periods > 0).await;
    eventually("the file is there", || stats().memory.working_set >= 8 << 20).await;
    // The shell and `sleep`; with cgroups of version 1, the helper that executes commands as well.
    eventually("both run", || (2..=3).contains(&stats().processes.current)).await;
    let (before, memory, processes) = (stats().cpu, stats().memory, stats().processes);
    assert!(before.throttled_time > Duration::ZERO && before.usage > Duration::ZERO);
    assert_eq!((memory.limit, memory.oom_kills), (Some(64 << 20), 0));
    assert!(
        memory.working_set <= memory.usage && memory.usage <= 64 << 20,
        "{memory:?}"
    );
    assert_eq!(processes.limit, Some(50));
    eventually("it uses more", || stats().cpu.usage > before.usage).await;
    let killed = exec(&container, &["dd", "if=/dev/zero", "of=/dev/null", "bs=200M"]).await;
    assert_eq!(killed.exit_code, 137);
    assert!(stats().memory.oom_kills > 0);
}

#[tokio::test]
async fn a_container_without_limits() {
    let world = World::new();
    let container = world.idle("a").await;
    let used = container.cpu_stats().unwrap();
    assert_eq!((used.throttled_periods, used.throttled_time), (0, Duration::ZERO));
    eventually("its start took time", || {
        container.cpu_stats().unwrap().usage > Duration::ZERO
    })
    .await;
    if counts_memory() {
        let stats = container.stats().unwrap();
        assert_eq!((stats.memory.limit, stats.processes.limit), (None, None));
        assert!(stats.memory.usage > 0 && stats.processes.current > 0, "{stats:?}");
    } else {
        let error = container.stats().unwrap_err();
        assert!(matches!(error, StatsError::NoController { .. }), "{error}");
        assert!(
            error.to_string().contains("the memory controller is not enabled"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_container_that_has_ended_uses_nothing() {
    let world = World::new();
    let container = world.runtime.start(world.shell("a", "true")).await.expect("it starts");
    container.wait().await;
    let not_running = |container: &Container| {
        let error = container.stats().unwrap_err();
        assert!(matches!(error, StatsError::NotRunning { .. }), "{error}");
        assert_eq!(error.to_string(), "container a does not run");
    };
    not_running(&container);
    world.runtime.remove("a").await.unwrap();
    not_running(&container);
}

#[test]
fn all_of_this_with_unified_cgroups() {
    again_with_unified_cgroups(
        "all_of_this_with_unified_cgroups",
        &["a_container_that_works_within_limits"],
    );
}
