//! Probes: when they run, what counts, what follows (A3, A4).

use std::time::Duration;

use probelet_lifecycle::{
    ProbeResult,
    action::{Action, ProbeKind, Request},
    config::{ContainerConfig, RestartPolicy},
    event::Verdict,
};

use crate::world::{APP, World, container, failure, pod, probe, seconds, success};

fn with(change: impl FnOnce(&mut ContainerConfig)) -> World {
    let mut app = container("app");
    change(&mut app);
    World::new(pod(vec![app]))
}

fn runs(world: &World, kind: &str, instance: u32) -> Vec<f64> {
    world.times("probe", &format!("{kind} c0/{instance}"))
}

#[test]
fn a3_2_startup_comes_first_and_readiness_before_liveness() {
    let mut world = with(|app| {
        app.liveness = Some(probe(0, 10));
        app.readiness = Some(probe(0, 10));
        app.startup = Some(probe(0, 5));
    });
    world.begin(seconds(10));
    let order = [
        "0 Startup c0/0",
        "0 Readiness c0/0",
        "10 Readiness c0/0",
        "10 Liveness c0/0",
    ];
    assert_eq!(world.seen(&["probe"]), order);
}

#[test]
fn a3_3_liveness_begins_well_readiness_badly_startup_unknown() {
    let mut world = with(|app| {
        app.startup = Some(probe(5, 5));
        app.liveness = Some(probe(5, 5));
        app.readiness = Some(probe(5, 5));
    });
    world.begin(0);
    let results = [ProbeKind::Startup, ProbeKind::Liveness, ProbeKind::Readiness]
        .map(|kind| world.state.probe_result(APP, kind).unwrap());
    assert_eq!(
        results,
        [ProbeResult::Unknown, ProbeResult::Success, ProbeResult::Failure]
    );
    assert!(!world.shown().started && !world.shown().ready);
}

#[test]
fn f7_the_first_run_is_exactly_the_initial_delay_after_the_start() {
    let mut world = with(|app| app.liveness = Some(probe(7, 10)));
    world.app().start = Box::new(|_| (1_300, Ok(())));
    world.begin(seconds(40));
    assert_eq!(runs(&world, "Liveness", 0), [8.3, 18.3, 28.3, 38.3]);
}

#[test]
fn a3_6_a_slow_run_delays_the_next_and_missed_ones_collapse() {
    let mut world = with(|app| app.readiness = Some(probe(0, 10)));
    world.app().probe = Box::new(|run| (if run.at == 0 { 25_000 } else { 0 }, Verdict::Success, String::new()));
    world.begin(seconds(45));
    assert_eq!(runs(&world, "Readiness", 0), [0.0, 25.0, 30.0, 40.0]);
}

#[test]
fn a3_10_liveness_and_readiness_wait_for_startup() {
    let mut world = with(|app| {
        app.startup = Some(probe(0, 3));
        app.startup.as_mut().unwrap().failure_threshold = 10;
        app.liveness = Some(probe(0, 10));
        app.readiness = Some(probe(0, 5));
    });
    world.app().probe = Box::new(|run| {
        if run.kind == ProbeKind::Startup && run.age < 12_000 {
            failure()
        } else {
            success()
        }
    });
    world.begin(seconds(31));
    assert_eq!(runs(&world, "Startup", 0), [0.0, 3.0, 6.0, 9.0, 12.0]);
    // F8: at once, with its period from there; liveness keeps the grid of its own start.
    assert_eq!(runs(&world, "Readiness", 0), [12.0, 17.0, 22.0, 27.0]);
    assert_eq!(runs(&world, "Liveness", 0), [20.0, 30.0]);
    assert_eq!(
        world.seen(&["status"]),
        ["0 0/1 ContainerCreating 0", "0 0/1 Running 0", "12 1/1 Running 0"]
    );
}

#[test]
fn f8_readiness_waits_for_its_own_initial_delay_after_startup() {
    let mut world = with(|app| {
        app.startup = Some(probe(2, 5));
        app.readiness = Some(probe(9, 5));
    });
    world.begin(seconds(20));
    assert_eq!(runs(&world, "Readiness", 0), [9.0, 14.0, 19.0]);
}

#[test]
fn a3_13_an_errored_run_counts_for_nothing_and_is_told() {
    let mut world = with(|app| app.liveness = Some(probe(0, 5)));
    world.app().probe = Box::new(|run| match run.at {
        0 | 10_000 => failure(),
        20_000 => success(),
        _ => (0, Verdict::Errored, "no such plugin".into()),
    });
    world.begin(seconds(100));
    // Two failures with an error between them are two in a row, and a hundred errors are none.
    assert_eq!(
        world.state.probe_result(APP, ProbeKind::Liveness),
        Some(ProbeResult::Success)
    );
    let text = "Warning Unhealthy: Liveness probe errored and resulted in unknown state: no such plugin";
    assert_eq!(world.times("event", text)[..2], [5.0, 15.0]);
}

