//! One probe of one instance of a container: when it runs, and what its outcomes add up to (A3).

use serde::{Deserialize, Serialize};

use crate::{
    action::{ActionId, ProbeKind},
    config::ProbeConfig,
    event::Verdict,
    time::BootTime,
};

/// What a probe's runs add up to, past its thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeResult {
    /// Nothing is known yet; where startup begins (A3.3).
    Unknown,
    /// Where liveness begins.
    Success,
    /// Where readiness begins.
    Failure,
}

impl ProbeResult {
    fn initial(kind: ProbeKind) -> Self {
        match kind {
            ProbeKind::Startup => Self::Unknown,
            ProbeKind::Liveness => Self::Success,
            ProbeKind::Readiness => Self::Failure,
        }
    }
}

/// A probe at work. It is made with each instance, so nothing is carried over from the last one (F28).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Worker {
    pub(crate) kind: ProbeKind,
    pub(crate) result: ProbeResult,
    /// The run under way.
    pub(crate) running: Option<ActionId>,
    /// How many runs there have been.
    pub(crate) attempts: u64,
    /// The next moment at which it may run.
    next: BootTime,
    /// A verdict has been reached that holds until the next instance (A3.18, A3.19), or the pod is being deleted.
    resting: bool,
    /// The last counted outcome, and how often in a row it was seen.
    last: Option<bool>,
    in_a_row: u32,
}

impl Worker {
    /// A worker for an instance that started at `started`. The first run is due exactly after the initial delay (F7).
    pub(crate) fn new(kind: ProbeKind, config: &ProbeConfig, started: BootTime) -> Self {
        Self {
            kind,
            result: ProbeResult::initial(kind),
            running: None,
            attempts: 0,
            next: started.after(config.initial_delay),
            resting: false,
            last: None,
            in_a_row: 0,
        }
    }

    /// When it runs next; `None` while it rests or a run is under way. `open` says whether startup lets it run.
    pub(crate) fn due(&self, open: bool) -> Option<BootTime> {
        (open && !self.resting && self.running.is_none()).then_some(self.next)
    }

    /// A run begins. The next one keeps the grid: a run that takes longer than a period is followed by one at once, and
    /// the moments missed meanwhile are not made up for (A3.6).
    pub(crate) fn begin(&mut self, config: &ProbeConfig, now: BootTime, id: ActionId) {
        self.running = Some(id);
        self.attempts += 1;
        self.keep_grid(config, now);
    }

    /// Moments up to `now` pass without a run, since startup has not succeeded (A3.9).
    pub(crate) fn keep_grid(&mut self, config: &ProbeConfig, now: BootTime) {
        if self.next <= now {
            let period = config.period.as_nanos().max(1);
            let periods = now.since(self.next).as_nanos() / period + 1;
            let ahead = u64::try_from(periods.saturating_mul(period)).unwrap_or(u64::MAX);
            self.next = self.next.after(std::time::Duration::from_nanos(ahead));
        }
    }

    /// Startup has just succeeded: readiness runs at once and keeps its period from there (F8), unless its initial delay
    /// is not over.
    pub(crate) fn startup_succeeded(&mut self, config: &ProbeConfig, started: BootTime, now: BootTime) {
        if self.kind == ProbeKind::Readiness && started.after(config.initial_delay) <= now {
            self.next = now;
        }
    }

    /// Takes the outcome of a run; true if the result has changed or was reached anew (A3.11 to A3.19).
    pub(crate) fn finish(&mut self, config: &ProbeConfig, verdict: Verdict) -> bool {
        self.running = None;
        let good = match verdict {
            Verdict::Success | Verdict::Warning => true,
            Verdict::Failure => false,
            // Counts for nothing (A3.13).
            Verdict::Errored => return false,
        };
        if self.last == Some(good) {
            self.in_a_row = self.in_a_row.saturating_add(1);
        } else {
            self.last = Some(good);
            self.in_a_row = 1;
        }
        if self.in_a_row < if good { config.success_threshold } else { config.failure_threshold } {
            return false;
        }
        let result = if good { ProbeResult::Success } else { ProbeResult::Failure };
        let changed = self.result != result;
        self.result = result;
        if self.kind == ProbeKind::Startup || (self.kind == ProbeKind::Liveness && !good) {
            self.resting = true;
        }
        changed
    }

    /// Never runs again; gives the run that is to be cancelled.
    pub(crate) fn stop(&mut self) -> Option<ActionId> {
        self.resting = true;
        self.running.take()
    }
}
