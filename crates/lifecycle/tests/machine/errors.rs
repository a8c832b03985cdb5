//! `onError: Fail`: errored runs in a row that come to a failure (the extension of A3.13).

use probelet_lifecycle::{
    ProbeResult,
    action::ProbeKind,
    config::{ContainerConfig, ProbeConfig},
    event::Verdict,
};

use crate::world::{APP, World, container, pod, probe, seconds};

/// A probe every second, three failures of which are one too many, and errors too.
fn escalating() -> ProbeConfig {
    ProbeConfig {
        errored_is_failure: true,
        ..probe(0, 1)
    }
}

/// A world in which the first instance's runs find this, second by second: `+` success, `w` warning, `-` failure, `!`
/// error; success when the list is over and in all later instances.
fn finding(outcomes: &'static [u8], change: impl FnOnce(&mut ContainerConfig)) -> World {
    let mut app = container("app");
    change(&mut app);
    let mut world = World::new(pod(vec![app]));
    world.app().probe = Box::new(move |run| {
        let at = usize::try_from(run.age / 1000).unwrap();
        let outcome = outcomes.get(at).filter(|_| run.instance == 0);
        match outcome {
            Some(b'-') => (0, Verdict::Failure, "no".into()),
            Some(b'!') => (0, Verdict::Errored, "fuel exhausted".into()),
            Some(b'w') => (0, Verdict::Warning, "slow".into()),
            _ => (0, Verdict::Success, String::new()),
        }
    });
    world
}

const KILLING: &str = "Killing: Container app failed liveness probe, will be restarted";

#[test]
fn so_many_errors_in_a_row_restart_the_container_as_failures_would() {
    let mut world = finding(b"+!!!", |app| app.liveness = Some(escalating()));
    world.begin(seconds(6));
    let errored = "Warning Unhealthy: Liveness probe errored and resulted in unknown state: fuel exhausted";
    assert_eq!(world.times("event", errored), [1.0, 2.0, 3.0]);
    assert_eq!(world.times("event", KILLING), [3.0]);
    assert_eq!(world.seen(&["signal"]), ["3 Stop c0/0"]);
    assert_eq!(world.shown().restart_count, 1);
}

#[test]
fn without_the_setting_errors_never_count() {
    let mut world = finding(b"!!!!!!!!!!", |app| app.liveness = Some(probe(0, 1)));
    world.begin(seconds(20));
    assert_eq!(world.seen(&["signal"]), [""; 0]);
}

#[test]
fn any_other_outcome_begins_the_count_of_errors_anew() {
    let mut world = finding(b"!!+!!w!!-!!+!!", |app| app.liveness = Some(escalating()));
    world.begin(seconds(20));
    assert_eq!(world.seen(&["signal"]), [""; 0]);
}

#[test]
fn errors_and_failures_are_never_counted_together() {
    // Two of each, and then a third failure: an error between failures leaves their count as it was.
    let mut world = finding(b"-!!-!!-", |app| app.liveness = Some(escalating()));
    world.begin(seconds(5));
    assert_eq!(
        world.state.probe_result(APP, ProbeKind::Liveness),
        Some(ProbeResult::Success)
    );
    world.run(seconds(6));
    assert_eq!(world.times("event", KILLING), [6.0]);
}

#[test]
fn errors_take_readiness_away_and_so_many_successes_give_it_back() {
    let mut world = finding(b"++!!!!+!+!!+", |app| {
        let readiness = app.readiness.insert(escalating());
        readiness.success_threshold = 2;
    });
    world.begin(seconds(20));
    let status = [
        "0 0/1 ContainerCreating 0",
        "0 0/1 Running 0",
        "1 1/1 Running 0",
        // The third error; the successes before it count no more. An error between two successes takes nothing away.
        "4 0/1 Running 0",
        "8 1/1 Running 0",
    ];
    assert_eq!(world.seen(&["status"]), status);
    assert_eq!(world.seen(&["signal"]), [""; 0]);
}

#[test]
fn a_startup_probe_that_only_errs_ends_the_container() {
    let mut world = finding(b"!!!", |app| {
        app.startup = Some(ProbeConfig {
            failure_threshold: 2,
            ..escalating()
        });
    });
    world.begin(seconds(5));
    let killing = "Killing: Container app failed startup probe, will be restarted";
    assert_eq!(world.times("event", killing), [1.0]);
    assert!(world.shown().started && world.shown().restart_count == 1);
}

#[test]
fn the_count_of_errors_outlives_the_agent_and_not_the_instance() {
    let mut world = finding(b"!!!!", |app| app.liveness = Some(escalating()));
    world.begin(seconds(1));
    world.state = world.stored();
    world.run(seconds(2));
    assert_eq!(world.times("event", KILLING), [2.0]);

    let mut world = finding(b"!!", |app| app.liveness = Some(escalating()));
    world.app().ends = Box::new(|instance| (instance == 0).then_some((1_500, 1)));
    world.app().probe = Box::new(|run| {
        if run.instance == 0 || run.age < 2_000 {
            (0, Verdict::Errored, "fuel exhausted".into())
        } else {
            (0, Verdict::Success, String::new())
        }
    });
    world.begin(seconds(10));
    assert_eq!(
        world.seen(&["signal"]),
        [""; 0],
        "two errors, and two of the next instance"
    );
}