#[test]
fn a3_15_a_state_changes_after_so_many_in_a_row_and_any_opposite_starts_anew() {
    let mut world = with(|app| {
        let readiness = app.readiness.insert(probe(0, 1));
        readiness.success_threshold = 2;
        readiness.failure_threshold = 3;
    });
    let outcomes = b"+-++--+---++";
    world.app().probe = Box::new(|run| {
        let at = usize::try_from(run.at / 1000).unwrap();
        if outcomes.get(at) == Some(&b'-') {
            failure()
        } else {
            success()
        }
    });
    world.begin(seconds(11));
    let status = [
        "0 0/1 ContainerCreating 0",
        "0 0/1 Running 0",
        "3 1/1 Running 0",
        "9 0/1 Running 0",
        "11 1/1 Running 0",
    ];
    assert_eq!(world.seen(&["status"]), status);
}

#[test]
fn a3_16_every_failed_run_and_every_warning_is_an_event() {
    let mut world = with(|app| {
        app.startup = Some(probe(0, 1));
        app.readiness = Some(probe(0, 1));
    });
    world.app().probe = Box::new(|run| match (run.kind, run.at) {
        (ProbeKind::Startup, 0) => (0, Verdict::Failure, "not yet".into()),
        (ProbeKind::Readiness, 1_000) => (0, Verdict::Warning, "redirected".into()),
        (ProbeKind::Readiness, _) => (0, Verdict::Failure, "gone".into()),
        _ => success(),
    });
    world.begin(seconds(2));
    let events = world.seen(&["event"]);
    let expected = [
        "0 Warning Unhealthy: Startup probe failed: not yet",
        "1 Recovered: Startup probe succeeded after 1s of trouble",
        "1 Warning ProbeWarning: Readiness probe warning: redirected",
        "2 Warning Unhealthy: Readiness probe failed: gone",
    ];
    assert_eq!(events[3..], expected);
    assert!(world.shown().ready, "a warning counts as a success");
}

#[test]
fn a3_18_after_its_verdict_liveness_rests_until_the_next_container() {
    let mut world = with(|app| {
        app.liveness = Some(probe(0, 1));
        app.readiness = Some(probe(0, 2));
    });
    world.app().stops = Some((seconds(5), 143));
    world.app().probe = Box::new(|run| {
        if run.kind == ProbeKind::Liveness && run.instance == 0 {
            failure()
        } else {
            success()
        }
    });
    world.begin(seconds(8));
    assert_eq!(runs(&world, "Liveness", 0), [0.0, 1.0, 2.0]);
    assert_eq!(runs(&world, "Liveness", 1), [7.0, 8.0]);
    // A3.26: readiness goes on during the kill, and F26: whatever it finds, the container is not ready.
    assert_eq!(runs(&world, "Readiness", 0), [0.0, 2.0, 4.0, 6.0]);
    let status = [
        "0 1/1 Running 0",
        "2 0/1 Running 0",
        "7 0/1 Error 0",
        "7 0/1 Running 1",
        "7 1/1 Running 1",
    ];
    assert_eq!(world.seen(&["status"])[2..], status);
    let events = world.seen(&["event"]);
    assert!(
        events.contains(&"2 Killing: Container app failed liveness probe, will be restarted".into()),
        "{events:#?}"
    );
}

#[test]
fn a3_19_a_startup_probe_that_fails_kills_and_rests() {
    let mut world = with(|app| {
        app.startup = Some(probe(1, 1));
        app.liveness = Some(probe(0, 1));
        app.readiness = Some(probe(0, 1));
    });
    world.app().stops = None;
    world.app().probe = Box::new(|_| failure());
    world.begin(seconds(33));
    assert_eq!(
        world.seen(&["probe"]),
        ["1 Startup c0/0", "2 Startup c0/0", "3 Startup c0/0"]
    );
    assert_eq!(world.seen(&["signal"]), ["3 Stop c0/0", "33 Kill c0/0"]);
    let events = world.seen(&["event"]);
    assert!(
        events.contains(&"3 Killing: Container app failed startup probe, will be restarted".into()),
        "{events:#?}"
    );
}

#[test]
fn a4_5_nothing_is_said_of_a_restart_that_the_policy_forbids() {
    let mut app = container("app");
    app.liveness = Some(probe(0, 1));
    let mut config = pod(vec![app]);
    config.restart_policy = RestartPolicy::Never;
    let mut world = World::new(config);
    world.app().probe = Box::new(|_| failure());
    world.begin(seconds(3));
    let events = world.seen(&["event"]);
    assert!(
        events.contains(&"2 Killing: Container app failed liveness probe".into()),
        "{events:#?}"
    );
    assert_eq!(world.seen(&["start"]), ["0 c0/0"]);
}

