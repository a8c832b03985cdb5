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
