//! Init containers: one behind the other, before the rest (B4.1, B4.2).

use probelet_lifecycle::{
    config::{ContainerKind, RestartPolicy},
    event::{Event, Exit, ImageError, StartError},
    status::{ContainerState, Phase},
};

use crate::world::{World, brief, container, init_container, pod, probe, seconds, sidecar};

/// Two init containers, of 3 s each, and a regular one.
fn two(policy: RestartPolicy) -> World {
    let mut config = pod(vec![init_container("one"), init_container("two"), container("app")]);
    config.restart_policy = policy;
    let mut world = World::new(config);
    for application in &mut world.applications[..2] {
        application.ends = Box::new(|_| Some((seconds(3), 0)));
    }
    world
}

#[test]
fn b4_1_init_containers_run_one_at_a_time_and_in_order() {
    for policy in [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never] {
        let mut world = two(policy);
        world.begin(seconds(60));
        assert_eq!(world.seen(&["start"]), ["0 c0/0", "3 c1/0", "6 c2/0"], "{policy:?}");
        assert_eq!(world.seen(&["image"]), ["0 c0", "3 c1", "6 c2"], "{policy:?}");
    }
}

#[test]
fn c4_4_the_column_counts_those_that_are_done() {
    let mut world = two(RestartPolicy::Always);
    world.begin(seconds(60));
    assert_eq!(
        world.seen(&["status"]),
        [
            "0 0/1 Init:0/2 0",
            "3 0/1 Init:1/2 0",
            "6 0/1 PodInitializing 0",
            "6 1/1 Running 0"
        ]
    );
}

#[test]
fn b4_9_a_container_whose_turn_has_not_come_waits_for_the_pods_initialization() {
    let mut world = two(RestartPolicy::Always);
    world.begin(seconds(1));
    for container in &world.state.status().containers[1..] {
        let ContainerState::Waiting { reason, message } = &container.state else {
            panic!("{container:?}")
        };
        assert_eq!((reason.as_str(), message.as_str()), ("PodInitializing", ""));
    }
    assert_eq!(world.state.status().phase, Phase::Pending);
}

#[test]
fn b4_2_a_failure_is_tried_again_with_back_off_and_nothing_else_starts() {
    for policy in [RestartPolicy::Always, RestartPolicy::OnFailure] {
        let mut world = two(policy);
        world.applications[1].ends = Box::new(|instance| Some((seconds(1), i32::from(instance < 3))));
        world.begin(seconds(100));
        let starts = ["0 c0/0", "3 c1/0", "4 c1/1", "15 c1/2", "36 c1/3", "37 c2/0"];
        assert_eq!(world.seen(&["start"]), starts, "{policy:?}");
        // C4.2: during initialization the restarts of init containers count, later those of the others.
        let rows = [
            "0 0/1 Init:0/2 0",
            "3 0/1 Init:1/2 0",
            "4 0/1 Init:Error 0",
            "4 0/1 Init:1/2 1",
            "5 0/1 Init:Error 1",
            "5 0/1 Init:CrashLoopBackOff 1",
            "15 0/1 Init:1/2 2",
            "16 0/1 Init:Error 2",
            "16 0/1 Init:CrashLoopBackOff 2",
            "36 0/1 Init:1/2 3",
            "37 0/1 PodInitializing 0",
            "37 1/1 Running 0",
        ];
        assert_eq!(world.seen(&["status"]), rows, "{policy:?}");
    }
}

#[test]
fn c1_2_a_failure_that_may_not_be_tried_again_fails_the_pod() {
    let mut world = two(RestartPolicy::Never);
    world.applications[1].ends = Box::new(|_| Some((seconds(1), 7)));
    world.begin(seconds(100));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "3 c1/0"]);
    let status = world.state.status();
    assert_eq!(status.phase, Phase::Failed);
    assert_eq!(world.seen(&["status"]).last().unwrap(), "4 0/1 Init:Error 0");
    assert_eq!(world.seen(&["pod"]), ["0 create sandbox", "4 remove sandbox"]);
    // C1.7
    assert_eq!(brief(&world, "Ready"), (false, "PodFailed".into(), String::new()));
    assert_eq!(brief(&world, "Initialized").1, "ContainersNotInitialized");
}

#[test]
fn b4_2_its_own_policy_decides_before_the_pods() {
    for (of_pod, own, starts) in [
        (RestartPolicy::Always, RestartPolicy::Never, 1),
        (RestartPolicy::Never, RestartPolicy::OnFailure, 2),
    ] {
        let mut config = pod(vec![init_container("setup"), container("app")]);
        config.restart_policy = of_pod;
        config.containers[0].restart_policy = Some(own);
        let mut world = World::new(config);
        world.app().ends = Box::new(|_| Some((seconds(1), 1)));
        world.begin(seconds(2));
        assert_eq!(world.seen(&["start"]).len(), starts, "{of_pod:?} {own:?}");
        assert_eq!(world.state.status().phase == Phase::Failed, starts == 1);
    }
}

