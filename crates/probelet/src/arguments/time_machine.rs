//! Commands that live a pod's life in virtual time, or again.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use probelet_simulate::LONGEST_TIME;

use super::{Lines, Namespace};

/// Tell why a container of a pod was restarted, or why the pod is not ready: the chain of causes
///
/// It is told from what the agent has recorded of the last hours.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The pod
    pub(crate) pod: String,

    #[command(flatten)]
    pub(crate) namespace: Namespace,

    /// The container, if the pod has more than one
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,

    /// Which restart, counted from 1 [default: why it is not ready, else the last restart]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) restart: Option<u32>,

    /// json: print a document instead of lines
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Lines>,
}

/// Live a pod's recorded life again, in virtual time, as it was or with other numbers
///
/// The pod itself is left alone. With --set it is told what would have happened instead, if its containers had done at
/// each age what they did then, and from where on that is a guess.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The pod
    pub(crate) pod: String,

    #[command(flatten)]
    pub(crate) namespace: Namespace,

    /// Another number, such as livenessProbe.failureThreshold=5 or terminationGracePeriodSeconds=10
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub(crate) set: Vec<String>,

    /// The container whose field is set, if the pod has more than one
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,

    /// How to print what happened
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: SimulationFormat,
}

/// Live the lives of pods in virtual time, and tell what their probes make of them; needs no agent and no containers
///
/// What their applications do is told by a script; without one they are well. A day takes no second.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// A manifest; - is standard input
    #[arg(
        required_unless_present = "kubelet_traces",
        conflicts_with = "kubelet_traces",
        value_name = "FILE"
    )]
    pub(crate) file: Option<PathBuf>,

    /// How the applications behave, and what is done to the pods: lines as docs/simulate.md lists them
    #[arg(long, value_name = "FILE", conflicts_with = "kubelet_traces")]
    pub(crate) script: Option<PathBuf>,

    /// How long they live, such as 10m or 24h [default: what the script says, else 24h]
    #[arg(long = "for", value_name = "TIME", value_parser = time, conflicts_with = "kubelet_traces")]
    pub(crate) time: Option<Duration>,

    /// Only this pod of the manifest
    #[arg(long, value_name = "NAME", conflicts_with = "kubelet_traces")]
    pub(crate) pod: Option<String>,

    /// Run cases that were recorded from a kubelet instead, and end with 1 if one goes otherwise
    #[arg(long, value_name = "FILE")]
    pub(crate) kubelet_traces: Option<PathBuf>,

    /// How to print what happened
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: SimulationFormat,
}

/// A time that can be simulated.
fn time(text: &str) -> Result<Duration, String> {
    let time = probelet_simulate::duration::parse(text)?;
    if time.is_zero() {
        Err("nothing happens in no time".to_owned())
    } else if time > LONGEST_TIME {
        Err("a year is the longest".to_owned())
    } else {
        Ok(time)
    }
}

/// Formats of `simulate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimulationFormat {
    /// A timeline, a chart in characters, and totals
    Text,
    Json,
    /// The chart as a picture
    Svg,
}
