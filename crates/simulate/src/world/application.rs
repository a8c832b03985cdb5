//! What behaves as a script or a record says.

use std::time::Duration;

use probelet_lifecycle::{
    action::{HookReason, ProbeKind},
    event::ProbeOutcome,
};

use crate::{
    replay::{Life, nearest},
    script::{Behaviour, Moment},
};

/// A container in the simulation.
pub(crate) struct Application<'a> {
    pub(crate) behaviour: &'a Behaviour,
    /// Its recorded lives, if it lives again: each of its own goes as the one that began next to it.
    lives: Option<&'a [Life]>,
    /// The one that it goes by.
    pub(super) life: Option<&'a Life>,
    /// How long its hooks take if the script says nothing: what a `sleep` handler says, else no time.
    pub(crate) post_start: Duration,
    pub(crate) pre_stop: Duration,
    /// The signal that asks it to stop.
    pub(super) stop_signal: &'a str,
    /// The instance that runs.
    pub(super) instance: Option<u32>,
    pub(super) started: Duration,
    /// When it was sent the stop signal.
    pub(super) stops_since: Option<Duration>,
    /// Which probes' last runs were not good.
    pub(super) bad: [bool; 3],
}

impl<'a> Application<'a> {
    pub(crate) fn new(behaviour: &'a Behaviour, post_start: Duration, pre_stop: Duration) -> Self {
        let (instance, started, bad) = (None, Duration::ZERO, [false; 3]);
        Self {
            behaviour,
            lives: None,
            life: None,
            post_start,
            pre_stop,
            stop_signal: "SIGTERM",
            instance,
            started,
            stops_since: None,
            bad,
        }
    }

    /// The same with another stop signal, if the manifest has one (B3.1).
    pub(crate) fn with_stop_signal(self, signal: Option<&'a str>) -> Self {
        let stop_signal = signal.unwrap_or(self.stop_signal);
        Self { stop_signal, ..self }
    }

    /// The same that lives again as recorded.
    pub(crate) fn with_lives(self, lives: &'a [Life]) -> Self {
        Self {
            lives: Some(lives),
            ..self
        }
    }

    /// A new life begins, with the look for its image.
    pub(super) fn begins(&mut self, now: Duration) {
        if let Some(life) = nearest(self.lives.unwrap_or_default(), now) {
            (self.life, self.behaviour) = (Some(life), &life.behaviour);
        }
    }

    /// Whether it lives again, and no life of it is recorded.
    pub(super) fn is_unknown(&self) -> bool {
        self.lives.is_some_and(<[Life]>::is_empty)
    }

    /// How long a probe's run that begins now takes, and what it comes to, if it may take `timeout`.
    pub(super) fn probe(
        &self,
        kind: ProbeKind,
        now: Duration,
        attempt: u64,
        timeout: Duration,
    ) -> (Duration, ProbeOutcome) {
        match self.life {
            Some(life) => life.probe(kind, now.saturating_sub(self.started), timeout),
            None => self.behaviour.probe(kind, self.moment(now, attempt), timeout),
        }
    }

    /// How long a hook that begins now takes (`None` is for ever), and what it comes to.
    pub(super) fn hook(&self, reason: HookReason, now: Duration) -> (Option<Duration>, Result<(), String>) {
        let usual = if reason == HookReason::Start {
            self.post_start
        } else {
            self.pre_stop
        };
        self.behaviour.hook(reason, self.moment(now, 0), usual)
    }

    pub(super) fn moment(&self, now: Duration, attempt: u64) -> Moment {
        Moment {
            now,
            started: self.started,
            attempt,
        }
    }
}
