//! The command line, as clap reads it. The texts here are also what `docs/cli.md` says.

mod offline;
mod projects;
mod registries;
mod stores;
mod time_machine;
mod tools;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
pub(crate) use offline::{Explain, Lint, Schema, Threshold};
pub(crate) use projects::{Language, PluginBuild, PluginNew};
pub(crate) use registries::{PluginPull, PluginPush, PluginSign, PluginVerify, Registries, Signatures};
pub(crate) use stores::{
    Image, ImageCommand, ImageImport, Plugin, PluginAudit, PluginCommand, PluginImport, PluginList, PluginRemove,
};
pub(crate) use time_machine::{Replay, Simulate, SimulationFormat, Why};
pub(crate) use tools::{
    HandlerArguments, PluginBench, PluginInspect, PluginRecord, PluginRun, PluginTest, TestFormat, word,
};

/// Runs Kubernetes pods on this machine; their probes and hooks are WebAssembly components
#[derive(Debug, Parser)]
#[command(name = "probelet", version, max_term_width = 120)]
pub(crate) struct Arguments {
    /// The folder of the agent: images, pods, logs, its socket
    #[arg(
        long,
        global = true,
        env = "PROBELET_STATE_DIR",
        value_name = "FOLDER",
        default_value = "/var/lib/probelet"
    )]
    pub(crate) state_dir: PathBuf,

    /// The agent's socket [default: probelet.sock in the agent's folder]
    #[arg(long, global = true, env = "PROBELET_SOCKET", value_name = "FILE")]
    socket: Option<PathBuf>,

    /// Say more on stderr; -vv and -vvv say still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// The agent's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.socket
            .clone()
            .unwrap_or_else(|| self.state_dir.join("probelet.sock"))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Run),
    Node(Node),
    Apply(Apply),
    Get(Get),
    Describe(Describe),
    Delete(Delete),
    Exec(Exec),
    Logs(Logs),
    Events(Events),
    History(History),
    Why(Why),
    Replay(Replay),
    Simulate(Simulate),
    Hold(Hold),
    Image(Image),
    Plugin(Plugin),
    Metrics(Metrics),
    Lint(Lint),
    Explain(Explain),
    Schema(Schema),
    Version(Version),
    Completion(Completion),
}

/// Run pods in the foreground, and show what becomes of them
///
/// Ends when all of them have ended for good, with 1 if one has failed. Ctrl-C deletes them with their grace periods, a
/// second Ctrl-C by force. Other commands work from another terminal meanwhile.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Manifests; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// json: print each change as a line {"type": …, "object": …} instead of a table
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Lines>,

    #[command(flatten)]
    pub(crate) agent: Agent,
}

/// Run the agent, which other commands speak to
///
/// SIGTERM or Ctrl-C ends the agent, but no container: they run on, and the next agent on the same folder finds them.
#[derive(Debug, Args)]
pub(crate) struct Node {
    #[command(flatten)]
    pub(crate) agent: Agent,
}

/// How an agent is set up.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// The range of the pods' addresses
    #[arg(
        long,
        env = "PROBELET_POD_CIDR",
        value_name = "RANGE",
        default_value = "10.88.0.0/16"
    )]
    pub(crate) pod_cidr: String,

    /// The range of the pods' addresses of IPv6; auto makes one for the bridge where the machine has IPv6, with none there
    /// are no such addresses
    #[arg(long, env = "PROBELET_POD_CIDR_IPV6", value_name = "RANGE", default_value = "auto")]
    pub(crate) pod_cidr_ipv6: String,

    /// The bridge that joins the pods
    #[arg(long, env = "PROBELET_BRIDGE", value_name = "NAME", default_value = "probelet0")]
    pub(crate) bridge: String,

    /// The program that holds a container [default: probelet-shim beside this program]
    #[arg(long, env = "PROBELET_SHIM", value_name = "FILE")]
    pub(crate) shim: Option<PathBuf>,

    /// The most restarts that liveness probes may bring about in ten minutes, all pods together; others wait for the next
    /// failure. No limit if not given
    #[arg(long, env = "PROBELET_RESTART_BUDGET", value_name = "NUMBER")]
    pub(crate) restart_budget: Option<u32>,

    /// While processes wait for a processor for more of the time than this, a container is restarted only after three times
    /// as many failures of its liveness probe as its `failureThreshold` says. No matter if not given
    #[arg(long, env = "PROBELET_CPU_PRESSURE_LIMIT", value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) cpu_pressure_limit: Option<u8>,

    /// What to do about plugins that are not signed with one of the keys; those that come with probelet need no signature
    /// [default: ignore]
    #[arg(long, env = "PROBELET_PLUGIN_SIGNATURES", value_name = "POLICY")]
    pub(crate) plugin_signatures: Option<Signatures>,

    /// A file with public keys of those who sign plugins, in PEM; may be given several times, in the variable with commas
    /// between
    #[arg(
        long = "plugin-key",
        env = "PROBELET_PLUGIN_KEYS",
        value_name = "FILE",
        value_delimiter = ',',
        requires = "plugin_signatures"
    )]
    pub(crate) plugin_keys: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) registries: Registries,
}

