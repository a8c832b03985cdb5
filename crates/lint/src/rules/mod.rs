//! The table of rules.

mod commands;
mod containers;
mod liveness;
mod numbers;
mod ports;
mod startup;
mod stopping;
mod wasm;

use probelet_manifest::Pod;

use crate::{
    Finding, Severity,
    finding::Found,
    subject::{ContainerSubject, HandlerSubject, ProbeSubject},
};

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name, in kebab case, by which a manifest can make it silent.
    pub name: &'static str,
    /// How much it hurts.
    pub severity: Severity,
    /// What it finds, as half a sentence.
    pub finds: &'static str,
    /// What comes of it, and what to do.
    pub why: &'static str,
    checks: &'static [Check],
}

/// A decision over one subject.
#[derive(Debug)]
enum Check {
    Pod(fn(&Pod) -> Option<Found>),
    Container(fn(&ContainerSubject<'_>) -> Option<Found>),
    Probe(fn(&ProbeSubject<'_>) -> Option<Found>),
    Handler(fn(&HandlerSubject<'_>) -> Option<Found>),
}

/// The tables, in the order of the documentation.
static TABLES: [&[Rule]; 9] = [
    commands::RULES,
    liveness::RULES,
    startup::RULES,
    numbers::RULES,
    ports::RULES,
    stopping::RULES,
    wasm::RULES,
    containers::RULES,
    &[MANIFEST_WARNING, UNKNOWN_RULE, UNUSED_IGNORE],
];

pub(crate) const MANIFEST_WARNING: Rule = Rule {
    name: "manifest-warning",
    severity: Severity::Warning,
    finds: "what `probelet apply` warns of, where no other rule has found the same",
    why: "The manifest is accepted, but something in it has no effect here or is not what it looks like. If a fix is \
          given, it takes the field away; else the words say what to write.",
    checks: &[],
};

pub(crate) const UNKNOWN_RULE: Rule = Rule {
    name: "unknown-rule",
    severity: Severity::Warning,
    finds: "a name in `probelet.dev/lint-ignore` that is no rule's, or of a container that is not there",
    why: "It silences nothing, though somebody thinks that it does.",
    checks: &[],
};

pub(crate) const UNUSED_IGNORE: Rule = Rule {
    name: "unused-ignore",
    severity: Severity::Hint,
    finds: "a name in `probelet.dev/lint-ignore` that silences nothing",
    why: "What it was for is gone. Left there, it would hide the next finding of its kind.",
    checks: &[],
};

/// All rules, in the order of the documentation.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLES.into_iter().flatten()
}

/// What all rules find in a pod.
pub(crate) fn run(pod: &Pod) -> Vec<Finding> {
    let containers = pod.spec.all_containers().enumerate();
    let containers: Vec<_> = containers
        .map(|(place, container)| ContainerSubject {
            pod,
            place: pod.spec.field_of(place),
            container,
        })
        .collect();
    let mut findings = Vec::new();
    for rule in rules() {
        let finding = |container, found| Finding::new(pod, (rule.name, rule.severity), container, found);
        for check in rule.checks {
            if let Check::Pod(check) = check {
                findings.extend(check(pod).map(|found| finding(None, found)));
            }
            for subject in &containers {
                let found = check.container(subject).into_iter();
                findings.extend(found.map(|found| finding(Some(&subject.container.name), found)));
            }
        }
    }
    findings
}

impl Check {
    /// What it finds in a container, if it looks at what containers have.
    fn container(&self, subject: &ContainerSubject<'_>) -> Vec<Found> {
        match self {
            Self::Pod(_) => Vec::new(),
            Self::Container(check) => check(subject).into_iter().collect(),
            Self::Probe(check) => subject.probes().filter_map(|probe| check(&probe)).collect(),
            Self::Handler(check) => subject.handlers().filter_map(|handler| check(&handler)).collect(),
        }
    }
}

/// A duration for people: `90s`, `1.5s`, `250ms`.
fn seconds(duration: std::time::Duration) -> String {
    if duration.as_secs() == 0 && duration.subsec_millis() > 0 {
        return format!("{}ms", duration.as_millis());
    }
    format!("{}s", duration.as_secs_f64())
}
