//! A loaded component.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, InstancePre};
use wasmtime_wasi::{
    p2::bindings::exports::wasi::cli::run as command, p3::bindings::exports::wasi::cli::run as concurrent_command,
};

use crate::{
    LoadError, Outcome, RunRequest,
    bindings::exports::probelet::plugin::{async_hook, async_probe, describe, hook, probe},
    describe::{Description, describe},
    engine::MAX_COMPONENT_BYTES,
    flavour::Host,
    linker::Needs,
    network::BUILTIN_PREFIX,
    run, signature,
    state::RunState,
    uses::Grant,
};

/// What every WebAssembly file begins with, and what follows in a core module and in a component.
const MAGIC: &[u8] = b"\0asm";
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// A component that is ready to run. A clone is the same component.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    host: Arc<Host>,
    name: String,
    digest: String,
    needs: Needs,
    linked: Linked,
    description: Option<Description>,
}

/// Where a component comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// With the agent.
    Builtin,
    /// From anybody.
    Elsewhere,
}

/// A component with its imports resolved.
pub(crate) struct Linked {
    pub(crate) instance: InstancePre<RunState>,
    pub(crate) probe: Option<ProbeExport>,
    pub(crate) hook: Option<HookExport>,
    pub(crate) describe: Option<describe::GuestIndices>,
}

/// The export that a probe calls.
pub(crate) enum ProbeExport {
    Plain(probe::GuestIndices),
    Concurrent(async_probe::GuestIndices),
    /// A WASI command, which knows nothing of us: its exit code decides.
    Command(CommandExport),
}

/// The export that a hook calls.
pub(crate) enum HookExport {
    Plain(hook::GuestIndices),
    Concurrent(async_hook::GuestIndices),
    Command(CommandExport),
}

/// `wasi:cli/run`, of WASI 0.2 or 0.3.
pub(crate) enum CommandExport {
    Plain(command::GuestIndices),
    Concurrent(concurrent_command::GuestIndices),
}

impl Plugin {
    /// What people know it by.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The digest of its bytes, `sha256:…`.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// Whether it can be a probe.
    pub fn exports_probe(&self) -> bool {
        self.0.linked.probe.is_some()
    }

    /// Whether it can be a hook.
    pub fn exports_hook(&self) -> bool {
        self.0.linked.hook.is_some()
    }

    /// The grants that it cannot run without.
    pub fn needs(&self) -> Vec<Grant> {
        self.0.needs.grants()
    }

    /// What it says of itself, if it does.
    pub fn description(&self) -> Option<&Description> {
        self.0.description.as_ref()
    }

    /// Runs it once, in a fresh instance. Dropping the future ends the run, as its deadline does.
    pub async fn run(&self, request: RunRequest) -> Outcome {
        run::run(self, request).await
    }

    pub(crate) fn host(&self) -> &Host {
        &self.0.host
    }

    pub(crate) fn linked(&self) -> &Linked {
        &self.0.linked
    }

    pub(crate) fn missing(&self, grants: &crate::Grants) -> Option<(Grant, String)> {
        self.0.needs.missing(grants, &self.0.name)
    }

    /// Links a component, looks for our exports and asks it to describe itself.
    pub(crate) async fn new(
        host: Arc<Host>,
        origin: Origin,
        name: &str,
        digest: String,
        component: Component,
    ) -> Result<Self, LoadError> {
        let name = name.to_owned();
        if origin != Origin::Builtin
            && let Some(import) = builtin_import(&component)
        {
            let reason = format!(
                "{import} is for the components that come with the agent and changes with it; use wasi:sockets, \
                 wasi:http or probelet:tls"
            );
            return Err(LoadError::UnknownImport { name, reason });
        }
        let linked = Linked::new(&host, &name, &component)?;
        let description = describe(&host, &linked).await;
        let description = description.map_err(|reason| LoadError::Description {
            name: name.clone(),
            reason,
        })?;
        Ok(Self(Arc::new(Inner {
            needs: Needs::of(&component),
            host,
            name,
            digest,
            linked,
            description,
        })))
    }
}

impl Linked {
    /// Whether a run of it may be one of a WASI command.
    pub(crate) fn is_command(&self) -> bool {
        matches!(self.probe, Some(ProbeExport::Command(_))) || matches!(self.hook, Some(HookExport::Command(_)))
    }

    fn new(host: &Host, name: &str, component: &Component) -> Result<Self, LoadError> {
        let instance = host.linker.instantiate_pre(component);
        let instance = instance.map_err(|error| LoadError::UnknownImport {
            name: name.to_owned(),
            reason: format!("{error:#}"),
        })?;
        let linked = Self {
            probe: ProbeExport::of(&instance),
            hook: HookExport::of(&instance),
            describe: describe::GuestIndices::new(&instance).ok(),
            instance,
        };
        if let Some(reason) = signature::fault(component) {
            return Err(LoadError::WrongType {
                name: name.to_owned(),
                reason,
            });
        }
        if linked.probe.is_none() && linked.hook.is_none() {
            return Err(LoadError::NoCheck {
                name: name.to_owned(),
                exports: exports(component),
            });
        }
        Ok(linked)
    }
}

impl ProbeExport {
    fn of(instance: &InstancePre<RunState>) -> Option<Self> {
        if let Ok(indices) = probe::GuestIndices::new(instance) {
            return Some(Self::Plain(indices));
        }
        if let Ok(indices) = async_probe::GuestIndices::new(instance) {
            return Some(Self::Concurrent(indices));
        }
        CommandExport::of(instance).map(Self::Command)
    }
}

impl HookExport {
    fn of(instance: &InstancePre<RunState>) -> Option<Self> {
        if let Ok(indices) = hook::GuestIndices::new(instance) {
            return Some(Self::Plain(indices));
        }
        if let Ok(indices) = async_hook::GuestIndices::new(instance) {
            return Some(Self::Concurrent(indices));
        }
        CommandExport::of(instance).map(Self::Command)
    }
}

impl CommandExport {
    fn of(instance: &InstancePre<RunState>) -> Option<Self> {
        if let Ok(indices) = command::GuestIndices::new(instance) {
            return Some(Self::Plain(indices));
        }
        concurrent_command::GuestIndices::new(instance)
            .ok()
            .map(Self::Concurrent)
    }
}

/// An import that is no part of the contract.
fn builtin_import(component: &Component) -> Option<String> {
    let component_type = component.component_type();
    let mut imports = component_type.imports(component.engine());
    let import = imports.find(|(name, _)| name.starts_with(BUILTIN_PREFIX));
    import.map(|(name, _)| name.to_owned())
}

/// What a component exports, for a message.
fn exports(component: &Component) -> String {
    let component_type = component.component_type();
    let exports: Vec<&str> = component_type
        .exports(component.engine())
        .map(|(name, _)| name)
        .collect();
    if exports.is_empty() {
        "nothing".to_owned()
    } else {
        exports.join(", ")
    }
}

/// Tells the usual mistakes apart before the compiler, which would speak of sections and offsets.
pub(crate) fn check_format(name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    let name = name.to_owned();
    let Some(version) = bytes.strip_prefix(MAGIC) else {
        return Err(LoadError::NotWebAssembly { name });
    };
    if version.starts_with(CORE_MODULE) {
        return Err(LoadError::CoreModule { name });
    }
    if bytes.len() > MAX_COMPONENT_BYTES {
        return Err(LoadError::TooLarge {
            name,
            size: bytes.len(),
            limit: MAX_COMPONENT_BYTES,
        });
    }
    Ok(())
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
