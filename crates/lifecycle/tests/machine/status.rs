//! Phase, conditions and container states (C1, C2, C3).

use probelet_lifecycle::{
    config::{PodConfig, RestartPolicy},
    event::ImageError,
    status::{ContainerState, Phase},
};

use crate::world::{
    EPOCH, World, brief, condition, container, failure, hook, init_container, pod, probe, seconds, success,
};

#[test]
fn c1_1_a_pod_is_pending_until_each_container_has_run() {
    let mut world = World::new(pod(vec![container("a"), container("b")]));
    world.applications[1].start = Box::new(|_| (seconds(3), Ok(())));
    world.begin(seconds(1));
    assert_eq!(world.state.status().phase, Phase::Pending);
    world.run(seconds(3));
    assert_eq!(world.state.status().phase, Phase::Running);
}

#[test]
fn c1_1_a_pod_is_pending_while_its_post_start_hook_runs() {
    let mut app = container("app");
    app.post_start = Some(hook(3600));
    let mut world = World::new(pod(vec![app]));
    world.app().hook = Box::new(|_| Some((seconds(3), Ok(()))));
    world.begin(seconds(1));
    assert_eq!(world.state.status().phase, Phase::Pending);
    world.run(seconds(3));
    assert_eq!(world.state.status().phase, Phase::Running);
}

#[test]
fn c1_1_a_pod_that_is_deleted_before_each_container_has_run_stays_pending() {
    let mut world = World::new(pod(vec![container("a"), container("b")]));
    world.applications[0].stops = None;
    world.applications[1].image = Box::new(|_| Err((ImageError::Pull, String::new())));
    world.begin(seconds(1));
    world.delete(Some(5));
    world.run(seconds(4));
    assert_eq!(world.state.status().phase, Phase::Pending);
    world.run(seconds(9));
    assert_eq!(world.state.status().phase, Phase::Failed);
}

#[test]
fn b6_3_what_never_ran_of_a_pod_that_has_ended_is_lost_unless_it_was_not_its_turn() {
    let mut world = World::new(pod(vec![container("a")]));
    world.applications[0].image = Box::new(|_| Err((ImageError::Pull, String::new())));
    world.begin(seconds(1));
    world.delete(None);
    let ContainerState::Terminated(end) = world.shown().state else {
        panic!("{:#?}", world.shown())
    };
    assert_eq!((end.reason.as_str(), end.exit_code), ("ContainerStatusUnknown", 137));
    assert_eq!(
        end.message,
        "The container could not be located when the pod was terminated"
    );
    // A pod that was still being initialized keeps what it showed.
    let mut world = World::new(pod(vec![crate::world::init_container("setup"), container("a")]));
    world.app().stops = Some((0, 143));
    world.begin(seconds(1));
    world.delete(None);
    world.run(seconds(2));
    let last = world.statuses.last().unwrap().1.containers[1].clone();
    assert!(matches!(last.state, ContainerState::Waiting { .. }), "{last:#?}");
}

#[test]
fn c1_3_a_pod_runs_while_one_container_does_and_ends_with_the_last() {
    for (code, phase) in [(0, Phase::Succeeded), (4, Phase::Failed)] {
        let mut config = pod(vec![container("a"), container("b")]);
        config.restart_policy = RestartPolicy::Never;
        let mut world = World::new(config);
        world.applications[0].ends = Box::new(move |_| Some((seconds(1), code)));
        world.applications[1].ends = Box::new(|_| Some((seconds(5), 0)));
        world.begin(seconds(4));
        assert_eq!(world.state.status().phase, Phase::Running);
        world.run(seconds(5));
        assert_eq!(world.state.status().phase, phase);
    }
}

#[test]
fn c2_1_the_sandbox_has_a_condition_and_scheduling_is_always_over() {
    let mut world = World::new(pod(vec![container("app")]));
    world.sandbox = Box::new(|tries| if tries == 1 { Err("no".into()) } else { Ok(()) });
    world.begin(seconds(1));
    assert!(!condition(&world, "PodReadyToStartContainers").status);
    assert!(condition(&world, "PodScheduled").status && condition(&world, "Initialized").status);
    world.run(seconds(10));
    assert!(condition(&world, "PodReadyToStartContainers").status);
    let names: Vec<_> = world
        .state
        .status()
        .conditions
        .into_iter()
        .map(|condition| condition.name)
        .collect();
    assert_eq!(
        names,
        [
            "PodReadyToStartContainers",
            "Initialized",
            "Ready",
            "ContainersReady",
            "PodScheduled"
        ]
    );
}

#[test]
fn c2_3_unready_containers_are_named() {
    let mut unready = container("b");
    unready.readiness = Some(probe(0, 5));
    let mut world = World::new(pod(vec![container("a"), unready, container("c")]));
    world.applications[1].probe = Box::new(|run| if run.at < seconds(10) { failure() } else { success() });
    world.applications[2].start = Box::new(|_| (seconds(3), Ok(())));
    world.begin(seconds(1));
    let message = |names: &str| {
        (
            false,
            "ContainersNotReady".into(),
            format!("containers with unready status: [{names}]"),
        )
    };
    assert_eq!(brief(&world, "ContainersReady"), message("b c"));
    world.run(seconds(4));
    assert_eq!(brief(&world, "Ready"), message("b"));
    world.run(seconds(10));
    assert_eq!(brief(&world, "Ready"), (true, String::new(), String::new()));
}

