//! What can go wrong before a plugin runs.

use std::time::Duration;

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the configuration or could not reserve what it needs.
    #[error(
        "the WebAssembly engine cannot be set up: {reason}; it reserves address space for every concurrent run, so \
         look at `ulimit -v`"
    )]
    Setup {
        /// wasmtime's reason.
        reason: String,
    },
    /// The thread that keeps the engine's time could not be started.
    #[error("the engine's timer thread cannot be started: {0}")]
    Timer(#[source] std::io::Error),
}

/// A component could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file does not begin as WebAssembly does.
    #[error("plugin `{name}` is no WebAssembly component: it does not begin with the bytes `\\0asm`")]
    NotWebAssembly {
        /// The plugin.
        name: String,
    },
    /// The file is a core module.
    #[error(
        "plugin `{name}` is a core WebAssembly module, not a component: build it for the target wasm32-wasip2, or \
         turn it into one with `wasm-tools component new`"
    )]
    CoreModule {
        /// The plugin.
        name: String,
    },
    /// The file is larger than any that is compiled.
    #[error("plugin `{name}` has {size} bytes; at most {limit} are compiled")]
    TooLarge {
        /// The plugin.
        name: String,
        /// Its size.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// The component is broken, or uses what this engine does not know.
    #[error("plugin `{name}` cannot be compiled, it is damaged or uses what this engine does not support: {reason}")]
    Invalid {
        /// The plugin.
        name: String,
        /// The compiler's reason.
        reason: String,
    },
    /// The component is none of ours.
    #[error(
        "component `{name}` exports neither `probelet:plugin/probe` nor `probelet:plugin/hook` in a version that this \
         engine knows (0.1), and it is no WASI command (`wasi:cli/run`) either; it exports {exports}"
    )]
    NoCheck {
        /// The plugin.
        name: String,
        /// What it exports instead.
        exports: String,
    },
    /// The component exports something else by one of our names.
    #[error("plugin `{name}` does not keep to the contract (probelet:plugin@0.1.0): {reason}")]
    WrongType {
        /// The plugin.
        name: String,
        /// The function, its type, and the contract's.
        reason: String,
    },
    /// The component imports what neither WASI 0.2 nor our contract has.
    #[error("plugin `{name}` imports what probelet does not offer: {reason}")]
    UnknownImport {
        /// The plugin.
        name: String,
        /// The linker's reason, which names the import.
        reason: String,
    },
    /// The compiler took too long.
    #[error("plugin `{name}` could not be compiled within {limit:?}")]
    TooSlow {
        /// The plugin.
        name: String,
        /// The bound.
        limit: Duration,
    },
    /// The component could not be compiled, for a reason that may not be its own.
    #[error("plugin `{name}` could not be compiled: {reason}")]
    Compiler {
        /// The plugin.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// What the component says of itself cannot be had.
    #[error("plugin `{name}` cannot be asked what it is (probelet:plugin/describe): {reason}")]
    Description {
        /// The plugin.
        name: String,
        /// What went wrong.
        reason: String,
    },
}
