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
    /// Waits until so few are left, by what `count` says, or time is over: then it fails. `what` is what is counted. A
    /// count that fails for the application's sake is one that is not quiet: a busy one may answer again.
    pub(crate) fn until_quiet(&self, what: &str, count: impl Fn() -> Result<f64, Failure>) -> Result<(), Failure> {
        sleep(Duration::from_millis(self.delay_milliseconds));
        let every = Duration::from_millis(self.every_milliseconds.max(10));
        let quiet = Duration::from_millis(self.quiet_milliseconds);
        let mut quiet_for = Duration::ZERO;
        loop {
            let (is_quiet, seen) = match count() {
                Ok(left) => (left <= self.at_most as f64, format!("{left} {what} are left")),
                Err(Failure::Unhealthy(reason)) => (false, reason),
                Err(errored) => return Err(errored),
            };
            if is_quiet && quiet_for >= quiet {
                return Ok(());
            }
            let wait = every.min(time_left().saturating_sub(RESERVE));
            if wait.is_zero() {
                let seen = match is_quiet {
                    true => format!("quiet for {} only", go_duration(quiet_for)),
                    false => seen,
                };
                return Err(Failure::Unhealthy(format!("after {}: {seen}", timeout_text())));
            }
            sleep(wait);
            quiet_for = if is_quiet { quiet_for + wait } else { Duration::ZERO };
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

    #[test]
    fn a_failed_look_is_not_the_end() {
        let mut host = Host {
            timeout: Duration::from_millis(150),
            ..Host::default()
        };
        let wait: Wait = config(json!({ "everyMilliseconds": 10 }));
        let looks = Cell::new(0);
        let look = |answers: &[Result<f64, Failure>]| {
            looks.set(looks.get() + 1);
            answers[(looks.get() - 1).min(answers.len() - 1)].clone()
        };
        let sick = || Err(Failure::Unhealthy("it has the status 503".to_owned()));
        assert_eq!(
            host.run(|| wait.until_quiet("requests", || look(&[sick(), Ok(0.0)]))),
            Ok(())
        );
        let failure = host.run(|| wait.until_quiet("requests", || look(&[sick()])));
        let message = "after 150ms: it has the status 503";
        assert_eq!(failure, Err(Failure::Unhealthy(message.to_owned())));
        looks.set(0);
        let refused = || Err(Failure::Errored("not granted".to_owned()));
        let failure = host.run(|| wait.until_quiet("requests", || look(&[refused()])));
        assert_eq!((failure, looks.get()), (refused().map(|_: f64| ()), 1));
    }

    #[test]
    fn the_last_look_is_when_time_is_over() {
        let mut host = Host {
            timeout: Duration::from_millis(120),
            ..Host::default()
        };
        let wait: Wait = config(json!({ "everyMilliseconds": 60_000 }));
        let looks = Cell::new(0);
        let waited = host.run(|| {
            wait.until_quiet("requests", || {
                looks.set(looks.get() + 1);
                Ok(if looks.get() == 1 { 1.0 } else { 0.0 })
            })
        });
        assert_eq!((waited, looks.get()), (Ok(()), 2));
    }
}
