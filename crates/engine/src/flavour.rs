//! The two engines: a lean one for components of WASI 0.2, and one for those of 0.3, whose machinery for concurrent calls
//! would make every run of the others take half as long again.

use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker};

use crate::{
    limiter::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES},
    linker,
    state::RunState,
    ticker::Ticker,
    turns::Turns,
};

/// Which of the two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// For WASI 0.2.
    Plain,
    /// For WASI 0.3.
    Concurrent,
}

/// Probes under way. A run takes a millisecond, but one against a silent server takes its whole time limit: this is
/// enough for 250 pods with three such probes each.
const MAX_PROBE_RUNS: u32 = 768;
/// Hooks under way: these may take hours, and must not keep probes from running.
const MAX_HOOK_RUNS: u32 = 256;

/// What a place in the pool keeps of a memory for its next run, wiped: as much as the built-in components touch, twice.
/// Giving pages back interrupts every processor that runs the agent, which makes a check half as long again. It is kept
/// for as many places as were ever in use at once, not for each probe: a few dozen on a busy node.
const WARM_MEMORY_BYTES: usize = 64 << 10;
/// What it keeps of a table: one page, which is 512 functions.
const WARM_TABLE_BYTES: usize = 4 << 10;

/// What begins the names of imports and exports that only the concurrent engine knows.
const CONCURRENT_NAMES: [&[u8]; 2] = [b"probelet:plugin/async-", b"@0.3."];

impl Flavour {
    /// Which engine a component is for. Names stand in a component as they are; one that only looks as if it were of WASI
    /// 0.3 runs there as well, just slower.
    pub(crate) fn of(component: &[u8]) -> Self {
        let has = |name: &[u8]| component.windows(name.len()).any(|window| window == name);
        if CONCURRENT_NAMES.into_iter().any(has) {
            Self::Concurrent
        } else {
            Self::Plain
        }
    }

    /// The word for it on the compiler's command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Concurrent => "concurrent",
        }
    }

    /// The other way round.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Plain, Self::Concurrent]
            .into_iter()
            .find(|flavour| flavour.name() == name)
    }

    /// How many probes and hooks it runs at once. Few components are of WASI 0.3 so far.
    fn runs(self) -> (u32, u32) {
        match self {
            Self::Plain => (MAX_PROBE_RUNS, MAX_HOOK_RUNS),
            Self::Concurrent => (MAX_PROBE_RUNS / 4, MAX_HOOK_RUNS / 4),
        }
    }

    /// The configuration for running components.
    fn run_config(self) -> Config {
        let (probes, hooks) = self.runs();
        self.config(probes + hooks)
    }

    /// The configuration for compiling them, with next to no room to run in.
    pub(crate) fn compile_config(self) -> Config {
        self.config(1)
    }

    /// What is compiled is bound to the configuration, but for how many runs there is room.
    fn config(self, runs: u32) -> Config {
        let mut pool = PoolingAllocationConfig::new();
        // Address space only: what a run does not touch costs nothing. Most components have four core instances with one
        // memory and two tables; those of interpreters have more, so that fewer of them fit at once.
        pool.total_component_instances(runs)
            .total_stacks(runs)
            .total_core_instances(runs * 8)
            .total_memories(runs)
            .total_tables(runs * 4)
            .linear_memory_keep_resident(WARM_MEMORY_BYTES)
            .table_keep_resident(WARM_TABLE_BYTES)
            .pagemap_scan(Enabled::Auto)
            .max_core_instances_per_component(MAX_INSTANCES as u32)
            .max_memories_per_component(MAX_MEMORIES as u32)
            .max_tables_per_component(MAX_TABLES as u32)
            .table_elements(MAX_TABLE_ELEMENTS);
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .consume_fuel(true)
            .epoch_interruption(true);
        match self {
            Self::Plain => config.concurrency_support(false),
            Self::Concurrent => config.wasm_component_model_async(true),
        };
        config
    }
}

/// One of the engines, with what goes with it.
pub(crate) struct Host {
    pub(crate) flavour: Flavour,
    pub(crate) wasmtime: Engine,
    pub(crate) linker: Linker<RunState>,
    pub(crate) ticker: Ticker,
    pub(crate) turns: Turns,
    pub(crate) probe_slots: Semaphore,
    pub(crate) hook_slots: Semaphore,
}

impl Host {
    /// Makes the engine: reserves its memory and starts its timer thread. Runs of all engines share the turns.
    pub(crate) fn new(flavour: Flavour, turns: Turns) -> Result<Arc<Self>, crate::EngineError> {
        let setup = |error: wasmtime::Error| crate::EngineError::Setup {
            reason: format!("{error:#}"),
        };
        let wasmtime = Engine::new(&flavour.run_config()).map_err(setup)?;
        let linker = linker::linker(&wasmtime, flavour).map_err(setup)?;
        let ticker = Ticker::start(wasmtime.clone()).map_err(crate::EngineError::Timer)?;
        let (probes, hooks) = flavour.runs();
        Ok(Arc::new(Self {
            flavour,
            wasmtime,
            linker,
            ticker,
            turns,
            probe_slots: Semaphore::new(probes as usize),
            hook_slots: Semaphore::new(hooks as usize),
        }))
    }
}
