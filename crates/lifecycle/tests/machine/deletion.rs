//! Deletion: grace periods, signals, and the pod's own end (B2, B3).

use probelet_lifecycle::{
    action::{Action, Request},
    config::{ContainerConfig, RestartPolicy},
    event::{Event, ImageError, StartError},
    status::Phase,
};

use crate::world::{EPOCH, World, container, failure, hook, pod, probe, seconds};

fn with(change: impl FnOnce(&mut ContainerConfig)) -> World {
    let mut app = container("app");
    change(&mut app);
    World::new(pod(vec![app]))
}

#[test]
fn b3_1_the_stop_signal_comes_first_and_sigkill_when_the_grace_period_is_over() {
    let mut world = with(|_| {});
    world.app().stops = None;
    world.begin(seconds(5));
    world.delete(None);
    world.run(seconds(60));
    let story = [
        "5 Killing: Stopping container app",
        "5 Stop c0/0",
        "35 Kill c0/0",
        "35 remove sandbox",
        "35 forget",
    ];
    assert_eq!(world.seen(&["event", "signal", "pod"])[4..], story);
    assert_eq!(world.seen(&["status"])[2..], ["5 1/1 Terminating 0", "35 0/1 Error 0"]);
}

#[test]
fn b3_2_all_containers_end_in_parallel_each_with_its_own_hook_and_countdown() {
    let mut slow = container("slow");
    slow.pre_stop = Some(hook(3600));
    let mut world = World::new(pod(vec![slow, container("deaf")]));
    world.applications[0].hook = Box::new(|_| Some((seconds(4), Ok(()))));
    world.applications[1].stops = None;
    world.begin(0);
    world.delete(Some(10));
    world.run(seconds(60));
    let story = [
        "0 Delete c0/0 within 10s",
        "0 Stop c1/0",
        "4 Stop c0/0",
        "10 Kill c1/0",
        "10 remove sandbox",
        "10 forget",
    ];
    assert_eq!(world.seen(&["hook", "signal", "pod"])[1..], story);
}

#[test]
fn b3_3_sigkill_is_sent_again_until_the_end_is_known() {
    let mut world = with(|_| {});
    world.app().stops = None;
    world.begin(0);
    world.delete(Some(3));
    // The agent dies in the moment between storing the state and sending the signal.
    let mut lost = Vec::new();
    probelet_lifecycle::step(&mut world.state, crate::world::now(3000), Event::Wake, &mut lost);
    assert!(matches!(lost[..], [Action::Signal { .. }]), "{lost:?}");
    world.run(seconds(60));
    assert_eq!(world.seen(&["signal"]), ["0 Stop c0/0", "13 Kill c0/0"]);
}

#[test]
fn b2_7_to_force_is_a_second_and_two_more_for_the_process() {
    let mut world = with(|app| app.pre_stop = Some(hook(3600)));
    world.app().stops = None;
    world.app().hook = Box::new(|_| None);
    world.begin(0);
    world.delete(Some(0));
    world.run(seconds(9));
    assert_eq!(
        world.seen(&["hook", "signal"]),
        ["0 Delete c0/0 within 1s", "1 Stop c0/0", "3 Kill c0/0"]
    );
}

#[test]
fn b2_8_a_second_deletion_takes_time_away_and_never_gives_any() {
    for (second, killed) in [
        (5, "15 Kill c0/0"),
        (0, "12 Kill c0/0"),
        (25, "30 Kill c0/0"),
        (300, "30 Kill c0/0"),
    ] {
        let mut world = with(|_| {});
        world.app().stops = None;
        world.begin(0);
        world.delete(None);
        world.run(seconds(10));
        world.delete(Some(second));
        world.run(seconds(60));
        assert_eq!(world.seen(&["signal"]), ["0 Stop c0/0", killed], "{second}");
        assert_eq!(world.times("event", "Killing: Stopping container app").len(), 1);
    }
}

#[test]
fn b2_8_a_second_deletion_shortens_a_pre_stop_hook_too() {
    let mut world = with(|app| app.pre_stop = Some(hook(3600)));
    world.app().stops = None;
    world.app().hook = Box::new(|_| None);
    world.begin(0);
    world.delete(None);
    world.run(seconds(10));
    world.delete(Some(4));
    world.run(seconds(60));
    assert_eq!(world.seen(&["signal"]), ["14 Stop c0/0", "16 Kill c0/0"]);
}

#[test]
fn b2_1_a_deletion_during_a_probes_kill_shortens_it_and_nothing_is_restarted() {
    let mut world = with(|app| {
        app.liveness.insert(probe(0, 1)).termination_grace_period = Some(std::time::Duration::from_secs(100));
    });
    world.app().stops = None;
    world.app().probe = Box::new(|_| failure());
    world.begin(seconds(20));
    world.delete(Some(10));
    world.run(seconds(200));
    assert_eq!(world.seen(&["signal"]), ["2 Stop c0/0", "30 Kill c0/0"]);
    assert_eq!(world.seen(&["start"]), ["0 c0/0"]);
    assert_eq!(world.times("pod", "forget"), [30.0]);
}

