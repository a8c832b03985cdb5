//! The rows of the seed's table, as the machine sees them: the numbers of each manifest, and what is done to its
//! container.

use std::{cell::Cell, rc::Rc};

use probelet_lifecycle::{
    action::HookReason,
    config::{ContainerConfig, PodConfig},
    event::Verdict,
};

use crate::world::{APP, Application, World, container, exit, failure, hook, pod, probe, seconds, success};

/// The limit of hooks that have none of their own.
const HOOK_LIMIT: u64 = 3600;

/// busybox's shell as process 1 has no handler for SIGTERM, and so ignores it.
const DEAF: Option<(u64, i32)> = None;

/// nginx ends at once and well.
const NGINX: Option<(u64, i32)> = Some((100, 0));

fn manifest(name: &str, change: impl FnOnce(&mut ContainerConfig)) -> PodConfig {
    let mut container = container(name);
    change(&mut container);
    pod(vec![container])
}

fn world(config: PodConfig, stops: Option<(u64, i32)>) -> World {
    let mut world = World::new(config);
    // A container takes 40 ms to start.
    *world.app() = Application {
        start: Box::new(|_| (40, Ok(()))),
        stops,
        ..Application::default()
    };
    world
}

fn unhealthy(message: &str) -> (u64, Verdict, String) {
    (2, Verdict::Failure, message.into())
}

/// Something that the test does to a container, and the container shows.
fn switch() -> (Rc<Cell<bool>>, Rc<Cell<bool>>) {
    let switch = Rc::new(Cell::new(true));
    (switch.clone(), switch)
}

#[test]
fn exec_health_a_command_that_cannot_be_executed_kills_again_and_again() {
    let mut world = world(
        manifest("busybox", |busybox| busybox.liveness = Some(probe(5, 5))),
        DEAF,
    );
    let message = "exec: \"cat /tmp/health\": stat cat /tmp/health: no such file or directory";
    world.app().probe = Box::new(move |_| unhealthy(message));
    world.begin(seconds(200));
    let story = [
        "0.04 Started: Container started",
        "5.042 Warning Unhealthy: Liveness probe failed: exec: \"cat /tmp/health\": stat cat /tmp/health: no such file or directory",
        "10.042 Warning Unhealthy: Liveness probe failed: exec: \"cat /tmp/health\": stat cat /tmp/health: no such file or directory",
        "15.042 Warning Unhealthy: Liveness probe failed: exec: \"cat /tmp/health\": stat cat /tmp/health: no such file or directory",
        "15.042 Killing: Container busybox failed liveness probe, will be restarted",
        "15.042 Stop c0/0",
        "45.042 Kill c0/0",
    ];
    assert_eq!(world.seen(&["event", "signal"])[2..9], story);
    let status = [
        "0.04 1/1 Running 0",
        "15.042 0/1 Running 0",
        "45.042 0/1 Error 0",
        "45.082 1/1 Running 1",
    ];
    assert_eq!(world.seen(&["status"])[1..5], status);
    world.run(seconds(900));
    // RESTARTS counts up, and the next times back-off grows.
    let starts: Vec<_> = world
        .lines
        .iter()
        .filter(|line| line.what == "start")
        .map(|line| line.at / 1000)
        .collect();
    let lives: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(lives, [45, 45, 45, 45, 45, 125, 205, 345][..lives.len()]);
    let waits = world
        .seen(&["status"])
        .into_iter()
        .filter(|row| row.contains("CrashLoopBackOff"))
        .count();
    assert!(waits >= 2, "{:#?}", world.seen(&["status"]));
}

#[test]
fn exec_health_a_removed_file_kills_and_the_restart_brings_it_back_for_30_seconds() {
    let mut world = world(
        manifest("busybox", |busybox| busybox.liveness = Some(probe(5, 5))),
        DEAF,
    );
    world.app().probe = Box::new(|run| {
        if run.age < seconds(30) {
            success()
        } else {
            unhealthy("cat: no such file")
        }
    });
    world.begin(seconds(160));
    let status = [
        "0.04 1/1 Running 0",
        "40.042 0/1 Running 0",
        "70.042 0/1 Error 0",
        "70.082 1/1 Running 1",
        "110.084 0/1 Running 1",
        "140.084 0/1 Error 1",
        "140.124 1/1 Running 2",
    ];
    assert_eq!(world.seen(&["status"])[1..], status);
    assert_eq!(world.shown().last_termination.unwrap().exit_code, 137);
}

#[test]
fn http_health_a_missing_page_restarts_once_and_the_restart_brings_it_back() {
    let mut world = world(manifest("myapp", |myapp| myapp.liveness = Some(probe(3, 3))), NGINX);
    world.app().probe = Box::new(|run| {
        let missing = run.instance == 0 && run.at > seconds(7);
        if missing {
            unhealthy("HTTP probe failed with statuscode: 404")
        } else {
            success()
        }
    });
    world.begin(seconds(120));
    let text = "Warning Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 404";
    assert_eq!(world.times("event", text), [9.042, 12.042, 15.042]);
    assert_eq!(
        world.times(
            "event",
            "Killing: Container myapp failed liveness probe, will be restarted"
        ),
        [15.042]
    );
    let status = ["15.042 0/1 Running 0", "15.142 0/1 Completed 0", "15.182 1/1 Running 1"];
    assert_eq!(world.seen(&["status"])[2..], status);
}

