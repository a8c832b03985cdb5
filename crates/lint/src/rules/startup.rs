//! The time that an application takes to start.

use std::time::Duration;

use probelet_manifest::Role;
use serde_json::{Value, json};

use super::{Check, Rule, seconds};
use crate::{
    Severity,
    finding::Found,
    subject::{ProbeSubject, merge},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "liveness-delay-without-startup-probe",
        severity: Severity::Warning,
        finds: "a liveness probe that waits 30 seconds or more for the start, without a startup probe",
        why: "The delay is always waited for, also when the application is up at once, and never longer, also when it needs \
              longer. A startup probe waits as long as it takes, and the liveness probe begins right after it.",
        checks: &[Check::Probe(long_delay)],
    },
    Rule {
        name: "liveness-too-patient",
        severity: Severity::Warning,
        finds: "a liveness probe that takes five minutes or more to give up, without a startup probe",
        why: "Such patience is for the start, but it lasts for ever: a hung container stays for minutes. Let a startup probe \
              be patient.",
        checks: &[Check::Probe(too_patient)],
    },
    Rule {
        name: "startup-probe-short",
        severity: Severity::Warning,
        finds: "a startup probe that gives up within ten seconds",
        why: "A start on a busy machine takes several times as long as usual. Then the container is killed just before it is \
              up, again and again. The startup probe costs nothing once it has succeeded, so it can be generous.",
        checks: &[Check::Probe(short_startup)],
    },
    Rule {
        name: "delay-beside-startup-probe",
        severity: Severity::Hint,
        finds: "an initial delay of a liveness or readiness probe beside a startup probe",
        why: "These probes begin when the startup probe has succeeded. The delay can only make them later.",
        checks: &[Check::Probe(superfluous_delay)],
    },
];

/// A delay from which the start deserves a probe of its own. Kubernetes' own examples go up to 15 seconds.
const LONG_DELAY: Duration = Duration::from_secs(30);

/// The patience from which it must be meant for the start.
const TOO_PATIENT: Duration = Duration::from_mins(5);

/// What a start takes at least on a busy machine.
const SHORT_STARTUP: Duration = Duration::from_secs(10);

/// What is proposed instead.
const STARTUP: Duration = Duration::from_mins(1);

/// A liveness probe of a container without a startup probe.
fn alone<'s, 'a>(subject: &'s ProbeSubject<'a>) -> Option<&'s ProbeSubject<'a>> {
    let alone = subject.role == Role::Liveness && subject.of.probe(Role::Startup).is_none();
    alone.then_some(subject)
}

/// How many periods are as long as a duration.
fn periods(subject: &ProbeSubject<'_>, duration: Duration) -> u64 {
    let periods = duration.as_millis().div_ceil(subject.probe.period.as_millis().max(1));
    u64::try_from(periods).unwrap_or(u64::MAX)
}

/// A startup probe that asks what the liveness probe asks.
fn startup_like(liveness: &ProbeSubject<'_>, failures: u64) -> Value {
    let mut probe = liveness.handler();
    for (name, value) in [("period", liveness.probe.period), ("timeout", liveness.probe.timeout)] {
        merge(&mut probe, &liveness.duration(name, value));
    }
    probe["failureThreshold"] = failures.into();
    json!({"startupProbe": probe})
}

fn long_delay(subject: &ProbeSubject<'_>) -> Option<Found> {
    let delay = alone(subject)?.probe.initial_delay;
    if delay < LONG_DELAY {
        return None;
    }
    let reason = format!(
        "it always waits {} for the start, and never longer; a startup probe waits as long as it takes",
        seconds(delay)
    );
    let startup = startup_like(subject, periods(subject, delay.saturating_mul(2)));
    Some(subject.found_with("", reason, &subject.without("initialDelay"), &startup))
}

fn too_patient(subject: &ProbeSubject<'_>) -> Option<Found> {
    let patience = alone(subject)?.patience();
    if patience < TOO_PATIENT || subject.probe.failure_threshold <= 3 {
        return None;
    }
    let reason = format!("a container that hangs stays for {}", seconds(patience));
    let startup = startup_like(subject, subject.probe.failure_threshold.into());
    let threshold = json!({"failureThreshold": 3});
    Some(subject.found_with("failureThreshold", reason, &threshold, &startup))
}

fn short_startup(subject: &ProbeSubject<'_>) -> Option<Found> {
    let total = subject.probe.initial_delay + subject.patience();
    if subject.role != Role::Startup || total >= SHORT_STARTUP {
        return None;
    }
    let reason = format!(
        "an application that needs more than {} is killed before it is up",
        seconds(total)
    );
    let change = json!({"failureThreshold": periods(subject, STARTUP)});
    Some(subject.found("", reason, &change))
}

fn superfluous_delay(subject: &ProbeSubject<'_>) -> Option<Found> {
    let begins = subject.role != Role::Startup && subject.of.probe(Role::Startup).is_some();
    if !begins || subject.probe.initial_delay.is_zero() {
        return None;
    }
    let name = if subject.is_written("initialDelayMilliseconds") {
        "initialDelayMilliseconds"
    } else {
        "initialDelaySeconds"
    };
    let reason = "the probe begins after startupProbe anyway; the delay can only make it later";
    Some(subject.found(name, reason, &subject.without("initialDelay")))
}
