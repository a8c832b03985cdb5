//! The components of one pod's `wasm` handlers: found and checked when the pod is applied, pinned by their digests from
//! then on, and exchanged only where the manifest says `reload`.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use probelet_engine::Plugin;
use probelet_lifecycle::{
    action::{PodEvent, Severity},
    config::ContainerIndex,
};
use probelet_manifest::{ComponentReference, Diagnostic, Pod, Role, Wasm, WasmCheck};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    inner::Inner,
    plugins::Found,
    pod::{Input, PodEntry},
    start::blocking,
    store::{self, PodFolder, StoreError},
};

/// Which check of a pod: the container's index, and the role of the check.
pub(crate) type CheckKey = (usize, Role);

const FILE: &str = "components.json";

/// The components of one pod.
pub(crate) struct Components {
    checks: Mutex<BTreeMap<CheckKey, Component>>,
    /// Held by who writes the file, which waits for the disk: no probe is to wait for that.
    file: Mutex<()>,
}

struct Component {
    reference: ComponentReference,
    /// Why it cannot be run, if it cannot.
    plugin: Result<Plugin, String>,
    digest: String,
    reload: Reload,
}

/// Whether, and how, the file is watched for changes.
enum Reload {
    No,
    /// The file as it was looked at last.
    When(Option<Signature>),
    /// It is being loaded.
    Loading,
}

/// What tells one content of a file from another, as far as the file system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signature {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// A line of `components.json`.
#[derive(Serialize, Deserialize)]
struct Pinned {
    container: usize,
    check: String,
    component: String,
    digest: String,
}

impl Components {
    fn of(components: BTreeMap<CheckKey, Component>) -> Self {
        Self {
            checks: Mutex::new(components),
            file: Mutex::default(),
        }
    }

