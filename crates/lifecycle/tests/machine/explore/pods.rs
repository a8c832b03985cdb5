//! The pods that are explored: each small enough to be explored far, all of them together with all that there is.

use std::time::Duration;

use probelet_lifecycle::config::{
    BackOffConfig, ContainerConfig, PodConfig, ProbeConfig, RestartAction, RestartPolicy, RestartRule,
};

use super::all_is_well;
use crate::world::{container, hook, init_container, pod, probe, sidecar};

/// The pod is explored until nothing new is found: its states are finite, since those that are alike count once.
pub(super) const TO_THE_END: usize = usize::MAX;

/// A pod to be explored.
pub(super) struct Pod {
    pub(super) config: PodConfig,
    /// With which codes its containers end by themselves.
    pub(super) codes: &'static [i32],
    /// Whether its sandbox, images and containers can fail to come into being.
    pub(super) can_fail_to_start: bool,
    /// Whether its restarts may be held back.
    pub(super) can_be_held: bool,
    /// Whether the agent may be away.
    pub(super) agent_can_be_away: bool,
    /// How many steps from the beginning states are gone on from: so many that a debug build takes a second or two.
    pub(super) depth: usize,
    /// How many states there are at least; a tenth less than there were when this was written.
    pub(super) states: usize,
    /// What must have been seen: reasons of events, names of actions and signals.
    pub(super) seen: &'static [&'static str],
}

fn small(restart_policy: RestartPolicy, containers: Vec<ContainerConfig>) -> Pod {
    let config = PodConfig {
        restart_policy,
        termination_grace_period: Duration::from_secs(4),
        // Short, so that the states in which it is forgotten are not far away.
        restart_back_off: BackOffConfig {
            initial: Duration::from_secs(4),
            maximum: Duration::from_secs(8),
            reset_after: Duration::from_secs(6),
        },
        ..pod(containers)
    };
    Pod {
        config,
        codes: &[0, 1],
        can_fail_to_start: false,
        can_be_held: false,
        agent_can_be_away: false,
        depth: TO_THE_END,
        states: 1,
        seen: &[],
    }
}

/// A probe of which two failures in a row are one too many.
fn twice(period: u64) -> ProbeConfig {
    ProbeConfig {
        failure_threshold: 2,
        ..probe(0, period)
    }
}

/// A probe of which one failure is one too many.
fn once(period: u64) -> ProbeConfig {
    ProbeConfig {
        failure_threshold: 1,
        ..probe(0, period)
    }
}

#[test]
fn a_container_that_may_fail_to_start() {
    all_is_well(&Pod {
        can_fail_to_start: true,
        codes: &[1],
        depth: 16,
        states: 1400,
        seen: &[
            "FailedCreatePodSandBox",
            "ErrImageNeverPull",
            "InspectFailed",
            "Failed",
            "BackOff",
            "Forget",
        ],
        ..small(RestartPolicy::Always, vec![container("c0")])
    });
}

#[test]
fn a_container_with_a_liveness_probe() {
    let pod = |policy| {
        let app = ContainerConfig {
            liveness: Some(twice(10)),
            ..container("c0")
        };
        small(policy, vec![app])
    };
    let seen = &[
        "Unhealthy",
        "Recovered",
        "ProbeWarning",
        "Killing",
        "Stop",
        "Kill",
        "Cancel",
        "Forget",
    ];
    all_is_well(&Pod {
        depth: 13,
        states: 1900,
        seen,
        ..pod(RestartPolicy::Always)
    });
    all_is_well(&Pod {
        depth: 13,
        states: 1400,
        seen,
        ..pod(RestartPolicy::OnFailure)
    });
    all_is_well(&Pod {
        can_be_held: true,
        states: 1600,
        seen: &["RestartHeld"],
        ..pod(RestartPolicy::Never)
    });
}

#[test]
fn a_container_whose_errors_count_and_whose_probe_has_its_own_grace_period() {
    let liveness = ProbeConfig {
        termination_grace_period: Some(Duration::from_secs(1)),
        errored_is_failure: true,
        ..twice(5)
    };
    let app = ContainerConfig {
        liveness: Some(liveness),
        pre_stop: Some(hook(60)),
        ..container("c0")
    };
    all_is_well(&Pod {
        depth: 12,
        states: 1700,
        seen: &[
            "Unhealthy",
            "Killing",
            "RunHook",
            "FailedPreStopHook",
            "Cancel",
            "Kill",
            "Forget",
        ],
        ..small(RestartPolicy::OnFailure, vec![app])
    });
}

#[test]
fn a_container_with_startup_and_readiness_probes() {
    let readiness = ProbeConfig {
        success_threshold: 2,
        ..twice(10)
    };
    let app = ContainerConfig {
        startup: Some(probe_after_a_delay()),
        readiness: Some(readiness),
        ..container("c0")
    };
    all_is_well(&Pod {
        depth: 11,
        states: 1600,
        seen: &["Unhealthy", "Recovered", "Killing", "BackOff", "Forget"],
        ..small(RestartPolicy::Always, vec![app])
    });
}

