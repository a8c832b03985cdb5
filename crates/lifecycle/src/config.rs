//! What the machine is told of a pod: numbers and policies, never handlers. All of it is already defaulted and valid.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A container's place in [`PodConfig::containers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerIndex(pub usize);

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodConfig {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `spec.restartPolicy`.
    pub restart_policy: RestartPolicy,
    /// `spec.terminationGracePeriodSeconds`.
    pub termination_grace_period: Duration,
    /// `spec.activeDeadlineSeconds`: how long after its acceptance the pod is ended (B6.6).
    #[serde(default)]
    pub active_deadline: Option<Duration>,
    /// `spec.readinessGates`: the conditions that must be true beside the containers' readiness (C2.4).
    #[serde(default)]
    pub readiness_gates: Vec<String>,
    /// `spec.initContainers` in their order, then `spec.containers` in theirs.
    pub containers: Vec<ContainerConfig>,
    /// How long a container that ends again and again waits for its restart; a setting of the node.
    pub restart_back_off: BackOffConfig,
}

/// How waiting grows from try to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackOffConfig {
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub maximum: Duration,
    /// After so long without a try, waiting starts anew.
    pub reset_after: Duration,
}

impl Default for BackOffConfig {
    /// 10 s, doubled up to 5 minutes, forgotten after 10 (B5.5, B5.6).
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(10),
            maximum: Duration::from_secs(300),
            reset_after: Duration::from_secs(600),
        }
    }
}

impl PodConfig {
    /// What decides on a container's restart: its own policy, or else the pod's (B5.2). A sidecar always restarts (B4.4).
    pub(crate) fn restart_policy_of(&self, index: ContainerIndex) -> RestartPolicy {
        let container = &self.containers[index.0];
        match container.kind {
            ContainerKind::Sidecar => RestartPolicy::Always,
            ContainerKind::Init | ContainerKind::Regular => container.restart_policy.unwrap_or(self.restart_policy),
        }
    }

    /// Whether a rule may restart all containers, so that the pod has the condition for it (B5.4).
    pub(crate) fn may_restart_all(&self) -> bool {
        let mut rules = self.containers.iter().flat_map(|container| &container.restart_rules);
        rules.any(|rule| rule.action == RestartAction::RestartAllContainers)
    }

    /// How many of the containers are init containers and sidecars; they are the first ones.
    pub fn init_containers(&self) -> usize {
        let kinds = self.containers.iter().map(|container| container.kind);
        kinds.take_while(|kind| *kind != ContainerKind::Regular).count()
    }
}

/// What a container is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerKind {
    /// One of `spec.containers`.
    #[default]
    Regular,
    /// One of `spec.initContainers`, which ends before the one behind it starts (B4.1).
    Init,
    /// One of `spec.initContainers` with `restartPolicy: Always`, which runs beside those behind it (B4.3).
    Sidecar,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// Its name.
    pub name: String,
    /// Its image, as the manifest names it.
    pub image: String,
    /// What it is for. All are regular ones in states that were stored before there were others.
    #[serde(default)]
    pub kind: ContainerKind,
    /// `restartPolicy`, where the container has its own (B5.2). A sidecar's is not looked at: it always restarts.
    #[serde(default)]
    pub restart_policy: Option<RestartPolicy>,
    /// `restartPolicyRules`: the first one that matches an exit code decides before the policy does (B5.3).
    #[serde(default)]
    pub restart_rules: Vec<RestartRule>,
    /// `startupProbe`.
    pub startup: Option<ProbeConfig>,
    /// `livenessProbe`.
    pub liveness: Option<ProbeConfig>,
    /// `readinessProbe`.
    pub readiness: Option<ProbeConfig>,
    /// `lifecycle.postStart`.
    pub post_start: Option<HookConfig>,
    /// `lifecycle.preStop`.
    pub pre_stop: Option<HookConfig>,
}

/// One of `restartPolicyRules` (B5.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartRule {
    /// `action`: what follows an exit that matches.
    pub action: RestartAction,
    /// Whether `exitCodes.operator` is `In`, rather than `NotIn`.
    pub listed: bool,
    /// `exitCodes.values`.
    pub exit_codes: Vec<i32>,
}

impl RestartRule {
    /// Whether an exit code matches.
    pub(crate) fn matches(&self, code: i32) -> bool {
        self.exit_codes.contains(&code) == self.listed
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartAction {
    /// `Restart`: the container is restarted, whatever its policy says.
    Restart,
    /// `RestartAllContainers`: all of the pod's containers are ended and start again from the first (B5.4).
    RestartAllContainers,
}

/// The numbers of a probe, defaulted (A1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeConfig {
    /// Time from the container's start to the first run.
    pub initial_delay: Duration,
    /// Time from one run's due time to the next.
    pub period: Duration,
    /// How long a run may take.
    pub timeout: Duration,
    /// Successes in a row that make the result a success.
    pub success_threshold: u32,
    /// Failures in a row that make the result a failure.
    pub failure_threshold: u32,
    /// The probe's own `terminationGracePeriodSeconds`, for kills that it causes (B2.1).
    pub termination_grace_period: Option<Duration>,
    /// `onError: Fail`: errored runs, as many in a row as failures would have to be, make the result a failure. Not set
    /// in states that were stored before there was such a setting.
    #[serde(default)]
    pub errored_is_failure: bool,
}

/// The numbers of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookConfig {
    /// How long it may take. A preStop hook is further bounded by what is left of the grace period.
    pub timeout: Duration,
}

/// `restartPolicy` (B5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// Restart after any exit.
    #[default]
    Always,
    /// Restart after an exit other than 0.
    OnFailure,
    /// Never restart.
    Never,
}
