//! Sandboxes, images and starts that fail, and are tried again (A4.8 to A4.11, B6.4).

use probelet_lifecycle::{
    event::{ImageError, StartError},
    status::ContainerState,
};

use crate::world::{World, container, pod, seconds};

fn world() -> World {
    World::new(pod(vec![container("app")]))
}

fn waiting(world: &World) -> (String, String) {
    match world.shown().state {
        ContainerState::Waiting { reason, message } => (reason, message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a4_11_a_sandbox_that_fails_is_told_and_made_again_with_growing_waits() {
    let mut world = world();
    world.sandbox = Box::new(|tries| {
        if tries < 4 {
            Err("no address left".into())
        } else {
            Ok(())
        }
    });
    world.begin(seconds(100));
    let told = "Warning FailedCreatePodSandBox: Failed to create pod sandbox: no address left";
    assert_eq!(world.times("event", told), [0.0, 10.0, 30.0]);
    assert_eq!(world.times("pod", "create sandbox"), [0.0, 10.0, 30.0, 70.0]);
    assert_eq!(world.seen(&["start"]), ["70 c0/0"]);
}

#[test]
fn a4_9_an_image_that_cannot_be_pulled_is_tried_again_with_growing_waits() {
    let mut world = world();
    world.app().image = Box::new(|at| match at {
        0..30_000 => Err((ImageError::Pull, "not found; import it".into())),
        _ => Ok(()),
    });
    world.begin(0);
    let events = [
        "0 Warning Failed: Failed to pull image \"app:1\": not found; import it",
        "0 Warning Failed: Error: ErrImagePull",
        "0 BackOff: Back-off pulling image \"app:1\"",
        "0 Warning Failed: Error: ImagePullBackOff",
    ];
    assert_eq!(world.seen(&["event"]), events);
    let message = "Back-off pulling image \"app:1\": ErrImagePull: not found; import it";
    assert_eq!(waiting(&world), ("ImagePullBackOff".into(), message.into()));
    world.run(seconds(100));
    assert_eq!(world.seen(&["image"]), ["0 c0", "10 c0", "30 c0"]);
    let status = [
        "0 0/1 ContainerCreating 0",
        "0 0/1 ErrImagePull 0",
        "0 0/1 ImagePullBackOff 0",
        "10 0/1 ErrImagePull 0",
        "10 0/1 ImagePullBackOff 0",
        "30 1/1 Running 0",
    ];
    assert_eq!(world.seen(&["status"]), status);
    assert_eq!(
        world.seen(&["event"])[8..],
        [
            "30 Pulled: there",
            "30 Created: Container created",
            "30 Started: Container started"
        ]
    );
}

#[test]
fn a4_9_the_waits_for_an_image_grow_to_five_minutes() {
    let mut world = world();
    world.app().image = Box::new(|_| Err((ImageError::Pull, String::new())));
    world.begin(seconds(1300));
    let times = world.times("image", "c0");
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits, [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]);
}

#[test]
fn b6_4_images_that_may_not_be_pulled_or_are_misnamed_are_told_apart_and_looked_for_again() {
    let cases = [
        (ImageError::NeverPull, "ErrImageNeverPull", "ErrImageNeverPull"),
        (ImageError::InvalidName, "InvalidImageName", "InspectFailed"),
        (ImageError::Inspect, "ImageInspectError", "InspectFailed"),
    ];
    for (error, reason, event) in cases {
        let mut world = world();
        world.app().image = Box::new(move |at| if at < 5_000 { Err((error, "why".into())) } else { Ok(()) });
        world.begin(seconds(9));
        assert_eq!(waiting(&world), (reason.into(), "why".into()));
        let events = [
            format!("0 Warning {event}: why"),
            format!("0 Warning Failed: Error: {reason}"),
        ];
        assert_eq!(world.seen(&["event"]), events);
        world.run(seconds(10));
        assert_eq!(world.seen(&["start"]), ["10 c0/0"]);
    }
}

#[test]
fn b6_4_a_container_that_cannot_be_created_is_tried_again_under_the_same_number() {
    for (error, reason) in [
        (StartError::Config, "CreateContainerConfigError"),
        (StartError::Create, "CreateContainerError"),
    ] {
        let mut world = world();
        let mut tries = 0;
        world.app().start = Box::new(move |_| {
            tries += 1;
            (
                0,
                if tries < 3 {
                    Err((error, "no such mount".into()))
                } else {
                    Ok(())
                },
            )
        });
        world.begin(seconds(20));
        assert_eq!(waiting(&world), (reason.into(), "no such mount".into()));
        assert_eq!(
            world.times("event", "Warning Failed: Error: no such mount"),
            [0.0, 10.0]
        );
        world.run(seconds(40));
        assert_eq!(world.seen(&["start"]), ["0 c0/0", "10 c0/0", "30 c0/0"]);
        assert_eq!(world.shown().restart_count, 0);
    }
}

#[test]
fn b6_1_a_command_that_cannot_be_executed_has_ended_with_128_and_counts_as_a_restart() {
    let mut world = world();
    world.app().start = Box::new(|_| (0, Err((StartError::Run, "no such file".into()))));
    world.begin(seconds(9));
    assert_eq!(world.seen(&["start"]), ["0 c0/0", "0 c0/1"]);
    assert_eq!(waiting(&world).0, "CrashLoopBackOff");
    let last = world.shown().last_termination.unwrap();
    assert_eq!(
        (last.exit_code, last.reason.as_str(), last.message.as_str()),
        (128, "StartError", "no such file")
    );
    let events = world.seen(&["event"]);
    assert_eq!(
        events[1..3],
        ["0 Created: Container created", "0 Warning Failed: Error: no such file"]
    );
    world.run(seconds(40));
    assert_eq!(world.seen(&["start"])[2..], ["10 c0/2", "30 c0/3"]);
}

#[test]
fn one_container_that_cannot_start_does_not_keep_the_others_from_it() {
    let mut world = World::new(pod(vec![container("broken"), container("good")]));
    world.applications[0].image = Box::new(|_| Err((ImageError::Pull, String::new())));
    world.begin(seconds(1));
    assert_eq!(world.seen(&["start"]), ["0 c1/0"]);
    assert_eq!(world.seen(&["status"]).last().unwrap(), "0 1/2 ImagePullBackOff 0");
}
