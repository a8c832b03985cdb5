//! Restart rules by exit codes, and the restart of all containers (B5.3, B5.4).

use probelet_lifecycle::{
    config::{ContainerConfig, RestartAction, RestartPolicy, RestartRule},
    status::{ContainerState, Phase},
};

use crate::world::{World, brief, container, failure, hook, init_container, pod, probe, seconds, sidecar};

fn rule(action: RestartAction, listed: bool, exit_codes: &[i32]) -> RestartRule {
    RestartRule {
        action,
        listed,
        exit_codes: exit_codes.to_vec(),
    }
}

/// A container of its own policy `Never` with these rules, that ends after a second with this code.
fn with_rules(rules: Vec<RestartRule>, code: i32) -> World {
    let app = ContainerConfig {
        restart_policy: Some(RestartPolicy::Never),
        restart_rules: rules,
        ..container("app")
    };
    let mut world = World::new(pod(vec![app]));
    world.app().ends = Box::new(move |instance| (instance == 0).then_some((seconds(1), code)));
    world
}

#[test]
fn b5_3_a_rule_restarts_by_exit_code_whatever_the_policy_is() {
    let cases = [
        (true, [42, 43], 42, 2),
        (true, [42, 43], 41, 1),
        (false, [0, 1], 42, 2),
        (false, [0, 42], 42, 1),
    ];
    for (listed, codes, code, starts) in cases {
        let mut world = with_rules(vec![rule(RestartAction::Restart, listed, &codes)], code);
        world.begin(seconds(3));
        assert_eq!(world.seen(&["start"]).len(), starts, "{listed} {codes:?} {code}");
        let phase = if starts == 2 { Phase::Running } else { Phase::Failed };
        assert_eq!(world.state.status().phase, phase);
    }
}

#[test]
fn b5_3_the_first_rule_that_matches_decides() {
    let restart = rule(RestartAction::Restart, true, &[42]);
    let restart_all = rule(RestartAction::RestartAllContainers, false, &[0]);
    for (rules, all) in [
        (vec![restart.clone(), restart_all.clone()], false),
        (vec![restart_all, restart], true),
    ] {
        let mut world = with_rules(rules, 42);
        world.begin(seconds(3));
        assert_eq!(world.seen(&["start"]).len(), 2);
        let restarted_all = world
            .statuses
            .iter()
            .flat_map(|(_, status)| &status.conditions)
            .any(|condition| condition.name == "AllContainersRestarting" && condition.status);
        assert_eq!(restarted_all, all);
    }
}

#[test]
fn b5_3_rules_are_not_looked_at_after_a_probes_kill() {
    let mut world = with_rules(vec![rule(RestartAction::Restart, false, &[7])], 0);
    world.app().ends = Box::new(|_| None);
    world.config.containers[0].liveness = Some(probe(0, 1));
    world.state = probelet_lifecycle::State::new(world.config.clone(), crate::world::now(0));
    world.app().probe = Box::new(|_| failure());
    world.begin(seconds(60));
    assert_eq!(world.seen(&["start"]), ["0 c0/0"]);
}

#[test]
fn b5_5_a_rules_restarts_wait_longer_and_longer_too() {
    let mut world = with_rules(vec![rule(RestartAction::Restart, true, &[1])], 1);
    world.app().ends = Box::new(|_| Some((seconds(1), 1)));
    world.begin(seconds(40));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "1 c0/1", "12 c0/2", "33 c0/3"]);
}

/// An init container of a second, a sidecar, two regular containers; the first of them ends with 42 and restarts all.
fn with_all() -> World {
    let trigger = ContainerConfig {
        restart_policy: Some(RestartPolicy::Never),
        restart_rules: vec![rule(RestartAction::RestartAllContainers, true, &[42])],
        ..container("trigger")
    };
    let other = ContainerConfig {
        pre_stop: Some(hook(60)),
        ..container("other")
    };
    let mut world = World::new(pod(vec![init_container("setup"), sidecar("log"), trigger, other]));
    world.applications[0].ends = Box::new(|_| Some((seconds(1), 0)));
    world.applications[2].ends = Box::new(|instance| (instance == 0).then_some((seconds(5), 42)));
    world
}

