//! Restarts because of liveness are held back.

use probelet_tests::{
    agent::Agent,
    finished::Finished,
    pod::{restarts, runs_instance},
};

use crate::{PATIENCE, WAIT, busybox, own_agent, script};

fn hold(agent: &Agent, arguments: &[&str]) {
    Finished::run(&mut agent.client(arguments)).success();
}

#[test]
fn f34_a_held_restart_takes_place_when_the_hold_is_released() {
    let agent = own_agent();
    let namespace = agent.namespace("hold");
    let probe =
        "    livenessProbe: { exec: { command: [test, '!', -e, /tmp/sick] }, periodSeconds: 1, failureThreshold: 1 }";
    namespace.start(&busybox("held", &(script(WAIT) + probe), ""), "held");
    hold(&agent, &["hold"]);
    namespace.exec("held", &["touch", "/tmp/sick"]).success();
    let mut events = namespace.watch_events("held");
    events.until("the restart is held back", PATIENCE, |event| {
        event["reason"] == "RestartHeld"
    });
    assert_eq!(restarts(&namespace.pod("held")), 0);
    hold(&agent, &["hold", "--release"]);
    namespace
        .watch("held")
        .until("it is restarted", PATIENCE, |pod| runs_instance(pod, 1));
}
