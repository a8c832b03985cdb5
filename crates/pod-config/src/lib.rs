//! What the state machine is told of a manifest's pod: its numbers and policies, and none of its handlers.
//!
//! A crate of its own, since neither `manifest` nor `lifecycle` shall know the other, and both the agent and the
//! simulation need the same answer.
//!
//! Invariant: the same pod gives the same configuration, whoever asks; so what a simulation shows is what an agent does.

use std::time::Duration;

use probelet_lifecycle::config::{BackOffConfig, ContainerConfig, HookConfig, PodConfig, ProbeConfig, RestartPolicy};
use probelet_manifest as manifest;

/// The limit of a hook that has none of its own. Kubernetes has none at all, so that a hook that hangs blocks its pod
/// for ever (B1.4, F22); an hour is longer than any start-up or hand-over that people wait for.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// The configuration of a checked pod that has the identifier `uid`.
pub fn pod_config(pod: &manifest::Pod, uid: &str) -> PodConfig {
    let spec = &pod.spec;
    PodConfig {
        name: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid: uid.to_owned(),
        restart_policy: match spec.restart_policy {
            manifest::RestartPolicy::Always => RestartPolicy::Always,
            manifest::RestartPolicy::OnFailure => RestartPolicy::OnFailure,
            manifest::RestartPolicy::Never => RestartPolicy::Never,
        },
        termination_grace_period: spec.termination_grace_period,
        containers: spec.containers.iter().map(container_config).collect(),
        restart_back_off: BackOffConfig::default(),
    }
}

fn container_config(container: &manifest::Container) -> ContainerConfig {
    let probe = |probe: &Option<manifest::Probe>| {
        probe.as_ref().map(|probe| ProbeConfig {
            initial_delay: probe.initial_delay,
            period: probe.period,
            timeout: probe.timeout,
            success_threshold: probe.success_threshold,
            failure_threshold: probe.failure_threshold,
            termination_grace_period: probe.termination_grace_period,
            errored_is_failure: matches!(
                &probe.handler,
                manifest::Handler::Wasm(wasm) if wasm.on_error == manifest::OnError::Fail
            ),
        })
    };
    let hook = |hook: &Option<manifest::Handler>| hook.as_ref().map(|_| HookConfig { timeout: HOOK_TIMEOUT });
    ContainerConfig {
        name: container.name.clone(),
        image: container.image.clone(),
        startup: probe(&container.startup_probe),
        liveness: probe(&container.liveness_probe),
        readiness: probe(&container.readiness_probe),
        post_start: hook(&container.post_start),
        pre_stop: hook(&container.pre_stop),
    }
}
