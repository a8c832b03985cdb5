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

/// What an element of a table takes: a pointer of the host's.
const TABLE_ELEMENT_BYTES: usize = 8;

/// Counts a store's linear memory and its tables, and bounds them in total.
pub(crate) struct Limiter {
    limit: usize,
    memory: usize,
    refusal: Option<Refusal>,
}

/// What a store was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// More memory than its limit, its tables included.
    Memory,
    /// A table with too many elements.
    Table,
}

impl Limiter {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            memory: 0,
            refusal: None,
        }
    }

    /// The most memory there was at once; neither memories nor tables shrink.
    pub(crate) fn peak(&self) -> usize {
        self.memory
    }

    /// What was refused first. A guest then often just aborts, and nobody would know why.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }

    /// Takes some more bytes, if there are so many.
    fn take(&mut self, bytes: usize) -> bool {
        let memory = self.memory.saturating_add(bytes);
        if memory > self.limit {
            self.refuse(Refusal::Memory);
            return false;
        }
        self.memory = memory;
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.take(desired.saturating_sub(current)))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refuse(Refusal::Memory);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE_ELEMENTS {
            self.refuse(Refusal::Table);
            return Ok(false);
        }
        // Sixty-four tables of this size would else be another 32 MiB that no limit knows of.
        Ok(self.take(desired.saturating_sub(current) * TABLE_ELEMENT_BYTES))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refuse(Refusal::Table);
        Ok(())
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
