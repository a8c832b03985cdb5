//! Ends and restarts (B5, B6).

use probelet_lifecycle::{
    action::{Action, ProbeKind, Request},
    config::{ContainerConfig, RestartPolicy},
    event::{Event, Exit},
    status::{ContainerState, Phase, Terminated},
};

use crate::world::{APP, World, container, exit, failure, pod, probe, seconds, success};

fn with(policy: RestartPolicy, change: impl FnOnce(&mut ContainerConfig)) -> World {
    let mut app = container("app");
    change(&mut app);
    let mut config = pod(vec![app]);
    config.restart_policy = policy;
    World::new(config)
}

/// A pod whose instances end after so many seconds, with this code.
fn ending(policy: RestartPolicy, after: u64, code: i32) -> World {
    let mut world = with(policy, |_| {});
    world.app().ends = Box::new(move |_| Some((seconds(after), code)));
    world
}

fn terminated(world: &World) -> Terminated {
    match world.shown().state {
        ContainerState::Terminated(end) => end,
        other => panic!("{other:?}"),
    }
}

#[test]
fn b5_1_the_policy_decides_on_a_restart_by_the_exit_code() {
    let cases = [
        (RestartPolicy::Always, 0, true, Phase::Running),
        (RestartPolicy::Always, 1, true, Phase::Running),
        (RestartPolicy::OnFailure, 0, false, Phase::Succeeded),
        (RestartPolicy::OnFailure, 1, true, Phase::Running),
        (RestartPolicy::Never, 0, false, Phase::Succeeded),
        (RestartPolicy::Never, 1, false, Phase::Failed),
    ];
    for (policy, code, again, phase) in cases {
        let mut world = ending(policy, 2, code);
        world.begin(seconds(3));
        assert_eq!(
            world.seen(&["start"]).len(),
            if again { 2 } else { 1 },
            "{policy:?} {code}"
        );
        assert_eq!(world.state.status().phase, phase, "{policy:?} {code}");
    }
}

#[test]
fn b5_2_a_containers_own_policy_goes_before_the_pods() {
    let cases = [
        (RestartPolicy::Always, RestartPolicy::Never, 1, 1),
        (RestartPolicy::Never, RestartPolicy::OnFailure, 1, 2),
        (RestartPolicy::Never, RestartPolicy::OnFailure, 0, 1),
        (RestartPolicy::OnFailure, RestartPolicy::Always, 0, 2),
    ];
    for (of_pod, own, code, starts) in cases {
        let mut world = with(of_pod, |app| app.restart_policy = Some(own));
        world.app().ends = Box::new(move |_| Some((seconds(2), code)));
        world.begin(seconds(3));
        assert_eq!(world.seen(&["start"]).len(), starts, "{of_pod:?} {own:?} {code}");
    }
}

#[test]
fn b5_2_a_probes_kill_is_followed_by_what_the_containers_own_policy_says() {
    let mut world = with(RestartPolicy::Always, |app| {
        app.restart_policy = Some(RestartPolicy::Never);
        app.liveness = Some(probe(0, 1));
    });
    world.app().probe = Box::new(|_| failure());
    world.begin(seconds(9));
    // A4.5: without the suffix, and no restart.
    assert_eq!(
        world.times("event", "Killing: Container app failed liveness probe"),
        [2.0]
    );
    assert_eq!(world.seen(&["start"]), ["0 c0/0"]);
    // C1.4: all regular containers have ended with 0, and none may restart.
    assert_eq!(world.state.status().phase, Phase::Succeeded);
}

#[test]
fn b5_5_the_first_restart_is_at_once_and_the_next_ones_wait_longer_and_longer() {
    let mut world = ending(RestartPolicy::Always, 1, 0);
    world.begin(seconds(1600));
    let starts: Vec<_> = world
        .lines
        .iter()
        .filter(|line| line.what == "start")
        .map(|line| line.at / 1000)
        .collect();
    // Each lives for a second; the wait is counted from its end, and its exit code does not matter.
    let waits: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0] - 1).collect();
    assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
}

