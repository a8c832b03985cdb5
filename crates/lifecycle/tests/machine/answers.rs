//! What a state answers to those who ask it: the agent that comes back, `why`, `simulate`.

use probelet_lifecycle::{
    action::{ActionId, ProbeKind, Request},
    config::{ContainerConfig, ContainerIndex, RestartPolicy},
    event::{Event, ImageError, Verdict},
    time::BootTime,
};

use crate::world::{APP, Time, World, container, failure, hook, now, pod, probe, seconds};

/// No container has this place.
const NOWHERE: ContainerIndex = ContainerIndex(7);

fn with(change: impl FnOnce(&mut ContainerConfig)) -> World {
    let mut app = container("app");
    change(&mut app);
    World::new(pod(vec![app]))
}

fn boot(at: Time) -> Option<BootTime> {
    Some(now(at).boot)
}

#[test]
fn b5_5_until_when_a_container_waits_for_its_restart_is_told() {
    let mut world = with(|_| {});
    world.app().ends = Box::new(|_| Some((seconds(1), 1)));
    world.begin(seconds(1));
    assert_eq!(world.state.waits_until(APP), None, "the first restart is at once");
    world.run(seconds(2));
    assert_eq!(world.state.waits_until(APP), boot(seconds(12)));
    world.run(seconds(12));
    assert_eq!(world.state.waits_until(APP), None);
    assert_eq!(world.state.waits_until(NOWHERE), None);
}

#[test]
fn b6_4_until_when_a_container_waits_for_its_image_is_told() {
    let mut world = with(|_| {});
    world.app().image = Box::new(|_| Err((ImageError::Pull, "not found".into())));
    world.begin(seconds(3));
    assert_eq!(world.state.waits_until(APP), boot(seconds(10)));
}

#[test]
fn b3_1_when_sigkill_follows_is_told_from_the_stop_signal_on_until_it_is_sent() {
    let mut world = with(|app| app.pre_stop = Some(hook(60)));
    world.app().stops = None;
    world.app().hook = Box::new(|_| Some((seconds(4), Ok(()))));
    world.begin(seconds(5));
    assert_eq!(world.state.kill_due(APP), None);
    world.delete(None);
    assert_eq!(world.state.kill_due(APP), None, "the hook comes first");
    world.run(seconds(9));
    assert_eq!(world.state.kill_due(APP), boot(seconds(35)));
    assert_eq!(world.state.kill_due(NOWHERE), None);
    world.run(seconds(34));
    world.delete(Some(5));
    assert_eq!(
        world.state.kill_due(APP),
        boot(seconds(35)),
        "B2.8: it is never put off"
    );
    world.run(seconds(35));
    assert_eq!(world.state.kill_due(APP), None);
}

#[test]
fn f26_a_container_is_condemned_by_its_liveness_probe_and_by_nothing_else() {
    let mut world = with(|app| {
        app.liveness = Some(probe(0, 1));
        app.pre_stop = Some(hook(60));
    });
    world.app().hook = Box::new(|_| None);
    world.app().probe = Box::new(|_| failure());
    world.begin(seconds(1));
    assert!(!world.state.is_condemned(APP));
    world.run(seconds(2));
    assert!(world.state.is_condemned(APP) && !world.state.is_condemned(NOWHERE));

    let mut deleted = with(|app| app.pre_stop = Some(hook(60)));
    deleted.app().hook = Box::new(|_| None);
    deleted.begin(seconds(1));
    deleted.delete(None);
    assert!(!deleted.state.is_condemned(APP));
}

#[test]
fn a3_15_how_often_in_a_row_a_probe_had_the_same_outcome_is_told() {
    let mut world = with(|app| app.readiness = Some(probe(0, 1)));
    world.app().probe = Box::new(|run| match run.at / 1000 {
        0..=2 => (0, Verdict::Success, String::new()),
        3 => (0, Verdict::Failure, String::new()),
        _ => (0, Verdict::Errored, String::new()),
    });
    let streak = |world: &World| world.state.probe_streak(APP, ProbeKind::Readiness);
    world.begin(seconds(2));
    assert_eq!(streak(&world), Some(3));
    world.run(seconds(3));
    assert_eq!(streak(&world), Some(1));
    world.run(seconds(5));
    assert_eq!(streak(&world), Some(2), "errors are counted apart");
    assert_eq!(world.state.probe_streak(APP, ProbeKind::Liveness), None);
    assert_eq!(world.state.probe_streak(NOWHERE, ProbeKind::Readiness), None);
}

#[test]
fn c1_4_a_container_that_has_ended_for_good_is_told_from_one_that_runs_or_waits() {
    for (policy, done) in [(RestartPolicy::Never, true), (RestartPolicy::Always, false)] {
        let mut config = pod(vec![container("app")]);
        config.restart_policy = policy;
        let mut world = World::new(config);
        world.app().ends = Box::new(|_| Some((seconds(1), 0)));
        world.begin(0);
        assert!(!world.state.is_done(APP) && !world.state.is_done(NOWHERE));
        world.run(seconds(3));
        assert_eq!(world.state.is_done(APP), done);
    }
}

#[test]
fn what_was_asked_for_is_found_by_its_name_until_it_is_answered() {
    let mut world = with(|_| {});
    world.event(Event::Begin);
    let (id, request) = world.state.outstanding().remove(0);
    assert_eq!(
        (&request, world.state.request(id)),
        (&Request::CreateSandbox, Some(&request))
    );
    assert_eq!(world.state.request(ActionId(id.0 + 1)), None);
    world.run(0);
    assert_eq!(world.state.request(id), None);
}
