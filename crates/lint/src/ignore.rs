//! The annotation `probelet.dev/lint-ignore`: rules that shall be silent, `RULE` for the whole pod or `CONTAINER/RULE` for
//! one container, with commas or white space between them.

use probelet_manifest::{LINT_IGNORE, Pod, nearest};
use serde_json::{Value, json};

use crate::{
    Finding, Fix,
    finding::Found,
    rules::{Rule, UNKNOWN_RULE, UNUSED_IGNORE, rules},
};

/// Leaves out what the annotation names, and tells of names that name nothing.
pub(crate) fn silence(pod: &Pod, mut findings: Vec<Finding>) -> Vec<Finding> {
    let Some(text) = pod.metadata.annotations.get(LINT_IGNORE) else {
        return findings;
    };
    let entries: Vec<&str> = entries(text).collect();
    let mut told = Vec::new();
    for entry in &entries {
        let before = findings.len();
        findings.retain(|finding| !names(entry, finding));
        if let Some(reason) = unknown(pod, entry) {
            told.push(complaint(pod, &UNKNOWN_RULE, &entries, entry, reason));
        } else if findings.len() == before {
            let reason = format!("\"{entry}\" silences nothing; what it was for is gone");
            told.push(complaint(pod, &UNUSED_IGNORE, &entries, entry, reason));
        }
    }
    findings.extend(told);
    findings
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter == ',' || letter.is_whitespace())
        .filter(|entry| !entry.is_empty())
}

/// The container and the rule of an entry.
fn parts(entry: &str) -> (Option<&str>, &str) {
    match entry.split_once('/') {
        Some((container, rule)) => (Some(container), rule),
        None => (None, entry),
    }
}

fn names(entry: &str, finding: &Finding) -> bool {
    let (container, rule) = parts(entry);
    rule == finding.rule && (container.is_none() || container == finding.container.as_deref())
}

/// Why an entry names nothing.
fn unknown(pod: &Pod, entry: &str) -> Option<String> {
    let (container, rule) = parts(entry);
    let mut known = rules().map(|rule| rule.name);
    if !known.any(|name| name == rule) {
        let near = nearest(rule, rules().map(|rule| rule.name));
        let help = near
            .map(|near| format!("; did you mean \"{near}\"?"))
            .unwrap_or_default();
        return Some(format!("there is no rule \"{rule}\"{help}"));
    }
    let container = container?;
    let mut containers = pod.spec.all_containers();
    let absent = !containers.any(|known| known.name == container);
    absent.then(|| format!("there is no container \"{container}\""))
}

/// What to say of an entry, with the annotation without it as the fix.
fn complaint(pod: &Pod, rule: &Rule, entries: &[&str], entry: &str, reason: String) -> Finding {
    let others: Vec<_> = entries.iter().copied().filter(|other| *other != entry).collect();
    let rest = if others.is_empty() {
        Value::Null
    } else {
        Value::from(others.join(", "))
    };
    let found = Found {
        path: format!("metadata.annotations[{LINT_IGNORE}]"),
        reason,
        fix: Fix {
            patch: json!({"metadata": {"annotations": {LINT_IGNORE: rest}}}),
        },
    };
    Finding::new(pod, (rule.name, rule.severity), None, found)
}