/// Hold back restarts because of liveness on this node; needs no agent
///
/// A container whose liveness probe fails goes on, and is probed on, until the hold is released and the probe fails again.
/// For a node that is overloaded, or while something is repaired on which many pods depend.
#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// End the hold
    #[arg(long)]
    pub(crate) release: bool,

    /// Tell whether there is a hold, and since when
    #[arg(long, conflicts_with = "release")]
    pub(crate) status: bool,

    /// How to print the status, if not as a line
    #[arg(short, long, value_name = "FORMAT", requires = "status")]
    pub(crate) output: Option<DataFormat>,
}

/// The namespace that a command is about.
#[derive(Debug, Args)]
pub(crate) struct Namespace {
    /// The namespace of the pods
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    pub(crate) namespace: String,
}

/// Create pods from manifests
///
/// A pod that is there already is left alone if it is the same, else refused: delete it first.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Manifests; - is standard input
    #[arg(short, long = "filename", required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// The namespace of pods that name none
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// What to print of each pod
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<ObjectFormat>,
}

/// Show pods or events
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// pods or events, then the name of one; or both in one word: pod/NAME
    #[arg(required = true, num_args = 1..=2, value_name = "KIND [NAME]")]
    pub(crate) what: Vec<String>,

    #[command(flatten)]
    pub(crate) namespace: Namespace,

    /// Those of all namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,

    /// Go on with a line, or a document, for each change
    #[arg(short, long)]
    pub(crate) watch: bool,

    /// How to print them, if not as a table
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<GetFormat>,
}

/// Tell all about pods, with their events
#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// pod, then names; or both in one word: pod/NAME
    #[arg(required = true, value_name = "KIND NAME")]
    pub(crate) what: Vec<String>,

    #[command(flatten)]
    pub(crate) namespace: Namespace,
}

/// Delete pods, and wait until they are gone
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// pod, then names; or both in one word: pod/NAME
    #[arg(
        required_unless_present = "files",
        conflicts_with = "files",
        value_name = "KIND NAME"
    )]
    pub(crate) what: Vec<String>,

    /// Delete the pods of these manifests; - is standard input
    #[arg(short, long = "filename", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// The namespace of the pods [default: default]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// How long the pods have to end by themselves [default: what each pod says, which is 30 if it says nothing]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) grace_period: Option<u64>,

    /// Kill at once; the only way to a grace period of 0
    #[arg(long)]
    pub(crate) force: bool,

    /// Be content if they are not there
    #[arg(long)]
    pub(crate) ignore_not_found: bool,

    /// Wait until they are gone
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub(crate) wait: bool,

    /// name: print pod/NAME only
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Name>,
}

/// Run a command in a container
///
/// Ends with the command's exit code. If this program ends first, so does the command.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// The pod
    pub(crate) pod: String,

    #[command(flatten)]
    pub(crate) namespace: Namespace,

    /// The container [default: the first, and it is told if there are others]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,

    /// Pass standard input on
    #[arg(short = 'i', long)]
    pub(crate) stdin: bool,

    /// Give the command a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,

    /// The command and its arguments, after --
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// Show a container's log
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The pod
    pub(crate) pod: String,

    #[command(flatten)]
    pub(crate) namespace: Namespace,

    /// The container [default: the first, and it is told if there are others]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,

    /// Go on until the container ends
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// That of the container's life before the present one
    #[arg(short, long)]
    pub(crate) previous: bool,

    /// Only the last lines; -1 is all
    #[arg(long, value_name = "LINES", default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) tail: i64,

    /// Put a time before each line
    #[arg(long)]
    pub(crate) timestamps: bool,
}

