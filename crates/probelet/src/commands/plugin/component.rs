//! Finding a component as a manifest would, and making it ready to run, without an agent.

use std::{
    env, fs,
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use probelet_builtin_plugins::{builtin, names};
use probelet_engine::{Engine, EngineConfig, Plugin};
use probelet_plugin_store::{Resolver, Store};

use super::{registries::Named, store};
use crate::{arguments::Registries, commands::agent::compiler};

/// What the names of components begin with that come with probelet.
const BUILTIN: &str = "builtin:";

/// Above this size compiling takes so long that one wonders.
const LARGE: usize = 1 << 20;

/// A component that is ready to run.
pub(super) struct Loaded {
    pub(super) engine: Engine,
    pub(super) plugin: Plugin,
    /// Its size in bytes.
    pub(super) size: usize,
}

/// Loads what a command line names: a file, a reference, or `builtin:NAME`.
pub(super) async fn load(text: &str, state_dir: &Path, registries: &Registries) -> anyhow::Result<Loaded> {
    load_with(&engine()?, text, state_dir, registries).await
}

/// The same with an engine that there is already.
pub(super) async fn load_with(
    engine: &Engine,
    text: &str,
    state_dir: &Path,
    registries: &Registries,
) -> anyhow::Result<Loaded> {
    let engine = engine.clone();
    if let Some(name) = text.strip_prefix(BUILTIN) {
        let bytes = builtin(name).with_context(|| {
            let names: Vec<_> = names().collect();
            format!("there is no component {text}; there are {}", names.join(", "))
        })?;
        let (plugin, size) = (engine.load_builtin(text, bytes).await?, bytes.len());
        return Ok(Loaded { engine, plugin, size });
    }
    let bytes = match named(text)? {
        Named::File(path) => Store::read_file(&path)?,
        Named::Reference(reference) => {
            let resolver = Resolver::new(store::open(state_dir)?, registries.client());
            let resolved = resolver.resolve(&reference).await?;
            resolver.store().get(&resolved.digest)?
        }
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

/// What is not built in. A file that is not there would be taken for a reference.
fn named(text: &str) -> anyhow::Result<Named> {
    match Named::parse(text) {
        Ok(Named::File(path)) => Ok(Named::File(path)),
        _ if text.ends_with(".wasm") => {
            bail!("there is no file {text}; build the component first, or name a file, a reference or builtin:NAME")
        }
        reference => reference,
    }
}

/// A component as the agent finds it, which runs elsewhere: a file by its absolute path.
pub(super) fn absolute(text: &str) -> anyhow::Result<String> {
    if text.starts_with(BUILTIN) {
        return Ok(text.to_owned());
    }
    match named(text)? {
        Named::File(path) => {
            let path = path
                .canonicalize()
                .with_context(|| format!("cannot read {}", path.display()))?;
            let text = path.to_str().map(str::to_owned);
            text.with_context(|| format!("the path {} is not UTF-8; move the component elsewhere", path.display()))
        }
        Named::Reference(_) => Ok(text.to_owned()),
    }
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
        assert_eq!(absolute("builtin:tcp").unwrap(), "builtin:tcp");
        assert!(matches!(named("./redis-ping").unwrap(), Named::File(_)));
        assert!(matches!(named("redis-ping:1").unwrap(), Named::Reference(_)));
        // A file that is there needs no mark, and one that is not is told as such.
        assert!(matches!(named("Cargo.toml").unwrap(), Named::File(_)));
        let error = named("redis-ping.wasm").err().unwrap().to_string();
        assert!(error.contains("there is no file redis-ping.wasm"), "{error}");
    }
}
