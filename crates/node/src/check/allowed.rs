//! What a run may do: its limits and grants, and whom it is about.

use std::{sync::Arc, time::Instant};

use probelet_engine::{
    Check, ContainerFiles, ContainerLogs, ContainerStats, Destination, ExecGrant, Grants, Limits, NetworkGrant, Port,
    RunRequest, SOFT_DEADLINE_MARGIN, Subject,
};
use probelet_lifecycle::action::{HookReason, ProbeKind};
use probelet_manifest::{Allow, Handler};
use serde_json::Value;

use super::{Checked, What};
use crate::{
    adapt::{ExecIn, FilesOf, LogsIn, StatsOf},
    start::log_path,
    status::instance_id,
};

impl Checked<'_> {
    /// A run that begins now.
    pub(crate) fn request(&self, config: Value) -> RunRequest {
        let timeout = self.run.timeout;
        let (check, attempt, grace_left) = match self.run.what {
            What::Probe { kind, attempt } => (Check::Probe(engine_kind(kind)), attempt, None),
            What::Hook { reason } => (
                Check::Hook(engine_reason(reason)),
                1,
                (reason != HookReason::Start).then_some(timeout),
            ),
        };
        RunRequest {
            check,
            subject: self.subject(),
            attempt,
            previous: self.run.previous,
            config,
            timeout,
            deadline: self.deadline(),
            limits: self.limits(),
            grants: self.grants(),
            grace_left,
            state: self.entry.kept.get(self.run.key(), self.run.instance),
        }
    }

    /// That of a run that begins now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.run.timeout + SOFT_DEADLINE_MARGIN
    }

    fn subject(&self) -> Subject {
        let ports = self.container.ports.iter().map(|port| Port {
            name: port.name.clone(),
            number: port.container_port,
            protocol: port.protocol.to_string(),
        });
        Subject {
            namespace: self.entry.key.namespace.clone(),
            pod: self.entry.key.name.clone(),
            container: self.container.name.clone(),
            container_id: instance_id(&self.entry.uid, &self.container.name, self.run.instance),
            restart_count: self.run.instance,
            address: self.pod_address(),
            ports: ports.collect(),
            started_at: self.instance().map(|running| running.started_at()),
        }
    }

    fn limits(&self) -> Limits {
        let limits = Limits::default();
        match self.handler {
            Handler::Wasm(wasm) => Limits {
                fuel: wasm.limits.fuel,
                memory_bytes: usize::try_from(wasm.limits.memory).unwrap_or(usize::MAX),
                ..limits
            },
            _ => limits,
        }
    }

    /// What a built-in component needs, and no more; of a user's what the manifest allows.
    fn grants(&self) -> Grants {
        match self.handler {
            Handler::Exec { .. } => Grants {
                exec: Some(self.exec_grant(None)),
                ..Grants::default()
            },
            Handler::HttpGet(http) => Grants {
                network: Some(self.network(host_grant(http.host.as_deref()), true)),
                ..Grants::default()
            },
            Handler::TcpSocket(tcp) => Grants {
                network: Some(self.network(host_grant(tcp.host.as_deref()), false)),
                ..Grants::default()
            },
            Handler::Grpc(_) => Grants {
                network: Some(self.network(host_grant(None), true)),
                ..Grants::default()
            },
            Handler::Sleep { .. } => Grants::default(),
            Handler::Wasm(wasm) => self.allowed(&wasm.allow),
        }
    }

    fn allowed(&self, allow: &Allow) -> Grants {
        let files = || allow.files.iter().map(Into::into).collect();
        let destinations = allow
            .network
            .iter()
            .map(|granted| Destination::new(&granted.host, granted.port));
        Grants {
            exec: allow.exec.prefixes().map(|prefixes| self.exec_grant(prefixes)),
            network: Some(self.network(destinations.collect(), false)),
            stats: allow
                .stats
                .then(|| Arc::new(StatsOf(self.instance())) as Arc<dyn ContainerStats>),
            logs: allow.logs.then(|| {
                let log = log_path(self.entry, &self.container.name, self.run.instance);
                Arc::new(LogsIn(log)) as Arc<dyn ContainerLogs>
            }),
            files: (!allow.files.is_empty()).then(|| {
                let files = self.instance().map(|container| container.files(files()));
                Arc::new(FilesOf(files.map(Arc::new))) as Arc<dyn ContainerFiles>
            }),
            environment: self.variables(&allow.environment),
            ..Grants::default()
        }
    }

    /// The granted of the container's variables. Most runs are granted none, and are not to expand them all.
    pub(super) fn variables(&self, granted: &[String]) -> Vec<(String, String)> {
        if granted.is_empty() {
            return Vec::new();
        }
        let mut variables = probelet_manifest::expanded_environment(&self.container.env);
        variables.retain(|(name, _)| granted.contains(name));
        variables
    }

    fn exec_grant(&self, prefixes: Option<Vec<Vec<String>>>) -> ExecGrant {
        ExecGrant {
            container: Arc::new(ExecIn(self.instance())),
            prefixes,
        }
    }

    pub(super) fn network(&self, destinations: Vec<Destination>, tls_unverified: bool) -> NetworkGrant {
        NetworkGrant {
            namespace: self.sandbox.and_then(|sandbox| sandbox.namespace.clone()),
            pod_addresses: self
                .sandbox
                .map(|sandbox| sandbox.addresses().to_vec())
                .unwrap_or_default(),
            destinations,
            tls_unverified,
        }
    }

    /// The instance that is checked, if it still runs.
    pub(super) fn instance(&self) -> Option<probelet_container::Container> {
        let instance = self.entry.instance(self.run.container.0)?;
        (instance.number == self.run.instance).then_some(instance.container)
    }
}

/// A `host` in a handler is a grant for that host, wherever it is, as with the kubelet.
fn host_grant(host: Option<&str>) -> Vec<Destination> {
    let host = host.filter(|host| !host.is_empty());
    host.map(|host| Destination::new(host, None).with_private())
        .into_iter()
        .collect()
}

fn engine_kind(kind: ProbeKind) -> probelet_engine::ProbeKind {
    match kind {
        ProbeKind::Startup => probelet_engine::ProbeKind::Startup,
        ProbeKind::Liveness => probelet_engine::ProbeKind::Liveness,
        ProbeKind::Readiness => probelet_engine::ProbeKind::Readiness,
    }
}

fn engine_reason(reason: HookReason) -> probelet_engine::HookReason {
    match reason {
        HookReason::Start => probelet_engine::HookReason::Start,
        HookReason::Delete => probelet_engine::HookReason::Delete,
        HookReason::Completed => probelet_engine::HookReason::Completed,
        HookReason::Liveness => probelet_engine::HookReason::Liveness,
        HookReason::Startup => probelet_engine::HookReason::Startup,
        HookReason::PostStart => probelet_engine::HookReason::PostStart,
        HookReason::Deadline => probelet_engine::HookReason::Deadline,
        HookReason::Restart => probelet_engine::HookReason::Restart,
    }
}
