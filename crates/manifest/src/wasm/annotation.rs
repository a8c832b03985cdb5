//! The other spelling: `metadata.annotations[probelet.dev/<container>.<role>]`, which passes through API servers and
//! types that know Kubernetes' own fields only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::json;
use crate::{
    check::{Report, describe},
    role::Role,
};

/// How the names begin; all that begin so are ours, and none is ignored in silence.
const PREFIX: &str = "probelet.dev/";

/// The annotation with the names of lint's rules that shall be silent. It is lint's own, and nothing here reads it.
pub const LINT_IGNORE: &str = "probelet.dev/lint-ignore";

/// One such annotation, of a container and role that there are.
pub(crate) struct Annotation {
    /// Its own path, which begins the paths of all that it holds.
    pub(crate) path: String,
    /// What it holds; `None` if that is no JSON object, which has been told.
    pub(crate) value: Option<Value>,
}

/// All of a pod, by name.
#[derive(Default)]
pub(crate) struct Annotations(BTreeMap<String, Annotation>);

/// The name of the annotation that holds a container's probe or hook: `probelet.dev/web.liveness`.
pub fn annotation_name(container: &str, role: Role) -> String {
    format!("{PREFIX}{container}.{}", role.name())
}

/// The path of an annotation of a pod.
pub(super) fn path(container: &str, role: Role) -> String {
    format!("metadata.annotations[{}]", annotation_name(container, role))
}

impl Annotations {
    /// Reads those of the pod at a path, and tells their faults.
    pub(crate) fn read(pod: &Value, path: &str, report: &Report) -> Self {
        let Some(annotations) = pod["metadata"]["annotations"].as_object() else {
            return Self::default();
        };
        let fields = ["initContainers", "containers"].into_iter();
        let containers = fields.flat_map(|field| pod["spec"][field].as_array().into_iter().flatten());
        let names: BTreeSet<_> = containers.filter_map(|container| container["name"].as_str()).collect();
        let dot = if path.is_empty() { "" } else { "." };
        let ours = annotations.iter().filter_map(|(key, value)| {
            let rest = key.strip_prefix(PREFIX).filter(|_| key != LINT_IGNORE)?;
            let path = format!("{path}{dot}metadata.annotations[{key}]");
            if !is_known(rest, &names, &path, report) {
                return None;
            }
            let value = content(value, &path, report);
            Some((key.clone(), Annotation { path, value }))
        });
        Self(ours.collect())
    }

    pub(crate) fn get(&self, container: &str, role: Role) -> Option<&Annotation> {
        self.0.get(&annotation_name(container, role))
    }

    pub(crate) fn get_mut(&mut self, container: &str, role: Role) -> Option<&mut Annotation> {
        self.0.get_mut(&annotation_name(container, role))
    }
}

/// Whether a name speaks of a container and a role that there are.
fn is_known(rest: &str, names: &BTreeSet<&str>, path: &str, report: &Report) -> bool {
    let roles = Role::ALL.map(Role::name);
    let Some((container, role)) = rest.rsplit_once('.') else {
        let form = format!("{PREFIX}<container>.<{}>", roles.join("|"));
        report.error(path, format!("unknown annotation; a probe or hook is written {form}"));
        return false;
    };
    let (has_role, has_container) = (roles.contains(&role), names.contains(container));
    if !has_role {
        let known = roles.map(|role| format!("\"{role}\"")).join(", ");
        let message = format!("Unsupported value: \"{role}\": supported values: {known}");
        report.error(path, message);
    }
    if !has_container {
        let known: Vec<_> = names.iter().copied().collect();
        let known = known.join(", ");
        let message = format!("Not found: \"{container}\"; the pod's containers are: {known}");
        report.error(path, message);
    }
    has_role && has_container
}

/// What an annotation holds.
fn content(value: &Value, path: &str, report: &Report) -> Option<Value> {
    // That it is no text is told where all annotations are read.
    let text = value.as_str()?;
    let example = r#"write the content of wasm as JSON, such as {"component": "./check.wasm"}"#;
    match json::parse(text) {
        Ok(content) if content.is_object() => return Some(content),
        Ok(other) => report.error(
            path,
            format!("expected an object, found {}; {example}", describe(&other)),
        ),
        Err(error) => report.error(path, format!("not valid JSON: {error} of the text; {example}")),
    }
    None
}
