//! What a plugin in Rust is written with: the contract in `wit/` as traits and functions, the configuration, and waits
//! that end with the run's time.
//!
//! ```
//! use probelet_plugin_sdk::{Probe, Verdict, context};
//!
//! struct Even;
//!
//! impl Probe for Even {
//!     fn check() -> Result<Verdict, String> {
//!         match context::attempt() % 2 {
//!             0 => Ok(Verdict::healthy().with("attempt", context::attempt())),
//!             _ => Ok(Verdict::unhealthy("an odd attempt")),
//!         }
//!     }
//! }
//!
//! probelet_plugin_sdk::export_probe!(Even);
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` for the target `wasm32-wasip2`. WASI's sockets, http and clocks are in [`wasip2`].
//!
//! With the feature `async` there are `AsyncProbe`, `AsyncHook` and their macros, for components of WASI 0.3: they wait for
//! several things at once. What they wait for are functions of WASI 0.3, not those in [`wasip2`].
//!
//! It is small on purpose, since it becomes a part of every plugin: no asynchronous runtime, no HTTP client, no logger.
//! On other targets than WebAssembly it compiles, for tests of a plugin's pure parts, but nothing of the host is there.

#[doc(hidden)]
pub mod bindings;
mod duration;
mod verdict;

use std::time::Duration;

use serde::de::DeserializeOwned;
pub use wasip2;
use wasip2::{
    clocks::monotonic_clock,
    io::poll::{Pollable, poll},
};

#[cfg(feature = "builtin")]
#[doc(hidden)]
pub use bindings::builtin::probelet::builtin::exchange;
#[cfg(feature = "async")]
pub use bindings::{
    async_hook::{export_async_hook, exports::probelet::plugin::async_hook::Guest as AsyncHook},
    async_probe::{export_async_probe, exports::probelet::plugin::async_probe::Guest as AsyncProbe},
};
pub use bindings::{describe::export_description, hook::export_hook, probe::export_probe};
pub use bindings::{
    describe::exports::probelet::plugin::describe::Guest as Describe,
    hook::exports::probelet::plugin::hook::Guest as Hook,
    probe::{
        exports::probelet::plugin::probe::Guest as Probe,
        probelet::plugin::{
            container_exec, container_files, container_logs, container_stats, context, state,
            types::{Field, Health, Value, Verdict},
        },
    },
};
pub use duration::go_duration;

/// The built-in components' allocator. That of the standard library asks for more memory at once, and memory that grows
/// costs a run more than all that it allocates.
#[cfg(all(feature = "builtin", target_arch = "wasm32", target_os = "unknown"))]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// The handler's configuration.
pub fn config<T: DeserializeOwned>() -> Result<T, String> {
    serde_json::from_str(&context::config()).map_err(|error| format!("invalid configuration: {error}"))
}

/// How much time is left.
pub fn time_left() -> Duration {
    Duration::from_nanos(context::time_left())
}

/// How long the run may take in all, as texts say it: `1s`.
pub fn timeout_text() -> String {
    go_duration(Duration::from_nanos(context::timeout()))
}

/// Waits for something to be ready, for as long as there is time. False: the time is over.
pub fn wait(pollable: &Pollable) -> bool {
    let timer = monotonic_clock::subscribe_duration(context::time_left());
    poll(&[pollable, &timer]).contains(&0)
}

/// Waits for a duration, or until the time is over: then it is false.
pub fn sleep(duration: Duration) -> bool {
    let time_left = time_left();
    let nanoseconds = u64::try_from(duration.min(time_left).as_nanos()).unwrap_or(u64::MAX);
    monotonic_clock::subscribe_duration(nanoseconds).block();
    duration <= time_left
}
