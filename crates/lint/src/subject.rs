//! What the rules look at: a container, a probe, a handler, each with its place in its pod.

use std::time::Duration;

use probelet_manifest::{
    Container, Handler, Pod, PortReference, Probe, Protocol, RestartPolicy, Role, annotation_name,
};
use serde_json::{Map, Value, json};

use crate::{Fix, finding::Found};

/// The roles that are probes.
pub(crate) const PROBES: [Role; 3] = [Role::Startup, Role::Liveness, Role::Readiness];

/// The fields of the handler `wasm`, which stand beside the probe's numbers in an annotation.
const WASM_FIELDS: [&str; 6] = ["component", "config", "allow", "limits", "onError", "reload"];

/// A container.
#[derive(Clone, Copy)]
pub(crate) struct ContainerSubject<'a> {
    pub(crate) pod: &'a Pod,
    /// The field of `spec` that it stands in, and where.
    pub(crate) place: (&'static str, usize),
    pub(crate) container: &'a Container,
}

impl<'a> ContainerSubject<'a> {
    /// The path of a field.
    pub(crate) fn path(&self, field: &str) -> String {
        let (list, index) = self.place;
        format!("spec.{list}[{index}].{field}")
    }

    /// Whether it ends before the others start: an init container that is no sidecar (B4.1).
    pub(crate) fn ends_first(&self) -> bool {
        self.place.0 == "initContainers" && !self.container.restarts_always()
    }

    /// What decides on its restart: its own policy, else the pod's (B5.2).
    pub(crate) fn restart_policy(&self) -> RestartPolicy {
        self.container.restart_policy.unwrap_or(self.pod.spec.restart_policy)
    }

    /// Says something of a field, with what to write into the container instead.
    pub(crate) fn found(&self, field: &str, reason: impl Into<String>, change: &Value) -> Found {
        Found {
            path: self.path(field),
            reason: reason.into(),
            fix: self.fix(change),
        }
    }

    /// A change of the container.
    pub(crate) fn fix(&self, change: &Value) -> Fix {
        let mut container = json!({"name": self.container.name});
        merge(&mut container, change);
        Fix {
            patch: json!({"spec": {self.place.0: [container]}}),
        }
    }

    pub(crate) fn probe(&self, role: Role) -> Option<ProbeSubject<'a>> {
        let probe = match role {
            Role::Startup => self.container.startup_probe.as_ref(),
            Role::Liveness => self.container.liveness_probe.as_ref(),
            Role::Readiness => self.container.readiness_probe.as_ref(),
            Role::PostStart | Role::PreStop => None,
        };
        Some(ProbeSubject {
            of: *self,
            role,
            probe: probe?,
        })
    }

    pub(crate) fn probes(self) -> impl Iterator<Item = ProbeSubject<'a>> {
        PROBES.into_iter().filter_map(move |role| self.probe(role))
    }

    /// The handlers of its probes and hooks.
    pub(crate) fn handlers(self) -> impl Iterator<Item = HandlerSubject<'a>> {
        let probes = self.probes().map(|probe| (probe.role, &probe.probe.handler));
        let hooks = [
            (Role::PostStart, &self.container.post_start),
            (Role::PreStop, &self.container.pre_stop),
        ];
        let hooks = hooks
            .into_iter()
            .filter_map(|(role, handler)| Some((role, handler.as_ref()?)));
        let of = self;
        probes
            .chain(hooks)
            .map(move |(role, handler)| HandlerSubject { of, role, handler })
    }

    /// The number of a port, and its name if it is declared with one.
    pub(crate) fn port(&self, port: &PortReference) -> (Option<u16>, Option<&'a str>) {
        let declared = self.container.ports.iter().find(|declared| match port {
            PortReference::Number(number) => declared.container_port == *number && declared.protocol == Protocol::Tcp,
            PortReference::Name(name) => declared.name.as_ref() == Some(name),
        });
        let number = match port {
            PortReference::Number(number) => Some(*number),
            PortReference::Name(_) => declared.map(|declared| declared.container_port),
        };
        (number, declared.and_then(|declared| declared.name.as_deref()))
    }
}

/// A probe.
#[derive(Clone, Copy)]
pub(crate) struct ProbeSubject<'a> {
    pub(crate) of: ContainerSubject<'a>,
    pub(crate) role: Role,
    pub(crate) probe: &'a Probe,
}

