//! Waiting longer each time: crash loops, image pulls, sandboxes (B5.5, B5.6).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{config::BackOffConfig, time::BootTime};

/// How often something has been tried lately, and so how long the next try waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackOff {
    entry: Option<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    delay: Duration,
    advanced: BootTime,
}

impl BackOff {
    /// When the next try may begin, if the last one ended at `ended`; never before `now`.
    pub(crate) fn ready_at(&self, config: &BackOffConfig, ended: Option<BootTime>, now: BootTime) -> BootTime {
        match (self.entry, ended) {
            (Some(entry), Some(ended)) if ended.since(entry.advanced) <= config.reset_after => {
                ended.after(entry.delay).max(now)
            }
            _ => now,
        }
    }

    /// A try begins: the one after it waits longer, or briefly again if the last is long ago.
    pub(crate) fn advance(&mut self, config: &BackOffConfig, now: BootTime) {
        let delay = match self.entry {
            Some(entry) if now.since(entry.advanced) <= config.reset_after => {
                entry.delay.saturating_mul(2).min(config.maximum)
            }
            _ => config.initial.min(config.maximum),
        };
        self.entry = Some(Entry { delay, advanced: now });
    }

    /// How long the next try waits.
    pub(crate) fn delay(&self) -> Duration {
        self.entry.map(|entry| entry.delay).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    #[test]
    fn b5_5_the_first_restart_is_at_once_then_10_20_up_to_300_seconds() {
        let config = BackOffConfig::default();
        let mut back_off = BackOff::default();
        let mut time = at(1000);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let ready = back_off.ready_at(&config, Some(time), time);
            waits.push(ready.since(time).as_secs());
            time = ready;
            back_off.advance(&config, time);
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn b5_6_an_instance_that_ran_for_more_than_ten_minutes_starts_it_anew() {
        let config = BackOffConfig::default();
        let mut back_off = BackOff::default();
        for _ in 0..4 {
            back_off.advance(&config, at(100));
        }
        assert_eq!(back_off.ready_at(&config, Some(at(700)), at(700)), at(780));
        assert_eq!(back_off.ready_at(&config, Some(at(701)), at(701)), at(701));
        back_off.advance(&config, at(701));
        assert_eq!(back_off.delay(), Duration::from_secs(10));
    }
}
