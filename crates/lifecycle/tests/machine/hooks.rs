//! Hooks: when they run, how long they may, what their failure brings (B1, F22, F26).

use std::time::Duration;

use probelet_lifecycle::{
    action::{Action, HookReason, ProbeKind, Request},
    config::{ContainerConfig, RestartPolicy},
    event::Event,
    status::{ContainerState, ContainerStatus, Phase},
};

use crate::world::{APP, Time, World, container, exit, failure, hook, pod, probe, seconds, success};

fn with(change: impl FnOnce(&mut ContainerConfig)) -> World {
    let mut app = container("app");
    change(&mut app);
    World::new(pod(vec![app]))
}

/// When runs were cancelled.
fn cancelled(world: &World) -> Vec<Time> {
    world
        .lines
        .iter()
        .filter(|line| line.what == "cancel")
        .map(|line| line.at)
        .collect()
}

fn broken() -> Result<(), String> {
    Err("exit code 1".into())
}

#[test]
fn b1_1_containers_start_one_after_another_and_a_slow_post_start_hook_delays_the_next() {
    let mut first = container("first");
    first.post_start = Some(hook(3600));
    let mut world = World::new(pod(vec![first, container("second")]));
    world.applications[0].start = Box::new(|_| (seconds(1), Ok(())));
    world.applications[0].hook = Box::new(|_| Some((seconds(4), Ok(()))));
    world.begin(seconds(10));
    let story = ["0 c0", "0 c0/0", "1 Start c0/0 within 3600s", "5 c1", "5 c1/0"];
    assert_eq!(world.seen(&["image", "start", "hook"]), story);
    let status = [
        "0 0/2 ContainerCreating 0",
        "5 1/2 ContainerCreating 0",
        "5 2/2 Running 0",
    ];
    assert_eq!(world.seen(&["status"]), status);
}

#[test]
fn b1_1_probes_wait_for_the_post_start_hook() {
    let mut world = with(|app| {
        app.post_start = Some(hook(3600));
        app.startup = Some(probe(0, 10));
        app.liveness = Some(probe(2, 10));
        app.readiness = Some(probe(9, 10));
    });
    world.app().hook = Box::new(|_| Some((seconds(6), Ok(()))));
    world.begin(seconds(20));
    assert_eq!(
        world.seen(&["probe"]),
        [
            "6 Startup c0/0",
            "9 Readiness c0/0",
            "16 Liveness c0/0",
            "19 Readiness c0/0"
        ]
    );
}

#[test]
fn b1_3_a_failed_post_start_hook_ends_the_container_in_the_usual_way() {
    let mut world = with(|app| {
        app.post_start = Some(hook(3600));
        app.pre_stop = Some(hook(3600));
        app.liveness = Some(probe(0, 1));
    });
    world.app().stops = Some((seconds(1), 143));
    let mut starts = 0;
    world.app().hook = Box::new(move |reason| {
        starts += u32::from(reason == HookReason::Start);
        Some((
            seconds(2),
            if reason == HookReason::Start && starts == 1 {
                broken()
            } else {
                Ok(())
            },
        ))
    });
    world.begin(seconds(3));
    let ContainerState::Waiting { reason, message } = world.shown().state else {
        panic!("{:?}", world.shown())
    };
    assert_eq!(
        (reason.as_str(), message.as_str()),
        ("PostStartHookError", "exit code 1")
    );
    world.run(seconds(10));
    let story = [
        "0 c0/0",
        "0 Start c0/0 within 3600s",
        "2 PostStart c0/0 within 30s",
        "4 Stop c0/0",
        "5 c0/1",
        "5 Start c0/1 within 3600s",
    ];
    assert_eq!(world.seen(&["start", "hook", "signal"]), story);
    let events = world.seen(&["event"]);
    assert_eq!(
        events[3..5],
        [
            "2 Warning FailedPostStartHook: PostStartHook failed",
            "2 Killing: FailedPostStartHook"
        ]
    );
    assert_eq!(
        world.seen(&["probe"])[0],
        "7 Liveness c0/1",
        "an instance that was never shown is not probed"
    );
    let status = [
        "0 0/1 ContainerCreating 0",
        "2 0/1 PostStartHookError 0",
        "7 1/1 Running 1",
    ];
    assert_eq!(world.seen(&["status"]), status);
    // Its end is known before the next start is asked for, though the hook is what is shown.
    let (at, last) = &world.statuses[world.statuses.len() - 2];
    assert_eq!(
        (*at, last.containers[0].last_termination.as_ref().unwrap().exit_code),
        (5000, 143)
    );
}

