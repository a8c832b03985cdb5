//! The components that the agent knows: built in, and those of users by their digests.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use probelet_engine::{Engine, Plugin};
use probelet_manifest::ComponentReference;
use probelet_plugin_store::{Digest, Reference, Registry, Resolved, Resolver, Source, Store, silent};

use crate::{
    config::{NodeConfig, NodeError},
    start::blocking,
    trust::Trust,
};

/// The components that stand for Kubernetes' handlers. They are ready before the first pod; those of the library become so
/// when a pod names them.
const BUILTIN: [&str; 5] = ["exec", "http", "tcp", "grpc", "sleep"];

/// All components.
pub(crate) struct Plugins {
    pub(crate) engine: Engine,
    builtin: HashMap<&'static str, Plugin>,
    /// Those of the library that some pod has named. There are few, so none is let go of.
    library: Mutex<HashMap<String, Plugin>>,
    resolver: Resolver,
    trust: Trust,
    /// Those of users that some pod runs.
    loaded: Mutex<HashMap<String, Plugin>>,
}

/// A component that was found, and what people are to be told of it.
pub(crate) struct Found {
    pub(crate) plugin: Plugin,
    pub(crate) warning: Option<String>,
}

impl Plugins {
    /// Loads what is built in, and opens the store of the others.
    pub(crate) async fn open(engine: Engine, config: &NodeConfig) -> Result<Self, NodeError> {
        let (policy, keys): (_, Vec<PathBuf>) = (config.plugin_signatures, config.plugin_keys.clone());
        let trust = blocking(move || Trust::read(policy, &keys)).await?;
        let loads = BUILTIN.map(|name| {
            let engine = &engine;
            async move {
                let bytes = probelet_builtin_plugins::builtin(name).expect("every name in BUILTIN is built in");
                match engine.load_builtin(name, bytes).await {
                    Ok(plugin) => Ok((name, plugin)),
                    Err(source) => Err(NodeError::Builtin {
                        name: name.to_owned(),
                        source,
                    }),
                }
            }
        });
        let builtin = futures::future::try_join_all(loads).await?.into_iter().collect();
        let registry = Registry::new(config.registries.clone());
        let resolver = Resolver::new(Store::open(&config.plugins())?, registry);
        Ok(Self {
            engine,
            builtin,
            library: Mutex::default(),
            resolver,
            trust,
            loaded: Mutex::default(),
        })
    }

    /// A built-in component.
    pub(crate) fn builtin(&self, name: &'static str) -> &Plugin {
        self.builtin
            .get(name)
            .expect("every name that the agent asks for is in BUILTIN")
    }

    /// Finds the component that a manifest names, as it is now, sees that somebody known has signed it if the node wants
    /// that, and makes it ready to run. The error says what to do.
    pub(crate) async fn resolve(&self, reference: &ComponentReference) -> Result<Found, String> {
        let (resolved, warning) = match reference {
            ComponentReference::Builtin(name) => {
                // It is a part of the agent, as its code is.
                return self.named(name).await.map(|plugin| Found { plugin, warning: None });
            }
            ComponentReference::Path(path) if path.is_relative() => {
                return Err(format!(
                    "{} is relative, and the agent does not know to what; write an absolute path, or use `probelet \
                     apply`, which makes it one",
                    path.display()
                ));
            }
            ComponentReference::Path(path) => {
                let resolved = self.resolver.resolve_file(path).await.map_err(text)?;
                let warning = self.trust.check(&self.resolver, Source::File(path), &resolved).await?;
                (resolved, warning)
            }
            ComponentReference::Oci(name) => self.find(&name.parse().map_err(text)?).await?,
        };
        let plugin = self.load(&reference.to_string(), resolved.digest).await?;
        Ok(Found { plugin, warning })
    }

    /// What a name stands for, in the store. What is refused is not even downloaded.
    async fn find(&self, reference: &Reference) -> Result<(Resolved, Option<String>), String> {
        let resolved = self.resolver.locate(reference).await.map_err(text)?;
        let source = Source::Reference(reference);
        let warning = self.trust.check(&self.resolver, source, &resolved).await?;
        self.resolver.fetch(reference, &resolved, &silent).await.map_err(text)?;
        Ok((resolved, warning))
    }

    /// Makes a component ready to run that was found earlier.
    pub(crate) async fn pinned(&self, reference: &ComponentReference, digest: &str) -> Result<Plugin, String> {
        if let ComponentReference::Builtin(name) = reference {
            return self.named(name).await;
        }
        let digest = digest
            .parse()
            .map_err(|error: probelet_plugin_store::DigestError| error.to_string())?;
        self.load(&reference.to_string(), digest).await
    }

    async fn load(&self, name: &str, digest: Digest) -> Result<Plugin, String> {
        if let Some(plugin) = self.loaded().get(&digest.to_string()) {
            return Ok(plugin.clone());
        }
        let store = self.resolver.store().clone();
        let bytes = blocking(move || store.get(&digest)).await;
        let bytes = bytes.map_err(text)?;
        let plugin = self.engine.load(name, &bytes).await.map_err(text)?;
        self.loaded().insert(digest.to_string(), plugin.clone());
        Ok(plugin)
    }

    async fn named(&self, name: &str) -> Result<Plugin, String> {
        let known = self.builtin.get(name).cloned();
        if let Some(plugin) = known.or_else(|| locked(&self.library).get(name).cloned()) {
            return Ok(plugin);
        }
        let Some(bytes) = probelet_builtin_plugins::builtin(name) else {
            let names: Vec<&str> = probelet_builtin_plugins::names().collect();
            return Err(format!(
                "there is no built-in component `{name}`; there are {}",
                names.join(", ")
            ));
        };
        let plugin = self.engine.load_builtin(name, bytes).await;
        let plugin = plugin.map_err(|error| error.to_string())?;
        locked(&self.library).insert(name.to_owned(), plugin.clone());
        Ok(plugin)
    }

    /// Lets go of what no pod runs any more, in memory and in the store.
    pub(crate) async fn keep_only(&self, in_use: HashSet<String>) {
        self.loaded().retain(|digest, _| in_use.contains(digest));
        let digests = in_use.iter().filter_map(|digest| digest.parse().ok()).collect();
        let store = self.resolver.store().clone();
        if let Err(error) = blocking(move || store.collect_garbage(&digests)).await {
            tracing::warn!(%error, "components that no pod uses are left in the store");
        }
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<String, Plugin>> {
        locked(&self.loaded)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
