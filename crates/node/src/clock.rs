//! The one place where the agent asks for the time.

use std::time::Duration;

use jiff::Timestamp;
use probelet_lifecycle::time::{BootTime, Now, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// The present, for the state machine.
pub(crate) fn now() -> Now {
    Now {
        boot: boot_time(),
        wall: WallTime(Timestamp::now().as_millisecond()),
    }
}

/// Time since the machine's boot, its sleep included: a probe's period goes on while a laptop is closed.
pub(crate) fn boot_time() -> BootTime {
    let time = clock_gettime(ClockId::Boottime);
    BootTime(Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    ))
}

/// Names this boot of the machine; times since boot of another one mean nothing.
pub(crate) fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// A wall time as Kubernetes writes it, in whole seconds.
pub(crate) fn seconds_text(time: WallTime) -> String {
    format!("{:.0}", timestamp(time))
}

/// A wall time with milliseconds.
pub(crate) fn milliseconds_text(time: WallTime) -> String {
    format!("{:.3}", timestamp(time))
}

/// A wall time for Kubernetes' types; the epoch if it lies outside what a timestamp can hold.
pub(crate) fn timestamp(time: WallTime) -> Timestamp {
    Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::UNIX_EPOCH)
}
