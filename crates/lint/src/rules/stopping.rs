//! How a pod ends: grace periods and hooks.

use std::time::Duration;

use probelet_manifest::{Handler, Pod, Role};
use serde_json::json;

use super::{Check, Rule, seconds};
use crate::{
    Fix, Severity,
    finding::Found,
    subject::{ContainerSubject, HandlerSubject},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "no-grace-period",
        severity: Severity::Warning,
        finds: "a `terminationGracePeriodSeconds` of 0",
        why: "The processes are killed at once: no SIGTERM reaches them, and requests that they are at are lost.",
        checks: &[Check::Pod(no_grace)],
    },
    Rule {
        name: "grace-period-short",
        severity: Severity::Hint,
        finds: "a `terminationGracePeriodSeconds` below 5",
        why: "On a busy machine an application needs a moment to end in good order. A longer period costs nothing: a pod \
              that has ended does not wait for it.",
        checks: &[Check::Pod(short_grace)],
    },
    Rule {
        name: "pre-stop-fills-grace-period",
        severity: Severity::Error,
        finds: "a `preStop` hook that sleeps as long as the grace period or longer",
        why: "The hook's time is part of the grace period. When it has used it up, the process gets its SIGTERM two seconds \
              before SIGKILL, which nobody has planned for.",
        checks: &[Check::Container(pre_stop_fills_grace)],
    },
    Rule {
        name: "pre-stop-exec-sleep",
        severity: Severity::Hint,
        finds: "a `preStop` hook whose command only sleeps",
        why: "The handler `sleep` does the same without a process, and in images that have no such program.",
        checks: &[Check::Container(exec_sleep)],
    },
    Rule {
        name: "post-start-sleep",
        severity: Severity::Hint,
        finds: "a `postStart` hook that sleeps",
        why: "The container does not count as running until the hook has ended, and none of its probes runs. If it is to \
              give the application time, a startup probe gives as much as is needed.",
        checks: &[Check::Handler(post_start_sleep)],
    },
    Rule {
        name: "hook-tcp-socket",
        severity: Severity::Hint,
        finds: "a hook with `tcpSocket`",
        why: "It is run here, but Kubernetes accepts such a hook and then fails it every time, so the manifest does not mean \
              the same there. The fix needs `nc` in the image.",
        checks: &[Check::Handler(hook_tcp)],
    },
];

/// What an application needs at least to end in good order on a busy machine.
const SHORT_GRACE: Duration = Duration::from_secs(5);

/// Kubernetes' default, and what the fixes leave beside a hook.
const GRACE: u64 = 30;

const FIELD: &str = "terminationGracePeriodSeconds";

fn grace(seconds: u64) -> Fix {
    Fix {
        patch: json!({"spec": {FIELD: seconds}}),
    }
}

fn pod_grace(reason: impl Into<String>) -> Found {
    Found {
        path: format!("spec.{FIELD}"),
        reason: reason.into(),
        fix: grace(GRACE),
    }
}

fn no_grace(pod: &Pod) -> Option<Found> {
    let none = pod.spec.termination_grace_period.is_zero();
    none.then(|| pod_grace("the processes are killed at once, without a SIGTERM"))
}

fn short_grace(pod: &Pod) -> Option<Found> {
    let period = pod.spec.termination_grace_period;
    let short = !period.is_zero() && period < SHORT_GRACE;
    let reason = format!(
        "{} may be too short for an application to end in good order",
        seconds(period)
    );
    short.then(|| pod_grace(reason))
}

