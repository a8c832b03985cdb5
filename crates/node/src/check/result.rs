//! What came of a run: for the state machine, the history and the next run.

use std::time::Duration;

use probelet_engine::{Field, FieldValue, GrantUse, HTTP_FALLBACK, Verdict, cut};
use probelet_lifecycle::{
    action::{ActionId, ProbeKind},
    config::ContainerIndex,
    event::{Event, ProbeOutcome, Verdict as ProbeVerdict},
    time::BootTime,
};

use super::{CheckResult, MAX_LOG, What};
use crate::{
    clock,
    handle::{GrantRecord, PodKey, RunRecord},
    kept::KeptStates,
};

impl CheckResult {
    /// Which probe it was of which instance, and how it ended; `None` for a hook.
    pub(crate) fn probe_verdict(&self) -> Option<((ContainerIndex, ProbeKind), (u32, Verdict))> {
        match self.run.what {
            What::Probe { kind, .. } => Some(((self.run.container, kind), (self.run.instance, self.outcome.verdict))),
            What::Hook { .. } => None,
        }
    }

    /// The log has why a hook failed. Events do not say it, as in Kubernetes: it may hold secrets, and could not be counted
    /// (A4.7, F31). The history goes with the pod, which for a preStop hook is soon.
    pub(crate) fn log_failed_hook(&self, pod: &PodKey) {
        if matches!(self.run.what, What::Hook { .. }) && !self.is_good() {
            let (hook, instance, message) = (self.run.what.role().name(), self.run.instance, &self.outcome.message);
            tracing::warn!(%pod, container = self.container, instance, hook, message, "a hook failed");
        }
    }

    /// Whether it succeeded, warnings included.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.outcome.verdict, Verdict::Success | Verdict::Warning)
    }

    /// Keeps what the run leaves to the next one.
    pub(crate) fn keep(&self, kept: &KeptStates) {
        if let Some(content) = &self.outcome.state {
            kept.set(self.run.key(), self.run.instance, content.clone());
        }
    }

    /// What the state machine is told before, of a hook whose server wanted no TLS (B1.8).
    pub(crate) fn fallback(&self, action: ActionId) -> Option<Event> {
        let is_it = |field: &&Field| matches!(self.run.what, What::Hook { .. }) && field.name == HTTP_FALLBACK;
        match &self.outcome.fields.iter().find(is_it)?.value {
            FieldValue::Text(host) => Some(Event::HookFellBack {
                action,
                host: host.clone(),
            }),
            FieldValue::Number(_) | FieldValue::Flag(_) => None,
        }
    }

    /// What the state machine is told.
    pub(crate) fn event(&self, action: ActionId) -> Event {
        let message = self.outcome.message.clone();
        match self.run.what {
            What::Probe { .. } => {
                let verdict = match self.outcome.verdict {
                    Verdict::Success => ProbeVerdict::Success,
                    Verdict::Warning => ProbeVerdict::Warning,
                    Verdict::Failure => ProbeVerdict::Failure,
                    Verdict::Errored => ProbeVerdict::Errored,
                };
                Event::ProbeFinished {
                    action,
                    outcome: ProbeOutcome { verdict, message },
                }
            }
            What::Hook { .. } => Event::HookFinished {
                action,
                result: if self.is_good() { Ok(()) } else { Err(message) },
            },
        }
    }

    /// What the history keeps; `recorded` is the present.
    pub(crate) fn record(self, recorded: BootTime) -> RunRecord {
        let kind = self.run.what.role().name();
        let attempt = match self.run.what {
            What::Probe { attempt, .. } => attempt,
            What::Hook { .. } => 1,
        };
        let outcome = match self.outcome.verdict {
            Verdict::Success => "success",
            Verdict::Warning => "warning",
            Verdict::Failure => "failure",
            Verdict::Errored => "errored",
        };
        let (usage, fields) = (self.outcome.usage, self.outcome.fields());
        RunRecord {
            time: clock::milliseconds_text(self.started.wall),
            container: self.container,
            instance: self.run.instance,
            kind: kind.to_owned(),
            attempt,
            outcome: outcome.to_owned(),
            message: self.outcome.message,
            wall_micros: micros(recorded.since(self.run.due)),
            fuel: usage.fuel,
            memory_bytes: usage.memory_peak_bytes,
            host_calls: usage.host_calls,
            component: self.component,
            digest: self.digest,
            tries: self.tries,
            fields,
            grants: self.outcome.grants.into_iter().map(grant).collect(),
            log: cut(self.outcome.log, MAX_LOG),
        }
    }
}

fn grant(used: GrantUse) -> GrantRecord {
    GrantRecord {
        grant: used.grant.name().to_owned(),
        detail: used.detail,
        granted: used.granted,
        refused: used.refused,
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
