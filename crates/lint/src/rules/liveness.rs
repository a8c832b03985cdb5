//! Liveness probes: whose failure restarts a container.

use probelet_manifest::{Handler, RestartPolicy, Role};
use serde_json::{Value, json};

use super::{Check, Rule, ports::is_loopback, seconds};
use crate::{
    Fix, Severity,
    finding::Found,
    subject::{ContainerSubject, ProbeSubject, merge},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "liveness-equals-readiness",
        severity: Severity::Warning,
        finds: "a liveness probe that asks what the readiness probe asks, and does not wait three times as long",
        why: "A container that is only busy should be taken out of service until it has caught up. Here it is restarted \
              before it can, which loses its work and its caches and gives the load to the others. Ask something else, or \
              be more patient.",
        checks: &[Check::Container(equals_readiness)],
    },
    Rule {
        name: "liveness-before-readiness",
        severity: Severity::Warning,
        finds: "a liveness probe that gives up before the readiness probe does",
        why: "The container is restarted before it has been taken out of service, so that requests reach it until it dies.",
        checks: &[Check::Container(before_readiness)],
    },
    Rule {
        name: "liveness-asks-another-host",
        severity: Severity::Warning,
        finds: "a liveness probe that depends on something outside the pod",
        why: "When the database is away, every container that asks it is restarted, and none of that brings the database \
              back. Dependencies belong into the readiness probe, if anywhere.",
        checks: &[Check::Probe(another_host)],
    },
    Rule {
        name: "liveness-fails-once",
        severity: Severity::Warning,
        finds: "a liveness probe with a `failureThreshold` of 1",
        why: "One lost packet or one pause for garbage collection restarts the container.",
        checks: &[Check::Probe(fails_once)],
    },
    Rule {
        name: "liveness-without-restart",
        severity: Severity::Warning,
        finds: "a liveness probe in a pod that is never restarted",
        why: "With `restartPolicy: Never` a failed liveness probe ends the container for good, and the pod with it.",
        checks: &[Check::Probe(without_restart)],
    },
    Rule {
        name: "liveness-restart-on-failure",
        severity: Severity::Warning,
        finds: "a liveness probe in a pod that is restarted on failure only",
        why: "An application that ends in good order at SIGTERM exits with 0, which is no failure: the container that the \
              probe meant to restart stays down.",
        checks: &[Check::Probe(restart_on_failure)],
    },
];

/// How many times as long as readiness liveness should wait: long enough to tell a busy container from a hung one.
const PATIENCE: u32 = 3;

/// The `failureThreshold` that makes liveness patient beside a readiness probe.
pub(super) fn patient_threshold(liveness: &ProbeSubject<'_>, readiness: &ProbeSubject<'_>) -> u64 {
    let wanted = readiness.patience().saturating_mul(PATIENCE).as_millis();
    let period = liveness.probe.period.as_millis().max(1);
    u64::try_from(wanted.div_ceil(period)).unwrap_or(u64::MAX)
}

/// The two probes, if liveness is not as patient as it should be.
fn impatient<'a>(subject: &ContainerSubject<'a>) -> Option<(ProbeSubject<'a>, ProbeSubject<'a>)> {
    let (liveness, readiness) = (subject.probe(Role::Liveness)?, subject.probe(Role::Readiness)?);
    let impatient = liveness.patience() < readiness.patience().saturating_mul(PATIENCE);
    impatient.then_some((liveness, readiness))
}

fn equals_readiness(subject: &ContainerSubject<'_>) -> Option<Found> {
    let (liveness, readiness) = impatient(subject)?;
    if liveness.probe.handler != readiness.probe.handler {
        return None;
    }
    let reason = format!(
        "it asks what readinessProbe asks, and restarts the container after {} of failures, when that one has taken it out \
         of service after {}",
        seconds(liveness.patience()),
        seconds(readiness.patience()),
    );
    let change = json!({"failureThreshold": patient_threshold(&liveness, &readiness)});
    Some(liveness.found("", reason, &change))
}

