//! What a store holds: everything that one run has of the host.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{
    ContainerExec,
    context::RunContext,
    limiter::Limiter,
    log::Log,
    network::{HttpSender, Network},
};

/// A run holds few resources at once; sockets are among them, and nothing else bounds those.
const MAX_RESOURCES: usize = 100;

/// The data of a run's store. Dropping it closes the run's sockets.
pub(crate) struct RunState {
    pub(crate) context: RunContext,
    pub(crate) exec: Option<Arc<dyn ContainerExec>>,
    pub(crate) network: Option<Network>,
    pub(crate) limiter: Limiter,
    pub(crate) host_calls: u64,
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    sender: HttpSender,
}

impl RunState {
    pub(crate) fn new(
        context: RunContext,
        exec: Option<Arc<dyn ContainerExec>>,
        network: Option<Network>,
        limiter: Limiter,
        log: &Log,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        // No files, environment, arguments, standard input; no sockets of WASI's own: ours are in `network`.
        let mut wasi = WasiCtx::builder();
        wasi.stdout(log.clone())
            .stderr(log.clone())
            .allow_tcp(false)
            .allow_udp(false);
        Self {
            sender: HttpSender::new(network.clone()),
            context,
            exec,
            network,
            limiter,
            host_calls: 0,
            table,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
        }
    }

    /// What every host function goes through, and so where they are counted.
    pub(crate) fn called(&mut self) -> &mut Self {
        self.host_calls += 1;
        self
    }
}

impl WasiView for RunState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.host_calls += 1;
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for RunState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.host_calls += 1;
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.sender,
        }
    }
}
