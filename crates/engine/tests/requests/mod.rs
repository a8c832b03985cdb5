//! Requests for runs, for all programs that drive the engine from outside: the suites, and what measures its cost.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use probelet_engine::{Check, Grants, Limits, NetworkGrant, ProbeKind, RunRequest, Subject};
use serde_json::Value;

/// A liveness probe with so much time from now on, and without grants.
pub(crate) fn probe(config: Value, timeout: Duration) -> RunRequest {
    RunRequest {
        check: Check::Probe(ProbeKind::Liveness),
        subject: Subject::default(),
        attempt: 1,
        previous: None,
        config,
        timeout,
        deadline: Instant::now() + timeout,
        limits: Limits::default(),
        grants: Grants::default(),
        grace_left: None,
        state: None,
    }
}

/// The same for a pod that uses the host's network and has the address 127.0.0.1.
pub(crate) fn on_loopback(request: RunRequest) -> RunRequest {
    let network = NetworkGrant {
        namespace: None,
        pod_addresses: vec![IpAddr::from(Ipv4Addr::LOCALHOST)],
        destinations: Vec::new(),
        tls_unverified: true,
    };
    with_network(network, request)
}

/// The same with a network.
pub(crate) fn with_network(network: NetworkGrant, request: RunRequest) -> RunRequest {
    RunRequest {
        grants: Grants {
            network: Some(network),
            ..request.grants
        },
        ..request
    }
}
