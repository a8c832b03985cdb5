//! A loaded component.

use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, InstancePre};

use crate::{
    LoadError, Outcome, RunRequest,
    bindings::exports::probelet::plugin::{hook, probe},
    engine::{Engine, MAX_COMPONENT_BYTES},
    linker::Shape,
    run,
    state::RunState,
};

/// What every WebAssembly file begins with, and what follows in a core module and in a component.
const MAGIC: &[u8] = b"\0asm";
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// A component that is ready to run. A clone is the same component.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    engine: Engine,
    name: String,
    digest: String,
    component: Component,
    needs: Shape,
    exports_probe: bool,
    exports_hook: bool,
    /// Linked once for each combination of grants that it is run with.
    linked: [OnceLock<Result<Linked, String>>; Shape::COUNT],
}

/// A component with its imports resolved.
pub(crate) struct Linked {
    pub(crate) instance: InstancePre<RunState>,
    pub(crate) probe: Option<probe::GuestIndices>,
    pub(crate) hook: Option<hook::GuestIndices>,
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
        self.0.exports_probe
    }

    /// Whether it can be a hook.
    pub fn exports_hook(&self) -> bool {
        self.0.exports_hook
    }

    /// Runs it once, in a fresh instance. Dropping the future ends the run, as its deadline does.
    pub async fn run(&self, request: RunRequest) -> Outcome {
        run::run(self, request).await
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Blocks for as long as the compiler takes.
    pub(crate) fn compile(engine: Engine, name: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let invalid = |error: wasmtime::Error| LoadError::Invalid {
            name: name.to_owned(),
            reason: format!("{error:#}"),
        };
        let digest = digest(bytes);
        let wasmtime = &engine.0.wasmtime;
        let cached = engine.0.cache.as_ref().and_then(|cache| cache.load(wasmtime, &digest));
        let component = match cached {
            Some(component) => component,
            None => {
                let component = Component::from_binary(wasmtime, bytes).map_err(invalid)?;
                if let Some(cache) = &engine.0.cache {
                    cache.store(&digest, &component);
                }
                component
            }
        };
        let inner = Inner {
            needs: needs(&component),
            engine,
            name: name.to_owned(),
            digest,
            component,
            exports_probe: false,
            exports_hook: false,
            linked: Default::default(),
        };
        inner.with_exports()
    }

    /// Links it for these grants. An error says what is missing, and how to grant it.
    pub(crate) fn linked(&self, shape: Shape) -> Result<&Linked, String> {
        self.0.linked[shape.index()]
            .get_or_init(|| self.0.link(shape))
            .as_ref()
            .map_err(String::clone)
    }
}

impl Inner {
    /// Looks for our exports, with everything granted: what still cannot be linked never can.
    fn with_exports(mut self) -> Result<Plugin, LoadError> {
        let linked = self.link(Shape::FULL).map_err(|reason| LoadError::UnknownImport {
            name: self.name.clone(),
            reason,
        })?;
        self.exports_probe = linked.probe.is_some();
        self.exports_hook = linked.hook.is_some();
        if !self.exports_probe && !self.exports_hook {
            let component_type = self.component.component_type();
            let exports: Vec<&str> = component_type
                .exports(self.component.engine())
                .map(|(name, _)| name)
                .collect();
            let exports = if exports.is_empty() {
                "nothing".to_owned()
            } else {
                exports.join(", ")
            };
            return Err(LoadError::NoCheck {
                name: self.name,
                exports,
            });
        }
        self.linked[Shape::FULL.index()] = OnceLock::from(Ok(linked));
        Ok(Plugin(Arc::new(self)))
    }

    fn link(&self, shape: Shape) -> Result<Linked, String> {
        if self.needs.exec && !shape.exec {
            return Err(self.not_granted(
                "commands in the container (probelet:plugin/container-exec)",
                "exec: true",
            ));
        }
        if self.needs.network && !shape.network {
            return Err(self.not_granted("the network (wasi:sockets or wasi:http)", "network: [\"HOST:PORT\"]"));
        }
        let linker = &self.engine.0.linkers[shape.index()];
        let instance = linker
            .instantiate_pre(&self.component)
            .map_err(|error| format!("{error:#}"))?;
        Ok(Linked {
            probe: probe::GuestIndices::new(&instance).ok(),
            hook: hook::GuestIndices::new(&instance).ok(),
            instance,
        })
    }

    fn not_granted(&self, what: &str, line: &str) -> String {
        format!(
            "the plugin `{}` needs {what}, which it is not granted; to grant it, add to the handler:\nwasm:\n  allow:\n    \
             {line}",
            self.name
        )
    }
}

/// Which grants a component's imports need.
fn needs(component: &Component) -> Shape {
    let mut needs = Shape {
        exec: false,
        network: false,
    };
    for (name, _) in component.component_type().imports(component.engine()) {
        needs.exec |= name.starts_with("probelet:plugin/container-exec@");
        needs.network |= name.starts_with("wasi:sockets/") || name.starts_with("wasi:http/");
    }
    needs
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

fn digest(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
