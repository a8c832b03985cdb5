//! The engine: one per process, shared by all plugins and runs.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker};

use crate::{
    EngineError, LoadError,
    cache::Cache,
    limiter::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES},
    linker::{self, Shape},
    plugin::{self, Plugin},
    state::RunState,
    ticker::Ticker,
};

/// Probes under way. A run takes a millisecond, but one against a silent server takes its whole time limit: this is
/// enough for 250 pods with three such probes each.
const MAX_PROBE_RUNS: u32 = 768;
/// Hooks under way: these may take hours, and must not keep probes from running.
const MAX_HOOK_RUNS: u32 = 256;
const MAX_RUNS: u32 = MAX_PROBE_RUNS + MAX_HOOK_RUNS;

/// A component compiles on as many threads as there are; more at once would only compete with the probes.
const MAX_COMPILATIONS: usize = 1;
/// What an interpreter with its library compiles to in a debug build takes half of this. The compilation itself cannot
/// be stopped; the next one waits for it.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(120);
/// Python with its library makes components of some twenty megabytes.
pub(crate) const MAX_COMPONENT_BYTES: usize = 64 << 20;

/// How an engine is made.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// Where compiled components are kept; none compiles them anew each time. The folder is made if it is not there.
    /// One that anybody else could write to is not used.
    pub cache_directory: Option<PathBuf>,
}

/// Loads components and runs them. A clone is the same engine.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linkers: [Linker<RunState>; Shape::COUNT],
    pub(crate) ticker: Ticker,
    pub(crate) cache: Option<Cache>,
    pub(crate) probe_slots: Semaphore,
    pub(crate) hook_slots: Semaphore,
    compilations: Arc<Semaphore>,
}

impl Engine {
    /// Makes an engine: reserves its memory and starts its timer thread.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let setup = |error: wasmtime::Error| EngineError::Setup {
            reason: format!("{error:#}"),
        };
        let wasmtime = wasmtime::Engine::new(&wasmtime_config()).map_err(setup)?;
        let linkers = linker::linkers(&wasmtime).map_err(setup)?;
        let cache = config
            .cache_directory
            .and_then(|path| match Cache::open(&path, &wasmtime) {
                Ok(cache) => Some(cache),
                Err(error) => {
                    tracing::warn!(
                        "compiled components are not kept, every start will take longer: the folder {} cannot be used: \
                     {error}",
                        path.display()
                    );
                    None
                }
            });
        let ticker = Ticker::start(wasmtime.clone()).map_err(EngineError::Timer)?;
        Ok(Self(Arc::new(Inner {
            wasmtime,
            linkers,
            ticker,
            cache,
            probe_slots: Semaphore::new(MAX_PROBE_RUNS as usize),
            hook_slots: Semaphore::new(MAX_HOOK_RUNS as usize),
            compilations: Arc::new(Semaphore::new(MAX_COMPILATIONS)),
        })))
    }

    /// Makes a component ready to run: compiles it, off the runtime's own threads, or takes it from the cache.
    ///
    /// `name` is for messages: what people know the component by.
    pub async fn load(&self, name: &str, bytes: &[u8]) -> Result<Plugin, LoadError> {
        plugin::check_format(name, bytes)?;
        let too_slow = || LoadError::TooSlow {
            name: name.to_owned(),
            limit: COMPILE_TIMEOUT,
        };
        let compile = async {
            let permit = Arc::clone(&self.0.compilations).acquire_owned().await;
            let (engine, name, bytes) = (self.clone(), name.to_owned(), bytes.to_owned());
            let compilation = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                Plugin::compile(engine, &name, &bytes)
            });
            compilation.await
        };
        match tokio::time::timeout(COMPILE_TIMEOUT, compile).await {
            Err(_) => Err(too_slow()),
            Ok(Ok(result)) => result,
            Ok(Err(crash)) => Err(LoadError::Invalid {
                name: name.to_owned(),
                reason: crash.to_string(),
            }),
        }
    }
}

fn wasmtime_config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    // Address space only: what a run does not touch costs nothing. Most components have four core instances with one
    // memory and two tables; those of interpreters have more, so that fewer of them fit at once.
    pool.total_component_instances(MAX_RUNS)
        .total_stacks(MAX_RUNS)
        .total_core_instances(MAX_RUNS * 8)
        .total_memories(MAX_RUNS)
        .total_tables(MAX_RUNS * 4)
        .max_core_instances_per_component(MAX_INSTANCES as u32)
        .max_memories_per_component(MAX_MEMORIES as u32)
        .max_tables_per_component(MAX_TABLES as u32)
        .table_elements(MAX_TABLE_ELEMENTS);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        // Guests are of WASI 0.2: without the machinery for 0.3 a run takes half the time.
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true);
    config
}
