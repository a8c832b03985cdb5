//! Conditions of others, and the readiness gates that wait for them (C2.4, C2.7).

use probelet_lifecycle::{MAX_OTHER_CONDITIONS, event::Event, status::ConditionStatus};

use crate::world::{EPOCH, World, brief, container, pod, probe, seconds};

fn gated() -> World {
    let mut config = pod(vec![container("app")]);
    config.readiness_gates = vec!["example.com/balanced".into(), "example.com/warm".into()];
    config.containers[0].readiness = Some(probe(3, 1));
    World::new(config)
}

fn set(world: &mut World, name: &str, status: ConditionStatus) {
    world.event(Event::ConditionSet {
        name: name.into(),
        status,
        reason: "Because".into(),
        message: String::new(),
    });
}

#[test]
fn c2_4_a_pod_is_ready_once_its_containers_are_and_its_gates_are_true() {
    let mut world = gated();
    world.begin(seconds(1));
    assert_eq!(brief(&world, "Ready").1, "ContainersNotReady");
    world.run(seconds(4));
    assert!(brief(&world, "ContainersReady").0);
    let missing = |gate: &str| format!("corresponding condition of pod readiness gate \"{gate}\" does not exist.");
    let both = [missing("example.com/balanced"), missing("example.com/warm")].join(", ");
    assert_eq!(brief(&world, "Ready"), (false, "ReadinessGatesNotReady".into(), both));
    set(&mut world, "example.com/warm", ConditionStatus::True);
    for (status, word) in [(ConditionStatus::False, "False"), (ConditionStatus::Unknown, "Unknown")] {
        set(&mut world, "example.com/balanced", status);
        let message = format!("the status of pod readiness gate \"example.com/balanced\" is not \"True\", but {word}");
        assert_eq!(brief(&world, "Ready").2, message);
    }
    set(&mut world, "example.com/balanced", ConditionStatus::True);
    assert_eq!(brief(&world, "Ready"), (true, String::new(), String::new()));
}

#[test]
fn c2_7_conditions_of_others_are_kept_as_they_are() {
    let mut world = gated();
    world.begin(seconds(1));
    set(&mut world, "example.com/other", ConditionStatus::False);
    world.run(seconds(5));
    set(&mut world, "example.com/other", ConditionStatus::False);
    world.state = world.stored();
    let other = &world.state.status().other_conditions[0];
    assert_eq!(
        (other.name.as_str(), other.reason.as_str()),
        ("example.com/other", "Because")
    );
    // C2.5
    assert_eq!(other.last_transition.0 - EPOCH, 1000);
    set(&mut world, "example.com/other", ConditionStatus::True);
    assert_eq!(world.state.status().other_conditions[0].last_transition.0 - EPOCH, 5000);
}

#[test]
fn c2_7_the_machines_own_conditions_cannot_be_set() {
    let mut world = gated();
    world.begin(seconds(1));
    let before = world.state.clone();
    set(&mut world, "Ready", ConditionStatus::True);
    assert_eq!(world.state, before);
}

#[test]
fn no_more_conditions_are_kept_than_there_is_room_for() {
    let mut world = gated();
    world.begin(seconds(1));
    for number in 0..2 * MAX_OTHER_CONDITIONS {
        set(&mut world, &format!("example.com/{number}"), ConditionStatus::True);
    }
    assert_eq!(world.state.status().other_conditions.len(), MAX_OTHER_CONDITIONS);
    set(&mut world, "example.com/0", ConditionStatus::False);
    assert_eq!(world.state.status().other_conditions[0].status, ConditionStatus::False);
}
