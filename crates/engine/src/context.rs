//! The imported interface `context`: what a plugin can ask about its run.

use std::time::{Duration, Instant, SystemTime};

use crate::{
    Check, HookReason, ProbeKind, SOFT_DEADLINE_MARGIN, Subject, Verdict,
    bindings::probelet::plugin::context::{self, CheckKind},
    state::RunState,
};

/// What the functions answer from.
pub(crate) struct RunContext {
    pub(crate) check: Check,
    pub(crate) subject: Subject,
    pub(crate) attempt: u64,
    pub(crate) previous: Option<Verdict>,
    pub(crate) config: String,
    pub(crate) timeout: Duration,
    pub(crate) soft_deadline: Instant,
    pub(crate) grace_left: Option<Duration>,
}

/// The deadline that the plugin is told of. Of a very short run, most is left to the plugin.
pub(crate) fn soft_deadline(now: Instant, deadline: Instant) -> Instant {
    let margin = SOFT_DEADLINE_MARGIN.min(deadline.saturating_duration_since(now) / 4);
    deadline.checked_sub(margin).unwrap_or(deadline)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl context::Host for RunState {
    fn namespace(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.subject.namespace.clone())
    }

    fn pod(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.subject.pod.clone())
    }

    fn container(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.subject.container.clone())
    }

    fn container_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.subject.container_id.clone())
    }

    fn restart_count(&mut self) -> wasmtime::Result<u32> {
        Ok(self.context.subject.restart_count)
    }

    fn address(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.context.subject.address.map(|address| address.to_string()))
    }

    fn ports(&mut self) -> wasmtime::Result<Vec<context::Port>> {
        let port = |port: &crate::Port| context::Port {
            name: port.name.clone(),
            number: port.number,
            protocol: port.protocol.clone(),
        };
        Ok(self.context.subject.ports.iter().map(port).collect())
    }

    fn started_at(&mut self) -> wasmtime::Result<Option<u64>> {
        let since_epoch = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let started = self.context.subject.started_at.map(since_epoch);
        Ok(started.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    fn kind(&mut self) -> wasmtime::Result<CheckKind> {
        Ok(match self.context.check {
            Check::Probe(ProbeKind::Startup) => CheckKind::Startup,
            Check::Probe(ProbeKind::Liveness) => CheckKind::Liveness,
            Check::Probe(ProbeKind::Readiness) => CheckKind::Readiness,
            Check::Hook(HookReason::Start) => CheckKind::PostStart,
            Check::Hook(_) => CheckKind::PreStop,
        })
    }

    fn attempt(&mut self) -> wasmtime::Result<u64> {
        Ok(self.context.attempt)
    }

    fn previous_outcome(&mut self) -> wasmtime::Result<Option<context::Outcome>> {
        Ok(self.context.previous.map(|verdict| match verdict {
            Verdict::Success => context::Outcome::Success,
            Verdict::Warning => context::Outcome::Warning,
            Verdict::Failure => context::Outcome::Failure,
            Verdict::Errored => context::Outcome::Errored,
        }))
    }

    fn config(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.config.clone())
    }

    fn timeout(&mut self) -> wasmtime::Result<u64> {
        Ok(nanoseconds(self.context.timeout))
    }

    fn time_left(&mut self) -> wasmtime::Result<u64> {
        Ok(nanoseconds(
            self.context.soft_deadline.saturating_duration_since(Instant::now()),
        ))
    }

    fn hook_reason(&mut self) -> wasmtime::Result<Option<String>> {
        let Check::Hook(reason) = self.context.check else {
            return Ok(None);
        };
        Ok(Some(reason.name().to_owned()))
    }

    fn grace_left(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(self.context.grace_left.map(nanoseconds))
    }
}
