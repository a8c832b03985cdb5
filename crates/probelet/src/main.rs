//! The `probelet` binary: an agent for pods on one machine, and its command line, with kubectl's words and flags.
//!
//! Invariants:
//! - Results go to stdout, everything else to stderr. Whatever a script may want to read can be had as JSON.
//! - A command ends with 0 if it did what it was asked, 1 with a line `error: …` that says what to do if it could not, 2 if
//!   it was not understood. `exec` ends with the code of the command that it ran, and `lint` as `docs/lint.md` says.
//! - Commands other than `run`, `node` and those that need no agent only speak to one, by the API that kubectl speaks too.

mod arguments;
mod commands;
mod failure;
mod output;
#[cfg(test)]
mod reference;

use std::{path::Path, process::ExitCode};

use arguments::{Arguments, Command};
use clap::Parser;
use probelet_api::client::Client;
use tracing_subscriber::EnvFilter;

/// The word by which this program is told to be a worker of its own agent: it compiles a component, or checks a
/// configuration against a plugin's schema, in a process that can be stopped.
const WORKER: &str = "worker";

fn main() -> ExitCode {
    // No command of the user's, so clap knows nothing of it.
    if let [_, word, task] = &std::env::args().collect::<Vec<_>>()[..]
        && word == WORKER
    {
        return probelet_engine::compiler_main(task);
    }
    let arguments = Arguments::parse();
    log_to_stderr(arguments.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&anyhow::Error::new(error).context("cannot start")),
    };
    let result = runtime.block_on(run(arguments));
    // A thread that still waits for input would hold the end up for ever.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| failure::report(&error))
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let socket = arguments.socket();
    let state_dir: &Path = &arguments.state_dir;
    let client = Client::new(&socket);
    match arguments.command {
        Command::Run(command) => return commands::run::run(command, state_dir, &socket).await,
        Command::Node(command) => commands::node::run(&command, state_dir, &socket).await,
        Command::Apply(command) => commands::apply::run(command, &client).await,
        Command::Get(command) => commands::get::run(command, &client).await,
        Command::Describe(command) => commands::describe::run(command, &client).await,
        Command::Delete(command) => commands::delete::run(command, &client).await,
        Command::Exec(command) => return commands::exec::run(command, &client).await,
        Command::Logs(command) => commands::logs::run(command, &client).await,
        Command::Events(command) => commands::events::run(command, &client).await,
        Command::History(command) => commands::history::run(command, &client).await,
        Command::Why(command) => commands::why::run(&command, &client).await,
        Command::Replay(command) => commands::replay::run(&command, &client).await,
        Command::Simulate(command) => return commands::simulate::run(&command),
        Command::Hold(command) => commands::hold::run(&command, state_dir),
        Command::Image(command) => commands::image::run(command, state_dir),
        Command::Plugin(command) => return commands::plugin::run(command, state_dir, &client).await,
        Command::Lint(command) => return commands::lint::run(&command),
        Command::Explain(command) => commands::explain::run(&command),
        Command::Schema(_) => commands::schema::run(),
        Command::Metrics(_) => commands::metrics::run(&client).await,
        Command::Version(command) => commands::version::run(&command, &client).await,
        Command::Completion(command) => commands::completion::run(&command),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Warnings and errors; more with `-v`, or as `PROBELET_LOG` says.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    // Other crates' details drown our own; this one warns of each answer that nobody waits for any more.
    let default = if verbose < 3 {
        format!("warn,netlink_proto=error,probelet={level}")
    } else {
        level.to_owned()
    };
    let filter = EnvFilter::try_from_env("PROBELET_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output::style::is_coloured())
        .init();
}
