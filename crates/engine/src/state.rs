//! What a store holds: everything that one run has of the host.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{
    ContainerFiles, ContainerLogs, ContainerStats, ExecGrant, Grants,
    bindings::probelet::plugin::types,
    clock::StoppedClock,
    context::RunContext,
    kept::Kept,
    limiter::Limiter,
    log::Log,
    network::{HttpSender, Network, Trace},
    uses::{Grant, Uses},
};

/// A run holds few resources at once; sockets are among them. Connections that handles do not stand for, as those of WASI
/// 0.3's streams and requests, are bounded by the same number.
pub(crate) const MAX_RESOURCES: usize = 100;
/// Random bytes are made in the host's memory before the guest's own limit takes effect.
const MAX_RANDOM_BYTES: u64 = 1 << 20;

/// The data of a run's store. Dropping it closes the run's sockets.
pub(crate) struct RunState {
    pub(crate) context: RunContext,
    pub(crate) exec: Option<ExecGrant>,
    pub(crate) network: Option<Network>,
    pub(crate) stats: Option<Arc<dyn ContainerStats>>,
    pub(crate) logs: Option<Arc<dyn ContainerLogs>>,
    pub(crate) files: Option<Arc<dyn ContainerFiles>>,
    pub(crate) uses: Uses,
    pub(crate) kept: Kept,
    /// Fields of the outcome that a built-in component has added.
    pub(crate) notes: Vec<types::Field>,
    pub(crate) limiter: Limiter,
    pub(crate) host_calls: u64,
    pub(crate) table: ResourceTable,
    variables: Vec<String>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    sender: HttpSender,
}

impl RunState {
    /// `arguments` are those of a WASI command; plugins have none.
    pub(crate) fn new(
        context: RunContext,
        grants: Grants,
        kept: Kept,
        limiter: Limiter,
        log: &Log,
        arguments: &[String],
        trace: Trace,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        // No files, no standard input; no sockets of WASI's own: ours are in `network`.
        let mut wasi = WasiCtx::builder();
        wasi.stdout(log.clone())
            .stderr(log.clone())
            .args(arguments)
            .envs(&grants.environment)
            .max_random_size(MAX_RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false);
        if let Some(time) = grants.stopped_clock {
            wasi.wall_clock(StoppedClock::at(time));
        }
        let uses = Uses::default();
        let network = grants
            .network
            .map(|grant| Network::new(grant, uses.clone(), trace).with(grants.stand_in));
        Self {
            sender: HttpSender::new(network.clone()),
            variables: grants.environment.into_iter().map(|(name, _)| name).collect(),
            context,
            exec: grants.exec,
            network,
            stats: grants.stats,
            logs: grants.logs,
            files: grants.files,
            uses,
            kept,
            notes: Vec::new(),
            limiter,
            host_calls: 0,
            table,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
        }
    }

    /// The environment is about to be read: all of the granted variables at once, since WASI has no other way.
    pub(crate) fn read_environment(&self) {
        for name in &self.variables {
            self.uses.granted(Grant::Environment, name);
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

impl types::Host for RunState {}
