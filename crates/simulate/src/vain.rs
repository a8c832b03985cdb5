//! Lines of a script that can have no effect on these pods: whoever writes them means something else.

use std::time::Duration;

use probelet_lifecycle::{
    action::ProbeKind,
    event::{Event, Verdict},
};
use probelet_manifest::{Container, Pod};

use crate::script::{Behaviour, HookRule, ProbeEffect, ProbeRule, Script, When};

/// What containers of these names lack for what a line says of them; `None` if it can have an effect on one of them.
pub(crate) fn missing_in_containers(pods: &[Pod], names: &[&str], said: &Behaviour) -> Option<String> {
    let containers = pods.iter().flat_map(|pod| pod.spec.all_containers());
    let containers: Vec<_> = containers
        .filter(|container| names.contains(&container.name.as_str()))
        .collect();
    let probes = said
        .probes
        .iter()
        .find(|rule| !containers.iter().any(|container| may_matter(rule, container)));
    let hooks = said
        .hooks
        .iter()
        .find(|rule| !containers.iter().any(|container| has_hook(rule, container)));
    let missing = probes.map(missing_probe).or_else(|| hooks.map(missing_hook))?;
    Some(format!(
        "{} has no {missing}, so this can have no effect",
        names.join(", ")
    ))
}

/// What these pods lack for what a line says of them.
pub(crate) fn missing_in_pods(pods: &[Pod], said: &Script) -> Option<String> {
    said.told.iter().find_map(|(_, event)| match event {
        Event::ConditionSet { name, .. } => {
            let gates: Vec<_> = pods
                .iter()
                .flat_map(|pod| &pod.spec.readiness_gates)
                .map(String::as_str)
                .collect();
            let known = if gates.is_empty() {
                String::new()
            } else {
                format!("; there is {}", gates.join(", "))
            };
            let missing = format!("no readiness gate waits for {name}, so this can have no effect{known}");
            (!gates.contains(&name.as_str())).then_some(missing)
        }
        Event::Hold { .. } => {
            let mut containers = pods.iter().flat_map(|pod| pod.spec.all_containers());
            let has_none = !containers.any(|container| container.liveness_probe.is_some());
            has_none.then(|| "there is no livenessProbe, so there is nothing to hold back".to_owned())
        }
        _ => None,
    })
}

/// Whether a container has a probe that a rule is about. A report also tells when an application was unable to work, as
/// its readiness probe would have found: for that there need be none.
fn may_matter(rule: &ProbeRule, container: &Container) -> bool {
    let (startup, liveness) = (container.startup_probe.is_some(), container.liveness_probe.is_some());
    let readiness = container.readiness_probe.is_some() || tells_of_ability(rule);
    match rule.kind {
        Some(ProbeKind::Startup) => startup,
        Some(ProbeKind::Liveness) => liveness,
        Some(ProbeKind::Readiness) => readiness,
        None => startup || liveness || readiness,
    }
}

/// Whether by a rule an application cannot work, when nobody asks it; see `Behaviour::could_work`.
fn tells_of_ability(rule: &ProbeRule) -> bool {
    let is_unable = match &rule.effect {
        ProbeEffect::Outcome(verdict, _) => matches!(verdict, Verdict::Failure | Verdict::Errored),
        ProbeEffect::Takes(time) => *time >= Duration::from_secs(1),
        ProbeEffect::Hangs => true,
    };
    is_unable && !matches!(rule.when, When::EveryRun(_))
}

fn missing_probe(rule: &ProbeRule) -> &'static str {
    match rule.kind {
        Some(ProbeKind::Startup) => "startupProbe",
        Some(ProbeKind::Liveness) => "livenessProbe",
        Some(ProbeKind::Readiness) => "readinessProbe",
        None => "probe",
    }
}

fn has_hook(rule: &HookRule, container: &Container) -> bool {
    let hook = if rule.post_start {
        &container.post_start
    } else {
        &container.pre_stop
    };
    hook.is_some()
}

fn missing_hook(rule: &HookRule) -> &'static str {
    if rule.post_start {
        "postStart hook"
    } else {
        "preStop hook"
    }
}
