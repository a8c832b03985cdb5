//! Restarts because of liveness are held back.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use probelet_tests::{
    agent::{Agent, Settings, binary},
    finished::Finished,
    pod::{restarts, runs_instance},
};

use crate::{PATIENCE, WAIT, busybox, own_agent, script};

/// Where the kernel says for how much of the time processes wait for a processor.
const PRESSURE: &str = "/proc/pressure/cpu";
/// More than this, in percent, is too much for the agent of the test.
const LIMIT: u8 = 5;
/// How often the kernel counts it anew.
const PERIOD: Duration = Duration::from_secs(2);

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
    let status = || {
        let text = Finished::run(&mut agent.client(&["hold", "--status", "--output", "json"])).success();
        let status: serde_json::Value = serde_json::from_str(&text).expect("a status is a JSON document");
        let metrics = Finished::run(&mut agent.client(&["metrics"])).success();
        let gauge = if status["held"] == true { 1 } else { 0 };
        assert!(
            metrics.contains(&format!("\nprobelet_restarts_held {gauge}\n")),
            "{metrics}"
        );
        (status["held"] == true, status["since"].is_string())
    };
    assert_eq!(status(), (false, false));
    hold(&agent, &["hold"]);
    assert_eq!(status(), (true, true));
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
    assert_eq!(status(), (false, false));
    let text = Finished::run(&mut agent.client(&["hold", "--release"])).success();
    assert!(text.contains("there was no hold"), "{text}");
    let missing = agent.state().join("missing").display().to_string();
    for arguments in [&["hold"] as &[&str], &["hold", "--release"], &["hold", "--status"]] {
        let mut command = agent.client(arguments);
        command.args(["--state-dir", &missing]);
        Finished::run(&mut command).failure(1, &["no agent's folder", &missing, "--state-dir"]);
    }
}

/// The kernel's own average of the last ten seconds.
fn pressure() -> f64 {
    let text = fs::read_to_string(PRESSURE).expect("a kernel with psi=1");
    let average = text.split("avg10=").nth(1).and_then(|rest| rest.split(' ').next());
    average.and_then(|number| number.parse().ok()).expect("an average")
}

#[test]
fn f34_while_processes_wait_for_a_processor_a_restart_takes_three_times_as_many_failures() {
    let mut settings = Settings::unique();
    let limit = LIMIT.to_string();
    settings.environment.push(("PROBELET_CPU_PRESSURE_LIMIT", limit.into()));
    let agent = Agent::start_with(settings);
    let namespace = agent.namespace("pressure");
    let probe = "
    livenessProbe: { exec: { command: [test, '!', -e, /tmp/sick] }, periodSeconds: 1, failureThreshold: 2, timeoutSeconds: 30 }";
    namespace.start(&busybox("sick", &(script(WAIT) + probe), ""), "sick");
    // Twice as many that never rest as there are processors; the others' work goes first.
    let busy = 2 * thread::available_parallelism().map_or(1, usize::from);
    let spin = format!("for one in $(seq {busy}); do nice -n 19 sh -c 'while true; do true; done' & done; {WAIT}");
    namespace.start(
        &busybox("busy", &script(&spin), "  terminationGracePeriodSeconds: 0"),
        "busy",
    );
    let deadline = Instant::now() + PATIENCE;
    while pressure() <= f64::from(4 * LIMIT) {
        assert!(Instant::now() < deadline, "nobody waits: {}%", pressure());
        thread::park_timeout(PERIOD);
    }
    namespace.exec("sick", &["touch", "/tmp/sick"]).success();
    let mut events = namespace.watch_events("sick");
    events.until("the restart is held back", PATIENCE, |event| {
        event["reason"] == "RestartHeld"
    });
    namespace
        .watch("sick")
        .until("it is restarted in the end", PATIENCE, |pod| runs_instance(pod, 1));
    let runs = namespace.history("sick");
    let failed = runs
        .iter()
        .filter(|run| run["instance"] == 0 && run["outcome"] == "failure");
    assert_eq!(failed.count(), 6, "{runs:#?}");
    assert!(pressure() > f64::from(LIMIT), "there was pressure until then");
}

/// As on a kernel that was started without `psi=1`.
#[test]
fn f34_an_agent_that_cannot_know_the_pressure_says_so_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("/tmp can be written");
    let settings = Settings::unique();
    let hidden = "if [ -d /proc/pressure ]; then mount -t tmpfs none /proc/pressure; fi; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", hidden, "sh"]);
    command
        .arg(binary("probelet"))
        .args(["node", "--cpu-pressure-limit", "80"]);
    command.args([
        "--bridge",
        &settings.bridge,
        "--pod-cidr",
        &settings.pod_range,
        "--state-dir",
    ]);
    command.arg(folder.path().join("state"));
    Finished::run(&mut command).failure(1, &["--cpu-pressure-limit", PRESSURE, "psi=1"]);
    let bridge = format!("/sys/class/net/{}", settings.bridge);
    assert!(!fs::exists(&bridge).expect("it can be looked at"), "{bridge}");
}
