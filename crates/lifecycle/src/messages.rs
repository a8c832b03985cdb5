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
    }
}

pub(crate) fn warning(container: ContainerIndex, reason: &str, message: impl Into<String>) -> PodEvent {
    PodEvent {
        severity: Severity::Warning,
        reason: reason.to_owned(),
        message: message.into(),
        container: Some(container),
    }
}

pub(crate) fn pod_warning(reason: &str, message: impl Into<String>) -> PodEvent {
    PodEvent {
        severity: Severity::Warning,
        reason: reason.to_owned(),
        message: message.into(),
        container: None,
    }
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

/// A duration in Go's form, such as `1m20s`, of whole seconds.
pub(crate) fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}
