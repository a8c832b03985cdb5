//! Sidecars: started in order, restarted always, ended last (B4.3 to B4.7).

use probelet_lifecycle::{
    action::ProbeKind,
    config::{ContainerIndex, RestartPolicy},
    event::StartError,
    status::Phase,
};

use crate::world::{World, container, failure, hook, pod, probe, seconds, sidecar, success};

/// Two sidecars and a regular container.
fn two(policy: RestartPolicy) -> World {
    let mut config = pod(vec![sidecar("log"), sidecar("mesh"), container("app")]);
    config.restart_policy = policy;
    World::new(config)
}

fn with(policy: RestartPolicy, change: impl FnOnce(&mut World)) -> World {
    let mut world = two(policy);
    change(&mut world);
    world.state = probelet_lifecycle::State::new(world.config.clone(), crate::world::now(0));
    world
}

#[test]
fn b4_3_the_next_container_starts_once_a_sidecar_runs() {
    let mut world = two(RestartPolicy::Always);
    world.begin(seconds(5));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "0 c1/0", "0 c2/0"]);
    // C4.1
    assert_eq!(world.seen(&["status"]).last().unwrap(), "0 3/3 Running 0");
}

#[test]
fn b4_3_a_startup_probe_is_waited_for_and_no_other_probe_is() {
    let mut world = with(RestartPolicy::Always, |world| {
        world.config.containers[0].startup = Some(probe(0, 2));
        world.config.containers[0].liveness = Some(probe(0, 50));
        world.config.containers[1].readiness = Some(probe(0, 2));
    });
    world.applications[0].probe = Box::new(|run| match run.kind {
        ProbeKind::Startup if run.age < seconds(4) => failure(),
        _ => success(),
    });
    world.applications[1].probe = Box::new(|_| failure());
    world.begin(seconds(6));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "4 c1/0", "4 c2/0"]);
    let rows = world.seen(&["status"]);
    assert_eq!(
        rows,
        [
            "0 0/3 Init:0/2 0",
            "4 1/3 Init:1/2 0",
            "4 1/3 PodInitializing 0",
            "4 2/3 Running 0"
        ]
    );
}

#[test]
fn b4_3_a_post_start_hook_is_waited_for() {
    let mut world = with(RestartPolicy::Always, |world| {
        world.config.containers[0].post_start = Some(hook(60))
    });
    world.applications[0].hook = Box::new(|_| Some((seconds(4), Ok(()))));
    world.begin(seconds(6));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "4 c1/0", "4 c2/0"]);
}

#[test]
fn b4_4_a_sidecar_is_restarted_after_any_exit_under_every_policy() {
    for policy in [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never] {
        for code in [0, 1] {
            let mut world = two(policy);
            world.applications[0].ends = Box::new(move |instance| (instance < 2).then_some((seconds(5), code)));
            world.begin(seconds(60));
            let starts = ["0 c0/0", "0 c1/0", "0 c2/0", "5 c0/1", "20 c0/2"];
            assert_eq!(world.seen(&["start"]), starts, "{policy:?} {code}");
            // C4.2: after initialization the restarts of sidecars are counted.
            assert_eq!(world.seen(&["status"]).last().unwrap(), "20 3/3 Running 2");
            assert_eq!(world.state.status().phase, Phase::Running);
        }
    }
}

#[test]
fn c1_1_a_sidecar_that_restarts_does_not_make_an_initialized_pod_pending() {
    let mut world = two(RestartPolicy::Always);
    world.applications[0].ends = Box::new(|_| Some((seconds(1), 1)));
    world.begin(seconds(3));
    assert_eq!(world.state.status().phase, Phase::Running);
    assert_eq!(
        crate::world::brief(&world, "Initialized"),
        (true, String::new(), String::new())
    );
    assert_eq!(
        crate::world::brief(&world, "Ready").2,
        "containers with unready status: [log]"
    );
}

#[test]
fn b4_4_a_sidecar_that_crashes_before_the_next_one_is_up_does_not_hold_it_back() {
    let mut world = two(RestartPolicy::Always);
    world.applications[0].ends = Box::new(|_| Some((seconds(1), 1)));
    world.applications[1].start = Box::new(|_| (seconds(5), Ok(())));
    world.begin(seconds(7));
    // The second one is on its way while the first crashes; the line is free again at 5.
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "0 c1/0", "5 c0/1", "5 c2/0"]);
}

