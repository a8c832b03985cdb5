//! One probe of one instance of a container: when it runs, and what its outcomes add up to (A3).

use std::time::Duration;

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
    running: Option<ActionId>,
    /// How many runs have begun.
    attempts: u64,
    /// The next moment at which it may run.
    next: BootTime,
    /// A verdict has been reached that holds until the next instance (A3.18, A3.19), or the pod is being deleted.
    resting: bool,
    /// Whether the last counted outcome was good, and how often in a row it was so.
    last: Option<bool>,
    in_a_row: u32,
    /// How many runs in a row, up to the last one, were errored. Counted apart, so that an error is never taken for one of
    /// the failures around it. Zero in states that were stored before it was counted.
    #[serde(default)]
    errors_in_a_row: u32,
    /// The trouble that people have been told of, until a success.
    #[serde(default)]
    trouble: Option<Trouble>,
    /// A verdict against the container was held back (F34), and no success came since.
    #[serde(default)]
    held_back: bool,
}

/// Runs that did not succeed, one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trouble {
    since: BootTime,
    /// How the last run of them ended.
    verdict: Verdict,
}

/// What an outcome is to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// All is well, as before.
    None,
    /// Something is wrong, and was not or not so before.
    Trouble,
    /// It is still wrong.
    StillTrouble,
    /// All is well again, after so long.
    Recovered(Duration),
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
            errors_in_a_row: 0,
            trouble: None,
            held_back: false,
        }
    }

    /// What is to be told of an outcome (F31).
    pub(crate) fn news(&mut self, verdict: Verdict, now: BootTime) -> News {
        if verdict == Verdict::Success {
            return match self.trouble.take() {
                // What counted as a success was never down.
                None => News::None,
                Some(trouble) if trouble.verdict == Verdict::Warning => News::None,
                Some(trouble) => News::Recovered(now.since(trouble.since)),
            };
        }
        let before = self.trouble;
        let since = before.map_or(now, |before| before.since);
        self.trouble = Some(Trouble { since, verdict });
        if before.is_some_and(|before| before.verdict == verdict) {
            News::StillTrouble
        } else {
            News::Trouble
        }
    }

    /// When it runs next, if nothing else holds it back; `None` while it rests or a run is under way.
    pub(crate) fn due(&self) -> Option<BootTime> {
        (!self.resting && self.running.is_none()).then_some(self.next)
    }

    /// The grid begins here, unless it begins later.
    pub(crate) fn not_before(&mut self, time: BootTime) {
        self.next = self.next.max(time);
    }

    /// A run begins: which one it is. The next one keeps the grid: a run that takes longer than a period is followed by
    /// one at once, and the moments missed meanwhile are not made up for (A3.6).
    pub(crate) fn begin(&mut self, config: &ProbeConfig, now: BootTime, id: ActionId) -> u64 {
        self.running = Some(id);
        self.attempts += 1;
        self.next = next_on_grid(self.next, config.period, now);
        self.attempts
    }

    /// Startup has just succeeded. Readiness runs at once and keeps its period from there (F8), unless its initial delay
    /// is not over. The moments that liveness missed meanwhile pass without a run.
    pub(crate) fn startup_succeeded(&mut self, config: &ProbeConfig, started: BootTime, now: BootTime) {
        let at_once = self.kind == ProbeKind::Readiness && started.after(config.initial_delay) <= now;
        self.next = if at_once {
            now
        } else {
            next_on_grid(self.next, config.period, now)
        };
    }

    /// The agent was away, and the next run is overdue: it takes place at `spread`, or where the grid has its next moment
    /// if that is sooner. The moments missed meanwhile are not made up for.
    pub(crate) fn catch_up(&mut self, config: &ProbeConfig, now: BootTime, spread: BootTime) {
        if self.next < now {
            self.next = next_on_grid(self.next, config.period, now).min(spread);
        }
    }

    /// Whether a verdict has been held back before, and no success came since.
    pub(crate) fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// Goes on after a verdict that has no consequence for now (F34): the next failure reaches it again.
    pub(crate) fn go_on(&mut self) {
        self.resting = false;
        self.held_back = true;
    }

    /// Takes the outcome of a run, and gives the result if that has changed it, or if it is a verdict against the
    /// container once more (A3.11 to A3.19).
    pub(crate) fn finish(&mut self, config: &ProbeConfig, verdict: Verdict) -> Option<ProbeResult> {
        self.running = None;
        let good = match verdict {
            Verdict::Success | Verdict::Warning => true,
            Verdict::Failure => false,
            Verdict::Errored => return self.errored(config),
        };
        self.errors_in_a_row = 0;
        if self.last == Some(good) {
            self.in_a_row = self.in_a_row.saturating_add(1);
        } else {
            self.last = Some(good);
            self.in_a_row = 1;
        }
        let threshold = if good {
            config.success_threshold
        } else {
            config.failure_threshold
        };
        if self.in_a_row < threshold {
            return None;
        }
        self.conclude(good)
    }

    /// An errored run counts for nothing (A3.13), unless the manifest has it that enough of them in a row do.
    fn errored(&mut self, config: &ProbeConfig) -> Option<ProbeResult> {
        self.errors_in_a_row = self.errors_in_a_row.saturating_add(1);
        if !config.errored_is_failure || self.errors_in_a_row < config.failure_threshold {
            return None;
        }
        // As if all of them had failed: a success after them is the first in a row.
        self.last = Some(false);
        self.in_a_row = self.errors_in_a_row;
        self.conclude(false)
    }

    /// A threshold is reached; gives the result if it is a new one.
    fn conclude(&mut self, good: bool) -> Option<ProbeResult> {
        self.resting |= match self.kind {
            ProbeKind::Startup => true,
            ProbeKind::Liveness => !good,
            ProbeKind::Readiness => false,
        };
        self.held_back &= !good;
        let result = if good {
            ProbeResult::Success
        } else {
            ProbeResult::Failure
        };
        let has_changed = std::mem::replace(&mut self.result, result) != result;
        let is_verdict = !good && self.kind != ProbeKind::Readiness;
        (has_changed || is_verdict).then_some(result)
    }

    /// How many outcomes of one sort there have been in a row, up to the last one.
    pub(crate) fn streak(&self) -> u32 {
        if self.errors_in_a_row > 0 {
            self.errors_in_a_row
        } else {
            self.in_a_row
        }
    }

    /// Never runs again; gives the run that is to be cancelled.
    pub(crate) fn stop(&mut self) -> Option<ActionId> {
        self.resting = true;
        self.running.take()
    }
}

/// The first moment after `now` on the grid that goes through `moment`; `moment` itself if it is still to come.
fn next_on_grid(moment: BootTime, period: Duration, now: BootTime) -> BootTime {
    if moment > now {
        return moment;
    }
    let period = period.as_nanos().max(1);
    let ahead = (now.since(moment).as_nanos() / period + 1).saturating_mul(period);
    moment.after(Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX)))
}
