//! The imported interface `state`: what one run leaves to the next.

use std::sync::Arc;

use crate::{bindings::probelet::plugin::state::Host, state::RunState};

/// As much as the contract promises: enough for an hour of measurements, and little enough to be stored after each run.
const MAX_KEPT: usize = 64 << 10;

/// What was left, and what is to be left.
#[derive(Default)]
pub(crate) struct Kept {
    last: Option<Arc<[u8]>>,
    next: Option<Vec<u8>>,
}

impl Kept {
    /// Begins with what the last run has left.
    pub(crate) fn new(last: Option<Arc<[u8]>>) -> Self {
        Self { last, next: None }
    }

    /// What this run leaves; none if it has set nothing.
    pub(crate) fn into_next(self) -> Option<Vec<u8>> {
        self.next
    }
}

impl Host for RunState {
    fn get(&mut self) -> wasmtime::Result<Option<Vec<u8>>> {
        let next = self.kept.next.as_deref();
        Ok(next.or(self.kept.last.as_deref()).map(<[u8]>::to_vec))
    }

    fn set(&mut self, content: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        if content.len() > MAX_KEPT {
            return Ok(Err(format!(
                "{} bytes are too many: {MAX_KEPT} are kept from run to run",
                content.len()
            )));
        }
        self.kept.next = Some(content);
        Ok(Ok(()))
    }
}
