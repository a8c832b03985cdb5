//! The engine: one per process, shared by all plugins and runs.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use wasmtime::component::Component;

use crate::{
    EngineError, LoadError,
    cache::{self, Cache},
    compile::{self, COMPILE_TIMEOUT, CompilerProgram},
    config::{self, Misfit},
    flavour::{Flavour, Host},
    plugin::{self, Origin, Plugin},
    queue::Queue,
    turns::Turns,
};

/// Python with its library makes components of some twenty megabytes.
pub const MAX_COMPONENT_BYTES: usize = 64 << 20;

/// How an engine is made.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Where compiled components are kept; none compiles them anew each time. The folder is made if it is not there.
    /// One that anybody else could write to is not used.
    pub cache_directory: Option<PathBuf>,
    /// The program that compiles components; none compiles them in this process, which cannot be stopped.
    pub compiler: Option<CompilerProgram>,
    /// How long the program may take for one component.
    pub compile_timeout: Duration,
}

impl Default for EngineConfig {
    /// No cache, no program, and as much time as an interpreter with its library takes on a machine that is busy.
    fn default() -> Self {
        Self {
            cache_directory: None,
            compiler: None,
            compile_timeout: COMPILE_TIMEOUT,
        }
    }
}

/// Loads components and runs them. A clone is the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    plain: Arc<Host>,
    /// Made when the first component needs it: most nodes have none of that kind.
    concurrent: Mutex<Option<Arc<Host>>>,
    cache: Option<Cache>,
    compiler: Option<CompilerProgram>,
    compile_timeout: Duration,
    compilations: Queue,
}