#[test]
fn a3_24_deletion_ends_liveness_and_startup_and_cancels_their_runs() {
    let mut world = with(|app| {
        app.liveness = Some(probe(0, 2));
        app.readiness = Some(probe(0, 2));
    });
    world.app().stops = None;
    world.app().probe = Box::new(|run| match (run.kind, run.at) {
        (ProbeKind::Liveness, 4_000) => (1_500, Verdict::Failure, String::new()),
        (ProbeKind::Readiness, 8_000..) => failure(),
        _ => success(),
    });
    world.begin(seconds(5));
    world.delete(None);
    world.run(seconds(14));
    assert_eq!(runs(&world, "Liveness", 0), [0.0, 2.0, 4.0]);
    assert_eq!(world.seen(&["cancel"]).len(), 1);
    assert_eq!(
        world.times("event", "Warning Unhealthy: Liveness probe failed: "),
        [0.0; 0],
        "its result came too late"
    );
    // A3.25: readiness goes on, and can be lost.
    assert_eq!(
        runs(&world, "Readiness", 0),
        [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]
    );
    assert_eq!(
        world.seen(&["status"])[2..],
        ["0 1/1 Running 0", "5 1/1 Terminating 0", "12 0/1 Terminating 0"]
    );
}

#[test]
fn a3_24_a_deleted_pod_that_had_not_started_is_not_probed_for_readiness() {
    let mut world = with(|app| {
        app.startup = Some(probe(0, 2));
        app.readiness = Some(probe(0, 2));
    });
    world.app().stops = None;
    world.app().probe = Box::new(|run| if run.at < 3_000 { failure() } else { success() });
    world.begin(seconds(1));
    world.delete(None);
    world.run(seconds(20));
    assert_eq!(world.seen(&["probe"]), ["0 Startup c0/0"]);
    assert!(!world.shown().started);
}

#[test]
fn f28_an_instance_does_not_inherit_the_failures_of_the_last() {
    let mut world = with(|app| app.liveness = Some(probe(0, 5)));
    // Two failures, then a crash; then two more, and a success.
    world.app().ends = Box::new(|instance| (instance == 0).then_some((seconds(7), 1)));
    world.app().probe = Box::new(|run| if run.age < 8_000 { failure() } else { success() });
    world.begin(seconds(60));
    assert_eq!(world.seen(&["signal"]), [""; 0]);
    assert_eq!(runs(&world, "Liveness", 1)[..3], [7.0, 12.0, 17.0]);
}

#[test]
fn a_run_ends_with_its_instance_and_its_result_changes_nothing() {
    let mut world = with(|app| app.readiness = Some(probe(0, 10)));
    world.app().ends = Box::new(|instance| (instance == 0).then_some((seconds(3), 0)));
    world.app().probe = Box::new(|run| {
        if run.instance == 0 {
            (seconds(5), Verdict::Success, String::new())
        } else {
            failure()
        }
    });
    world.begin(seconds(9));
    assert_eq!(world.seen(&["cancel"]).len(), 1);
    assert!(!world.shown().ready && world.shown().restart_count == 1);
}

#[test]
fn a_run_says_which_it_is_when_it_was_due_and_how_long_it_may_take() {
    let mut world = with(|app| app.readiness.insert(probe(1, 2)).timeout = Duration::from_millis(700));
    world.app().probe = Box::new(|run| (if run.at == 1_000 { 2_500 } else { 0 }, Verdict::Success, String::new()));
    world.begin(seconds(5));
    let runs = world.actions.iter().filter_map(|action| match action {
        Action::Request {
            request: Request::RunProbe {
                attempt, due, timeout, ..
            },
            ..
        } => Some((*attempt, due.0.as_secs(), timeout.as_millis())),
        _ => None,
    });
    assert_eq!(runs.collect::<Vec<_>>(), [(1, 1, 700), (2, 3, 700), (3, 5, 700)]);
}

#[test]
fn f31_a_failure_that_says_nothing_new_is_marked_and_a_recovery_tells_how_long_it_took() {
    let mut app = container("app");
    app.readiness = Some(probe(0, 5));
    let mut world = World::new(pod(vec![app]));
    world.app().probe = Box::new(|run| match run.at / 5000 {
        1..=4 => failure(),
        5 => (0, Verdict::Errored, "no".into()),
        _ => success(),
    });
    world.begin(seconds(60));
    let told: Vec<_> = world
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::RecordEvent(event) if event.container.is_some() => Some((event.reason.as_str(), event.repeated)),
            _ => None,
        })
        .filter(|(reason, _)| ["Unhealthy", "Recovered"].contains(reason))
        .collect();
    // The first failure, one more, the one by which the pod is unready, one more, another kind of trouble, the end of it.
    let expected = [
        ("Unhealthy", false),
        ("Unhealthy", true),
        ("Unhealthy", false),
        ("Unhealthy", true),
        ("Unhealthy", false),
        ("Recovered", false),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        world.times("event", "Recovered: Readiness probe succeeded after 25s of trouble"),
        [30.0]
    );
}

#[test]
fn f31_a_warning_is_no_trouble_to_recover_from() {
    let mut app = container("app");
    app.readiness = Some(probe(0, 5));
    let mut world = World::new(pod(vec![app]));
    world.app().probe = Box::new(|run| match run.at {
        0 => (0, Verdict::Warning, "moved".into()),
        _ => success(),
    });
    world.begin(seconds(60));
    assert!(!world.lines.iter().any(|line| line.text.contains("Recovered")));
}