#[test]
fn c1_7_a_pod_that_has_ended_is_not_ready_and_says_why() {
    for (code, reason, initialized) in [(0, "PodCompleted", "PodCompleted"), (1, "PodFailed", "")] {
        let mut config = pod(vec![container("app")]);
        config.restart_policy = RestartPolicy::Never;
        let mut world = World::new(config);
        world.app().ends = Box::new(move |_| Some((seconds(1), code)));
        world.begin(seconds(2));
        assert_eq!(brief(&world, "Ready"), (false, reason.into(), String::new()));
        assert_eq!(brief(&world, "ContainersReady"), brief(&world, "Ready"));
        // C2.2
        assert_eq!(brief(&world, "Initialized"), (true, initialized.into(), String::new()));
        assert!(!condition(&world, "PodReadyToStartContainers").status);
    }
}

#[test]
fn c2_5_a_transition_is_a_change_of_status_and_of_nothing_else() {
    let mut slow = container("a");
    slow.readiness = Some(probe(2, 2));
    let mut slower = container("b");
    slower.readiness = Some(probe(6, 2));
    let mut world = World::new(pod(vec![slow, slower]));
    world.begin(seconds(1));
    let since = |world: &World| condition(world, "Ready").last_transition.0 - EPOCH;
    assert_eq!(since(&world), 0);
    world.run(seconds(3));
    assert_eq!(
        (since(&world), brief(&world, "Ready").2),
        (0, "containers with unready status: [b]".into())
    );
    world.run(seconds(9));
    assert_eq!(since(&world), 6000);
    world.state = world.stored();
    world.run(seconds(20));
    assert_eq!(since(&world), 6000);
}

#[test]
fn c3_2_the_last_two_ends_are_shown() {
    let mut world = World::new(pod(vec![container("app")]));
    world.app().ends = Box::new(|instance| (instance < 2).then(|| (seconds(1), i32::try_from(instance).unwrap() + 1)));
    world.begin(seconds(1));
    assert_eq!(world.shown().last_termination.unwrap().exit_code, 1);
    world.run(seconds(20));
    let last = world.shown().last_termination.unwrap();
    assert_eq!((last.exit_code, last.instance, world.shown().restart_count), (2, 1, 2));
}

#[test]
fn a_status_is_published_only_when_it_has_changed() {
    let mut app = container("app");
    app.liveness = Some(probe(0, 1));
    app.readiness = Some(probe(0, 1));
    let mut world = World::new(pod(vec![app]));
    // Liveness fails now and then, but never three times in a row.
    world.app().probe = Box::new(|run| if run.at % 3000 == 0 { failure() } else { success() });
    world.begin(seconds(1000));
    let published = world.statuses.len();
    for pair in world.statuses.windows(2) {
        assert_ne!(pair[0].1, pair[1].1);
    }
    assert_eq!(published, 4, "pending, with a sandbox, running, ready");
}

/// The conditions in the order in which they first became true, and when.
fn turns(world: &World) -> Vec<(f64, String)> {
    let mut turns: Vec<(f64, String)> = Vec::new();
    for (at, status) in &world.statuses {
        for condition in status.conditions.iter().filter(|condition| condition.status) {
            if turns.iter().all(|(_, name)| *name != condition.name) {
                turns.push((*at as f64 / 1000.0, condition.name.clone()));
            }
        }
    }
    turns
}

fn at(turns: &[(f64, &str)]) -> Vec<(f64, String)> {
    turns.iter().map(|(at, name)| (*at, (*name).to_owned())).collect()
}

#[test]
fn c2_6_conditions_turn_true_one_after_another() {
    let slow = |mut config: PodConfig| {
        config.containers.last_mut().unwrap().readiness = Some(probe(5, 10));
        let mut world = World::new(config);
        // The sandbox comes at the second try, after 10 s.
        world.sandbox = Box::new(|tries| if tries == 1 { Err("no".into()) } else { Ok(()) });
        world
    };
    let mut world = slow(pod(vec![init_container("init"), container("app")]));
    world.applications[0].ends = Box::new(|_| Some((seconds(2), 0)));
    world.begin(seconds(30));
    let with_init_containers = [
        (0.0, "PodScheduled"),
        (10.0, "PodReadyToStartContainers"),
        (12.0, "Initialized"),
        (17.0, "Ready"),
        (17.0, "ContainersReady"),
    ];
    assert_eq!(turns(&world), at(&with_init_containers));

    let mut world = slow(pod(vec![container("app")]));
    world.begin(seconds(30));
    let without = [
        (0.0, "Initialized"),
        (0.0, "PodScheduled"),
        (10.0, "PodReadyToStartContainers"),
        (15.0, "Ready"),
        (15.0, "ContainersReady"),
    ];
    assert_eq!(turns(&world), at(&without));
}