#[test]
fn a4_6_a_probes_kill_of_a_sidecar_has_its_own_words() {
    for policy in [RestartPolicy::Always, RestartPolicy::Never] {
        let mut world = with(policy, |world| {
            world.config.containers[0].liveness = Some(probe(5, 1));
            world.config.containers[1].startup = Some(probe(0, 1));
        });
        let fails_first = |run: crate::world::Run| if run.instance == 0 { failure() } else { success() };
        world.applications[0].probe = Box::new(fails_first);
        world.applications[1].probe = Box::new(fails_first);
        world.begin(seconds(60));
        assert_eq!(
            world.times("event", "Killing: Init container mesh failed startup probe"),
            [2.0]
        );
        assert_eq!(
            world.times("event", "Killing: Init container log failed liveness probe"),
            [7.0]
        );
        // B4.4, F30: and both come again whatever the pod's policy is.
        let starts = ["0 c0/0", "0 c1/0", "2 c1/1", "2 c2/0", "7 c0/1"];
        assert_eq!(world.seen(&["start"]), starts, "{policy:?}");
    }
}

#[test]
fn b4_4_a_sidecar_that_cannot_start_after_the_initialization_holds_nobody_back() {
    let mut world = two(RestartPolicy::Always);
    world.applications[0].ends = Box::new(|instance| (instance == 0).then_some((seconds(5), 0)));
    world.applications[0].start = Box::new(|instance| match instance {
        0 => (0, Ok(())),
        _ => (0, Err((StartError::Create, "no".into()))),
    });
    world.applications[2].ends = Box::new(|instance| (instance == 0).then_some((seconds(6), 0)));
    world.begin(seconds(7));
    assert_eq!(
        world.seen(&["start"]),
        ["0 c0/0", "0 c1/0", "0 c2/0", "5 c0/1", "6 c2/1"]
    );
}

#[test]
fn b4_5_the_pod_ends_with_its_last_regular_container() {
    for (code, phase) in [(0, Phase::Succeeded), (3, Phase::Failed)] {
        let mut world = two(RestartPolicy::Never);
        world.applications[2].ends = Box::new(move |_| Some((seconds(5), code)));
        // The exit codes of sidecars do not matter.
        world.applications[0].stops = Some((seconds(1), 143));
        world.applications[1].stops = Some((seconds(2), 143));
        world.begin(seconds(60));
        assert_eq!(world.seen(&["signal"]), ["5 Stop c1/0", "7 Stop c0/0"]);
        assert_eq!(world.state.status().phase, phase);
        // C1.6: the phase is not shown before all have ended.
        let first = world.statuses.iter().find(|(_, status)| status.phase == phase).unwrap();
        assert_eq!(first.0, seconds(8));
        assert_eq!(world.seen(&["start"]).len(), 3);
        assert_eq!(world.times("event", "Killing: Stopping container log"), [5.0]);
        assert_eq!(world.seen(&["pod"]), ["0 create sandbox", "8 remove sandbox"]);
    }
}

#[test]
fn b4_5_a_pod_whose_initialization_has_failed_ends_its_sidecars() {
    let mut config = pod(vec![
        sidecar("log"),
        crate::world::init_container("setup"),
        container("app"),
    ]);
    config.restart_policy = RestartPolicy::Never;
    let mut world = World::new(config);
    world.applications[0].stops = Some((seconds(2), 0));
    world.applications[1].ends = Box::new(|_| Some((seconds(3), 1)));
    world.begin(seconds(60));
    assert_eq!(world.seen(&["start", "signal"]), ["0 c0/0", "0 c1/0", "3 Stop c0/0"]);
    let phases: Vec<_> = world.statuses.iter().map(|(at, status)| (*at, status.phase)).collect();
    assert!(
        phases
            .iter()
            .all(|(at, phase)| (*phase == Phase::Failed) == (*at >= seconds(5))),
        "{phases:?}"
    );
}

#[test]
fn b4_6_all_pre_stop_hooks_begin_at_once_and_only_the_signals_wait_their_turn() {
    let mut world = with(RestartPolicy::Always, |world| {
        for config in &mut world.config.containers {
            config.pre_stop = Some(hook(3600));
        }
    });
    for (at, application) in world.applications.iter_mut().enumerate() {
        application.hook = Box::new(move |_| Some((seconds(1 + at as u64), Ok(()))));
        application.stops = Some((seconds(4), 0));
    }
    world.begin(seconds(10));
    world.delete(None);
    world.run(seconds(60));
    let story = [
        "10 Delete c0/0 within 30s",
        "10 Delete c1/0 within 30s",
        "10 Delete c2/0 within 30s",
        "13 Stop c2/0",
        "17 Stop c1/0",
        "21 Stop c0/0",
    ];
    assert_eq!(world.seen(&["hook", "signal"]), story);
    assert_eq!(world.times("pod", "forget"), [25.0]);
}

#[test]
fn b4_6_when_the_grace_period_ends_while_it_waits_it_is_signalled_at_once_with_two_seconds_left() {
    let mut world = two(RestartPolicy::Always);
    for application in &mut world.applications {
        application.stops = None;
    }
    world.begin(seconds(10));
    world.delete(Some(6));
    world.run(seconds(60));
    assert_eq!(
        world.seen(&["signal"]),
        [
            "10 Stop c2/0",
            "16 Stop c0/0",
            "16 Stop c1/0",
            "16 Kill c2/0",
            "18 Kill c0/0",
            "18 Kill c1/0"
        ]
    );
}

