//! Waiting for quiet before a stop.

use std::time::Duration;

use probelet_plugin::{Failure, go_duration, sleep, time_left, timeout_text};

/// What is left of the time for the last look.
const RESERVE: Duration = Duration::from_millis(50);

/// When it is quiet, and how it is waited for.
#[probelet_plugin::config]
pub struct Wait {
    /// How many may be left.
    #[serde(default)]
    pub at_most: u64,
    /// How long to wait before the first look, in milliseconds: until nobody sends new requests any more.
    #[serde(default)]
    pub delay_milliseconds: u64,
    /// How long it has to be quiet, in milliseconds.
    #[serde(default)]
    pub quiet_milliseconds: u64,
    /// How often to look, in milliseconds.
    #[serde(default = "half_a_second")]
    #[schemars(range(min = 10))]
    pub every_milliseconds: u64,
}

fn half_a_second() -> u64 {
    500
}

impl Default for Wait {
    fn default() -> Self {
        Self {
            at_most: 0,
            delay_milliseconds: 0,
            quiet_milliseconds: 0,
            every_milliseconds: half_a_second(),
        }
    }
}

impl Wait {
    /// Waits until so few are left, by what `count` says, or time is over: then it fails. `what` is what is counted.
    pub(crate) fn until_quiet(&self, what: &str, count: impl Fn() -> Result<f64, Failure>) -> Result<(), Failure> {
        sleep(Duration::from_millis(self.delay_milliseconds));
        let every = Duration::from_millis(self.every_milliseconds.max(10));
        let quiet = Duration::from_millis(self.quiet_milliseconds);
        let mut quiet_for = Duration::ZERO;
        loop {
            let left = count()?;
            let is_quiet = left <= self.at_most as f64;
            if is_quiet && quiet_for >= quiet {
                return Ok(());
            }
            if time_left() < every + RESERVE {
                let seen = match is_quiet {
                    true => format!("quiet for {} only", go_duration(quiet_for)),
                    false => format!("{left} {what} are left"),
                };
                return Err(Failure::Unhealthy(format!("after {}: {seen}", timeout_text())));
            }
            sleep(every);
            quiet_for = if is_quiet { quiet_for + every } else { Duration::ZERO };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use probelet_plugin::{serde_json::json, testing::Host};

    use super::*;
    use crate::tests::config;

    #[test]
    fn it_is_quiet_when_it_has_been_so_for_long_enough() {
        let mut host = Host {
            timeout: Duration::from_secs(60),
            ..Host::default()
        };
        let wait: Wait = config(json!({ "atMost": 1, "quietMilliseconds": 20, "everyMilliseconds": 10 }));
        let looks = Cell::new(0);
        let counts = [3.0, 1.0, 2.0, 0.0, 1.0, 1.0, 9.0];
        let waited = host.run(|| {
            wait.until_quiet("requests", || {
                looks.set(looks.get() + 1);
                Ok(counts[looks.get() - 1])
            })
        });
        assert_eq!(waited, Ok(()));
        // Quiet at the second look, but not for long; from the fourth to the sixth it is.
        assert_eq!(looks.get(), 6);
    }
}