/// Show what has happened
#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) namespace: Namespace,

    /// Those of all namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,

    /// Only those of one pod
    #[arg(long = "for", value_name = "pod/NAME")]
    pub(crate) about: Option<String>,

    /// Go on with a line, or a document, for each change
    #[arg(short, long)]
    pub(crate) watch: bool,

    /// How to print them, if not as a table
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Show the recorded runs of a pod's probes and hooks, oldest first
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The pod
    pub(crate) pod: String,

    #[command(flatten)]
    pub(crate) namespace: Namespace,

    /// How to print them, if not as a table
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Print the agent's metrics as Prometheus reads them
#[derive(Debug, Args)]
pub(crate) struct Metrics {}

/// Show the versions of this program and of the agent
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Only this program's
    #[arg(long)]
    pub(crate) client: bool,

    /// How to print them, if not as lines
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<DataFormat>,
}

/// Print a script that completes commands and flags in a shell
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Formats of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    Json,
    Yaml,
}

/// Formats of `get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GetFormat {
    /// The table with more columns
    Wide,
    Json,
    Yaml,
    /// KIND/NAME only
    Name,
}

/// Formats of commands that print the objects that they have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectFormat {
    Json,
    Yaml,
    /// KIND/NAME only
    Name,
}

/// The format of streams of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lines {
    Json,
}

/// The format of lists of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    Name,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_command_is_what_comes_after_two_dashes() {
        let line = [
            "probelet", "exec", "-it", "pod", "-c", "web", "-n", "x", "--", "sh", "-c", "ls",
        ];
        let Command::Exec(exec) = Arguments::parse_from(line).command else {
            panic!("it is exec")
        };
        assert_eq!(
            (exec.pod.as_str(), exec.container.as_deref(), exec.stdin, exec.tty),
            ("pod", Some("web"), true, true)
        );
        assert_eq!(exec.command, ["sh", "-c", "ls"]);
        assert!(Arguments::try_parse_from(["probelet", "exec", "pod", "ls"]).is_err());
    }

    #[test]
    fn a_simulation_has_a_manifest_or_cases() {
        let parse = |words: &[&str]| Arguments::try_parse_from([&["probelet", "simulate"], words].concat());
        assert!(parse(&["pod.yaml", "--script", "s.yaml", "--for", "1h30m", "-o", "svg"]).is_ok());
        assert!(parse(&["--kubelet-traces", "cases.json"]).is_ok());
        for wrong in [
            &[][..],
            &["pod.yaml", "--kubelet-traces", "x"],
            &["pod.yaml", "--for", "0s"],
            &["pod.yaml", "--for", "2y"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn keys_for_plugins_mean_nothing_without_a_policy() {
        let parse = |words: &[&str]| Arguments::try_parse_from([&["probelet", "node"], words].concat());
        let keys = ["--plugin-key", "a.pub", "--plugin-key", "b.pub"];
        assert!(parse(&keys).is_err());
        let Ok(Arguments {
            command: Command::Node(node),
            ..
        }) = parse(&[&keys[..], &["--plugin-signatures", "require"]].concat())
        else {
            panic!("it is node")
        };
        assert_eq!(node.agent.plugin_signatures, Some(Signatures::Require));
        assert_eq!(node.agent.plugin_keys, [PathBuf::from("a.pub"), PathBuf::from("b.pub")]);
    }

    #[test]
    fn waiting_can_be_switched_off() {
        for (flags, expected) in [(&[][..], true), (&["--wait"], true), (&["--wait=false"], false)] {
            let line = [&["probelet", "delete", "pod", "x"], flags].concat();
            let Command::Delete(delete) = Arguments::parse_from(&line).command else {
                panic!("it is delete")
            };
            assert_eq!((delete.wait, delete.what.len()), (expected, 2), "{line:?}");
        }
    }
}