#[test]
fn b4_2_what_was_killed_for_want_of_memory_has_failed_whatever_its_code() {
    let mut world = two(RestartPolicy::Always);
    world.applications[0].ends = Box::new(|_| None);
    world.begin(seconds(2));
    let exit = Exit {
        code: 0,
        signal: None,
        oom_killed: true,
        lost: false,
        message: String::new(),
    };
    let container = crate::world::APP;
    world.event(Event::ContainerExited {
        container,
        instance: 0,
        exit,
    });
    world.run(seconds(3));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "2 c0/1"]);
}

#[test]
fn c2_2_the_condition_names_those_that_are_not_done() {
    let mut world = World::new(pod(vec![
        init_container("one"),
        sidecar("log"),
        init_container("two"),
        container("app"),
    ]));
    world.applications[0].ends = Box::new(|_| Some((seconds(3), 0)));
    world.applications[2].ends = Box::new(|_| Some((seconds(3), 0)));
    let incomplete = |names: &str| {
        let message = format!("containers with incomplete status: [{names}]");
        (false, "ContainersNotInitialized".to_owned(), message)
    };
    world.begin(seconds(1));
    assert_eq!(brief(&world, "Initialized"), incomplete("one log two"));
    // C2.3: regular containers and sidecars are counted.
    let unready = "containers with unready status: [log app]";
    assert_eq!(brief(&world, "ContainersReady").2, unready);
    world.run(seconds(4));
    assert_eq!(brief(&world, "Initialized"), incomplete("two"));
    world.run(seconds(7));
    assert_eq!(brief(&world, "Initialized"), (true, String::new(), String::new()));
}

#[test]
fn a3_32_an_init_container_is_ready_when_it_has_ended_well() {
    let mut world = two(RestartPolicy::Always);
    world.begin(seconds(1));
    let running = world.shown();
    assert_eq!(
        (running.kind, running.ready, running.started),
        (ContainerKind::Init, false, true)
    );
    world.run(seconds(4));
    let ended = world.shown();
    assert_eq!((ended.ready, ended.started), (true, false));
}

#[test]
fn b4_8_a_restarted_container_does_not_run_the_init_containers_again() {
    let mut world = two(RestartPolicy::Always);
    world.applications[2].ends = Box::new(|instance| (instance == 0).then_some((seconds(5), 1)));
    world.begin(seconds(60));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "3 c1/0", "6 c2/0", "11 c2/1"]);
}

#[test]
fn b4_4_an_init_container_that_cannot_start_holds_all_others_back() {
    let mut world = two(RestartPolicy::Always);
    world.applications[0].start = Box::new(|_| (0, Err((StartError::Create, "no".into()))));
    world.begin(seconds(9));
    assert_eq!(world.seen(&["start"]), ["0 c0/0"]);
    assert_eq!(
        world.seen(&["status"]).last().unwrap(),
        "0 0/1 Init:CreateContainerError 0"
    );
    let mut world = two(RestartPolicy::Always);
    world.applications[0].image = Box::new(|_| Err((ImageError::Pull, "no".into())));
    world.begin(seconds(9));
    assert_eq!(world.seen(&["image"]), ["0 c0"]);
    assert_eq!(world.seen(&["status"]).last().unwrap(), "0 0/1 Init:ImagePullBackOff 0");
}

#[test]
fn b3_5_a_deletion_during_initialization_ends_what_runs_and_starts_nothing() {
    let mut world = two(RestartPolicy::Always);
    world.begin(seconds(1));
    world.delete(Some(5));
    world.run(seconds(60));
    assert_eq!(world.seen(&["start"]), ["0 c0/0"]);
    assert_eq!(
        world.seen(&["signal", "pod"]),
        ["0 create sandbox", "1 Stop c0/0", "1 remove sandbox", "1 forget"]
    );
    assert_eq!(world.statuses.last().unwrap().1.phase, Phase::Failed);
}

#[test]
fn a_state_of_the_middle_of_an_initialization_goes_on_from_there() {
    let mut world = two(RestartPolicy::Always);
    world.begin(seconds(4));
    world.state = world.stored();
    world.run(seconds(60));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "3 c1/0", "6 c2/0"]);
}

#[test]
fn a3_1_an_init_container_has_no_probes_even_if_the_others_do() {
    let mut world = two(RestartPolicy::Always);
    world.config.containers[2].readiness = Some(probe(0, 10));
    world.state = probelet_lifecycle::State::new(world.config.clone(), crate::world::now(0));
    world.begin(seconds(7));
    assert_eq!(world.seen(&["probe"]), ["6 Readiness c2/0"]);
}
