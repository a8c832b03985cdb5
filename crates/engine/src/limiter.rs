//! What a store may take of the host's memory, and a note of what it was refused.

use wasmtime::ResourceLimiter;

/// No toolchain's component has more core instances: shared-library runtimes such as Python's come to about thirty.
pub(crate) const MAX_INSTANCES: usize = 64;
/// One memory per core instance that has its own; most components have one in all.
pub(crate) const MAX_MEMORIES: usize = 8;
/// Like instances: each may have a table of functions.
pub(crate) const MAX_TABLES: usize = 64;
/// The functions that a large interpreter takes pointers of are some ten thousands.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 65_536;

/// Counts a store's linear memory and bounds it in total.
pub(crate) struct Limiter {
    limit: usize,
    memory: usize,
    refused: bool,
}

impl Limiter {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            memory: 0,
            refused: false,
        }
    }

    /// The most memory there was at once; memories never shrink.
    pub(crate) fn peak(&self) -> usize {
        self.memory
    }

    /// Whether the limit was hit. A guest then often just aborts, and nobody would know why.
    pub(crate) fn has_refused_memory(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let memory = self.memory.saturating_add(desired.saturating_sub(current));
        if memory > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.memory = memory;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}
