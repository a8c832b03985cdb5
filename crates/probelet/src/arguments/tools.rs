//! The author's tools below `probelet plugin`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use probelet_manifest::Role;

use super::{DataFormat, Namespace, Registries};

/// Tell what a component is: worlds, imports, its description, what it would need to be granted; needs no agent
#[derive(Debug, Args)]
pub(crate) struct PluginInspect {
    /// A file, a reference such as redis-ping:1, or builtin:NAME
    #[arg(value_name = "COMPONENT")]
    pub(crate) component: String,

    #[command(flatten)]
    pub(crate) registries: Registries,

    /// How to print it, if not as text
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Run a component once, here and now, and tell what came of it; needs an agent only with --pod
///
/// Ends with 0 if it found the container healthy or degraded, or did its work as a hook, else with 1.
#[derive(Debug, Args)]
pub(crate) struct PluginRun {
    /// A file, a reference such as redis-ping:1, or builtin:NAME
    #[arg(value_name = "COMPONENT")]
    pub(crate) component: String,

    #[command(flatten)]
    pub(crate) handler: HandlerArguments,

    /// Run it in the agent, against a container of this pod
    #[arg(long, value_name = "POD", conflicts_with = "against")]
    pub(crate) pod: Option<String>,

    /// The container, if the pod has more than one
    #[arg(short, long, value_name = "NAME", requires = "pod")]
    pub(crate) container: Option<String>,

    #[command(flatten)]
    pub(crate) namespace: Namespace,

    #[command(flatten)]
    pub(crate) registries: Registries,

    /// How to print the outcome, if not as text
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Run a plugin's test cases, without a network or a container; needs no agent
///
/// Ends with 1 if a case has failed.
#[derive(Debug, Args)]
pub(crate) struct PluginTest {
    /// A folder with case files, or one that has them in its folder cases; or a case file
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,

    /// The component to test, in place of those that the cases name
    #[arg(long, value_name = "COMPONENT")]
    pub(crate) component: Option<String>,

    #[command(flatten)]
    pub(crate) registries: Registries,

    /// How to print the results, if not as text
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<TestFormat>,
}

/// How results of cases are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TestFormat {
    /// One document.
    Json,
    /// JUnit's XML, for continuous integration.
    Junit,
}

/// Run a component many times, and tell what it took and which limits would do; needs no agent
#[derive(Debug, Args)]
pub(crate) struct PluginBench {
    /// A file, a reference such as redis-ping:1, or builtin:NAME
    #[arg(value_name = "COMPONENT")]
    pub(crate) component: String,

    /// How often, one run after the other
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) runs: u32,

    #[command(flatten)]
    pub(crate) handler: HandlerArguments,

    #[command(flatten)]
    pub(crate) registries: Registries,

    /// How to print the result, if not as text
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Keep the next run of a pod's probe or hook as a test case, which plugin test replays
///
/// The case has what the run was told and what the host answered, without what can be known for a secret: values of
/// granted variables, of configuration fields whose names say so, and of headers such as Authorization.
#[derive(Debug, Args)]
pub(crate) struct PluginRecord {
    /// The pod
    pub(crate) pod: String,

    /// Which of its checks
    #[arg(value_name = "CHECK")]
    pub(crate) check: CheckKind,

    /// The container, if the pod has more than one
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,

    #[command(flatten)]
    pub(crate) namespace: Namespace,

    /// Wait for a run that ends so, such as unhealthy
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<OutcomeName>,

    /// Wait no longer than this
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    /// The file to write; it must not be there yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// How a run has ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OutcomeName {
    /// Of a probe: well.
    Healthy,
    /// Of a probe: well, with something to say.
    Degraded,
    /// Of a probe: not well.
    Unhealthy,
    /// Of a hook: it has done its work.
    Succeeded,
    /// Of a hook: it has not.
    Failed,
    /// It could not be done.
    Errored,
}

/// The word of a value of an argument.
pub(crate) fn word(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("no value of ours is hidden");
    value.get_name().to_owned()
}

/// What stands beside a component in a manifest, and whom it is run against.
#[derive(Debug, Args)]
pub(crate) struct HandlerArguments {
    /// What it is run as [default: liveness, or postStart if it is a hook only]
    #[arg(long, value_name = "CHECK")]
    pub(crate) kind: Option<CheckKind>,

    /// Its configuration, as JSON or YAML, such as '{port: 6379}'
    #[arg(long, value_name = "YAML")]
    pub(crate) config: Option<String>,

    /// What it is granted, as below allow in a manifest, such as '{network: ["db.internal:5432"]}'
    #[arg(long, value_name = "YAML")]
    pub(crate) allow: Option<String>,

    /// What it may use, as below limits in a manifest, such as '{fuel: 10M}'
    #[arg(long, value_name = "YAML")]
    pub(crate) limits: Option<String>,

    /// How long it may take
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) timeout: Duration,

    /// The address that it is to take for the pod's, and a port that it is to take for the container's
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) against: Option<String>,
}

/// A check of a container, as histories name it.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "camelCase")]
pub(crate) enum CheckKind {
    /// `livenessProbe`.
    Liveness,
    /// `readinessProbe`.
    Readiness,
    /// `startupProbe`.
    Startup,
    /// `lifecycle.postStart`.
    PostStart,
    /// `lifecycle.preStop`.
    PreStop,
}

impl CheckKind {
    /// As the manifest has it.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Liveness => Role::Liveness,
            Self::Readiness => Role::Readiness,
            Self::Startup => Role::Startup,
            Self::PostStart => Role::PostStart,
            Self::PreStop => Role::PreStop,
        }
    }
}

/// The longest time limit that is taken: a day, as no check takes longer.
const MAX_TIMEOUT: Duration = Duration::from_secs(86_400);

fn duration(text: &str) -> Result<Duration, String> {
    let duration = probelet_simulate::duration::parse(text)?;
    if duration.is_zero() || duration > MAX_TIMEOUT {
        return Err("write a time between 1ms and 24h, such as 500ms".to_owned());
    }
    Ok(duration)
}
