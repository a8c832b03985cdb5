//! Commands about manifests, which need no agent.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::DataFormat;

/// Find what is legal in manifests but hurts; needs no agent
///
/// Each finding has its reason and its fix. docs/lint.md lists the rules, and says how a manifest makes one silent. Ends
/// with 1 if something is found that is as grave as --fail-on, and with 2 if a manifest has faults.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Manifests; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// The least severity that makes it end with 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = Threshold::Hint)]
    pub(crate) fail_on: Threshold,

    /// How to print the findings, if not as lines
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// The severities of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Threshold {
    /// It cannot do what it says
    Error,
    /// It hurts when something goes wrong
    Warning,
    /// It works, and could be better
    Hint,
}

/// Tell what a field of a manifest is for, and what probelet makes of it; needs no agent
///
/// The texts are Kubernetes' own. A field is marked as -own- if it is probelet's, as -warned- if it is accepted without
/// effect, and as -refused- if no pod may have it.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The field, such as pod.spec.containers.livenessProbe; the path in an error message will do
    #[arg(value_name = "PATH")]
    pub(crate) path: String,

    /// All fields below it, without their descriptions
    #[arg(long)]
    pub(crate) recursive: bool,

    /// How to print it, if not as a text
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Print the JSON schema of manifests, for editors; needs no agent
///
/// It is of draft 2020-12. docs/guide/editors.md says how an editor is told of it.
#[derive(Debug, Args)]
pub(crate) struct Schema {}
