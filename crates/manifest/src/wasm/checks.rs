//! The wasm handlers of a pod, with their places.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{ComponentReference, Wasm, annotation};
use crate::{Container, Diagnostic, Handler, Pod, Severity, role::Role};

/// A probe or hook that is a component of the user's.
#[derive(Clone, Debug, PartialEq)]
pub struct WasmCheck<'a> {
    /// The container's place, init containers first.
    pub container: usize,
    /// Which of its checks.
    pub role: Role,
    /// Where it stands: `spec.containers[0].livenessProbe.wasm`, or `metadata.annotations[probelet.dev/web.liveness]`.
    pub path: String,
    /// What it is.
    pub wasm: &'a Wasm,
}

impl Pod {
    /// All probes and hooks that are components of the user's, by container.
    pub fn wasm_checks(&self) -> Vec<WasmCheck<'_>> {
        let containers = self.spec.all_containers().enumerate();
        let checks = containers.flat_map(|(index, container)| {
            Role::ALL.into_iter().filter_map(move |role| {
                Some(WasmCheck {
                    container: index,
                    role,
                    path: self.wasm_path(index, role),
                    wasm: wasm_of(container, role)?,
                })
            })
        });
        checks.collect()
    }

    /// Makes the paths of components that are relative absolute, in the document too, so that it means the same to an
    /// agent that runs elsewhere. `base` is the absolute path of the directory that they are relative to.
    ///
    /// # Errors
    ///
    /// If a path is not UTF-8 with `base` before it, so that no document can hold it.
    pub fn resolve_component_paths(&mut self, base: &Path) -> Result<(), Vec<Diagnostic>> {
        let mut faults = Vec::new();
        for index in 0..self.spec.all_containers().count() {
            for role in Role::ALL {
                let container = self.spec.container_at(index);
                let Some(path) = container.and_then(|container| relative_path(container, role)) else {
                    continue;
                };
                // Without the "." in the middle; ".." stays, for it may lead out of a link.
                let path: PathBuf = base.join(path).components().collect();
                match path.to_str() {
                    Some(text) => self.set_component(index, role, text),
                    None => faults.push(Diagnostic::new(
                        Severity::Error,
                        &format!("{}.component", self.wasm_path(index, role)),
                        format!("the path {} is not UTF-8; move the component elsewhere", path.display()),
                    )),
                }
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        self.locate(&mut faults);
        Err(faults)
    }

    fn set_component(&mut self, index: usize, role: Role, text: &str) {
        let pointer = self.pointer(index, role);
        let field = self.document.pointer_mut(&pointer);
        if let Some(Value::Object(wasm)) = field {
            wasm.insert("component".to_owned(), text.into());
        } else {
            let key = annotation::annotation_name(self.container_name(index), role);
            if let Some(annotation) = self.metadata.annotations.get_mut(&key)
                && let Ok(mut content) = serde_json::from_str::<Value>(annotation)
            {
                content["component"] = text.into();
                *annotation = content.to_string();
                self.document["metadata"]["annotations"][&key] = annotation.as_str().into();
            }
        }
        let container = self.spec.container_at_mut(index);
        if let Some(wasm) = container.and_then(|container| wasm_of_mut(container, role)) {
            wasm.component = ComponentReference::Path(text.into());
        }
    }

    /// Where a wasm handler stands: in its field, if there is one, or else in its annotation.
    fn wasm_path(&self, index: usize, role: Role) -> String {
        let field = self.document.pointer(&self.pointer(index, role));
        if field.is_some_and(Value::is_object) {
            let (field, at) = self.spec.field_of(index);
            return format!("spec.{field}[{at}].{}.wasm", role.place());
        }
        annotation::path(self.container_name(index), role)
    }

    /// Where the field `wasm` of a role is in the document.
    fn pointer(&self, index: usize, role: Role) -> String {
        let (field, at) = self.spec.field_of(index);
        format!("/spec/{field}/{at}/{}/wasm", role.place().replace('.', "/"))
    }

    fn container_name(&self, index: usize) -> &str {
        self.spec
            .container_at(index)
            .map_or("", |container| container.name.as_str())
    }
}

fn wasm_of(container: &Container, role: Role) -> Option<&Wasm> {
    let handler = match role {
        Role::Startup => &container.startup_probe.as_ref()?.handler,
        Role::Liveness => &container.liveness_probe.as_ref()?.handler,
        Role::Readiness => &container.readiness_probe.as_ref()?.handler,
        Role::PostStart => container.post_start.as_ref()?,
        Role::PreStop => container.pre_stop.as_ref()?,
    };
    match handler {
        Handler::Wasm(wasm) => Some(wasm),
        _ => None,
    }
}

fn wasm_of_mut(container: &mut Container, role: Role) -> Option<&mut Wasm> {
    let handler = match role {
        Role::Startup => &mut container.startup_probe.as_mut()?.handler,
        Role::Liveness => &mut container.liveness_probe.as_mut()?.handler,
        Role::Readiness => &mut container.readiness_probe.as_mut()?.handler,
        Role::PostStart => container.post_start.as_mut()?,
        Role::PreStop => container.pre_stop.as_mut()?,
    };
    match handler {
        Handler::Wasm(wasm) => Some(wasm),
        _ => None,
    }
}

fn relative_path(container: &Container, role: Role) -> Option<&Path> {
    match &wasm_of(container, role)?.component {
        ComponentReference::Path(path) if path.is_relative() => Some(path),
        _ => None,
    }
}
