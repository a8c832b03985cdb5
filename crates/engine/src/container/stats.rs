//! The imported interface `container-stats`: what the container uses, where that is granted.

use std::time::Duration;

use wasmtime::format_err;

use super::Stats;
use crate::{
    bindings::probelet::plugin::container_stats::{CpuUsage, Host, MemoryUsage, ProcessCount},
    state::RunState,
    uses::Grant,
};

impl Host for RunState {
    async fn memory(&mut self) -> wasmtime::Result<Result<MemoryUsage, String>> {
        Ok(self.container_stats().await?.map(|stats| MemoryUsage {
            usage: stats.memory_usage,
            working_set: stats.memory_working_set,
            limit: stats.memory_limit,
            oom_kills: stats.oom_kills,
        }))
    }

    async fn cpu(&mut self) -> wasmtime::Result<Result<CpuUsage, String>> {
        Ok(self.container_stats().await?.map(|stats| CpuUsage {
            usage: nanoseconds(stats.cpu_usage),
            throttled_periods: stats.throttled_periods,
            throttled_time: nanoseconds(stats.throttled_time),
        }))
    }

    async fn processes(&mut self) -> wasmtime::Result<Result<ProcessCount, String>> {
        Ok(self.container_stats().await?.map(|stats| ProcessCount {
            current: stats.processes,
            limit: stats.processes_limit,
        }))
    }
}

impl RunState {
    async fn container_stats(&mut self) -> wasmtime::Result<Result<Stats, String>> {
        let container = self
            .stats
            .as_ref()
            .ok_or_else(|| format_err!("container-stats is linked without its grant"))?;
        self.uses.granted(Grant::Stats, "");
        Ok(container.stats().await)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