    /// Finds and checks the components of a pod that is about to be accepted, and gives with them those that are let in
    /// though nobody known has signed them. The error names each fault by its field.
    pub(crate) async fn admit(node: &Inner, pod: &Pod) -> Result<(Self, Vec<Unsigned>), Vec<Diagnostic>> {
        let (mut components, mut unsigned, mut faults) = (BTreeMap::new(), Vec::new(), Vec::new());
        for check in pod.wasm_checks() {
            // Before the file is read, so that a change meanwhile is noticed.
            let reload = watch(check.wasm);
            match admit(node, &check).await {
                Ok(Found { plugin, warning }) => {
                    let key = (check.container, check.role);
                    unsigned.extend(warning.map(|message| Unsigned {
                        key,
                        field: component_field(&check),
                        message,
                    }));
                    let component = Component {
                        reference: check.wasm.component.clone(),
                        digest: plugin.digest().to_owned(),
                        plugin: Ok(plugin),
                        reload,
                    };
                    components.insert(key, component);
                }
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() {
            Ok((Self::of(components), unsigned))
        } else {
            Err(faults)
        }
    }

    /// The digests of the components that are pinned in a pod's folder.
    pub(crate) fn pinned_by(folder: &PodFolder) -> Vec<String> {
        let pinned: Vec<Pinned> = store::read_json(&folder.path().join(FILE)).unwrap_or_default();
        pinned.into_iter().map(|pinned| pinned.digest).collect()
    }

    /// Takes up the components that an earlier agent has pinned. One that is gone makes its check errored, not the pod.
    pub(crate) async fn recover(node: &Inner, pod: &Pod, folder: &PodFolder) -> Self {
        let pinned: Vec<Pinned> = store::read_json(&folder.path().join(FILE)).unwrap_or_default();
        let mut components = BTreeMap::new();
        for check in pod.wasm_checks() {
            let known = pinned
                .iter()
                .find(|known| known.container == check.container && known.check == check.role.name());
            let digest = known.map(|known| known.digest.clone()).unwrap_or_default();
            let plugin = node.plugins.pinned(&check.wasm.component, &digest).await;
            let plugin = plugin.map_err(|reason| {
                format!(
                    "the component {} ({digest}) cannot be run any more: {reason}",
                    check.wasm.component
                )
            });
            components.insert(
                (check.container, check.role),
                Component {
                    reference: check.wasm.component.clone(),
                    plugin,
                    digest,
                    reload: watch(check.wasm),
                },
            );
        }
        Self::of(components)
    }

    /// Writes down which components the pod runs with, and not to memory only: without it their checks cannot be run by
    /// another agent.
    pub(crate) fn store(&self, folder: &PodFolder) -> Result<(), StoreError> {
        // Who writes last has looked last.
        let _last = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let pinned = self.pinned();
        if pinned.is_empty() {
            return Ok(());
        }
        store::write_json_synced(&folder.path().join(FILE), &pinned)
    }

    fn pinned(&self) -> Vec<Pinned> {
        let components = self.lock();
        let pinned = components.iter().map(|((container, check), component)| Pinned {
            container: *container,
            check: check.name().to_owned(),
            component: component.reference.to_string(),
            digest: component.digest.clone(),
        });
        pinned.collect()
    }

    /// The component of a check.
    pub(crate) fn plugin(&self, key: CheckKey) -> Result<Plugin, String> {
        match self.lock().get(&key) {
            Some(component) => component.plugin.clone(),
            None => Err("the check has no component".to_owned()),
        }
    }

    /// What is shown of them in the pod's status.
    pub(crate) fn status(&self, pod: &Pod) -> Value {
        let components = self.lock();
        let shown = components.iter().map(|((container, check), component)| {
            let description = component.plugin.as_ref().ok().and_then(Plugin::description);
            let mut shown = json!({
                "container": pod.spec.container_at(*container).map(|container| container.name.as_str()),
                "check": check.name(),
                "component": component.reference.to_string(),
                "digest": component.digest,
            });
            if let Some(description) = description {
                shown["name"] = description.name.as_str().into();
                shown["version"] = description.version.as_str().into();
            }
            if let Err(reason) = &component.plugin {
                shown["error"] = reason.as_str().into();
            }
            shown
        });
        shown.collect()
    }

    /// The digests in use.
    pub(crate) fn digests(&self) -> Vec<String> {
        self.lock().values().map(|component| component.digest.clone()).collect()
    }

    /// Looks at the file of a check that opted in; if it has changed, loads it beside the probes' path.
    pub(crate) fn look(node: &Arc<Inner>, entry: &Arc<PodEntry>, key: CheckKey) {
        let Some(reference) = entry.components.take_change(key) else {
            return;
        };
        let (node, entry) = (node.clone(), entry.clone());
        tokio::spawn(async move {
            let ComponentReference::Path(path) = &reference else {
                return;
            };
            let seen = signature(path).ok();
            let loaded = node.plugins.resolve(&reference).await;
            if let Some(event) = entry.components.exchange(key, seen, loaded) {
                let pinned = entry.clone();
                if let Err(error) = blocking(move || pinned.components.store(&pinned.folder)).await {
                    tracing::error!(pod = %entry.key, %error, "the reloaded component is not written down");
                }
                // The pod may have ended meanwhile.
                let _ = entry.inbox.send(Input::Tell(event)).await;
            }
        });
    }

    /// The reference to load anew, if its file has changed; nobody else loads it until it is exchanged.
    fn take_change(&self, key: CheckKey) -> Option<ComponentReference> {
        let mut components = self.lock();
        let component = components.get_mut(&key)?;
        let (Reload::When(seen), ComponentReference::Path(path)) = (&component.reload, &component.reference) else {
            return None;
        };
        // A file that is gone for a moment is about to be replaced.
        let now = signature(path).ok()?;
        if *seen == Some(now) {
            return None;
        }
        component.reload = Reload::Loading;
        Some(component.reference.clone())
    }

    /// Puts a reloaded component into its place, and gives the event that tells of it.
    fn exchange(&self, key: CheckKey, seen: Option<Signature>, loaded: Result<Found, String>) -> Option<PodEvent> {
        let mut components = self.lock();
        let component = components.get_mut(&key)?;
        component.reload = Reload::When(seen);
        let container = ContainerIndex(key.0);
        let event = |severity, reason: &str, message: String| PodEvent {
            severity,
            reason: reason.to_owned(),
            message,
            container: Some(container),
            repeated: false,
        };
        let check = key.1.name();
        match loaded {
            Ok(Found { plugin, .. }) if plugin.digest() == component.digest && component.plugin.is_ok() => None,
            Ok(Found { plugin, warning }) => {
                let mut message = format!(
                    "{check} check: reloaded {}, from {} to {}",
                    component.reference,
                    component.digest,
                    plugin.digest()
                );
                let mut severity = Severity::Normal;
                if let Some(warning) = warning {
                    severity = Severity::Warning;
                    message = format!("{message}; {warning}");
                }
                component.digest = plugin.digest().to_owned();
                component.plugin = Ok(plugin);
                Some(event(severity, "PluginReloaded", message))
            }
            Err(reason) => {
                let message = format!(
                    "{check} check: {} has changed but cannot be loaded, so {} runs on: {reason}",
                    component.reference, component.digest
                );
                Some(event(Severity::Warning, "PluginReloadFailed", message))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CheckKey, Component>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Components {
    /// Those of a pod with one check.
    pub(crate) fn of_one_check() -> Self {
        let component = Component {
            reference: ComponentReference::Builtin("exec".to_owned()),
            plugin: Err("it is only written down".to_owned()),
            digest: format!("sha256:{:064}", 1),
            reload: Reload::No,
        };
        Self::of(BTreeMap::from([((0, Role::Liveness), component)]))
    }
}

/// A component that runs without a signature by somebody known.
pub(crate) struct Unsigned {
    key: CheckKey,
    field: String,
    message: String,
}

impl Unsigned {
    /// What who applies the pod is told.
    pub(crate) fn diagnostic(&self) -> Diagnostic {
        Diagnostic::warning(&self.field, self.message.clone())
    }

    /// What everybody else can see.
    pub(crate) fn event(self) -> PodEvent {
        let (container, check) = self.key;
        PodEvent {
            severity: Severity::Warning,
            reason: "PluginUnsigned".to_owned(),
            message: format!("{} check: {}", check.name(), self.message),
            container: Some(ContainerIndex(container)),
            repeated: false,
        }
    }
}

fn component_field(check: &WasmCheck<'_>) -> String {
    format!("{}.component", check.path)
}

/// Finds and checks the component of one check.
pub(crate) async fn admit(node: &Inner, check: &WasmCheck<'_>) -> Result<Found, Vec<Diagnostic>> {
    let component = component_field(check);
    let fault = |message: String| vec![Diagnostic::error(&component, message)];
    let found = node.plugins.resolve(&check.wasm.component).await;
    let found = found.map_err(fault)?;
    let (is_hook, config) = (check.role.is_hook(), &check.wasm.config);
    let misfits = node.plugins.engine.misfits(&found.plugin, is_hook, config).await;
    if misfits.is_empty() {
        return Ok(found);
    }
    let misfits = misfits.into_iter();
    Err(misfits
        .map(|misfit| Diagnostic::error(&misfit.path(&check.path), misfit.message(&check.wasm.component)))
        .collect())
}

fn watch(wasm: &Wasm) -> Reload {
    match &wasm.component {
        ComponentReference::Path(path) if wasm.reload => Reload::When(signature(path).ok()),
        _ => Reload::No,
    }
}

fn signature(path: &Path) -> io::Result<Signature> {
    let metadata = fs::metadata(path)?;
    Ok(Signature {
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    })
}
