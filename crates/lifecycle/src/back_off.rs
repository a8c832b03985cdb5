//! Waiting longer each time: crash loops, images, sandboxes (B5.5, B5.6).

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
    /// When the next try may begin, if the last one ended at `ended`.
    pub(crate) fn ready_at(&self, config: &BackOffConfig, ended: BootTime) -> BootTime {
        ended.after(self.current(config, ended).unwrap_or_default())
    }

    /// A try begins after one that ended at `ended`: the one after it waits longer, or briefly again if the last two are
    /// far apart.
    pub(crate) fn advance(&mut self, config: &BackOffConfig, ended: BootTime, now: BootTime) {
        let delay = self
            .current(config, ended)
            .map_or(config.initial, |delay| delay.saturating_mul(2));
        self.entry = Some(Entry {
            delay: delay.min(config.maximum),
            advanced: now,
        });
    }

    /// A try has failed at once: when the next one may begin.
    pub(crate) fn retry_at(&mut self, config: &BackOffConfig, now: BootTime) -> BootTime {
        self.advance(config, now, now);
        self.ready_at(config, now)
    }

    /// How long the next try waits.
    pub(crate) fn delay(&self) -> Duration {
        self.entry.map(|entry| entry.delay).unwrap_or_default()
    }

    /// The delay, unless it is forgotten: how long the last try went well counts, not how long the wait after it was.
    fn current(&self, config: &BackOffConfig, ended: BootTime) -> Option<Duration> {
        let recent = self
            .entry
            .filter(|entry| ended.since(entry.advanced) <= config.reset_after);
        recent.map(|entry| entry.delay)
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
        let mut ended = at(1000);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let ready = back_off.ready_at(&config, ended);
            waits.push(ready.since(ended).as_secs());
            back_off.advance(&config, ended, ready);
            ended = ready;
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn b5_6_an_instance_that_ran_for_more_than_ten_minutes_starts_it_anew() {
        let config = BackOffConfig::default();
        let mut back_off = BackOff::default();
        for _ in 0..4 {
            back_off.advance(&config, at(100), at(100));
        }
        assert_eq!(back_off.ready_at(&config, at(700)), at(780));
        assert_eq!(back_off.ready_at(&config, at(701)), at(701));
        back_off.advance(&config, at(701), at(701));
        assert_eq!(back_off.delay(), Duration::from_secs(10));
    }

    #[test]
    fn b5_6_the_wait_itself_does_not_count_as_time_that_went_well() {
        let config = BackOffConfig::default();
        let mut back_off = BackOff::default();
        for _ in 0..6 {
            back_off.advance(&config, at(100), at(100));
        }
        // It ran 400 s and waited 300 s, so the tries are 700 s apart.
        back_off.advance(&config, at(500), at(800));
        assert_eq!(back_off.delay(), Duration::from_secs(300));
    }

    #[test]
    fn b5_8_a_maximum_below_the_first_delay_is_the_first_delay() {
        let config = BackOffConfig {
            maximum: Duration::from_secs(3),
            ..BackOffConfig::default()
        };
        let mut back_off = BackOff::default();
        assert_eq!(back_off.retry_at(&config, at(5)), at(8));
        assert_eq!(back_off.retry_at(&config, at(8)), at(11));
    }
}
