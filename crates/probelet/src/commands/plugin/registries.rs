//! What the commands that speak to registries share.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use probelet_plugin_store::{Reference, Registry, RegistryConfig};

use crate::arguments::Registries;

/// A component, as a command line names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    File(PathBuf),
    Reference(Reference),
}

impl Named {
    /// What looks like a path is one, as in a manifest; and so is the name of a file that is there.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let is_path = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
        if is_path || Path::new(text).is_file() {
            return Ok(Self::File(text.into()));
        }
        Ok(Self::Reference(text.parse()?))
    }
}

impl Registries {
    /// How registries are spoken to, for the agent and for commands alike.
    pub(crate) fn config(&self) -> RegistryConfig {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let usual = || usual_credentials(variable("DOCKER_CONFIG"), variable("HOME")).filter(|path| path.exists());
        RegistryConfig {
            credentials: self.registry_config.clone().or_else(usual),
            certificate_authorities: self.registry_ca.clone(),
            ..RegistryConfig::default()
        }
    }

    /// A client for them.
    pub(super) fn client(&self) -> Registry {
        Registry::new(self.config())
    }
}

/// Where docker, podman's tools and others keep names and passwords.
fn usual_credentials(docker_config: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let folder = docker_config.map(PathBuf::from);
    let folder = folder.or_else(|| home.map(|home| PathBuf::from(home).join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_a_file_if_it_looks_like_one_or_is_there() {
        let file = |text: &str| Named::File(text.into());
        for text in ["/a.wasm", "./a.wasm", "../a", "Cargo.toml"] {
            assert_eq!(Named::parse(text).unwrap(), file(text));
        }
        for text in ["redis-ping", "a.wasm", "ghcr.io/a/b:1"] {
            assert_eq!(Named::parse(text).unwrap(), Named::Reference(text.parse().unwrap()));
        }
        assert!(Named::parse("No Name").is_err());
    }

    #[test]
    fn passwords_are_where_docker_puts_them() {
        let find = |docker: Option<&str>, home: Option<&str>| {
            usual_credentials(docker.map(Into::into), home.map(Into::into)).map(|path| path.display().to_string())
        };
        assert_eq!(find(Some("/d"), Some("/root")).as_deref(), Some("/d/config.json"));
        assert_eq!(find(None, Some("/root")).as_deref(), Some("/root/.docker/config.json"));
        assert_eq!(find(None, None), None);
    }
}
