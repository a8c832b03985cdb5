//! The engine: one per process, shared by all plugins and runs.

use std::path::PathBuf;

use crate::{EngineError, LoadError, plugin::Plugin};

/// How an engine is made.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// Where compiled components are kept; none compiles them anew each time. The folder is made if it is not there.
    /// One that anybody else could write to is not used.
    pub cache_directory: Option<PathBuf>,
}

/// Loads components and runs them. A clone is the same engine.
#[derive(Clone)]
pub struct Engine {}

impl Engine {
    /// Makes an engine: reserves its memory and starts its timer thread.
    pub fn new(_config: EngineConfig) -> Result<Self, EngineError> {
        unimplemented!()
    }

    /// Makes a component ready to run: compiles it, off the runtime's own threads, or takes it from the cache.
    ///
    /// `name` is for messages: what people know the component by.
    pub async fn load(&self, _name: &str, _bytes: &[u8]) -> Result<Plugin, LoadError> {
        unimplemented!()
    }
}
