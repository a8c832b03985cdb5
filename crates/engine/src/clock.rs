//! A wall clock that stands still, so that a test of a plugin says the same each time.

use std::time::{Duration, SystemTime};

use wasmtime_wasi::HostWallClock;

/// A clock that always says the same.
pub(crate) struct StoppedClock(Duration);

impl StoppedClock {
    /// It says this. WASI knows no time before 1970.
    pub(crate) fn at(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}

impl HostWallClock for StoppedClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_still_and_knows_nothing_before_1970() {
        let clock = StoppedClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(7));
        assert_eq!([clock.now(), clock.now()], [Duration::from_secs(7); 2]);
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(StoppedClock::at(before).now(), Duration::ZERO);
    }
}
