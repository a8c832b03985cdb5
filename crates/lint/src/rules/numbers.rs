//! The numbers of probes.

use std::time::Duration;

use probelet_manifest::Role;
use serde_json::json;

use super::{Check, Rule, seconds};
use crate::{Severity, finding::Found, subject::ProbeSubject};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "timeout-over-period",
        severity: Severity::Warning,
        finds: "a timeout that is longer than the period",
        why: "Runs of a probe do not overlap, so a check that hangs delays the next ones: `failureThreshold` failures take \
              that many timeouts, not periods.",
        checks: &[Check::Probe(timeout_over_period)],
    },
    Rule {
        name: "success-threshold-high",
        severity: Severity::Hint,
        finds: "a readiness probe that takes a minute or more of successes to say yes",
        why: "Every short failure takes the pod out of service for that long, and every start takes that much longer.",
        checks: &[Check::Probe(high_success_threshold)],
    },
    Rule {
        name: "period-very-long",
        severity: Severity::Hint,
        finds: "a probe that runs less than every five minutes",
        why: "Nothing is known of the container in between, and a pod that has to become ready waits that long.",
        checks: &[Check::Probe(long_period)],
    },
    Rule {
        name: "probe-grace-over-pod-grace",
        severity: Severity::Warning,
        finds: "a probe's grace period that is longer than the pod's",
        why: "A container that no longer answers gets more time to end than a healthy one does. Usually the pod's was meant \
              to be longer, or the probe's shorter.",
        checks: &[Check::Probe(probe_grace)],
    },
];

/// How long the way back into service may take.
const LONG_SUCCESS: Duration = Duration::from_mins(1);

/// The longest period that nobody asks about.
const LONGEST_PERIOD: Duration = Duration::from_mins(5);

/// What is proposed instead.
const PERIOD: Duration = Duration::from_secs(10);

fn timeout_over_period(subject: &ProbeSubject<'_>) -> Option<Found> {
    let (timeout, period) = (subject.probe.timeout, subject.probe.period);
    if timeout <= period {
        return None;
    }
    let name = if subject.is_written("timeoutMilliseconds") {
        "timeoutMilliseconds"
    } else {
        "timeoutSeconds"
    };
    let reason = format!(
        "a run may take {}, but the next is due after {}; one that hangs delays it",
        seconds(timeout),
        seconds(period)
    );
    Some(subject.found(name, reason, &subject.duration("timeout", period)))
}

fn high_success_threshold(subject: &ProbeSubject<'_>) -> Option<Found> {
    let threshold = subject.probe.success_threshold;
    let took = subject.probe.period.saturating_mul(threshold);
    if subject.role != Role::Readiness || threshold == 1 || took < LONG_SUCCESS {
        return None;
    }
    let reason = format!(
        "every failure keeps the pod out of service for {} at least",
        seconds(took)
    );
    Some(subject.found("successThreshold", reason, &json!({"successThreshold": 1})))
}

fn long_period(subject: &ProbeSubject<'_>) -> Option<Found> {
    let period = subject.probe.period;
    if period <= LONGEST_PERIOD {
        return None;
    }
    let reason = format!("nothing is known of the container for {} at a time", seconds(period));
    Some(subject.found("periodSeconds", reason, &subject.duration("period", PERIOD)))
}

fn probe_grace(subject: &ProbeSubject<'_>) -> Option<Found> {
    let own = subject.probe.termination_grace_period?;
    let pod = subject.of.pod.spec.termination_grace_period;
    if own <= pod {
        return None;
    }
    let reason = format!(
        "a container that has failed gets {} to end, and a healthy one {}",
        seconds(own),
        seconds(pod)
    );
    let name = "terminationGracePeriodSeconds";
    Some(subject.found(name, reason, &json!({name: null})))
}
