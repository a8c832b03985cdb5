//! What a plugin in Rust is written with: attributes that make a function a probe or a hook, its configuration with a
//! schema, helpers for connections, http and lines, and the contract in `wit/` as traits and functions.
//!
//! ```
//! use probelet_plugin::{Failure, Verdict, net::{Endpoint, Port}};
//!
//! /// What stands below `config` in the manifest.
//! #[probelet_plugin::config]
//! struct Config {
//!     /// Where the server listens.
//!     port: Port,
//! }
//!
//! #[probelet_plugin::probe]
//! fn check(config: Config) -> Result<Verdict, Failure> {
//!     let mut server = Endpoint::new(None, Some(&config.port), 0)?.converse()?;
//!     server.send("PING\r\n")?;
//!     match server.line(128)?.as_str() {
//!         "+PONG" => Ok(Verdict::healthy()),
//!         other => Ok(Verdict::unhealthy(format!("it says {other}"))),
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` for the target `wasm32-wasip2`; this crate is the only dependency that it needs. A test of it
//! runs on any machine, without a host: see [`testing`].
//!
//! # What is where
//!
//! - [`probe`], [`hook`] and [`config`](macro@config): the attributes (feature `macros`, on unless switched off). Without
//!   them a type implements [`Probe`], [`Hook`] or [`Describe`] and is named to [`export_probe!`], [`export_hook!`] or
//!   [`export_description!`].
//! - [`context`], [`state`] and the modules that begin with `container_`: the contract. What needs a grant is imported by
//!   a plugin that uses it, and by no other.
//! - [`net`], [`tls`], [`http`], [`lines`], [`metrics`]: helpers that end with the run's time and bound what they read. WASI's
//!   own sockets, http and clocks are in [`wasip2`].
//! - `AsyncProbe`, `AsyncHook` and their macros (feature `async`): components of WASI 0.3, which wait for several things
//!   at once. What they wait for are functions of WASI 0.3, not the helpers.
//!
//! It is small on purpose, since it becomes a part of every plugin, and what a plugin does not call is not in it: no
//! asynchronous runtime, no logger.

mod answer;
#[doc(hidden)]
pub mod bindings;
mod clock;
mod duration;
pub mod http;
pub mod lines;
pub mod metrics;
#[cfg(not(target_family = "wasm"))]
mod native;
pub mod net;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod tls;
mod verdict;

#[cfg(feature = "macros")]
#[doc(hidden)]
pub use schemars;
pub use serde;
use serde::de::DeserializeOwned;
pub use serde_json;
pub use wasip2;
#[cfg(target_family = "wasm")]
use wasip2::io::poll::{Pollable, poll};

pub use answer::{Failure, HookAnswer, ProbeAnswer};
#[cfg(feature = "builtin")]
#[doc(hidden)]
pub use bindings::builtin::probelet::builtin::exchange;
#[cfg(target_family = "wasm")]
pub use bindings::probe::probelet::plugin::{
    container_exec, container_files, container_logs, container_stats, context, state,
};
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
        probelet::plugin::types::{Field, Health, Value, Verdict},
    },
};
pub use clock::{now, since, sleep, time_left, timeout_text, within};
pub use duration::go_duration;
#[cfg(not(target_family = "wasm"))]
pub use native::{container_exec, container_files, container_logs, container_stats, context, state};

/// Makes a structure a configuration or a part of one: serde reads it, with fields in `camelCase`, and it has a schema.
///
/// Unknown fields are refused. Doc comments become the schema's descriptions. serde's and schemars' own attributes can be
/// used on the fields: `#[serde(default)]`, `#[schemars(range(min = 1))]`.
#[cfg(feature = "macros")]
pub use probelet_plugin_macros::config;
/// Makes a function the plugin's hook. It takes the configuration or nothing, and returns a [`HookAnswer`]:
/// `Result<(), Failure>`, `Result<(), String>` or nothing.
///
/// Its options are those of [`probe`]. In a plugin that is both, one of the two says `describe = false`:
///
/// ```
/// #[probelet_plugin::config]
/// struct Config {
///     words: Vec<String>,
/// }
///
/// #[probelet_plugin::probe(name = "words", grants("exec: true"))]
/// fn check() -> Result<probelet_plugin::Verdict, String> {
///     Ok(probelet_plugin::Verdict::healthy())
/// }
///
/// #[probelet_plugin::hook(describe = false)]
/// fn run(config: Config) -> Result<(), String> {
///     if config.words.is_empty() { Err("there are no words".to_owned()) } else { Ok(()) }
/// }
/// # fn main() {}
/// ```
#[cfg(feature = "macros")]
pub use probelet_plugin_macros::hook;
/// Makes a function the plugin's probe. It takes the configuration or nothing, and returns a [`ProbeAnswer`]:
/// `Result<Verdict, Failure>`, `Result<Verdict, String>` or a [`Verdict`].
///
/// Beside it goes the plugin's description of itself: name and version from Cargo.toml, the schema of the configuration,
/// and the grants that the attribute names. The options: `name = "…"` instead of the package's,
/// `grants("exec: true", "stats: true")` as they stand below `allow` in a manifest, and `describe = false`.
///
/// What is not possible is told by the compiler:
///
/// ```compile_fail
/// #[probelet_plugin::probe]
/// async fn check() -> probelet_plugin::Verdict {
///     probelet_plugin::Verdict::healthy()
/// }
/// ```
#[cfg(feature = "macros")]
pub use probelet_plugin_macros::probe;

/// The built-in components' allocator. That of the standard library asks for more memory at once, and memory that grows
/// costs a run more than all that it allocates.
#[cfg(all(feature = "builtin", target_arch = "wasm32", target_os = "unknown"))]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// The handler's configuration.
pub fn config<T: DeserializeOwned>() -> Result<T, String> {
    serde_json::from_str(&context::config()).map_err(|error| format!("invalid configuration: {error}"))
}

/// The JSON schema of a configuration, as `describe` says it.
#[cfg(feature = "macros")]
pub fn schema<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).as_value().to_string()
}

/// A variable of the container's environment. One that is not there or not granted is an error of the check.
pub fn environment(name: &str) -> Result<String, Failure> {
    #[cfg(target_family = "wasm")]
    let value = std::env::var(name).ok();
    #[cfg(not(target_family = "wasm"))]
    let value = testing::ask(|host| host.environment.get(name).cloned());
    value.ok_or_else(|| {
        Failure::Errored(format!(
            "the variable {name} is not there: the container needs to have it, and the handler to grant it with `allow: \
             {{ environment: [{name}] }}`"
        ))
    })
}

/// Waits for something to be ready, for as long as there is time. False: the time is over.
#[cfg(target_family = "wasm")]
pub fn wait(pollable: &Pollable) -> bool {
    let left = u64::try_from(time_left().as_nanos()).unwrap_or(u64::MAX);
    let timer = wasip2::clocks::monotonic_clock::subscribe_duration(left);
    poll(&[pollable, &timer]).contains(&0)
}
