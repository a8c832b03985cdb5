//! The time machine: a pod's life in virtual time, with an application that behaves as a script says.
//!
//! ```text
//! manifest + script ──simulate──▶ Report ──▶ text, JSON, SVG
//! ```
//!
//! Invariants:
//! - What decides is the very machine of `probelet-lifecycle`, with the configuration that an agent gives it. This crate
//!   has no second model of probes, back-off or grace periods; it only answers what the machine asks for.
//! - It is pure: no clock, no randomness, no input or output. The same manifest and script give the same report.
//! - It is bounded: a script has a largest size, a simulation a largest number of steps, and a report largest numbers of
//!   entries, events and parts of its charts, whatever happens in it.
//! - Nothing that is read makes it panic; what is not understood is refused with its file and line.
//!
//! It does not know what a check does: `httpGet` or `exec` is all the same to it. It simulates no network, no processor
//! and no other pod.

mod chart;
mod clockwork;
pub mod duration;
mod json;
pub mod kubelet_traces;
mod lane;
mod phrases;
mod read;
mod record;
mod replay;
mod report;
pub mod script;
mod svg;
mod text;
mod timeline;
mod vain;
mod why;
mod world;

use std::time::Duration;

use probelet_lifecycle::{State, event::Event};
use probelet_manifest::{Handler, Pod};
use probelet_pod_config::pod_config;

pub use clockwork::Ended;
pub use json::to_json;
pub use phrases::{CONTAINER_PHRASES, POD_PHRASES};
pub use read::read_script;
pub use replay::{Otherwise, Replay, otherwise, replay};
pub use report::{ContainerTotals, CountedEvent, Entry, EntryKind, PodTotals, Report};
pub use script::Script;
pub use svg::to_svg;
pub use text::{to_chart, to_text};
pub use why::{Why, why};

use crate::{
    clockwork::{Plan, moment},
    record::Recorder,
    world::{Application, PodWorld},
};

/// How long is simulated if nobody says it: a day and a night.
pub const USUAL_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest time that can be simulated: what a year shows, a day does too.
pub const LONGEST_TIME: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The most steps of one simulation. A day of a pod with three probes a second takes half a million; this many take some
/// ten seconds, after which nobody waits for more.
const MAX_STEPS: u64 = 20_000_000;

/// The identifier that a simulated pod has, unless its manifest gives it one.
const UID: &str = "simulated";

/// Lives a pod's life for so long, at most [`LONGEST_TIME`].
pub fn simulate(pod: &Pod, script: &Script, time: Duration) -> Report {
    simulate_within(pod, script, time, MAX_STEPS)
}

fn simulate_within(pod: &Pod, script: &Script, time: Duration, max_steps: u64) -> Report {
    let time = time.min(LONGEST_TIME);
    let config = pod_config(pod, pod.metadata.uid.as_deref().unwrap_or(UID));
    let mut plan = planned(script);
    let mut state = State::new(config.clone(), moment(Duration::ZERO));
    let mut world = PodWorld::new(&config, applications(pod, script).collect(), Recorder::new(&config));
    let ended = clockwork::run(&mut state, &mut plan, &mut world, time, max_steps);
    // Where nothing more can happen, all stays as it is; but a pod that has ended has no time any more.
    let simulated = match ended {
        Ended::TooMuch => plan.now,
        Ended::Time | Ended::Quiet if world.recorder.over => world.recorder.newest(),
        Ended::Time | Ended::Quiet => time,
    };
    world.report(simulated, ended)
}

/// The pod's applications, that do what a script says.
fn applications<'a>(pod: &'a Pod, script: &'a Script) -> impl Iterator<Item = Application<'a>> {
    pod.spec.all_containers().map(|container| {
        let (post_start, pre_stop) = (hook_time(&container.post_start), hook_time(&container.pre_stop));
        let application = Application::new(script.behaviour(&container.name), post_start, pre_stop);
        application.with_stop_signal(container.stop_signal.as_deref())
    })
}

/// What is done to the pod, and told to its machine.
fn planned(script: &Script) -> Plan {
    let mut plan = Plan::default();
    for &(time, grace_period) in &script.deletions {
        plan.at(time, Event::Delete { grace_period });
    }
    for (time, event) in &script.told {
        plan.at(*time, event.clone());
    }
    plan
}

/// How long a hook takes by its handler.
fn hook_time(hook: &Option<Handler>) -> Duration {
    match hook {
        Some(Handler::Sleep { seconds }) => Duration::from_secs(*seconds),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restless_year_is_bounded() {
        let text = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: x, \
                    readinessProbe: {tcpSocket: {port: 80}, periodMilliseconds: 10, failureThreshold: 1}}]}}";
        let pods = probelet_manifest::parse_yaml(text, "p").unwrap();
        let script = read_script("- readiness fails every 3rd run\n", "s", &pods).unwrap();
        let report = simulate_within(&pods[0], &script, Duration::MAX, 100_000);
        assert_eq!(report.ended, Ended::TooMuch);
        assert!(report.entries.len() <= 20_000 && report.omitted > 0);
        let text = to_text(&report);
        assert!(
            text.lines().count() < 150 && text.contains("was stopped here"),
            "{text}"
        );
    }
}
