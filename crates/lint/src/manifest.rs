//! The warnings that reading a manifest gave, as findings.

use probelet_manifest::{Diagnostic, Pod};
use serde_json::{Value, json};

use crate::{
    Finding, Fix,
    rules::{MANIFEST_WARNING, Rule},
};

/// What reading the manifest warned of, but for what a rule has found at the same place, in its own words.
pub(crate) fn warnings(pod: &Pod, findings: &[Finding]) -> Vec<Finding> {
    let untold = |warning: &&Diagnostic| !findings.iter().any(|finding| finding.path == warning.path);
    pod.warnings
        .iter()
        .filter(untold)
        .map(|warning| finding(pod, &MANIFEST_WARNING, warning))
        .collect()
}

fn finding(pod: &Pod, rule: &Rule, warning: &Diagnostic) -> Finding {
    let path = in_pod(&warning.path);
    // The reader has words for all that can be put right; what is left has no effect and can go.
    let fix = warning.help.is_none().then(|| removal(pod, path)).flatten();
    let help = warning.help.as_ref().map(|help| format!("; {help}"));
    Finding {
        rule: rule.name,
        severity: rule.severity,
        pod: pod.metadata.name.clone(),
        container: container(pod, path).map(|(_, name)| name.to_owned()),
        path: warning.path.clone(),
        file: warning.file.clone(),
        line: warning.line,
        column: warning.column,
        reason: warning.message.clone() + &help.unwrap_or_default(),
        fix: fix.map(|patch| Fix { patch }),
    }
}

/// A path without the pod's place in a `List`.
fn in_pod(path: &str) -> &str {
    match path.split_once("].") {
        Some((item, rest)) if item.starts_with("items[") => rest,
        _ => path,
    }
}

/// The container that a path leads into, and the list that it stands in.
fn container<'a>(pod: &'a Pod, path: &str) -> Option<(&'static str, &'a str)> {
    let spec = &pod.spec;
    let lists = [
        ("initContainers", &spec.init_containers),
        ("containers", &spec.containers),
    ];
    lists.into_iter().find_map(|(list, containers)| {
        let place = path.strip_prefix("spec.")?.strip_prefix(list)?.strip_prefix('[')?;
        let container = containers.get(place.split_once(']')?.0.parse::<usize>().ok()?)?;
        Some((list, container.name.as_str()))
    })
}

/// A patch that takes away the field at a path. `None` if it lies in a list other than the containers, for such a list is
/// replaced as a whole.
fn removal(pod: &Pod, path: &str) -> Option<Value> {
    let (container, inner) = match container(pod, path) {
        Some(container) => (Some(container), path.split_once("].")?.1),
        None => (None, path),
    };
    if inner.contains('[') {
        return None;
    }
    let nest = |inner, name: &str| json!({name: inner});
    let patch = inner.rsplit('.').fold(Value::Null, nest);
    let Some((list, name)) = container else {
        return Some(patch);
    };
    let mut entry = json!({"name": name});
    entry.as_object_mut()?.extend(patch.as_object()?.clone());
    Some(json!({"spec": {list: [entry]}}))
}