#[test]
fn b5_6_ten_minutes_of_running_make_it_forget() {
    let mut world = with(RestartPolicy::Always, |_| {});
    world.app().ends = Box::new(|instance| Some((seconds(if instance == 3 { 601 } else { 1 }), 1)));
    world.begin(seconds(700));
    assert_eq!(
        world.seen(&["start"])[..6],
        ["0 c0/0", "1 c0/1", "12 c0/2", "33 c0/3", "634 c0/4", "645 c0/5"]
    );
}

#[test]
fn b5_9_while_it_waits_it_shows_why_and_its_last_end() {
    let mut world = ending(RestartPolicy::Always, 1, 3);
    world.begin(seconds(5));
    let shown = world.shown();
    let message = "back-off 10s restarting failed container=app pod=web_default(u-1)".to_owned();
    assert_eq!(
        shown.state,
        ContainerState::Waiting {
            reason: "CrashLoopBackOff".into(),
            message
        }
    );
    // C3.2: the end has moved to lastState. C1.5: the pod counts as running.
    let last = shown.last_termination.unwrap();
    assert_eq!((last.exit_code, last.instance, shown.restart_count), (3, 1, 1));
    assert_eq!(world.state.status().phase, Phase::Running);
    let told = "Warning BackOff: Back-off restarting failed container app in pod web_default(u-1)";
    assert_eq!(world.times("event", told), [2.0]);
}

#[test]
fn b5_9_what_is_shown_stays_until_the_next_start_has_a_result() {
    let mut world = ending(RestartPolicy::Always, 1, 3);
    world.app().start = Box::new(|instance| (if instance == 2 { seconds(5) } else { 0 }, Ok(())));
    world.begin(seconds(20));
    let status = world.seen(&["status"]);
    let expected = [
        "2 0/1 Error 1",
        "2 0/1 CrashLoopBackOff 1",
        "17 1/1 Running 2",
        "18 0/1 Error 2",
        "18 0/1 CrashLoopBackOff 2",
    ];
    assert_eq!(status[4..], expected, "{status:#?}");
}

#[test]
fn b5_10_after_a_probes_kill_the_end_before_it_decides() {
    let mut world = with(RestartPolicy::Always, |app| app.liveness = Some(probe(15, 5)));
    world.app().probe = Box::new(|_| failure());
    world.app().stops = Some((seconds(5), 143));
    world.begin(seconds(400));
    // Each instance lives for 30 s. There is no wait after the first kill, nothing having ended before it, nor after the
    // second; those of 10 and 20 s are over before they could begin. The first that shows is the one of 40 s, and it is
    // counted from the end that the kill has brought about.
    let starts = [
        "0 c0/0", "30 c0/1", "60 c0/2", "90 c0/3", "120 c0/4", "190 c0/5", "300 c0/6",
    ];
    assert_eq!(world.seen(&["start"]), starts);
    let message = "back-off 40s restarting failed container=app pod=web_default(u-1)";
    let waits = world.statuses.iter().filter(|(_, status)| {
        matches!(&status.containers[0].state, ContainerState::Waiting { message: shown, .. } if shown == message)
    });
    assert_eq!(waits.map(|(at, _)| *at).collect::<Vec<_>>(), [seconds(150)]);
}

#[test]
fn b5_10_a_probes_kill_restarts_under_on_failure_whatever_the_exit_code() {
    let mut world = with(RestartPolicy::OnFailure, |app| app.liveness = Some(probe(0, 1)));
    world.app().probe = Box::new(|run| if run.instance == 0 { failure() } else { success() });
    world.begin(seconds(9));
    let last = world.shown().last_termination.unwrap();
    assert_eq!(
        (last.exit_code, world.seen(&["start"])),
        (0, vec!["0 c0/0".to_owned(), "2 c0/1".to_owned()])
    );
}