#[test]
fn tcp_health_a_stopped_server_is_seen_as_completed_and_then_restarted() {
    let mut world = world(manifest("myapp", |myapp| myapp.liveness = Some(probe(5, 5))), NGINX);
    world.begin(seconds(12));
    world.event(exit(APP, 0, 0));
    world.run(seconds(60));
    let status = ["0.04 1/1 Running 0", "12 0/1 Completed 0", "12.04 1/1 Running 1"];
    assert_eq!(world.seen(&["status"])[1..], status);
    assert_eq!(world.seen(&["signal"]), [""; 0]);
}

#[test]
fn exec_ready_a_container_that_never_gets_ready_is_left_alone() {
    let mut world = world(
        manifest("busybox", |busybox| busybox.readiness = Some(probe(5, 5))),
        DEAF,
    );
    world.app().probe = Box::new(|_| failure());
    world.begin(seconds(118));
    assert_eq!(
        world.seen(&["status"]),
        ["0 0/1 ContainerCreating 0", "0.04 0/1 Running 0"]
    );
    assert_eq!(
        world
            .times("event", "Warning Unhealthy: Readiness probe failed: no")
            .len(),
        23
    );
    assert_eq!(world.seen(&["signal"]), [""; 0]);
}

#[test]
fn http_ready_a_missing_page_takes_readiness_away_and_its_return_gives_it_back() {
    let (page, served) = switch();
    let mut world = world(manifest("myapp", |myapp| myapp.readiness = Some(probe(3, 3))), NGINX);
    world.app().probe = Box::new(move |_| if served.get() { success() } else { failure() });
    world.begin(seconds(10));
    page.set(false);
    world.run(seconds(30));
    page.set(true);
    world.run(seconds(60));
    let status = [
        "0.04 0/1 Running 0",
        "3.04 1/1 Running 0",
        "18.04 0/1 Running 0",
        "30.04 1/1 Running 0",
    ];
    assert_eq!(world.seen(&["status"])[1..], status);
    assert_eq!(world.seen(&["start"]).len(), 1);
}

#[test]
fn tcp_ready_a_server_on_another_port_is_not_ready() {
    let (port, served) = switch();
    let refused = "dial tcp 10.88.0.2:80: connect: connection refused";
    let mut world = world(manifest("myapp", |myapp| myapp.readiness = Some(probe(5, 5))), NGINX);
    world.app().probe = Box::new(move |_| if served.get() { success() } else { unhealthy(refused) });
    world.begin(seconds(12));
    port.set(false);
    world.run(seconds(60));
    assert_eq!(
        world.seen(&["status"])[1..],
        ["0.04 0/1 Running 0", "5.04 1/1 Running 0", "25.042 0/1 Running 0"]
    );
    let text = format!("Warning Unhealthy: Readiness probe failed: {refused}");
    assert_eq!(world.times("event", &text)[..3], [15.042, 20.042, 25.042]);
    assert_eq!(world.seen(&["start"]).len(), 1);
}

#[test]
fn post_start_the_hook_runs_once_before_the_container_is_shown() {
    let mut world = world(
        manifest("myapp", |myapp| myapp.post_start = Some(hook(HOOK_LIMIT))),
        NGINX,
    );
    world.app().hook = Box::new(|_| Some((30, Ok(()))));
    world.begin(seconds(60));
    assert_eq!(world.seen(&["hook"]), ["0.04 Start c0/0 within 3600s"]);
    assert_eq!(
        world.seen(&["status"]),
        ["0 0/1 ContainerCreating 0", "0.07 1/1 Running 0"]
    );
}

#[test]
fn pre_stop_the_hook_runs_before_the_signal_and_the_pod_is_gone_in_time() {
    let mut world = world(
        manifest("myapp", |myapp| myapp.pre_stop = Some(hook(HOOK_LIMIT))),
        NGINX,
    );
    world.app().hook = Box::new(|reason| {
        assert_eq!(reason, HookReason::Delete);
        Some((20, Ok(())))
    });
    world.begin(seconds(10));
    world.delete(None);
    world.run(seconds(60));
    let story = [
        "10 Killing: Stopping container myapp",
        "10 1/1 Terminating 0",
        "10 Delete c0/0 within 30s",
        "10.02 Stop c0/0",
        "10.12 0/1 Completed 0",
        "10.12 remove sandbox",
        "10.12 forget",
    ];
    let seen = world.seen(&["event", "status", "hook", "signal", "pod"]);
    assert_eq!(seen[seen.len() - story.len()..], story);
}
