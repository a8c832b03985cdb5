//! What the state machine is told of a manifest's pod: its numbers and policies, and none of its handlers.
//!
//! A crate of its own, since neither `manifest` nor `lifecycle` shall know the other, and both the agent and the
//! simulation need the same answer.
//!
//! Invariant: the same pod gives the same configuration, whoever asks; so what a simulation shows is what an agent does.

use std::time::Duration;

use probelet_lifecycle::config::{
    BackOffConfig, ContainerConfig, ContainerKind, HookConfig, PodConfig, ProbeConfig, RestartAction, RestartPolicy,
    RestartRule,
};
use probelet_manifest as manifest;

/// The limit of a hook that has none of its own. Kubernetes has none at all, so that a hook that hangs blocks its pod
/// for ever (B1.4, F22); an hour is longer than any start-up or hand-over that people wait for.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// The configuration of a checked pod that has the identifier `uid`.
pub fn pod_config(pod: &manifest::Pod, uid: &str) -> PodConfig {
    let spec = &pod.spec;
    let init_containers = spec.init_containers.iter().map(|container| {
        let kind = if container.restarts_always() {
            ContainerKind::Sidecar
        } else {
            ContainerKind::Init
        };
        container_config(container, kind)
    });
    let containers = spec.containers.iter();
    let containers = containers.map(|container| container_config(container, ContainerKind::Regular));
    PodConfig {
        name: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid: uid.to_owned(),
        restart_policy: restart_policy(spec.restart_policy),
        termination_grace_period: spec.termination_grace_period,
        active_deadline: spec.active_deadline,
        readiness_gates: spec.readiness_gates.clone(),
        containers: init_containers.chain(containers).collect(),
        restart_back_off: BackOffConfig::default(),
    }
}

fn restart_policy(policy: manifest::RestartPolicy) -> RestartPolicy {
    match policy {
        manifest::RestartPolicy::Always => RestartPolicy::Always,
        manifest::RestartPolicy::OnFailure => RestartPolicy::OnFailure,
        manifest::RestartPolicy::Never => RestartPolicy::Never,
    }
}

fn restart_rule(rule: &manifest::RestartPolicyRule) -> RestartRule {
    RestartRule {
        action: match rule.action {
            manifest::RestartPolicyRuleAction::Restart => RestartAction::Restart,
            manifest::RestartPolicyRuleAction::RestartAllContainers => RestartAction::RestartAllContainers,
        },
        listed: rule.listed,
        exit_codes: rule.exit_codes.clone(),
    }
}

fn container_config(container: &manifest::Container, kind: ContainerKind) -> ContainerConfig {
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
        kind,
        restart_policy: container.restart_policy.map(restart_policy),
        restart_rules: container.restart_policy_rules.iter().map(restart_rule).collect(),
        startup: probe(&container.startup_probe),
        liveness: probe(&container.liveness_probe),
        readiness: probe(&container.readiness_probe),
        post_start: hook(&container.post_start),
        pre_stop: hook(&container.pre_stop),
    }
}