#[test]
fn b1_3_a_failed_post_start_hook_ends_a_pod_that_is_never_restarted() {
    let mut config = with(|app| app.post_start = Some(hook(3600))).config;
    config.restart_policy = RestartPolicy::Never;
    let mut world = World::new(config);
    world.app().hook = Box::new(|_| Some((0, broken())));
    world.app().stops = Some((0, 143));
    world.begin(seconds(1));
    assert_eq!(world.state.status().phase, Phase::Failed);
    assert_eq!(world.seen(&["status"]).last().unwrap(), "0 0/1 Error 0");
}

#[test]
fn f22_a_post_start_hook_that_does_not_end_is_cancelled_and_has_failed() {
    let mut world = with(|app| app.post_start = Some(hook(60)));
    world.app().hook = Box::new(|_| None);
    world.app().stops = Some((seconds(1), 143));
    world.begin(seconds(60));
    assert_eq!(cancelled(&world), [seconds(60)]);
    assert_eq!(
        world.times("event", "Warning FailedPostStartHook: PostStartHook failed"),
        [60.0]
    );
    assert_eq!(world.seen(&["signal"]), ["60 Stop c0/0"]);
}

#[test]
fn a_post_start_hook_is_cancelled_by_its_containers_own_end_and_by_deletion() {
    let mut world = with(|app| app.post_start = Some(hook(3600)));
    world.app().hook = Box::new(|_| None);
    world.app().ends = Box::new(|instance| (instance == 0).then_some((seconds(3), 0)));
    world.begin(seconds(5));
    assert_eq!(world.seen(&["cancel"]), [format!("3 {}", 4)]);
    let status = ["0 0/1 ContainerCreating 0", "3 0/1 Completed 0"];
    assert_eq!(
        world.seen(&["status"]),
        status,
        "the next instance is not shown before its hook has ended"
    );
    world.delete(None);
    assert_eq!(
        (world.seen(&["cancel"]).len(), world.seen(&["signal"])),
        (2, vec!["5 Stop c0/1".to_owned()])
    );
    assert_eq!(
        world.times("event", "Warning FailedPostStartHook: PostStartHook failed"),
        [0.0; 0]
    );
}

#[test]
fn b1_13_pre_stop_does_not_run_when_a_container_ends_by_itself() {
    let mut world = with(|app| app.pre_stop = Some(hook(3600)));
    world.app().ends = Box::new(|instance| (instance < 3).then_some((seconds(700), 0)));
    world.begin(seconds(2300));
    assert_eq!((world.seen(&["hook"]), world.shown().restart_count), (Vec::new(), 3));
}

#[test]
fn b1_13_a_pre_stop_hook_ends_with_its_container_and_no_signal_follows() {
    let mut world = with(|app| app.pre_stop = Some(hook(3600)));
    world.app().hook = Box::new(|_| None);
    world.begin(seconds(1));
    world.delete(None);
    world.plan(seconds(4), exit(APP, 0, 0));
    world.run(seconds(60));
    assert_eq!((world.seen(&["cancel"]).len(), world.seen(&["signal"]).len()), (1, 0));
    assert_eq!(
        world.times("event", "Warning FailedPreStopHook: PreStopHook failed"),
        [0.0; 0]
    );
    assert_eq!(world.times("pod", "forget"), [5.0]);
}

#[test]
fn b1_14_a_failed_pre_stop_hook_is_told_and_stops_nothing() {
    let mut world = with(|app| app.pre_stop = Some(hook(3600)));
    world.app().hook = Box::new(|_| Some((seconds(1), broken())));
    world.begin(0);
    world.delete(None);
    world.run(seconds(1));
    assert_eq!(
        world.times("event", "Warning FailedPreStopHook: PreStopHook failed"),
        [1.0]
    );
    assert_eq!(world.seen(&["signal"]), ["1 Stop c0/0"]);
}

#[test]
fn f22_a_pre_stop_hook_is_cancelled_at_its_own_limit_or_with_the_grace_period() {
    for (limit, signalled, killed) in [
        (3, "3 Stop c0/0", "30 Kill c0/0"),
        (3600, "30 Stop c0/0", "32 Kill c0/0"),
    ] {
        let mut world = with(|app| app.pre_stop = Some(hook(limit)));
        world.app().hook = Box::new(|_| None);
        world.app().stops = None;
        world.begin(0);
        world.delete(None);
        world.run(seconds(40));
        assert_eq!(cancelled(&world), [seconds(limit.min(30))]);
        // B2.6: two seconds are always left between the two signals.
        assert_eq!(world.seen(&["signal"]), [signalled, killed]);
        assert_eq!(
            world.seen(&["event"])[4],
            format!("{} Warning FailedPreStopHook: PreStopHook failed", limit.min(30))
        );
    }
}

