//! Restarts because of liveness can be held back (F34).

use probelet_lifecycle::{action::ProbeKind, event::Event};

use crate::world::{World, container, failure, pod, probe, seconds, success};

const TOLD: &str = "Warning RestartHeld: Container app failed liveness probe, its restart is held back";

/// A container whose liveness probe fails from 10 s on, every 2 s.
fn failing() -> World {
    let mut app = container("app");
    app.liveness = Some(probe(0, 2));
    let mut world = World::new(pod(vec![app]));
    world.app().probe = Box::new(|run| {
        if run.instance == 0 && run.age >= seconds(10) {
            failure()
        } else {
            success()
        }
    });
    world
}

fn hold(world: &mut World, held: bool) {
    world.event(Event::Hold { held });
    assert_eq!(world.state.is_held(), held);
}

#[test]
fn f34_a_container_whose_restart_is_held_back_goes_on_and_is_probed_on() {
    let mut world = failing();
    world.begin(seconds(1));
    hold(&mut world, true);
    world.run(seconds(21));
    assert!(world.seen(&["signal"]).is_empty());
    assert_eq!(world.times("event", TOLD), [14.0, 16.0, 18.0, 20.0]);
    assert!(world.shown().ready, "its readiness is another matter");
    // The next failure after the hold has its usual consequence.
    world.state = world.stored();
    hold(&mut world, false);
    world.app().stops = Some((seconds(1), 0));
    world.run(seconds(22));
    assert!(world.state.is_condemned(crate::world::APP));
    world.run(seconds(60));
    assert_eq!(world.seen(&["signal", "start"]), ["0 c0/0", "22 Stop c0/0", "23 c0/1"]);
    assert!(!world.state.is_condemned(crate::world::APP));
}

#[test]
fn f34_a_container_that_is_well_again_is_not_restarted_when_the_hold_ends() {
    let mut world = failing();
    world.app().probe = Box::new(|run| match run.age / 1000 {
        10..=20 => failure(),
        _ => success(),
    });
    world.begin(seconds(1));
    hold(&mut world, true);
    world.run(seconds(30));
    hold(&mut world, false);
    world.run(seconds(60));
    assert_eq!(world.seen(&["signal", "start"]), ["0 c0/0"]);
}

#[test]
fn f34_only_the_first_time_is_news() {
    let mut world = failing();
    world.begin(seconds(1));
    hold(&mut world, true);
    world.run(seconds(21));
    let repeated: Vec<_> = world
        .actions
        .iter()
        .filter_map(|action| match action {
            probelet_lifecycle::action::Action::RecordEvent(event) if event.reason == "RestartHeld" => {
                Some(event.repeated)
            }
            _ => None,
        })
        .collect();
    assert_eq!(repeated, [false, true, true, true]);
}

#[test]
fn f34_a_startup_probe_and_a_deletion_are_not_held_back() {
    let mut world = failing();
    world.config.containers[0].startup = Some(probe(0, 1));
    world.state = probelet_lifecycle::State::new(world.config.clone(), crate::world::now(0));
    world.app().probe = Box::new(|run| match run.kind {
        ProbeKind::Startup if run.instance == 0 => failure(),
        _ => success(),
    });
    world.begin(0);
    hold(&mut world, true);
    world.run(seconds(5));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "2 c0/1"]);
    world.delete(None);
    world.run(seconds(6));
    assert_eq!(world.times("pod", "forget"), [5.0]);
}
