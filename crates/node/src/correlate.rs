//! Which events are shown as they are, which are put together, and which are dropped (C6.2, C6.3).

use std::collections::{BTreeMap, BTreeSet};

use probelet_lifecycle::{
    action::{PodEvent, Severity},
    time::WallTime,
};

/// From so many different messages for the same reason on, further ones are put together: Kubernetes' value.
const DIFFERENT_MESSAGES: usize = 10;

/// Messages are forgotten when none has come for so long: Kubernetes' value, in milliseconds.
const FORGOTTEN_AFTER: i64 = 10 * 60 * 1000;

/// What is put before a message that stands for many: Kubernetes' words.
pub(crate) const COMBINED: &str = "(combined from similar events): ";

/// Events that say nothing new and may come at once: Kubernetes' value.
const BURST: u32 = 25;

/// One more may come after so long: Kubernetes' value, in milliseconds.
const REFILL: i64 = 5 * 60 * 1000;

/// What one pod's events have been lately. It lives as long as the agent, as the kubelet's does.
#[derive(Debug, Default)]
pub(crate) struct Correlator {
    /// By type and reason; both come from a short list of the state machine's own.
    similar: BTreeMap<(bool, String), Similar>,
    /// Of warnings and of the others.
    buckets: [Bucket; 2],
}

#[derive(Debug, Default)]
struct Similar {
    messages: BTreeSet<String>,
    last: i64,
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    refilled: Option<i64>,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            left: BURST,
            refilled: None,
        }
    }
}

impl Correlator {
    /// The message under which an event is counted; `None` if it is dropped. Only an event that says nothing new can be:
    /// Kubernetes drops any, so that a noisy probe hides the restart that it causes (F31).
    pub(crate) fn correlate(&mut self, now: WallTime, event: &PodEvent) -> Option<String> {
        let warning = event.severity == Severity::Warning;
        if event.repeated && !self.buckets[usize::from(warning)].take(now.0) {
            return None;
        }
        let similar = self.similar.entry((warning, event.reason.clone())).or_default();
        Some(similar.message(now.0, &event.message))
    }
}

impl Similar {
    fn message(&mut self, now: i64, message: &str) -> String {
        if now.saturating_sub(self.last) > FORGOTTEN_AFTER {
            self.messages.clear();
        }
        self.last = now;
        self.messages.insert(message.to_owned());
        if self.messages.len() < DIFFERENT_MESSAGES {
            return message.to_owned();
        }
        self.messages.remove(message);
        format!("{COMBINED}{message}")
    }
}

impl Bucket {
    fn take(&mut self, now: i64) -> bool {
        let since = *self.refilled.get_or_insert(now);
        let earned = now.saturating_sub(since).max(0) / REFILL;
        if earned > 0 {
            self.left = self
                .left
                .saturating_add(u32::try_from(earned).unwrap_or(BURST))
                .min(BURST);
            self.refilled = Some(since.saturating_add(earned.saturating_mul(REFILL)));
        }
        let has = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str, repeated: bool) -> PodEvent {
        PodEvent {
            severity: Severity::Warning,
            reason: "Unhealthy".into(),
            message: message.into(),
            container: None,
            repeated,
        }
    }

    #[test]
    fn c6_2_from_the_tenth_different_message_on_they_are_put_together() {
        let mut correlator = Correlator::default();
        let mut say = |at: i64, text: &str| correlator.correlate(WallTime(at), &event(text, false)).unwrap();
        for number in 1..10 {
            assert_eq!(say(number, &number.to_string()), number.to_string());
        }
        assert_eq!(say(10, "10"), "(combined from similar events): 10");
        assert_eq!(say(11, "11"), "(combined from similar events): 11");
        // Those that are known are still shown by themselves, and all are forgotten after ten minutes.
        assert_eq!(say(12, "3"), "3");
        assert_eq!(say(13 + FORGOTTEN_AFTER, "12"), "12");
    }

    #[test]
    fn c6_3_what_says_nothing_new_is_dropped_after_a_burst_of_25() {
        let mut correlator = Correlator::default();
        let mut passes = |at: i64, repeated| correlator.correlate(WallTime(at), &event("no", repeated)).is_some();
        assert_eq!((0..100).filter(|at| passes(*at, true)).count(), 25);
        // One more every five minutes, as a reminder.
        assert_eq!(
            (1..=12)
                .map(|at| at * REFILL / 2)
                .filter(|at| passes(*at, true))
                .count(),
            6
        );
        // What is new is never dropped.
        assert!((0..100).all(|at| passes(at, false)));
    }
}