#[test]
fn b6_1_the_reasons_of_an_end_are_kubernetes_own() {
    let plain = Exit {
        code: 0,
        signal: None,
        oom_killed: false,
        lost: false,
        message: String::new(),
    };
    let cases = [
        (plain.clone(), "Completed"),
        (
            Exit {
                code: 2,
                ..plain.clone()
            },
            "Error",
        ),
        (
            Exit {
                code: 137,
                signal: Some(9),
                ..plain.clone()
            },
            "Error",
        ),
        (
            Exit {
                code: 137,
                signal: Some(9),
                oom_killed: true,
                ..plain.clone()
            },
            "OOMKilled",
        ),
        (
            Exit {
                code: 137,
                lost: true,
                ..plain
            },
            "ContainerStatusUnknown",
        ),
    ];
    for (exit, reason) in cases {
        let mut world = with(RestartPolicy::Never, |_| {});
        world.begin(seconds(2));
        world.event(Event::ContainerExited {
            container: APP,
            instance: 0,
            exit: exit.clone(),
        });
        let end = terminated(&world);
        assert_eq!(
            (end.reason.as_str(), end.exit_code, end.signal),
            (reason, exit.code, exit.signal)
        );
        assert_eq!(end.finished_at.0 - end.started_at.0, 2000);
        // B6.3
        assert_eq!(
            end.message.contains("could not be located"),
            exit.lost,
            "{}",
            end.message
        );
    }
}

#[test]
fn b6_3_what_is_known_of_the_loss_of_a_container_is_told_instead_of_the_kubelets_guess() {
    let mut world = with(RestartPolicy::Never, |_| {});
    world.begin(seconds(2));
    let exit = Exit {
        lost: true,
        message: "its shim was killed".into(),
        ..Exit::with_code(137)
    };
    world.event(Event::ContainerExited {
        container: APP,
        instance: 0,
        exit,
    });
    let end = terminated(&world);
    assert_eq!(
        (end.reason.as_str(), end.message.as_str()),
        ("ContainerStatusUnknown", "its shim was killed")
    );
}

#[test]
fn b6_2_an_exit_code_above_128_tells_the_signal() {
    let signals = [0, 1, 128, 129, 137, 143].map(|code| Exit::with_code(code).signal);
    assert_eq!(signals, [None, None, None, Some(1), Some(9), Some(15)]);
}

#[test]
fn an_end_is_published_before_the_restart_is_asked_for() {
    let mut world = ending(RestartPolicy::Always, 2, 0);
    world.begin(seconds(1));
    world.actions.clear();
    world.run(seconds(2));
    let Action::PublishStatus(status) = &world.actions[0] else {
        panic!("{:#?}", world.actions)
    };
    let ContainerState::Terminated(end) = &status.containers[0].state else {
        panic!("{status:#?}")
    };
    assert_eq!((end.reason.as_str(), status.containers[0].ready), ("Completed", false));
    assert!(matches!(
        &world.actions[1],
        Action::Request {
            request: Request::EnsureImage { .. },
            ..
        }
    ));
}

#[test]
fn b1_1_a_container_is_restarted_without_the_others() {
    let mut world = World::new(pod(vec![container("a"), container("b")]));
    world.applications[1].ends = Box::new(|instance| (instance == 0).then_some((seconds(3), 1)));
    world.begin(seconds(5));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "0 c1/0", "3 c1/1"]);
    assert_eq!(world.seen(&["status"])[3..], ["3 1/2 Error 0", "3 2/2 Running 1"]);
}

#[test]
fn an_end_of_an_instance_that_is_not_the_present_one_changes_nothing() {
    let mut world = with(RestartPolicy::Always, |_| {});
    world.begin(seconds(1));
    let before = world.state.clone();
    for event in [
        exit(APP, 1, 0),
        exit(probelet_lifecycle::config::ContainerIndex(7), 0, 0),
    ] {
        world.event(event);
        assert_eq!(world.state, before);
    }
}

#[test]
fn an_instance_that_ends_by_itself_during_its_kill_is_restarted_as_after_it() {
    let mut world = with(RestartPolicy::OnFailure, |app| app.liveness = Some(probe(0, 1)));
    world.app().stops = None;
    world.app().ends = Box::new(|instance| (instance == 0).then_some((seconds(9), 0)));
    world.app().probe = Box::new(|run| {
        if run.instance == 0 && run.kind == ProbeKind::Liveness {
            failure()
        } else {
            success()
        }
    });
    world.begin(seconds(60));
    assert_eq!(world.seen(&["signal", "start"]), ["0 c0/0", "2 Stop c0/0", "9 c0/1"]);
}
