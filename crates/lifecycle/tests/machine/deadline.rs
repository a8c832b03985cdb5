//! `activeDeadlineSeconds` (B6.6, A4.12).

use std::time::Duration;

use probelet_lifecycle::{config::RestartPolicy, status::Phase};

use crate::world::{World, brief, container, hook, pod, seconds, sidecar};

const MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

fn with_deadline(policy: RestartPolicy) -> World {
    let mut config = pod(vec![sidecar("log"), container("app")]);
    config.restart_policy = policy;
    config.active_deadline = Some(Duration::from_secs(20));
    config.containers[1].pre_stop = Some(hook(60));
    let mut world = World::new(config);
    world.applications[1].hook = Box::new(|_| Some((seconds(2), Ok(()))));
    world.applications[1].stops = Some((seconds(1), 0));
    world
}

#[test]
fn b6_6_the_deadline_ends_the_pod_in_the_graceful_way_and_it_has_failed() {
    for policy in [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never] {
        let mut world = with_deadline(policy);
        world.begin(seconds(60));
        assert_eq!(world.times("event", &format!("DeadlineExceeded: {MESSAGE}")), [20.0]);
        let story = ["20 Deadline c1/0 within 30s", "22 Stop c1/0", "23 Stop c0/0"];
        assert_eq!(world.seen(&["hook", "signal"]), story);
        // C1.6: its reason comes with the phase, when the last container has ended.
        let ended = |status: &probelet_lifecycle::status::PodStatus| status.phase == Phase::Failed;
        for (at, status) in &world.statuses {
            let reason = if ended(status) { "DeadlineExceeded" } else { "" };
            assert_eq!(status.reason, reason);
            assert!(!ended(status) || *at >= seconds(23));
        }
        assert_eq!(world.state.status().message, MESSAGE);
        assert_eq!(brief(&world, "Ready"), (false, "PodFailed".into(), String::new()));
        assert_eq!(world.state.next_wake(), None);
    }
}

#[test]
fn b6_6_the_time_counts_from_the_pods_start_and_not_from_the_containers() {
    let mut world = with_deadline(RestartPolicy::Always);
    world.sandbox = Box::new(|tries| if tries == 1 { Err("no".into()) } else { Ok(()) });
    world.begin(seconds(60));
    assert_eq!(world.seen(&["start"]), ["10 c0/0", "10 c1/0"]);
    assert_eq!(world.times("event", &format!("DeadlineExceeded: {MESSAGE}")), [20.0]);
}

#[test]
fn b6_6_a_pod_that_is_deleted_or_has_ended_has_no_deadline() {
    let mut deleted = with_deadline(RestartPolicy::Always);
    deleted.applications[1].stops = None;
    deleted.begin(seconds(10));
    deleted.delete(None);
    deleted.run(seconds(99));
    let mut ended = with_deadline(RestartPolicy::Never);
    ended.applications[1].ends = Box::new(|_| Some((seconds(3), 0)));
    ended.begin(seconds(99));
    for world in [deleted, ended] {
        assert!(world.times("event", &format!("DeadlineExceeded: {MESSAGE}")).is_empty());
    }
}

#[test]
fn b6_6_a_deletion_gives_no_more_time_than_the_deadline_did() {
    let mut world = with_deadline(RestartPolicy::Always);
    // It is still starting when the deadline ends the pod and when somebody deletes it.
    world.applications[1].start = Box::new(|_| (seconds(25), Ok(())));
    world.applications[1].stops = None;
    world.begin(seconds(22));
    world.delete(Some(600));
    world.run(seconds(700));
    let story = [
        "25 Delete c1/0 within 30s",
        "27 Stop c1/0",
        "50 Stop c0/0",
        "55 Kill c1/0",
    ];
    assert_eq!(world.seen(&["hook", "signal"]), story);
}

#[test]
fn b6_6_a_stored_state_keeps_its_deadline() {
    let mut world = with_deadline(RestartPolicy::Always);
    world.begin(seconds(12));
    world.state = world.stored();
    world.run(seconds(60));
    assert_eq!(world.times("event", &format!("DeadlineExceeded: {MESSAGE}")), [20.0]);
}

#[test]
fn b6_6_a_pod_that_fails_before_its_deadline_does_not_blame_it() {
    let mut world = with_deadline(RestartPolicy::Never);
    world.applications[1].ends = Box::new(|_| Some((seconds(3), 1)));
    world.begin(seconds(10));
    let status = world.state.status();
    assert_eq!(
        (status.phase, status.reason.as_str(), status.message.as_str()),
        (Phase::Failed, "", "")
    );
}
