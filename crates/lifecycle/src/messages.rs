//! Kubernetes' reasons and messages (A4).

use std::time::Duration;

use crate::{
    action::{PodEvent, ProbeKind, Severity},
    config::{ContainerIndex, PodConfig},
};

pub(crate) fn normal(container: ContainerIndex, reason: &str, message: impl Into<String>) -> PodEvent {
    PodEvent {
        severity: Severity::Normal,
        reason: reason.to_owned(),
        message: message.into(),
        container: Some(container),
        repeated: false,
    }
}

pub(crate) fn warning(container: ContainerIndex, reason: &str, message: impl Into<String>) -> PodEvent {
    PodEvent {
        severity: Severity::Warning,
        reason: reason.to_owned(),
        message: message.into(),
        container: Some(container),
        repeated: false,
    }
}

pub(crate) fn pod_normal(reason: &str, message: impl Into<String>) -> PodEvent {
    PodEvent {
        severity: Severity::Normal,
        reason: reason.to_owned(),
        message: message.into(),
        container: None,
        repeated: false,
    }
}

pub(crate) fn pod_warning(reason: &str, message: impl Into<String>) -> PodEvent {
    PodEvent {
        severity: Severity::Warning,
        reason: reason.to_owned(),
        message: message.into(),
        container: None,
        repeated: false,
    }
}

/// Why a pod was ended that has been active for too long: as an event, and in the status (A4.12, B6.6).
pub(crate) const DEADLINE_EXCEEDED: (&str, &str) = (
    "DeadlineExceeded",
    "Pod was active on the node longer than the specified deadline",
);

/// The longest message that the state keeps: as long as a termination message may be (B6.5).
const MAX_MESSAGE_BYTES: usize = 4096;

/// A message for the state, cut where it is too long.
pub(crate) fn bounded(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)].to_owned()
}

/// `Liveness`, as events begin.
pub(crate) fn probe_name(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Startup => "Startup",
        ProbeKind::Liveness => "Liveness",
        ProbeKind::Readiness => "Readiness",
    }
}

/// `pod=NAME_NAMESPACE(UID)`, without the `pod=`.
pub(crate) fn pod_name(config: &PodConfig) -> String {
    format!("{}_{}({})", config.name, config.namespace, config.uid)
}

/// A duration in Go's form as it is told to people: of whole seconds, or of milliseconds below one.
pub(crate) fn brief_duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{}ms", duration.as_millis())
    } else {
        go_duration(duration)
    }
}

/// A duration in Go's form, such as `1m20s`, of whole seconds.
pub(crate) fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_go_prints_them() {
        let texts = [0, 10, 60, 160, 300, 3661].map(|seconds| go_duration(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0s", "10s", "1m0s", "2m40s", "5m0s", "1h1m1s"]);
    }

    #[test]
    fn what_is_shorter_than_a_second_is_told_in_milliseconds() {
        let texts = [1, 999, 1000, 61_500].map(|time| brief_duration(Duration::from_millis(time)));
        assert_eq!(texts, ["1ms", "999ms", "1s", "1m1s"]);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(bounded("short"), "short");
        let cut = bounded(&"ä".repeat(MAX_MESSAGE_BYTES).replacen('ä', "x", 1));
        assert_eq!((cut.len(), cut.chars().last()), (MAX_MESSAGE_BYTES - 1, Some('ä')));
    }
}
