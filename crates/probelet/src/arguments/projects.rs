//! Authors' projects below `probelet plugin`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::DataFormat;

/// Make a project for a check of your own, which builds at once; needs no agent
///
/// It is a folder of the plugin's name, with a short check to change, a pod that uses it, and test cases.
#[derive(Debug, Args)]
pub(crate) struct PluginNew {
    /// The plugin's name: lowercase letters, digits and -
    pub(crate) name: String,

    /// The language of its source
    #[arg(long = "lang", value_name = "LANGUAGE")]
    pub(crate) language: Language,

    /// A hook in place of a probe
    #[arg(long)]
    pub(crate) hook: bool,
}

/// Build a project into a component, build/NAME.wasm in its folder; needs no agent
///
/// The language's compiler is looked for in the project (.venv/bin, node_modules/.bin), then on the PATH. If it is missing,
/// the error says how to get it.
#[derive(Debug, Args)]
pub(crate) struct PluginBuild {
    /// The project's folder; or a component in the text format, NAME.wat, which becomes NAME.wasm
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) source: PathBuf,

    /// Write the component elsewhere
    #[arg(long = "output", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// How to print what was built, if not as a line
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<DataFormat>,
}

/// Languages of projects.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Language {
    Rust,
    C,
    Go,
    Python,
    #[value(name = "javascript")]
    JavaScript,
    Zig,
}