#[test]
fn b5_4_all_containers_are_ended_and_start_again_from_the_first() {
    let mut world = with_all();
    world.applications[3].stops = Some((seconds(1), 143));
    world.begin(seconds(60));
    let starts = [
        "0 c0/0", "1 c1/0", "1 c2/0", "1 c3/0", "7 c0/1", "8 c1/1", "8 c2/1", "8 c3/1",
    ];
    assert_eq!(world.seen(&["start"]), starts);
    // B2.10: without a grace period, and so without a hook, and in no order.
    assert_eq!(world.seen(&["signal", "hook"]), ["6 Stop c1/0", "6 Stop c3/0"]);
    let status = world.state.status();
    assert_eq!(
        (status.phase, world.seen(&["status"]).last().unwrap().as_str()),
        (Phase::Running, "8 3/3 Running 3")
    );
}

#[test]
fn b2_10_what_does_not_end_is_killed_after_two_seconds() {
    let mut world = with_all();
    world.applications[3].stops = None;
    world.begin(seconds(60));
    assert_eq!(world.seen(&["signal"]), ["6 Stop c1/0", "6 Stop c3/0", "8 Kill c3/0"]);
    assert_eq!(world.seen(&["start"])[4], "8 c0/1");
}

#[test]
fn b5_4_meanwhile_the_statuses_say_so_and_the_pod_keeps_running() {
    let mut world = with_all();
    world.applications[3].stops = Some((seconds(1), 0));
    world.begin(6500);
    let status = world.state.status();
    assert_eq!(status.phase, Phase::Running);
    assert!(brief(&world, "Initialized").0, "it has been initialized before");
    let message = "container exited with restart policy rule";
    let expected = (true, "RestartAllContainersStarted".to_owned(), message.to_owned());
    assert_eq!(brief(&world, "AllContainersRestarting"), expected);
    for (at, code, reason) in [(0, 0, "Completed"), (1, 0, "RestartingAllContainers"), (2, 42, "Error")] {
        let shown = &status.containers[at];
        assert!(
            matches!(&shown.state, ContainerState::Waiting { reason, .. } if reason == "RestartingAllContainers"),
            "{shown:#?}"
        );
        let last = shown.last_termination.as_ref().unwrap();
        assert_eq!((last.exit_code, last.reason.as_str()), (code, reason));
    }
    world.run(seconds(60));
    assert_eq!(
        brief(&world, "AllContainersRestarting"),
        (false, String::new(), String::new())
    );
}

#[test]
fn b5_4_a_pod_without_such_a_rule_has_no_such_condition() {
    let mut world = with_rules(vec![rule(RestartAction::Restart, true, &[42])], 42);
    world.begin(seconds(1));
    let conditions = world.state.status().conditions;
    assert!(
        conditions
            .iter()
            .all(|condition| condition.name != "AllContainersRestarting")
    );
}

#[test]
fn b5_4_a_rule_that_matches_again_and_again_waits_longer_and_longer() {
    let mut world = with_all();
    world.applications[2].ends = Box::new(|_| Some((seconds(1), 42)));
    world.begin(seconds(60));
    let starts = world.seen(&["start"]);
    let of_trigger: Vec<_> = starts.iter().filter(|start| start.contains("c2/")).collect();
    // 1 s of initialization after the first end, 10 and 20 s of waiting after the others.
    assert_eq!(of_trigger, ["1 c2/0", "3 c2/1", "14 c2/2", "35 c2/3"]);
}

#[test]
fn b5_4_an_init_container_can_restart_all_too() {
    let mut world = with_all();
    world.config.containers[0].restart_rules = vec![rule(RestartAction::RestartAllContainers, true, &[3])];
    world.state = probelet_lifecycle::State::new(world.config.clone(), crate::world::now(0));
    world.applications[0].ends = Box::new(|instance| Some((seconds(1), if instance == 0 { 3 } else { 0 })));
    world.begin(seconds(3));
    assert_eq!(
        world.seen(&["start"]),
        ["0 c0/0", "1 c0/1", "2 c1/0", "2 c2/0", "2 c3/0"]
    );
}

#[test]
fn b5_4_a_deletion_meanwhile_starts_nothing_any_more() {
    let mut world = with_all();
    world.applications[3].stops = None;
    world.begin(seconds(7));
    world.delete(None);
    world.run(seconds(60));
    assert_eq!(world.seen(&["start"]).len(), 4);
    assert_eq!(world.times("pod", "forget"), [8.0]);
}