#[test]
fn f26_the_hook_is_told_why_it_runs() {
    let reasons = |kind: ProbeKind| {
        let mut world = with(|app| {
            app.startup = Some(probe(0, 1));
            app.liveness = Some(probe(0, 1));
            app.pre_stop = Some(hook(3600));
        });
        world.app().probe = Box::new(move |run| if run.kind == kind { failure() } else { success() });
        world.begin(seconds(5));
        world.seen(&["hook"])
    };
    assert_eq!(reasons(ProbeKind::Liveness)[0], "3 Liveness c0/0 within 30s");
    assert_eq!(reasons(ProbeKind::Startup)[0], "2 Startup c0/0 within 30s");
    let mut world = with(|app| app.pre_stop = Some(hook(3600)));
    world.begin(0);
    world.delete(Some(7));
    assert_eq!(world.seen(&["hook"]), ["0 Delete c0/0 within 7s"]);
}

#[test]
fn b2_3_the_whole_seconds_of_the_hook_are_taken_off_the_grace_period() {
    let mut world = with(|app| app.pre_stop = Some(hook(3600)));
    world.app().hook = Box::new(|_| Some((10_900, Ok(()))));
    world.app().stops = None;
    world.begin(0);
    world.delete(None);
    world.run(seconds(40));
    assert_eq!(world.seen(&["signal"]), ["10.9 Stop c0/0", "30.9 Kill c0/0"]);
}

#[test]
fn b2_3_without_a_grace_period_there_is_no_hook() {
    let mut config = with(|app| {
        app.liveness = Some(probe(0, 1));
        app.pre_stop = Some(hook(3600));
    })
    .config;
    config.termination_grace_period = Duration::ZERO;
    let mut world = World::new(config);
    world.app().probe = Box::new(|_| failure());
    world.app().stops = None;
    world.begin(seconds(5));
    assert_eq!(world.seen(&["hook", "signal"]), ["2 Stop c0/0", "4 Kill c0/0"]);
}

#[test]
fn b2_1_a_kill_by_a_probe_has_the_probes_own_grace_period() {
    for (own, killed) in [(5, "7 Kill c0/0"), (60, "62 Kill c0/0")] {
        let mut world = with(|app| {
            app.liveness.insert(probe(0, 1)).termination_grace_period = Some(Duration::from_secs(own));
        });
        world.app().probe = Box::new(|_| failure());
        world.app().stops = None;
        world.begin(seconds(63));
        assert_eq!(world.seen(&["signal"])[..2], ["2 Stop c0/0", killed]);
    }
}

#[test]
fn c3_2_an_instance_that_ends_during_its_hook_shows_its_end_and_the_one_before() {
    let mut world = with(|app| app.post_start = Some(hook(3600)));
    world.app().hook = Box::new(|_| None);
    world.app().ends = Box::new(|instance| Some((seconds(1), i32::try_from(instance).unwrap() + 1)));
    world.begin(seconds(14));
    // The third one began after a wait, and that it waited is not what is shown of its end.
    let ends = world
        .statuses
        .iter()
        .filter_map(|(at, status)| match &status.containers[0] {
            ContainerStatus {
                state: ContainerState::Terminated(end),
                last_termination,
                ..
            } => Some((*at, end.exit_code, last_termination.as_ref().map(|last| last.exit_code))),
            _ => None,
        });
    assert_eq!(
        ends.collect::<Vec<_>>(),
        [(1000, 1, None), (2000, 2, Some(1)), (13000, 3, Some(2))]
    );
}

#[test]
fn a4_13_that_a_hook_went_without_tls_is_told_of_the_pod_while_the_hook_runs() {
    let mut world = with(|app| app.post_start = Some(hook(3600)));
    world.app().hook = Box::new(|_| None);
    world.begin(seconds(1));
    let running = world.actions.iter().find_map(|action| match action {
        Action::Request {
            id,
            request: Request::RunHook { .. },
        } => Some(*id),
        _ => None,
    });
    let action = running.unwrap();
    let fell_back = || {
        let host = "10.88.0.2:443".to_owned();
        Event::HookFellBack { action, host }
    };
    world.event(fell_back());
    let result = Ok(());
    world.event(Event::HookFinished { action, result });
    // It comes too late for the hook that it is about.
    world.event(fell_back());
    let told = "Warning LifecycleHTTPFallback: request to HTTPS lifecycle hook 10.88.0.2:443 got HTTP response, retry \
                with HTTP succeeded";
    assert_eq!(world.times("event", told), [1.0]);
    let events = world.actions.iter().filter_map(|action| match action {
        Action::RecordEvent(event) if event.reason == "LifecycleHTTPFallback" => Some(event.container),
        _ => None,
    });
    assert_eq!(Vec::from_iter(events), [None]);
}
