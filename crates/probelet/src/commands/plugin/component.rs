//! Finding a component as a manifest would, and making it ready to run, without an agent.

use std::{
    env, fs,
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use probelet_builtin_plugins::builtin;
use probelet_engine::{Engine, EngineConfig, Plugin};
use probelet_plugin_store::{Reference, Registry, RegistryConfig, Resolver, Store};

use crate::commands::agent::compiler;

/// Above this size compiling takes so long that one wonders.
const LARGE: usize = 1 << 20;

/// A component that is ready to run.
pub(super) struct Loaded {
    pub(super) engine: Engine,
    pub(super) plugin: Plugin,
    /// Its size in bytes.
    pub(super) size: usize,
}

/// Where a component is.
enum Place<'a> {
    Builtin(&'a str),
    File(&'a Path),
    Store(Reference),
}

/// Loads what a command line names: a file, a reference, or `builtin:NAME`.
pub(super) async fn load(text: &str, state_dir: &Path) -> anyhow::Result<Loaded> {
    load_with(&engine()?, text, state_dir).await
}

/// The same with an engine that there is already.
pub(super) async fn load_with(engine: &Engine, text: &str, state_dir: &Path) -> anyhow::Result<Loaded> {
    let engine = engine.clone();
    let place = place(text)?;
    if let Place::Builtin(name) = place {
        let bytes =
            builtin(name).with_context(|| format!("there is no component builtin:{name}; `docs/plugins` has them"))?;
        let (plugin, size) = (engine.load_builtin(text, bytes).await?, bytes.len());
        return Ok(Loaded { engine, plugin, size });
    }
    let bytes = match place {
        Place::File(path) => Store::read_file(path)?,
        Place::Store(reference) => from_store(&reference, state_dir).await?,
        Place::Builtin(_) => unreachable!("it has been loaded above"),
    };
    if bytes.len() > LARGE && std::io::stderr().is_terminal() {
        eprintln!("Compiling {text} ({} MB); the result is kept", bytes.len() >> 20);
    }
    let plugin = engine.load(text, &bytes).await?;
    Ok(Loaded {
        engine,
        plugin,
        size: bytes.len(),
    })
}

fn place(text: &str) -> anyhow::Result<Place<'_>> {
    if let Some(name) = text.strip_prefix("builtin:") {
        return Ok(Place::Builtin(name));
    }
    let path = Path::new(text);
    // On a command line a file needs no ./ before it.
    if path.is_file() || ["/", "./", "../"].iter().any(|start| text.starts_with(start)) {
        return Ok(Place::File(path));
    }
    if text.ends_with(".wasm") {
        bail!("there is no file {text}; build the component first, or name a file, a reference or builtin:NAME");
    }
    Ok(Place::Store(text.parse()?))
}

/// A component as the agent finds it, which runs elsewhere: a file by its absolute path.
pub(super) fn absolute(text: &str) -> anyhow::Result<String> {
    match place(text)? {
        Place::File(path) => {
            let path = path
                .canonicalize()
                .with_context(|| format!("cannot read {}", path.display()))?;
            let text = path.to_str().map(str::to_owned);
            text.with_context(|| format!("the path {} is not UTF-8; move the component elsewhere", path.display()))
        }
        Place::Builtin(_) | Place::Store(_) => Ok(text.to_owned()),
    }
}

async fn from_store(reference: &Reference, state_dir: &Path) -> anyhow::Result<Vec<u8>> {
    let folder = state_dir.join("plugins");
    let store = Store::open(&folder).with_context(|| format!("cannot open the plugin store {}", folder.display()))?;
    let resolver = Resolver::new(store, Registry::new(RegistryConfig::default()));
    let resolved = resolver.resolve(reference).await?;
    Ok(resolver.store().get(&resolved.digest)?)
}

/// An engine that keeps what it compiles in the user's own cache, where there is one.
pub(super) fn engine() -> anyhow::Result<Engine> {
    let cache = cache().filter(|path| fs::create_dir_all(path).is_ok());
    Ok(Engine::new(EngineConfig {
        cache_directory: cache.map(|path| path.join("components")),
        compiler: Some(compiler()),
        ..EngineConfig::default()
    })?)
}

fn cache() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(base.join("probelet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_named_as_in_a_manifest() {
        assert!(matches!(place("builtin:tcp").unwrap(), Place::Builtin("tcp")));
        assert!(matches!(place("./redis-ping").unwrap(), Place::File(_)));
        assert!(matches!(place("redis-ping:1").unwrap(), Place::Store(_)));
        // A file that is there needs no mark, and one that is not is told as such.
        assert!(matches!(place("Cargo.toml").unwrap(), Place::File(_)));
        let error = place("redis-ping.wasm").err().unwrap().to_string();
        assert!(error.contains("there is no file redis-ping.wasm"), "{error}");
    }
}
