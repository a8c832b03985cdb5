//! Commands that speak to registries, and how they are spoken to.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::DataFormat;

/// How registries are spoken to.
#[derive(Debug, Args)]
pub(crate) struct Registries {
    /// A docker config.json with names and passwords for registries of plugins [default: $DOCKER_CONFIG/config.json or
    /// ~/.docker/config.json, if it is there]
    #[arg(long, env = "PROBELET_REGISTRY_CONFIG", value_name = "FILE")]
    pub(crate) registry_config: Option<PathBuf>,

    /// Certificate authorities that registries of plugins may have beside those of this machine, in PEM
    #[arg(long, env = "PROBELET_REGISTRY_CA", value_name = "FILE")]
    pub(crate) registry_ca: Option<PathBuf>,
}

/// What to do about plugins that are not signed with one of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Signatures {
    /// Run them; no signature is looked for
    Ignore,
    /// Run them, and say so to who applies the pod and in an event
    Warn,
    /// Refuse the pod
    Require,
}

/// Put a component into a registry; needs no agent
///
/// The tag of a component that is there already is left as it is, with its signatures. What the registry has of it is not
/// sent, and what breaks is sent again from where it broke.
#[derive(Debug, Args)]
pub(crate) struct PluginPush {
    /// The component: a file, or a name in the plugin store
    #[arg(value_name = "FILE|NAME")]
    pub(crate) component: String,

    /// Where to: registry, repository and tag, as ghcr.io/acme/redis-ping:1
    pub(crate) reference: String,

    /// Sign it with the private key in this file, as `plugin sign` does
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) registries: Registries,

    /// How to print what it is pinned by, if not as lines
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Get a component from a registry into the plugin store; needs no agent
///
/// Pods that name it by the digest that is printed can then be started while the registry is away.
#[derive(Debug, Args)]
pub(crate) struct PluginPull {
    /// The component: registry, repository, and a tag or a digest
    pub(crate) reference: String,

    /// Refuse it unless it is signed with one of the public keys in this file; may be given several times
    #[arg(long = "key", value_name = "FILE")]
    pub(crate) keys: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) registries: Registries,

    /// How to print what it is pinned by, if not as lines
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Sign a component in a registry, or in a file; needs no agent
///
/// In a registry the signature lies beside the component, where cosign finds it too. A file has it in another one beside
/// it, FILE.sig, which `plugin import` takes along.
#[derive(Debug, Args)]
pub(crate) struct PluginSign {
    /// The component: a file, or registry, repository, and a tag or better a digest
    #[arg(value_name = "FILE|REFERENCE")]
    pub(crate) component: String,

    /// The private key: ECDSA on P-256 or Ed25519, in PEM, without a password
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,

    #[command(flatten)]
    pub(crate) registries: Registries,

    /// How to print what was signed, if not as a line
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// See that a component is whole, and signed with one of some keys; needs no agent
///
/// Ends with 1 if it is not.
#[derive(Debug, Args)]
pub(crate) struct PluginVerify {
    /// The component: a file, or a name in a registry or in the plugin store
    #[arg(value_name = "FILE|REFERENCE")]
    pub(crate) component: String,

    /// A file with public keys, in PEM; may be given several times
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub(crate) keys: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) registries: Registries,

    /// How to print what was found, if not as a line
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}
