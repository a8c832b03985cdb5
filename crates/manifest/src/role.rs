//! What a handler is for.

/// A container's probes and hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `startupProbe`.
    Startup,
    /// `livenessProbe`.
    Liveness,
    /// `readinessProbe`.
    Readiness,
    /// `lifecycle.postStart`.
    PostStart,
    /// `lifecycle.preStop`.
    PreStop,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Liveness,
        Self::Readiness,
        Self::Startup,
        Self::PostStart,
        Self::PreStop,
    ];

    /// As annotations name it: `liveness`, `readiness`, `startup`, `postStart` or `preStop`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Liveness => "liveness",
            Self::Readiness => "readiness",
            Self::PostStart => "postStart",
            Self::PreStop => "preStop",
        }
    }

    /// The other way round.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What a component is run as by hand where nobody says what: a liveness probe, or a `postStart` hook if it is no probe.
    pub fn by_hand(is_probe: bool) -> Self {
        if is_probe { Self::Liveness } else { Self::PostStart }
    }

    /// The words for how a run of it can end.
    pub fn outcomes(self) -> &'static [&'static str] {
        if self.is_hook() {
            &["succeeded", "failed", "errored"]
        } else {
            &["healthy", "degraded", "unhealthy", "errored"]
        }
    }

    /// Its field: of a container, or of the container's `lifecycle`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Startup => "startupProbe",
            Self::Liveness => "livenessProbe",
            Self::Readiness => "readinessProbe",
            Self::PostStart => "postStart",
            Self::PreStop => "preStop",
        }
    }

    /// Whether it is a hook, and else a probe.
    pub fn is_hook(self) -> bool {
        matches!(self, Self::PostStart | Self::PreStop)
    }

    /// The path from a container to its field: `livenessProbe`, `lifecycle.preStop`.
    pub fn place(self) -> String {
        let lifecycle = if self.is_hook() { "lifecycle." } else { "" };
        format!("{lifecycle}{}", self.field())
    }

    /// The handlers that it may have.
    pub(crate) fn handlers(self) -> &'static [&'static str] {
        if self.is_hook() {
            &["exec", "httpGet", "tcpSocket", "sleep", "wasm"]
        } else {
            &["exec", "httpGet", "tcpSocket", "grpc", "wasm"]
        }
    }
}
