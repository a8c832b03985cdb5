//! The engine: one per process, shared by all plugins and runs.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;
use wasmtime::component::Component;

use crate::{
    EngineError, LoadError,
    cache::{self, Cache},
    compile::{self, COMPILE_TIMEOUT, CompilerProgram, MAX_COMPILATIONS},
    config::{self, ConfigFault},
    flavour::{Flavour, Host},
    plugin::{self, Plugin},
};

/// Python with its library makes components of some twenty megabytes.
pub const MAX_COMPONENT_BYTES: usize = 64 << 20;

/// How an engine is made.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// Where compiled components are kept; none compiles them anew each time. The folder is made if it is not there.
    /// One that anybody else could write to is not used.
    pub cache_directory: Option<PathBuf>,
    /// The program that compiles components; none compiles them in this process, which cannot be stopped.
    pub compiler: Option<CompilerProgram>,
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
    compilations: Semaphore,
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
            plain: Host::new(Flavour::Plain)?,
            concurrent: Mutex::new(None),
            cache,
            compiler: config.compiler,
            compilations: Semaphore::new(MAX_COMPILATIONS),
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
        plugin::check_format(name, bytes)?;
        let host = self.host(Flavour::of(bytes)).map_err(|error| LoadError::Compiler {
            name: name.to_owned(),
            reason: error.to_string(),
        })?;
        let digest = plugin::digest(bytes);
        let cached = self
            .0
            .cache
            .as_ref()
            .and_then(|cache| cache.load(&host.wasmtime, &digest));
        let component = match cached {
            Some(component) => component,
            None => {
                let component = self.compile(&host, name, bytes).await?;
                if let Some(cache) = &self.0.cache {
                    cache.store(&host.wasmtime, &digest, &component);
                }
                component
            }
        };
        Plugin::new(host, name, digest, component).await
    }

    /// Checks a configuration against the plugin's own schema; a plugin without one takes any.
    ///
    /// # Errors
    ///
    /// Why it cannot be checked: the schema is none, or leads nowhere.
    pub async fn check_config(&self, plugin: &Plugin, config: &serde_json::Value) -> Result<Vec<ConfigFault>, String> {
        let schema = plugin
            .description()
            .and_then(|description| description.config_schema.as_ref());
        match schema {
            Some(schema) => config::check(self.0.compiler.as_ref(), schema, config).await,
            None => Ok(Vec::new()),
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
        let host = Host::new(flavour)?;
        *concurrent = Some(Arc::clone(&host));
        Ok(host)
    }

    async fn compile(&self, host: &Arc<Host>, name: &str, bytes: &[u8]) -> Result<Component, LoadError> {
        let too_slow = || LoadError::TooSlow {
            name: name.to_owned(),
            limit: COMPILE_TIMEOUT,
        };
        // Waiting for others is no fault of this one.
        let _permit = self.0.compilations.acquire().await;
        let Some(compiler) = &self.0.compiler else {
            return compile_here(host, name, bytes).await;
        };
        let code = compile::in_process(compiler, host.flavour, name, bytes);
        let code = tokio::time::timeout(COMPILE_TIMEOUT, code)
            .await
            .map_err(|_| too_slow())??;
        cache::deserialize(&host.wasmtime, &code).map_err(|error| LoadError::Compiler {
            name: name.to_owned(),
            reason: error.to_string(),
        })
    }
}

async fn compile_here(host: &Arc<Host>, name: &str, bytes: &[u8]) -> Result<Component, LoadError> {
    let invalid = |reason: String| LoadError::Invalid {
        name: name.to_owned(),
        reason,
    };
    let (engine, bytes) = (host.wasmtime.clone(), bytes.to_owned());
    let compiled = tokio::task::spawn_blocking(move || Component::from_binary(&engine, &bytes)).await;
    compiled
        .map_err(|crash| invalid(crash.to_string()))?
        .map_err(|error| invalid(format!("{error:#}")))
}
