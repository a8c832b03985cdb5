//! The wall clock, which the manifest's author sets limits by, and the run's own time.

use std::{
    cell::Cell,
    time::{Duration, SystemTime},
};

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

thread_local! {
    /// The part of the run that is under way, if it has a time of its own.
    static PART: Cell<Option<Part>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Part {
    /// How long it may take.
    limit: Duration,
    /// What is left of the run's time when the part's is over.
    reserve: Duration,
}

/// How much time is left: of the run, or of its part that [`within`] bounds.
pub fn time_left() -> Duration {
    let left = Duration::from_nanos(context::time_left());
    match PART.get() {
        Some(part) => left.saturating_sub(part.reserve),
        None => left,
    }
}

/// How long the run may take in all, or its part, as texts say it: `1s`.
pub fn timeout_text() -> String {
    go_duration(match PART.get() {
        // What is left of a time has no round number.
        Some(part) => Duration::from_millis(part.limit.as_millis().try_into().unwrap_or(u64::MAX)),
        None => Duration::from_nanos(context::timeout()),
    })
}

/// Does a part of the run, for which there is so much of the time that is left: whatever waits in it gives up then, as if
/// the run's time were over.
///
/// ```
/// use std::time::Duration;
/// use probelet_plugin::{sleep, testing::Host, time_left, within};
///
/// Host::default().run(|| {
///     assert!(!within(Duration::from_millis(1), || sleep(Duration::from_secs(60))));
///     assert!(time_left() > Duration::from_millis(100));
/// });
/// ```
pub fn within<T>(limit: Duration, part: impl FnOnce() -> T) -> T {
    /// Also when the part panics, for a test goes on then.
    struct Before(Option<Part>);
    impl Drop for Before {
        fn drop(&mut self) {
            PART.set(self.0);
        }
    }
    let limit = limit.min(time_left());
    let reserve = Duration::from_nanos(context::time_left()).saturating_sub(limit);
    let _before = Before(PART.replace(Some(Part { limit, reserve })));
    part()
}

/// Waits for a duration, or until the time is over, or that of the part which [`within`] bounds: then it is false.
pub fn sleep(duration: Duration) -> bool {
    let time_left = time_left();
    let wait = duration.min(time_left);
    #[cfg(target_family = "wasm")]
    wasip2::clocks::monotonic_clock::subscribe_duration(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)).block();
    #[cfg(not(target_family = "wasm"))]
    std::thread::sleep(wait);
    duration <= time_left
}
