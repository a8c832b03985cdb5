//! What `run` and `node` have in common: an agent that serves its socket.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use probelet_api::{server, unix::OwnerSocket};
use probelet_engine::CompilerProgram;
use probelet_node::{Node, NodeConfig};
use probelet_plugin_store::SignaturePolicy;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    task::JoinHandle,
};

use crate::{WORKER, arguments};

/// A running agent.
pub(super) struct RunningAgent {
    /// Its pods.
    pub(super) node: Node,
    end: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl RunningAgent {
    /// Starts it, and then lets clients in.
    pub(super) async fn start(arguments: &arguments::Agent, state_dir: &Path, socket: &Path) -> anyhow::Result<Self> {
        let node = Node::start(NodeConfig {
            state_directory: state_dir.to_owned(),
            pod_cidr: arguments.pod_cidr.clone(),
            pod_cidr_ipv6: arguments.pod_cidr_ipv6.clone(),
            bridge: arguments.bridge.clone(),
            shim: arguments.shim.clone(),
            restart_budget: arguments.restart_budget,
            cpu_pressure_limit: arguments.cpu_pressure_limit,
            registries: arguments.registries.config(),
            plugin_signatures: arguments
                .plugin_signatures
                .map_or_else(SignaturePolicy::default, policy),
            plugin_keys: arguments.plugin_keys.clone(),
            compiler: Some(compiler()),
        })
        .await?;
        let listener = OwnerSocket::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
        let (end, ends) = oneshot::channel::<()>();
        let router = server::router(Arc::new(node.clone()));
        let server = tokio::spawn(server::serve(listener, router, async { drop(ends.await) }));
        Ok(Self { node, end, server })
    }

    /// Lets no more clients in, and leaves the pods to the next agent.
    pub(super) async fn shutdown(self) {
        drop(self.end);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the server has ended badly");
        }
        self.node.shutdown().await;
    }
}

/// This program as the one that compiles components.
pub(super) fn compiler() -> CompilerProgram {
    CompilerProgram {
        // The very program that runs, even if another has taken its place meanwhile.
        program: PathBuf::from("/proc/self/exe"),
        arguments: vec![WORKER.into()],
    }
}

fn policy(signatures: arguments::Signatures) -> SignaturePolicy {
    match signatures {
        arguments::Signatures::Ignore => SignaturePolicy::Ignore,
        arguments::Signatures::Warn => SignaturePolicy::Warn,
        arguments::Signatures::Require => SignaturePolicy::Require,
    }
}

/// Ctrl-C.
pub(super) fn interrupts() -> anyhow::Result<Signal> {
    signal(SignalKind::interrupt()).context("cannot watch for Ctrl-C")
}

/// `systemctl stop`.
pub(super) fn terminations() -> anyhow::Result<Signal> {
    signal(SignalKind::terminate()).context("cannot watch for SIGTERM")
}
