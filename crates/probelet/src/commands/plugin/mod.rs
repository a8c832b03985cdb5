//! `probelet plugin`.

mod audit;
mod bench;
mod build;
mod component;
mod handler;
mod inspect;
mod new;
mod outcome;
mod pull;
mod push;
mod record;
pub(super) mod registries;
mod run;
mod sign;
mod store;
mod test;
mod verify;

use std::{path::Path, process::ExitCode};

use probelet_api::client::Client;

use crate::arguments::{self, PluginCommand};

/// Works on the plugin store, with registries or with a component, whether an agent runs or not, or asks the agent what
/// plugins need.
pub(crate) async fn run(command: arguments::Plugin, state_dir: &Path, client: &Client) -> anyhow::Result<ExitCode> {
    match command.command {
        PluginCommand::Import(command) => store::import(&command, state_dir),
        PluginCommand::List(command) => store::list(&command, state_dir),
        PluginCommand::Remove(command) => store::remove(&command, state_dir),
        PluginCommand::Push(command) => push::run(&command, state_dir).await,
        PluginCommand::Pull(command) => pull::run(&command, state_dir).await,
        PluginCommand::Sign(command) => sign::run(&command).await,
        PluginCommand::Verify(command) => verify::run(&command, state_dir).await,
        PluginCommand::Audit(command) => audit::run(&command, client).await,
        PluginCommand::New(command) => new::run(&command),
        PluginCommand::Build(command) => build::run(&command),
        PluginCommand::Inspect(command) => inspect::run(&command, state_dir).await,
        PluginCommand::Bench(command) => bench::run(&command, state_dir).await,
        PluginCommand::Record(command) => record::run(&command, client).await,
        PluginCommand::Test(command) => return test::run(&command, state_dir).await,
        PluginCommand::Run(command) => return run::run(&command, state_dir, client).await,
    }
    .map(|()| ExitCode::SUCCESS)
}
