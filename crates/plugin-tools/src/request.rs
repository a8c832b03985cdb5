//! From a handler of a manifest to a run of the engine.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use probelet_engine::{
    Check, ContainerExec, ContainerFiles, ContainerLogs, ContainerStats, Destination, ExecGrant, Grants, HookReason,
    Limits, NetworkGrant, ProbeKind, RunRequest, SOFT_DEADLINE_MARGIN, Subject,
};
use probelet_manifest::{Allow, Role, Wasm};

/// The check that a role stands for; a preStop hook runs because its pod is deleted.
pub fn check_of(role: Role) -> Check {
    match role {
        Role::Startup => Check::Probe(ProbeKind::Startup),
        Role::Liveness => Check::Probe(ProbeKind::Liveness),
        Role::Readiness => Check::Probe(ProbeKind::Readiness),
        Role::PostStart => Check::Hook(HookReason::Start),
        Role::PreStop => Check::Hook(HookReason::Delete),
    }
}

/// The engine's limits for a handler's.
pub fn limits_of(wasm: &Wasm) -> Limits {
    Limits {
        fuel: wasm.limits.fuel,
        memory_bytes: usize::try_from(wasm.limits.memory).unwrap_or(usize::MAX),
        ..Limits::default()
    }
}

/// A first run of a handler, as a pod's first would be, that begins now. The pod's address is the subject's; `container`
/// answers what the handler is allowed to ask of one.
pub fn request<C>(wasm: &Wasm, role: Role, subject: Subject, timeout: Duration, container: Arc<C>) -> RunRequest
where
    C: ContainerExec + ContainerStats + ContainerLogs + ContainerFiles + 'static,
{
    RunRequest {
        check: check_of(role),
        attempt: 1,
        previous: None,
        config: wasm.config.clone(),
        timeout,
        deadline: Instant::now() + timeout + SOFT_DEADLINE_MARGIN,
        limits: limits_of(wasm),
        grants: grants(&wasm.allow, &subject, container),
        grace_left: (role == Role::PreStop).then_some(timeout),
        state: None,
        subject,
    }
}

fn grants<C>(allow: &Allow, subject: &Subject, container: Arc<C>) -> Grants
where
    C: ContainerExec + ContainerStats + ContainerLogs + ContainerFiles + 'static,
{
    let exec = |prefixes| ExecGrant {
        container: Arc::clone(&container) as Arc<dyn ContainerExec>,
        prefixes,
    };
    let destinations = allow
        .network
        .iter()
        .map(|granted| Destination::new(&granted.host, granted.port));
    Grants {
        exec: allow.exec.prefixes().map(exec),
        network: Some(NetworkGrant {
            pod_addresses: subject.address.into_iter().collect(),
            destinations: destinations.collect(),
            ..NetworkGrant::default()
        }),
        stats: allow.stats.then(|| Arc::clone(&container) as Arc<dyn ContainerStats>),
        logs: allow.logs.then(|| Arc::clone(&container) as Arc<dyn ContainerLogs>),
        files: (!allow.files.is_empty()).then(|| Arc::clone(&container) as Arc<dyn ContainerFiles>),
        ..Grants::default()
    }
}

#[cfg(test)]
mod tests {
    use probelet_manifest::parse_wasm;
    use serde_json::json;

    use super::*;
    use crate::NoContainer;

    #[test]
    fn only_what_the_handler_allows_is_granted() {
        let handler =
            json!({"component": "./a.wasm", "limits": {"fuel": "2M"}, "allow": {"stats": true, "exec": ["true"]}});
        let (wasm, _) = parse_wasm(&handler, Role::PreStop).expect("a handler");
        let timeout = Duration::from_secs(1);
        let request = request(&wasm, Role::PreStop, Subject::default(), timeout, Arc::new(NoContainer));
        let grants = &request.grants;
        assert!(grants.stats.is_some() && grants.logs.is_none() && grants.files.is_none());
        let prefixes = grants.exec.as_ref().and_then(|exec| exec.prefixes.clone());
        assert_eq!(prefixes, Some(vec![vec!["true".to_owned()]]));
        assert_eq!(request.check, Check::Hook(HookReason::Delete));
        assert_eq!((request.limits.fuel, request.grace_left), (2_000_000, Some(timeout)));
    }
}