fn before_readiness(subject: &ContainerSubject<'_>) -> Option<Found> {
    let (liveness, readiness) = impatient(subject)?;
    let sooner = liveness.patience() < readiness.patience();
    if !sooner || liveness.probe.handler == readiness.probe.handler {
        return None;
    }
    let reason = format!(
        "it restarts the container after {} of failures, before readinessProbe takes it out of service after {}",
        seconds(liveness.patience()),
        seconds(readiness.patience()),
    );
    let change = json!({"failureThreshold": patient_threshold(&liveness, &readiness)});
    Some(liveness.found("", reason, &change))
}

fn liveness<'s, 'a>(subject: &'s ProbeSubject<'a>) -> Option<&'s ProbeSubject<'a>> {
    (subject.role == Role::Liveness).then_some(subject)
}

fn another_host(subject: &ProbeSubject<'_>) -> Option<Found> {
    let (field, host) = match &liveness(subject)?.probe.handler {
        Handler::HttpGet(get) => ("httpGet.host", get.host.clone()?),
        Handler::TcpSocket(socket) => ("tcpSocket.host", socket.host.clone()?),
        Handler::Wasm(wasm) => ("wasm.allow.network", wasm.allow.network.first()?.host.clone()),
        Handler::Exec { .. } | Handler::Grpc(_) | Handler::Sleep { .. } => return None,
    };
    if is_loopback(&host) {
        return None;
    }
    let reason = format!("the container is restarted when {host} does not answer, which a restart does not change");
    // Where there is no readiness probe, the check moves there.
    let moved = match subject.of.probe(Role::Readiness) {
        Some(_) => Value::Null,
        None => json!({"readinessProbe": subject.handler()}),
    };
    Some(subject.found_with(field, reason, &Value::Null, &moved))
}

fn fails_once(subject: &ProbeSubject<'_>) -> Option<Found> {
    if liveness(subject)?.probe.failure_threshold != 1 {
        return None;
    }
    let threshold = match subject.of.probe(Role::Readiness) {
        Some(readiness) => patient_threshold(subject, &readiness).max(3),
        None => 3,
    };
    let reason = "a single failure restarts the container";
    Some(subject.found("failureThreshold", reason, &json!({"failureThreshold": threshold})))
}

/// A liveness probe of a container for which this policy decides alone. Whoever writes rules by exit codes knows what
/// becomes of a failure.
fn decided_by<'s, 'a>(subject: &'s ProbeSubject<'a>, policy: RestartPolicy) -> Option<&'s ProbeSubject<'a>> {
    let container = &subject.of;
    let decides = container.restart_policy() == policy && container.container.restart_policy_rules.is_empty();
    liveness(subject).filter(|_| decides)
}

fn without_restart(subject: &ProbeSubject<'_>) -> Option<Found> {
    decided_by(subject, RestartPolicy::Never)?;
    let reason = "restartPolicy is Never, so a failure ends the container for good";
    Some(subject.found("", reason, &Value::Null))
}

fn restart_on_failure(subject: &ProbeSubject<'_>) -> Option<Found> {
    decided_by(subject, RestartPolicy::OnFailure)?;
    let reason = "restartPolicy is OnFailure, so a container that exits with 0 when the probe has failed stays down";
    let mut found = subject.found("", reason, &Value::Null);
    let change = json!({"restartPolicy": "Always"});
    found.fix = match subject.of.container.restart_policy {
        Some(_) => subject.of.fix(&change),
        None => Fix {
            patch: json!({"spec": change}),
        },
    };
    Some(found)
}

/// A readiness probe for a container that has none, and what must change of its liveness probe to go with it.
pub(super) fn readiness_beside(liveness: Option<ProbeSubject<'_>>, handler: Value) -> Value {
    let mut change = json!({"readinessProbe": handler});
    if let Some(liveness) = liveness {
        if matches!(liveness.probe.handler, Handler::TcpSocket(_)) && liveness.probe.failure_threshold < PATIENCE {
            // Both ask the same then.
            change["livenessProbe"] = json!({"failureThreshold": PATIENCE});
        }
        let threshold = (liveness.probe.failure_threshold / PATIENCE).max(1);
        change["readinessProbe"]["failureThreshold"] = threshold.into();
        merge(
            &mut change["readinessProbe"],
            &liveness.duration("period", liveness.probe.period),
        );
    }
    change
}
