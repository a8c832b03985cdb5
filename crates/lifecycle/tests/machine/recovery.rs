//! What an agent needs that comes back after its death (invariant 5).

use probelet_lifecycle::{
    State, UnknownVersion,
    action::Request,
    config::ContainerIndex,
    event::{Event, Verdict},
    step,
};

use crate::world::{APP, World, container, hook, now, pod, probe, seconds};

fn busy() -> World {
    let mut first = container("first");
    first.readiness = Some(probe(0, 10));
    let mut second = container("second");
    second.post_start = Some(hook(3600));
    World::new(pod(vec![first, second]))
}

#[test]
fn what_was_asked_for_and_not_answered_is_known() {
    let mut world = busy();
    world.applications[0].probe = Box::new(|_| (seconds(5), Verdict::Success, String::new()));
    world.applications[1].hook = Box::new(|_| Some((seconds(5), Ok(()))));
    world.begin(seconds(1));
    let requests: Vec<_> = world
        .stored()
        .outstanding()
        .into_iter()
        .map(|(_, request)| request)
        .collect();
    let [
        Request::RunProbe {
            container: APP,
            instance: 0,
            attempt: 1,
            ..
        },
        Request::RunHook { container, .. },
    ] = requests[..]
    else {
        panic!("{requests:#?}")
    };
    assert_eq!(container, ContainerIndex(1));
    world.run(seconds(6));
    assert_eq!(world.state.outstanding(), []);
}

#[test]
fn the_sandbox_and_all_instances_are_known_those_included_that_are_not_shown_yet() {
    let mut world = busy();
    world.applications[1].hook = Box::new(|_| None);
    assert!(!world.state.has_sandbox());
    world.begin(seconds(1));
    let stored = world.stored();
    assert!(stored.has_sandbox());
    assert_eq!(
        stored.instances().collect::<Vec<_>>(),
        [(APP, 0), (ContainerIndex(1), 0)]
    );
    world.delete(None);
    world.run(seconds(2));
    assert_eq!((world.state.has_sandbox(), world.state.instances().count()), (false, 0));
}

#[test]
fn a_stored_state_goes_on_where_it_was() {
    let mut world = busy();
    world.begin(seconds(5));
    let mut again = busy();
    again.begin(seconds(5));
    again.state = again.stored();
    assert_eq!(again.state, world.state);
    world.run(seconds(60));
    again.run(seconds(60));
    assert_eq!(again.actions, world.actions);
}

#[test]
fn a_state_of_another_version_is_refused() {
    assert_eq!(State::check_version(1), Ok(()));
    assert_eq!(State::check_version(2), Err(UnknownVersion { found: 2 }));
    let mut value = serde_json::to_value(busy().state).unwrap();
    value["version"] = 2.into();
    value["sandbox"] = "Elsewhere".into();
    let error = serde_json::from_str::<State>(&value.to_string())
        .unwrap_err()
        .to_string();
    let expected = "the pod's state has version 2, this agent knows version 1; run the agent that wrote it, or delete the \
                    pod and apply it again";
    assert!(error.starts_with(expected), "{error}");
}

/// Takes a field out of an object and all below it, and counts how often it was there.
fn strip(value: &mut serde_json::Value, field: &str) -> usize {
    match value {
        serde_json::Value::Object(map) => {
            let own = usize::from(map.remove(field).is_some());
            own + map.values_mut().map(|value| strip(value, field)).sum::<usize>()
        }
        serde_json::Value::Array(items) => items.iter_mut().map(|value| strip(value, field)).sum(),
        _ => 0,
    }
}

#[test]
fn a_state_that_was_stored_before_errors_could_count_is_read() {
    let mut world = busy();
    world.begin(seconds(5));
    let mut value = serde_json::to_value(&world.state).unwrap();
    for field in ["errored_is_failure", "errors_in_a_row"] {
        assert!(strip(&mut value, field) > 0, "{field} is not stored");
    }
    let old: State = serde_json::from_value(value).unwrap();
    assert_eq!(old, world.state);
}

#[test]
fn a_state_does_not_grow_with_the_pods_age() {
    let mut world = busy();
    let long = "x".repeat(100_000);
    world.applications[0].probe = Box::new(move |_| (0, Verdict::Failure, long.clone()));
    world.applications[0].ends = Box::new(|_| Some((seconds(100), 1)));
    let size = |world: &World| serde_json::to_string(&world.state).unwrap().len();
    world.begin(seconds(3600));
    let after_an_hour = size(&world);
    world.run(seconds(24 * 3600));
    assert!(
        size(&world) < after_an_hour + 100,
        "{} bytes, then {}",
        after_an_hour,
        size(&world)
    );
}

/// Pods that are alike but for their names, each with its probe's runs after an absence of the agent, in seconds.
fn runs_after_an_absence(period: u64, away_until: u64) -> Vec<f64> {
    (0..200)
        .map(|number| {
            let mut app = container("app");
            app.liveness = Some(probe(0, period));
            let mut config = pod(vec![app]);
            config.uid = format!("u-{number}");
            let mut world = World::new(config);
            world.begin(seconds(5));
            world.state = world.stored();
            world.now = seconds(away_until);
            world.event(Event::Resume);
            world.run(seconds(away_until + 2 * period));
            let runs = world.times("probe", "Liveness c0/0");
            *runs.iter().find(|at| **at > 5.0).unwrap()
        })
        .collect()
}

#[test]
fn f6_what_became_due_in_the_agents_absence_is_spread_and_never_in_one_heap() {
    // A period of 60 s, due at 60; the agent is away until 100. The grid's next moment is at 120.
    let runs = runs_after_an_absence(60, 100);
    assert!(runs.iter().all(|at| (100.0..=110.0).contains(at)), "{runs:?}");
    for second in 100..110 {
        let within = runs.iter().filter(|at| at.floor() as u64 == second).count();
        assert!((5..=40).contains(&within), "{within} of 200 in the second {second}");
    }
    assert_eq!(runs, runs_after_an_absence(60, 100), "the same each time");
}

#[test]
fn f6_the_next_moment_of_the_grid_is_not_passed() {
    let runs = runs_after_an_absence(4, 7);
    assert!(runs.iter().all(|at| (7.0..=8.0).contains(at)), "{runs:?}");
}

#[test]
fn f6_what_is_not_overdue_keeps_its_time() {
    let mut app = container("app");
    app.liveness = Some(probe(0, 20));
    // What is due at this very moment is not overdue.
    for back_at in [15, 20] {
        let mut world = World::new(pod(vec![app.clone()]));
        world.begin(seconds(5));
        world.state = world.stored();
        world.now = seconds(back_at);
        step(&mut world.state, now(world.now), Event::Resume, &mut Vec::new());
        world.run(seconds(21));
        assert_eq!(world.times("probe", "Liveness c0/0"), [0.0, 20.0]);
    }
}

#[test]
fn f6_the_probes_of_a_container_are_spread_apart_too() {
    let mut app = container("app");
    app.liveness = Some(probe(0, 60));
    app.readiness = Some(probe(0, 60));
    let mut world = World::new(pod(vec![app]));
    world.begin(seconds(5));
    world.now = seconds(100);
    step(&mut world.state, now(world.now), Event::Resume, &mut Vec::new());
    world.run(seconds(111));
    let second = |kind: &str| world.times("probe", &format!("{kind} c0/0"))[1];
    assert_ne!(second("Liveness"), second("Readiness"));
}