#[test]
fn b3_5_nothing_starts_once_the_pod_is_deleted() {
    // While its image is awaited, while it waits for its next try, and before the sandbox is there.
    let mut world = with(|_| {});
    world.app().image = Box::new(|_| Err((ImageError::Pull, String::new())));
    world.begin(seconds(5));
    world.delete(None);
    world.run(seconds(100));
    assert_eq!(
        (world.seen(&["image"]).len(), world.times("pod", "forget")),
        (1, vec![5.0])
    );

    let mut world = with(|_| {});
    world.sandbox = Box::new(|_| Err("no".into()));
    world.begin(seconds(5));
    world.delete(None);
    world.run(seconds(100));
    // What was made of it goes too.
    assert_eq!(
        world.seen(&["pod"]),
        ["0 create sandbox", "5 remove sandbox", "5 forget"]
    );

    let mut world = with(|_| {});
    world.delete(None);
    assert_eq!(
        world.seen(&["pod", "status"]),
        ["0 0/1 ContainerStatusUnknown 0", "0 forget"]
    );
}

#[test]
fn a_late_image_changes_nothing_for_a_deleted_pod() {
    let mut world = with(|_| {});
    world.event(Event::Begin);
    // The sandbox is there; the image is asked for and its reply is still on its way.
    let sandbox = world.state.outstanding()[0].0;
    world.event(Event::SandboxReady { action: sandbox });
    let image = world.state.outstanding()[0].0;
    world.delete(None);
    world.event(Event::ImageReady {
        action: image,
        message: String::new(),
    });
    assert_eq!(world.seen(&["start", "event"]), [""; 0]);
    assert_eq!(world.seen(&["pod"]), ["0 create sandbox", "0 remove sandbox"]);
}

#[test]
fn a_container_that_fails_to_start_while_its_pod_is_deleted_is_not_tried_again() {
    for error in [StartError::Create, StartError::Run] {
        let mut world = with(|_| {});
        world.app().start = Box::new(move |_| (seconds(3), Err((error, String::new()))));
        world.begin(seconds(1));
        world.delete(None);
        world.run(seconds(100));
        assert_eq!(
            (world.seen(&["start"]).len(), world.times("pod", "forget")),
            (1, vec![3.0])
        );
    }
}

#[test]
fn a_container_that_starts_while_its_pod_is_deleted_is_ended() {
    let mut world = with(|app| {
        app.post_start = Some(hook(3600));
        app.liveness = Some(probe(0, 1));
        app.pre_stop = Some(hook(3600));
    });
    world.app().start = Box::new(|_| (seconds(3), Ok(())));
    world.begin(seconds(1));
    world.delete(None);
    world.run(seconds(60));
    let story = ["0 c0/0", "3 Delete c0/0 within 30s", "3 Stop c0/0"];
    assert_eq!(world.seen(&["start", "hook", "signal", "probe"]), story);
    assert_eq!(world.times("pod", "forget"), [3.0]);
}

#[test]
fn c1_8_a_deleted_pod_has_succeeded_if_all_ended_well_whatever_its_policy() {
    for (code, phase) in [(0, Phase::Succeeded), (143, Phase::Failed)] {
        let mut world = with(|_| {});
        world.app().stops = Some((seconds(1), code));
        world.begin(0);
        world.delete(None);
        world.run(seconds(5));
        assert_eq!(world.statuses.last().unwrap().1.phase, phase);
    }
}

#[test]
fn the_last_status_comes_before_the_pod_is_forgotten_and_nothing_after_it() {
    let mut world = with(|_| {});
    world.begin(0);
    world.delete(None);
    world.run(seconds(5));
    let [
        ..,
        Action::PublishStatus(status),
        Action::Request { request, .. },
        Action::Forget,
    ] = &world.actions[..]
    else {
        panic!("{:#?}", world.actions)
    };
    assert_eq!((status.phase, request), (Phase::Succeeded, &Request::RemoveSandbox));
    let (before, mut actions) = (world.state.clone(), Vec::new());
    for event in [
        Event::Begin,
        Event::Delete { grace_period: None },
        crate::world::exit(crate::world::APP, 0, 1),
    ] {
        probelet_lifecycle::step(&mut world.state, crate::world::now(9000), event, &mut actions);
    }
    assert_eq!((&actions, &world.state), (&Vec::new(), &before));
    // But an agent that died before it could forget the pod is told again.
    probelet_lifecycle::step(&mut world.state, crate::world::now(9000), Event::Wake, &mut actions);
    assert_eq!((&actions, &world.state), (&vec![Action::Forget], &before));
}

#[test]
fn a_pod_that_has_ended_keeps_its_status_without_a_sandbox_until_it_is_deleted() {
    let mut config = pod(vec![container("app")]);
    config.restart_policy = RestartPolicy::Never;
    let mut world = World::new(config);
    world.app().ends = Box::new(|_| Some((seconds(2), 0)));
    world.begin(seconds(10));
    assert_eq!(world.seen(&["pod"]), ["0 create sandbox", "2 remove sandbox"]);
    assert_eq!(
        (world.state.status().phase, world.state.next_wake()),
        (Phase::Succeeded, None)
    );
    world.delete(None);
    assert_eq!(world.seen(&["pod"])[2..], ["10 forget"]);
}

#[test]
fn the_status_shows_when_the_pod_will_be_gone() {
    let mut world = with(|_| {});
    world.app().stops = None;
    world.begin(seconds(5));
    assert_eq!(
        (
            world.state.status().deletion_time,
            world.state.status().deletion_grace_seconds
        ),
        (None, None)
    );
    world.delete(Some(20));
    let status = world.state.status();
    assert_eq!(
        (status.deletion_time.unwrap().0 - EPOCH, status.deletion_grace_seconds),
        (25_000, Some(20))
    );
    // Asking for the same again gives it no more time.
    world.run(seconds(9));
    world.delete(Some(20));
    assert_eq!(world.state.status(), status);
}
