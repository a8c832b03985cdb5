//! Time as an argument: the machine never asks for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment on the clock that never jumps: time since the machine's boot. All durations are measured on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BootTime(pub Duration);

impl BootTime {
    /// The moment `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A moment on the wall clock, in milliseconds since the Unix epoch. Only people read it; nothing is decided by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WallTime(pub i64);

/// The present, on both clocks, as [`step`](crate::step) is given it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Time since boot.
    pub boot: BootTime,
    /// Wall time.
    pub wall: WallTime,
}
