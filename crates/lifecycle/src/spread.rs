//! When the agent comes back, all probes that became due meanwhile would run at once: each gets a moment of its own (F6).

use std::time::Duration;

use crate::{action::ProbeKind, container::probe_config, machine::Machine};

/// Nothing that became due waits for longer than this: a pod with a long period must not stay unready for an hour.
const LONGEST: Duration = Duration::from_secs(10);

impl Machine<'_> {
    /// Moves the probes that are overdue to the next moment of their own grid, or to one within the longest wait that
    /// depends on nothing but the pod, the container and the probe. One start of the agent gives the same as another.
    pub(crate) fn spread_probes(&mut self) {
        let (state, now) = (&mut *self.state, self.now.boot);
        for (container, config) in state.containers.iter_mut().zip(&state.config.containers) {
            let Some(live) = container.live_mut() else { continue };
            for worker in &mut live.workers {
                if let Some(probe) = probe_config(config, worker.kind) {
                    let window = probe.period.min(LONGEST);
                    let wait = share(window, &[&state.config.uid, &config.name, name(worker.kind)]);
                    worker.catch_up(probe, now, now.after(wait));
                }
            }
        }
    }
}

fn name(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Startup => "startup",
        ProbeKind::Liveness => "liveness",
        ProbeKind::Readiness => "readiness",
    }
}

/// A part of a window that depends on these words only (FNV-1a: short, stable, and spread well enough).
fn share(window: Duration, words: &[&str]) -> Duration {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = words.iter().flat_map(|word| word.bytes().chain([0]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    let milliseconds = u64::try_from(window.as_millis()).unwrap_or(u64::MAX).max(1);
    // The upper half is mixed better than the lower.
    Duration::from_millis(1 + (hash >> 32) % milliseconds)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn f6_shares_lie_within_the_window_and_fill_it() {
        let mut tenths = [0; 10];
        for pod in 0..1000 {
            let share = share(Duration::from_secs(10), &[&pod.to_string(), "app", "liveness"]);
            let milliseconds = usize::try_from(share.as_millis()).unwrap();
            assert!((1..=10_000).contains(&milliseconds), "{share:?}");
            tenths[(milliseconds - 1) / 1000] += 1;
        }
        assert!(tenths.iter().all(|count| (50..=150).contains(count)), "{tenths:?}");
    }

    #[test]
    fn f6_a_share_is_the_same_for_ever() {
        // Another one after an update of the agent would move all probes at once.
        let share = share(Duration::from_secs(10), &["web", "app", "liveness"]);
        assert_eq!(share, Duration::from_millis(9_956));
    }

    #[test]
    fn f6_the_words_of_a_share_are_kept_apart() {
        let window = Duration::from_secs(3600);
        assert_ne!(share(window, &["ab", "c"]), share(window, &["a", "bc"]));
    }

    #[test]
    fn f6_a_window_of_nothing_is_a_moment() {
        assert_eq!(share(Duration::ZERO, &["a"]), Duration::from_millis(1));
    }
}
