//! Commands about what the agent keeps: images and plugins.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    DataFormat, Namespace, PluginBench, PluginBuild, PluginInspect, PluginNew, PluginPull, PluginPush, PluginRecord,
    PluginRun, PluginSign, PluginTest, PluginVerify,
};

/// Import, list and remove images; needs no agent
#[derive(Debug, Args)]
pub(crate) struct Image {
    #[command(subcommand)]
    pub(crate) command: ImageCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    Import(ImageImport),
    List(ImageList),
    Remove(ImageRemove),
}

/// Import OCI layouts, OCI archives and archives of docker save
#[derive(Debug, Args)]
pub(crate) struct ImageImport {
    /// Archives or folders
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// The image's name, in place of the one that the archive gives it
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) name: Option<String>,

    /// How to print the imported images, if not as a line for each
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// List the imported images
#[derive(Debug, Args)]
pub(crate) struct ImageList {
    /// How to print them, if not as a table
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Remove imported images
#[derive(Debug, Args)]
pub(crate) struct ImageRemove {
    /// Their names
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) names: Vec<String>,
}

/// Import, list and remove components, exchange them with registries, sign them, look at them, run them, and see what
/// they need
#[derive(Debug, Args)]
pub(crate) struct Plugin {
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    Import(PluginImport),
    List(PluginList),
    Remove(PluginRemove),
    Push(PluginPush),
    Pull(PluginPull),
    Sign(PluginSign),
    Verify(PluginVerify),
    Audit(PluginAudit),
    New(PluginNew),
    Build(PluginBuild),
    Inspect(PluginInspect),
    Run(PluginRun),
    Test(PluginTest),
    Bench(PluginBench),
    Record(PluginRecord),
}

/// Put a component into the plugin store, where manifests find it by its name; needs no agent
///
/// A signature beside the file, FILE.sig, goes with it.
#[derive(Debug, Args)]
pub(crate) struct PluginImport {
    /// The component
    pub(crate) file: PathBuf,

    /// Its name, such as redis-ping:1 [default: the file's name]
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) name: Option<String>,

    /// How to print it, if not as a line
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// List the components in the plugin store; needs no agent
#[derive(Debug, Args)]
pub(crate) struct PluginList {
    /// How to print them, if not as a table
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Remove components from the plugin store; pods that run them keep them. Needs no agent
#[derive(Debug, Args)]
pub(crate) struct PluginRemove {
    /// Their names
    #[arg(required = true, value_name = "REFERENCE")]
    pub(crate) names: Vec<String>,
}

/// Print the least set of grants that the last runs of a pod's plugins needed, as YAML
///
/// What they were refused is part of it: they asked for it.
#[derive(Debug, Args)]
pub(crate) struct PluginAudit {
    /// The pod
    pub(crate) pod: String,

    #[command(flatten)]
    pub(crate) namespace: Namespace,

    /// JSON in place of YAML
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}