impl Engine {
    /// Makes an engine: reserves its memory and starts its timer thread.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the machine does not let it.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let cache = config.cache_directory.and_then(|path| match Cache::open(&path) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!(
                    "compiled components are not kept, every start will take longer: the folder {} cannot be used: \
                     {error}",
                    path.display()
                );
                None
            }
        });
        Ok(Self(Arc::new(Inner {
            plain: Host::new(Flavour::Plain, Turns::new())?,
            concurrent: Mutex::new(None),
            cache,
            compiler: config.compiler,
            compile_timeout: config.compile_timeout,
            compilations: Queue::new(),
        })))
    }

    /// Makes a component ready to run: compiles it, off the runtime's own threads, or takes it from the cache; links it,
    /// and asks it to describe itself.
    ///
    /// `name` is for messages: what people know the component by.
    ///
    /// # Errors
    ///
    /// [`LoadError`] says what is wrong with it.
    pub async fn load(&self, name: &str, bytes: &[u8]) -> Result<Plugin, LoadError> {
        self.load_of(Origin::Elsewhere, name, bytes).await
    }

    /// The same for a component that comes with the agent: it may import what is no part of the contract.
    ///
    /// # Errors
    ///
    /// [`LoadError`] says what is wrong with it.
    pub async fn load_builtin(&self, name: &str, bytes: &[u8]) -> Result<Plugin, LoadError> {
        self.load_of(Origin::Builtin, name, bytes).await
    }

    async fn load_of(&self, origin: Origin, name: &str, bytes: &[u8]) -> Result<Plugin, LoadError> {
        plugin::check_format(name, bytes)?;
        let bytes: Arc<[u8]> = bytes.into();
        let (engine, scanned) = (self.clone(), Arc::clone(&bytes));
        // The largest component takes a second to look through, and its code as long to read: not on a thread that runs
        // probes.
        let known = off_the_runtime(name, move || engine.look_up(&scanned)).await?;
        let Known { host, digest, cached } = known.map_err(|error| LoadError::Compiler {
            name: name.to_owned(),
            reason: error.to_string(),
        })?;
        let component = match cached {
            Some(component) => component,
            None => self.compile(&host, name, &digest, bytes).await?,
        };
        Plugin::new(host, origin, name, digest, component).await
    }

    /// What is known of a component before it is compiled.
    fn look_up(&self, bytes: &[u8]) -> Result<Known, EngineError> {
        let host = self.host(Flavour::of(bytes))?;
        let digest = plugin::digest(bytes);
        let cached = self.cached(&host, &digest);
        Ok(Known { host, digest, cached })
    }

    fn cached(&self, host: &Host, digest: &str) -> Option<Component> {
        self.0.cache.as_ref()?.load(&host.wasmtime, digest)
    }

    /// Why a plugin cannot be run as a hook or as a probe with a configuration: nothing if it can. Its own schema, if it
    /// has one, says which configurations it takes.
    pub async fn misfits(&self, plugin: &Plugin, is_hook: bool, config: &serde_json::Value) -> Vec<Misfit> {
        if is_hook && !plugin.exports_hook() {
            return vec![Misfit::NoHook];
        }
        if !is_hook && !plugin.exports_probe() {
            return vec![Misfit::NoProbe];
        }
        let description = plugin.description();
        let Some(schema) = description.and_then(|description| description.config_schema.as_ref()) else {
            return Vec::new();
        };
        match config::check(self.0.compiler.as_ref(), schema, config).await {
            Ok(faults) => faults.into_iter().map(Misfit::Config).collect(),
            Err(reason) => vec![Misfit::Schema { reason }],
        }
    }

    fn host(&self, flavour: Flavour) -> Result<Arc<Host>, EngineError> {
        if flavour == Flavour::Plain {
            return Ok(Arc::clone(&self.0.plain));
        }
        let mut concurrent = self.0.concurrent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = &*concurrent {
            return Ok(Arc::clone(host));
        }
        let host = Host::new(flavour, self.0.plain.turns.clone())?;
        *concurrent = Some(Arc::clone(&host));
        Ok(host)
    }

    async fn compile(
        &self,
        host: &Arc<Host>,
        name: &str,
        digest: &str,
        bytes: Arc<[u8]>,
    ) -> Result<Component, LoadError> {
        // Waiting for others is no fault of this one: its time begins afterwards.
        let _place = self.0.compilations.enter(digest).await;
        let (engine, kept, known) = (self.clone(), Arc::clone(host), digest.to_owned());
        // Another pod may have wanted the same.
        if let Some(component) = off_the_runtime(name, move || engine.cached(&kept, &known)).await? {
            return Ok(component);
        }
        let made = match &self.0.compiler {
            Some(compiler) => {
                let code = compile::in_process(compiler, host.flavour, name, &bytes);
                let code = tokio::time::timeout(self.0.compile_timeout, code).await;
                Made::Code(code.map_err(|_| LoadError::TooSlow {
                    name: name.to_owned(),
                    limit: self.0.compile_timeout,
                })??)
            }
            None => Made::Nothing(bytes),
        };
        let (engine, host, owned_name, digest) = (self.clone(), Arc::clone(host), name.to_owned(), digest.to_owned());
        off_the_runtime(name, move || {
            let component = made.into_component(&host, owned_name)?;
            if let Some(cache) = &engine.0.cache {
                cache.store(&host.wasmtime, &digest, &component);
            }
            Ok(component)
        })
        .await?
    }
}

/// What is known of a component before it is compiled.
struct Known {
    host: Arc<Host>,
    digest: String,
    cached: Option<Component>,
}

/// What another process has made of a component.
enum Made {
    Code(Vec<u8>),
    /// There is none for it: the component's own bytes.
    Nothing(Arc<[u8]>),
}

impl Made {
    fn into_component(self, host: &Host, name: String) -> Result<Component, LoadError> {
        match self {
            Self::Code(code) => cache::deserialize(&host.wasmtime, &code).map_err(|error| LoadError::Compiler {
                name,
                reason: error.to_string(),
            }),
            Self::Nothing(bytes) => {
                Component::from_binary(&host.wasmtime, &bytes).map_err(|error| LoadError::Invalid {
                    name,
                    reason: format!("{error:#}"),
                })
            }
        }
    }
}

/// Does work that takes its time on a thread for such work.
async fn off_the_runtime<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|crash| LoadError::Compiler {
        name: name.to_owned(),
        reason: crash.to_string(),
    })
}