impl ProbeSubject<'_> {
    /// How long it takes until the failures of a check come to something.
    pub(crate) fn patience(&self) -> Duration {
        self.probe.period.saturating_mul(self.probe.failure_threshold)
    }

    /// Its field in the document, with the defaults.
    fn field(&self) -> Option<&Map<String, Value>> {
        let (list, index) = self.of.place;
        self.of.pod.document["spec"][list][index][self.role.field()].as_object()
    }

    /// The name and content of its annotation.
    fn annotation(&self) -> Option<(String, Map<String, Value>)> {
        let name = annotation_name(&self.of.container.name, self.role);
        let text = self.of.pod.metadata.annotations.get(&name)?;
        Some((name, serde_json::from_str(text).ok()?))
    }

    /// Whether a field of the probe stands in the manifest, in one place or the other.
    pub(crate) fn is_written(&self, name: &str) -> bool {
        let path = self.of.path(&format!("{}.{name}", self.role.field()));
        self.of.pod.is_written(&path) || self.annotation().is_some_and(|(_, content)| content.contains_key(name))
    }

    /// The handler as the document has it, such as `{"httpGet": …}`; from an annotation it is `{"wasm": …}`.
    pub(crate) fn handler(&self) -> Value {
        if let Some((_, mut content)) = self.annotation() {
            content.retain(|name, _| WASM_FIELDS.contains(&name.as_str()));
            return json!({"wasm": content});
        }
        let field = self.field().into_iter().flatten();
        let handler =
            field.filter(|(name, _)| ["exec", "httpGet", "tcpSocket", "grpc", "wasm"].contains(&name.as_str()));
        Value::Object(handler.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// A duration in the unit that the manifest has it in, such as `{"periodSeconds": 5}`.
    pub(crate) fn duration(&self, name: &str, value: Duration) -> Value {
        let (coarse, fine) = (format!("{name}Seconds"), format!("{name}Milliseconds"));
        let is_fine = self.is_written(&fine);
        if !is_fine && value.subsec_millis() == 0 {
            return json!({coarse: value.as_secs()});
        }
        let mut duration = json!({fine: value.as_millis()});
        if !is_fine && self.is_written(&coarse) {
            duration[coarse] = Value::Null;
        }
        duration
    }

    /// Takes a duration away.
    pub(crate) fn without(&self, name: &str) -> Value {
        let units = [format!("{name}Seconds"), format!("{name}Milliseconds")];
        let written = units.into_iter().filter(|unit| self.is_written(unit));
        Value::Object(written.map(|unit| (unit, Value::Null)).collect())
    }

    /// Says something of a field of the probe, with the numbers or the handler to write into the probe instead.
    pub(crate) fn found(&self, field: &str, reason: impl Into<String>, change: &Value) -> Found {
        self.found_with(field, reason, change, &Value::Null)
    }

    /// As [`Self::found`], with a further change of the container.
    pub(crate) fn found_with(
        &self,
        field: &str,
        reason: impl Into<String>,
        change: &Value,
        container: &Value,
    ) -> Found {
        Found {
            path: self.path(field),
            reason: reason.into(),
            fix: self.fix(change, container),
        }
    }

    /// The path of a field of the probe, or of the probe: in its field or in its annotation.
    fn path(&self, name: &str) -> String {
        let below = |name: &str| {
            if name.is_empty() {
                String::new()
            } else {
                format!(".{name}")
            }
        };
        match self.annotation() {
            Some((annotation, _)) if self.field().is_none_or(|field| !field.contains_key(name)) => {
                // The handler has no name of its own there.
                let name = name
                    .strip_prefix("wasm")
                    .map_or(name, |rest| rest.trim_start_matches('.'));
                format!("metadata.annotations[{annotation}]{}", below(name))
            }
            _ => self.of.path(&format!("{}{}", self.role.field(), below(name))),
        }
    }

    /// A change of the probe where it is written, and one of its container.
    fn fix(&self, change: &Value, container: &Value) -> Fix {
        let (mut rest, mut patch) = (container.clone(), json!({}));
        match self.annotation() {
            None => merge(&mut rest, &json!({self.role.field(): change})),
            Some((name, content)) => {
                let (inside, outside) = self.split(change, content);
                if let Some(text) = inside {
                    patch = json!({"metadata": {"annotations": {name: text}}});
                }
                if let Some(outside) = outside {
                    merge(&mut rest, &json!({self.role.field(): outside}));
                }
            }
        }
        if rest.is_object() {
            merge(&mut patch, &self.of.fix(&rest).patch);
        }
        Fix { patch }
    }

    /// Of a change, what the annotation holds afterwards, and what changes in the field. A change that is no object takes
    /// both away.
    fn split(&self, change: &Value, content: Map<String, Value>) -> (Option<Value>, Option<Value>) {
        let field = self.field();
        let Some(change) = change.as_object() else {
            return (Some(Value::Null), field.map(|_| Value::Null));
        };
        let in_field = |name: &str| field.is_some_and(|field| field.contains_key(name));
        let (outside, inside): (Map<_, _>, Map<_, _>) =
            change.clone().into_iter().partition(|(name, _)| in_field(name));
        let mut content = Value::Object(content);
        let before = content.clone();
        for (name, value) in &inside {
            // The handler has no name of its own there.
            merge(
                &mut content,
                &if name == "wasm" {
                    value.clone()
                } else {
                    json!({name: value})
                },
            );
        }
        let content = without_nulls(content);
        let changed = content != before;
        (
            changed.then(|| content.to_string().into()),
            (!outside.is_empty()).then_some(Value::Object(outside)),
        )
    }
}

/// A handler of a probe or hook.
#[derive(Clone, Copy)]
pub(crate) struct HandlerSubject<'a> {
    pub(crate) of: ContainerSubject<'a>,
    pub(crate) role: Role,
    pub(crate) handler: &'a Handler,
}

impl HandlerSubject<'_> {
    /// Says something of a field of the handler, with what to write into it instead. It is for handlers that no
    /// annotation can hold.
    pub(crate) fn found(&self, field: &str, reason: impl Into<String>, change: &Value) -> Found {
        let place = self.role.place();
        let change = place
            .rsplit('.')
            .fold(change.clone(), |inner, name| json!({name: inner}));
        self.of.found(&format!("{place}.{field}"), reason, &change)
    }
}

/// Puts one object into another; what is no object is replaced.
pub(crate) fn merge(into: &mut Value, change: &Value) {
    let Some(change) = change.as_object() else { return };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, value) in change {
        match into.get_mut(name) {
            Some(old) if old.is_object() && value.is_object() => merge(old, value),
            _ => into[name] = value.clone(),
        }
    }
}

/// An object without its fields that are null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        other => other,
    }
}
