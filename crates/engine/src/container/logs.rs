//! The imported interface `container-logs`: what the container has written, where that is granted.

use wasmtime::format_err;

use crate::{
    bindings::probelet::plugin::container_logs::{Host, Line, Stream},
    state::RunState,
    uses::Grant,
};

/// As many lines as the contract promises.
const MAX_LINES: usize = 1000;

impl Host for RunState {
    async fn tail(&mut self, lines: u32) -> wasmtime::Result<Result<Vec<Line>, String>> {
        let container = self
            .logs
            .as_ref()
            .ok_or_else(|| format_err!("container-logs is linked without its grant"))?;
        self.uses.granted(Grant::Logs, "");
        let lines = container.tail((lines as usize).min(MAX_LINES)).await;
        Ok(lines.map(|lines| {
            let lines = lines.into_iter().map(|line| Line {
                time: line.time,
                stream: if line.stderr { Stream::Stderr } else { Stream::Stdout },
                text: line.text,
            });
            lines.collect()
        }))
    }
}
