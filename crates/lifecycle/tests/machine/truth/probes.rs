//! What the outcomes of an instance's probes add up to (A3.15), counted apart from the machine.

use probelet_lifecycle::{action::ProbeKind, config::ProbeConfig, event::Verdict};

/// The probes of one instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probes {
    startup: Count,
    liveness: Count,
    readiness: Count,
    /// The last outcome that counted against liveness had no consequence, since restarts were held back (F34).
    was_held: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    successes: u32,
    failures: u32,
    errors: u32,
    /// Whether the last threshold that was reached is that of successes.
    passes: bool,
}

impl Probes {
    /// An outcome has come, while restarts because of liveness are held back or not.
    pub(crate) fn take(&mut self, kind: ProbeKind, config: &ProbeConfig, verdict: Verdict, held: bool) {
        let count = match kind {
            ProbeKind::Startup => &mut self.startup,
            ProbeKind::Liveness => &mut self.liveness,
            ProbeKind::Readiness => &mut self.readiness,
        };
        let counts = count.take(config, verdict);
        if kind == ProbeKind::Liveness && counts {
            self.was_held = held && count.fails(config);
        }
    }

    /// What matters from now on, if no threshold is above two.
    pub(crate) fn in_short(&self) -> Self {
        let short = |count: Count| Count {
            successes: count.successes.min(2),
            failures: count.failures.min(2),
            errors: count.errors.min(2),
            ..count
        };
        Self {
            startup: short(self.startup),
            liveness: short(self.liveness),
            readiness: short(self.readiness),
            was_held: self.was_held,
        }
    }

    pub(crate) fn has_started(&self) -> bool {
        self.startup.passes
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.readiness.passes
    }

    /// Whether the outcomes of liveness or startup have reached the threshold of failures, and that is not held back.
    pub(crate) fn has_condemned(&self, kind: ProbeKind, config: &ProbeConfig) -> bool {
        match kind {
            ProbeKind::Startup => self.startup.fails(config),
            ProbeKind::Liveness => self.liveness.fails(config) && !self.was_held,
            ProbeKind::Readiness => false,
        }
    }
}

impl Count {
    /// Returns whether the outcome counts for anything.
    fn take(&mut self, config: &ProbeConfig, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Success | Verdict::Warning => {
                (self.successes, self.failures, self.errors) = (self.successes + 1, 0, 0);
                self.passes |= self.successes >= config.success_threshold;
            }
            Verdict::Failure => (self.successes, self.failures, self.errors) = (0, self.failures + 1, 0),
            Verdict::Errored => {
                self.errors += 1;
                if !config.errored_is_failure || self.errors < config.failure_threshold {
                    return false;
                }
                (self.successes, self.failures) = (0, self.errors);
            }
        }
        self.passes &= !self.fails(config);
        true
    }

    fn fails(&self, config: &ProbeConfig) -> bool {
        self.failures >= config.failure_threshold
    }
}