fn probe_after_a_delay() -> ProbeConfig {
    ProbeConfig {
        initial_delay: Duration::from_secs(3),
        ..twice(5)
    }
}

#[test]
fn a_container_with_startup_and_liveness_probes_under_an_agent_that_is_away() {
    let app = ContainerConfig {
        startup: Some(once(5)),
        liveness: Some(once(10)),
        ..container("c0")
    };
    all_is_well(&Pod {
        agent_can_be_away: true,
        codes: &[1],
        depth: 11,
        states: 2050,
        seen: &["Unhealthy", "Killing", "BackOff", "Forget"],
        ..small(RestartPolicy::Always, vec![app])
    });
}

#[test]
fn a_container_with_hooks() {
    let pod = |policy, limit| {
        let app = ContainerConfig {
            liveness: Some(once(10)),
            post_start: Some(hook(2)),
            pre_stop: Some(hook(limit)),
            ..container("c0")
        };
        small(policy, vec![app])
    };
    let seen = &[
        "RunHook",
        "FailedPostStartHook",
        "FailedPreStopHook",
        "Cancel",
        "Killing",
        "Kill",
        "Forget",
    ];
    all_is_well(&Pod {
        depth: 10,
        states: 1540,
        seen,
        ..pod(RestartPolicy::Always, 3)
    });
    // A hook that may take longer than the grace period.
    all_is_well(&Pod {
        states: 1100,
        seen,
        ..pod(RestartPolicy::Never, 60)
    });
}

#[test]
fn an_init_container_and_a_container() {
    let policies = [
        (RestartPolicy::Always, 660),
        (RestartPolicy::OnFailure, 550),
        (RestartPolicy::Never, 190),
    ];
    for (restart_policy, states) in policies {
        all_is_well(&Pod {
            codes: &[0, 1, 2],
            states,
            seen: &["Killing", "Kill", "RemoveSandbox", "Forget"],
            ..small(restart_policy, vec![init_container("c0"), container("c1")])
        });
    }
}

#[test]
fn a_sidecar_and_a_container() {
    let sidecar = ContainerConfig {
        startup: Some(once(5)),
        pre_stop: Some(hook(3)),
        ..sidecar("c0")
    };
    let pod = |policy| Pod {
        depth: 10,
        states: 1450,
        seen: &["RunProbe", "Unhealthy", "RunHook", "BackOff", "Kill", "Forget"],
        ..small(policy, vec![sidecar.clone(), container("c1")])
    };
    all_is_well(&pod(RestartPolicy::Always));
    all_is_well(&pod(RestartPolicy::Never));
}

#[test]
fn two_sidecars_and_a_container() {
    let containers = vec![sidecar("c0"), sidecar("c1"), container("c2")];
    all_is_well(&Pod {
        depth: 11,
        states: 2000,
        seen: &["BackOff", "Stop", "Kill", "Forget"],
        ..small(RestartPolicy::OnFailure, containers)
    });
}

#[test]
fn a_container_that_restarts_all() {
    let rule = RestartRule {
        action: RestartAction::RestartAllContainers,
        listed: true,
        exit_codes: vec![3],
    };
    let app = ContainerConfig {
        restart_policy: Some(RestartPolicy::Never),
        restart_rules: vec![rule],
        ..container("c1")
    };
    all_is_well(&Pod {
        codes: &[0, 3],
        states: 320,
        seen: &["BackOff", "Forget"],
        ..small(RestartPolicy::Never, vec![init_container("c0"), app.clone()])
    });
    // With one that is ended so that both start anew.
    all_is_well(&Pod {
        codes: &[0, 3],
        depth: 11,
        states: 1200,
        seen: &["Killing", "Kill", "Forget"],
        ..small(RestartPolicy::Never, vec![sidecar("c0"), app])
    });
}

#[test]
fn a_container_with_a_deadline() {
    let app = ContainerConfig {
        pre_stop: Some(hook(3)),
        ..container("c0")
    };
    let mut pod = small(RestartPolicy::Always, vec![app]);
    pod.config.active_deadline = Some(Duration::from_secs(25));
    all_is_well(&Pod {
        states: 1200,
        seen: &["DeadlineExceeded", "RunHook", "Kill", "Forget"],
        ..pod
    });
}

#[test]
fn two_containers() {
    let app = ContainerConfig {
        readiness: Some(once(10)),
        pre_stop: Some(hook(3)),
        ..container("c0")
    };
    all_is_well(&Pod {
        depth: 9,
        states: 2200,
        seen: &["Unhealthy", "RunHook", "Kill", "Forget"],
        ..small(RestartPolicy::OnFailure, vec![app, container("c1")])
    });
}