#[test]
fn b2_5_whole_seconds_of_the_wait_are_taken_off_the_grace_period() {
    let mut world = with(RestartPolicy::Always, |world| {
        world.config.containers[1].pre_stop = Some(hook(3600))
    });
    // The hook takes 2.7 s, and the turn comes 1.8 s later: 2 and 1 of the 10 s are gone.
    world.applications[1].hook = Box::new(|_| Some((2700, Ok(()))));
    world.applications[1].stops = None;
    world.applications[2].stops = Some((4500, 0));
    world.begin(seconds(10));
    world.delete(Some(10));
    world.run(seconds(60));
    let signals = world.seen(&["signal"]);
    assert_eq!(signals[..3], ["10 Stop c2/0", "14.5 Stop c1/0", "20 Stop c0/0"]);
    assert_eq!(world.times("signal", "Kill c1/0"), [21.5]);
}

#[test]
fn b2_7_a_forced_deletion_gives_a_sidecar_no_more_than_the_shortest_wait() {
    let mut world = two(RestartPolicy::Always);
    world.applications[2].stops = None;
    world.begin(seconds(10));
    world.delete(Some(0));
    world.run(seconds(60));
    assert_eq!(
        world.seen(&["signal"])[..3],
        ["10 Stop c2/0", "11 Stop c0/0", "11 Stop c1/0"]
    );
}

#[test]
fn b2_8_a_second_deletion_shortens_the_wait_for_a_turn_too() {
    let mut world = two(RestartPolicy::Always);
    world.applications[2].stops = None;
    world.begin(seconds(10));
    world.delete(Some(100));
    world.run(seconds(15));
    world.delete(Some(3));
    world.run(seconds(60));
    assert_eq!(
        world.seen(&["signal"])[..3],
        ["10 Stop c2/0", "18 Stop c0/0", "18 Stop c1/0"]
    );
}

#[test]
fn b4_7_a_container_that_does_not_run_is_not_waited_for() {
    let mut world = two(RestartPolicy::Always);
    world.applications[1].start = Box::new(|_| (0, Err((StartError::Create, "no".into()))));
    world.begin(seconds(5));
    world.delete(None);
    world.run(seconds(6));
    assert_eq!(world.seen(&["signal"]), ["5 Stop c0/0"]);
    assert_eq!(world.times("pod", "forget"), [5.0]);
}

#[test]
fn b4_6_a_probes_kill_of_a_sidecar_waits_for_nobody() {
    let mut world = with(RestartPolicy::Always, |world| {
        world.config.containers[0].liveness = Some(probe(5, 1))
    });
    world.applications[0].probe = Box::new(|run| if run.instance == 0 { failure() } else { success() });
    world.begin(seconds(20));
    assert_eq!(world.seen(&["signal"]), ["7 Stop c0/0"]);
}

#[test]
fn a3_24_liveness_of_sidecars_ends_with_the_deletion_and_readiness_goes_on() {
    let mut world = with(RestartPolicy::Always, |world| {
        world.config.containers[0].liveness = Some(probe(0, 2));
        world.config.containers[0].readiness = Some(probe(0, 2));
    });
    world.applications[2].stops = Some((seconds(4), 0));
    world.begin(seconds(9));
    world.delete(None);
    world.run(seconds(60));
    let runs = world.seen(&["probe"]);
    let after = |kind: &str| runs.iter().rfind(|run| run.contains(kind)).unwrap().clone();
    assert_eq!(
        (after("Liveness"), after("Readiness")),
        ("8 Liveness c0/0".into(), "12 Readiness c0/0".into())
    );
}

#[test]
fn b4_5_a_sidecar_is_not_restarted_while_the_pod_ends() {
    let mut world = two(RestartPolicy::Never);
    world.applications[2].ends = Box::new(|_| Some((seconds(5), 0)));
    world.applications[1].stops = Some((seconds(9), 0));
    world.begin(seconds(6));
    world.event(crate::world::exit(ContainerIndex(0), 0, 1));
    world.run(seconds(60));
    assert_eq!(world.seen(&["start"]).len(), 3);
    assert_eq!(world.state.status().phase, Phase::Succeeded);
}

#[test]
fn b2_7_a_deletion_while_the_pod_ends_by_itself_can_only_shorten_it() {
    for (asked, killed) in [(60, 35.0), (4, 10.0)] {
        let mut world = two(RestartPolicy::Never);
        world.applications[2].ends = Box::new(|_| Some((seconds(5), 0)));
        world.applications[1].stops = None;
        world.begin(seconds(6));
        world.delete(Some(asked));
        assert_eq!(world.state.status().deletion_grace_seconds, Some(asked));
        world.run(seconds(99));
        assert_eq!(world.times("signal", "Kill c1/0"), [killed]);
        assert_eq!(world.seen(&["pod"]).last().unwrap(), &format!("{killed} forget"));
    }
}
