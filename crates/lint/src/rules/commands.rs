//! Commands of containers, probes and hooks.

use std::time::Duration;

use probelet_manifest::{Handler, intended_command};
use serde_json::json;

use super::{Check, Rule, seconds};
use crate::{
    Severity,
    finding::Found,
    subject::{ContainerSubject, HandlerSubject, ProbeSubject},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "command-in-one-word",
        severity: Severity::Error,
        finds: "a command that is one word with spaces in it",
        why: "No shell splits it, so the system looks for a program whose name has spaces, and finds none: the container \
              does not start, the probe never says yes. Write each word for itself, or call a shell.",
        checks: &[Check::Container(container_command), Check::Handler(handler_command)],
    },
    Rule {
        name: "exec-default-timeout",
        severity: Severity::Hint,
        finds: "a probe with `exec` and no timeout of its own",
        why: "It has one second, which a program needs for its start alone on a machine under load. Then the check fails \
              because the machine is busy. Write the timeout that you mean.",
        checks: &[Check::Probe(default_timeout)],
    },
    Rule {
        name: "exec-period-short",
        severity: Severity::Warning,
        finds: "a probe with `exec` more often than every two seconds",
        why: "Each run starts a process in the container, at its expense: memory and processor time count against its \
              limits.",
        checks: &[Check::Probe(short_period)],
    },
];

/// The shortest period of a command that nobody asks about: a shell that does little needs no more, and Kubernetes' own
/// examples have five seconds.
const SHORTEST_EXEC_PERIOD: Duration = Duration::from_secs(2);

/// What is proposed instead.
const EXEC_PERIOD: Duration = Duration::from_secs(5);
const EXEC_TIMEOUT: Duration = Duration::from_secs(5);

const ONE_WORD: &str = "the command is one word with spaces, and no program has such a name";

fn container_command(subject: &ContainerSubject<'_>) -> Option<Found> {
    let words = intended_command(&subject.container.command)?;
    Some(subject.found("command", ONE_WORD, &json!({"command": words})))
}

fn handler_command(subject: &HandlerSubject<'_>) -> Option<Found> {
    let Handler::Exec { command } = subject.handler else {
        return None;
    };
    let words = intended_command(command)?;
    Some(subject.found("exec.command", ONE_WORD, &json!({"exec": {"command": words}})))
}

fn is_exec(subject: &ProbeSubject<'_>) -> bool {
    matches!(subject.probe.handler, Handler::Exec { .. })
}

fn default_timeout(subject: &ProbeSubject<'_>) -> Option<Found> {
    let written = subject.is_written("timeoutSeconds") || subject.is_written("timeoutMilliseconds");
    if !is_exec(subject) || written {
        return None;
    }
    let timeout = subject.probe.period.min(EXEC_TIMEOUT);
    let reason = "the command has the default of one second, and a busy machine makes it fail";
    Some(subject.found("", reason, &subject.duration("timeout", timeout)))
}

fn short_period(subject: &ProbeSubject<'_>) -> Option<Found> {
    let period = subject.probe.period;
    if !is_exec(subject) || period >= SHORTEST_EXEC_PERIOD {
        return None;
    }
    let reason = format!("a process is started in the container every {}", seconds(period));
    let name = if subject.is_written("periodMilliseconds") {
        "periodMilliseconds"
    } else {
        "periodSeconds"
    };
    Some(subject.found(name, reason, &subject.duration("period", EXEC_PERIOD)))
}
