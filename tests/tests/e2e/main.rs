//! What the seed's manifests do not show, on real containers: bad input, hooks and grace periods, restart policies,
//! what a container is given, sessions, and an agent that dies.
//!
//! Each test has a namespace of its own on a shared agent, or, where it ends the agent or needs a special one, an
//! agent of its own.

mod agents;
mod containers;
mod damage;
mod ends;
mod families;
mod grpc;
mod hold;
mod images;
mod init;
mod input;
mod lives;
mod offline;
mod plugin_records;
mod plugin_tools;
mod plugins;
mod probes;
mod protocols;
mod registries;
mod sessions;
mod signatures;
mod time_machine;

use std::{sync::Arc, time::Duration};

use probelet_tests::{agent::Agent, namespace::Namespace};

/// How long anything may take that does not wait for a probe's turn, on a machine that runs all tests at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace on the shared agent.
fn namespace(name: &str) -> Namespace {
    Agent::shared().namespace(name)
}

/// An agent that a test may kill.
fn own_agent() -> Arc<Agent> {
    Agent::start()
}

/// A pod with one busybox container. `container` holds the container's further fields, indented by four, `spec` the
/// pod's, indented by two.
fn busybox(name: &str, container: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
{spec}
  containers:
  - name: main
    image: busybox:latest
{container}
"
    )
}

/// The container's command for a shell that runs a script and ends on SIGTERM, unless the script has other traps.
fn script(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("    command: [sh, -c, \"trap 'exit 0' TERM; {text}\"]\n")
}

/// A script's last words: it waits, and notices SIGTERM while it does.
const WAIT: &str = "sleep 3600 & wait";