fn pre_stop_fills_grace(subject: &ContainerSubject<'_>) -> Option<Found> {
    let (sleep, field) = match subject.container.pre_stop.as_ref()? {
        Handler::Sleep { seconds } => (Duration::from_secs(*seconds), "sleep.seconds"),
        Handler::Exec { command } => (slept(command)?, "exec.command"),
        Handler::HttpGet(_) | Handler::TcpSocket(_) | Handler::Grpc(_) | Handler::Wasm(_) => return None,
    };
    let period = subject.pod.spec.termination_grace_period;
    // Without any grace period no hook is run.
    if sleep < period || period.is_zero() {
        return None;
    }
    let reason = format!(
        "it sleeps {} of a grace period of {}, and leaves the application no time to end",
        seconds(sleep),
        seconds(period)
    );
    Some(Found {
        path: subject.path(&format!("lifecycle.preStop.{field}")),
        reason,
        fix: grace(sleep.as_secs().saturating_add(GRACE)),
    })
}

/// The words of a command, those in a shell's script too.
fn words(command: &[String]) -> Vec<&str> {
    let separators = |letter: char| letter.is_whitespace() || ";&|()".contains(letter);
    let words = command.iter().flat_map(|word| word.split(separators));
    words.filter(|word| !word.is_empty()).collect()
}

/// How long a command sleeps, as far as its words tell.
fn slept(command: &[String]) -> Option<Duration> {
    let words = words(command);
    let sleeps = words.windows(2).filter(|pair| is_sleep(pair[0]));
    let total: Duration = sleeps.filter_map(|pair| duration(pair[1])).sum();
    (!total.is_zero()).then_some(total)
}

fn is_sleep(word: &str) -> bool {
    word == "sleep" || word.ends_with("/sleep")
}

/// What `sleep` takes: a number of seconds, or of what its last letter says.
fn duration(word: &str) -> Option<Duration> {
    let (number, unit) = match word.char_indices().last()? {
        (at, 's') => (&word[..at], 1),
        (at, 'm') => (&word[..at], 60),
        (at, 'h') => (&word[..at], 3600),
        _ => (word, 1),
    };
    // What is longer than that is no sleep of a hook.
    let number = number.parse::<u32>().ok().filter(|number| *number <= 1_000_000)?;
    Some(Duration::from_secs(u64::from(number) * unit))
}

fn exec_sleep(subject: &ContainerSubject<'_>) -> Option<Found> {
    let Handler::Exec { command } = subject.container.pre_stop.as_ref()? else {
        return None;
    };
    let words = words(command);
    let only = match &words[..] {
        [sleep, _] => is_sleep(sleep),
        [shell, "-c", sleep, _] => shell.ends_with("sh") && is_sleep(sleep),
        _ => false,
    };
    let time = slept(command).filter(|_| only)?;
    if time >= subject.pod.spec.termination_grace_period {
        return None;
    }
    let change = json!({"lifecycle": {"preStop": {"exec": null, "sleep": {"seconds": time.as_secs()}}}});
    let reason = "the handler sleep needs no process, and no such program in the image";
    Some(subject.found("lifecycle.preStop.exec", reason, &change))
}

fn post_start_sleep(subject: &HandlerSubject<'_>) -> Option<Found> {
    let sleeps = match subject.handler {
        Handler::Sleep { .. } => true,
        Handler::Exec { command } => slept(command).is_some(),
        Handler::HttpGet(_) | Handler::TcpSocket(_) | Handler::Grpc(_) | Handler::Wasm(_) => false,
    };
    if subject.role != Role::PostStart || !sleeps {
        return None;
    }
    let reason = "the container does not count as running, and is not probed, until the hook has slept";
    let change = json!({"lifecycle": {"postStart": null}});
    Some(subject.of.found("lifecycle.postStart", reason, &change))
}

fn hook_tcp(subject: &HandlerSubject<'_>) -> Option<Found> {
    let Handler::TcpSocket(socket) = subject.handler else {
        return None;
    };
    if !subject.role.is_hook() {
        return None;
    }
    let port = subject.of.port(&socket.port).0.unwrap_or(80).to_string();
    let command = ["nc", "-z", socket.host.as_deref().unwrap_or("127.0.0.1"), &port];
    let reason = "it is run here, but Kubernetes accepts such a hook and then fails it every time";
    let change = json!({"tcpSocket": null, "exec": {"command": command}});
    Some(subject.found("tcpSocket", reason, &change))
}
