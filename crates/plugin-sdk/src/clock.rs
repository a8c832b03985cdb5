//! The wall clock, which the manifest's author sets limits by, and the run's own time.

use std::time::{Duration, SystemTime};

use crate::{context, duration::go_duration};

/// What time it is.
#[cfg(target_family = "wasm")]
pub fn now() -> SystemTime {
    let now = wasip2::clocks::wall_clock::now();
    SystemTime::UNIX_EPOCH + Duration::new(now.seconds, now.nanoseconds)
}

/// What time it is: in a test the one that its host was given.
#[cfg(not(target_family = "wasm"))]
pub fn now() -> SystemTime {
    crate::testing::ask(|host| host.now).unwrap_or_else(SystemTime::now)
}

/// How long ago something was that the contract dates in milliseconds since the Unix epoch; nothing if it is to come.
pub fn since(milliseconds: u64) -> Duration {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
    now().duration_since(time).unwrap_or_default()
}

/// How much time is left.
pub fn time_left() -> Duration {
    Duration::from_nanos(context::time_left())
}

/// How long the run may take in all, as texts say it: `1s`.
pub fn timeout_text() -> String {
    go_duration(Duration::from_nanos(context::timeout()))
}

/// Waits for a duration, or until the time is over: then it is false.
pub fn sleep(duration: Duration) -> bool {
    let time_left = time_left();
    let wait = duration.min(time_left);
    #[cfg(target_family = "wasm")]
    wasip2::clocks::monotonic_clock::subscribe_duration(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)).block();
    #[cfg(not(target_family = "wasm"))]
    std::thread::sleep(wait);
    duration <= time_left
}
