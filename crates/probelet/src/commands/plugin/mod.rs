//! `probelet plugin`.

mod audit;
mod build;
mod component;
mod handler;
mod inspect;
mod new;
mod outcome;
mod run;
mod store;
mod test;

use std::{path::Path, process::ExitCode};

use probelet_api::client::Client;

use crate::arguments::{self, PluginCommand};

/// Works on the plugin store or with a component, whether an agent runs or not, or asks the agent what plugins need.
pub(crate) async fn run(command: arguments::Plugin, state_dir: &Path, client: &Client) -> anyhow::Result<ExitCode> {
    match command.command {
        PluginCommand::Import(command) => store::import(&command, state_dir),
        PluginCommand::List(command) => store::list(&command, state_dir),
        PluginCommand::Remove(command) => store::remove(&command, state_dir),
        PluginCommand::Audit(command) => audit::run(&command, client).await,
        PluginCommand::New(command) => new::run(&command),
        PluginCommand::Build(command) => build::run(&command),
        PluginCommand::Inspect(command) => inspect::run(&command, state_dir).await,
        PluginCommand::Test(command) => return test::run(&command, state_dir).await,
        PluginCommand::Run(command) => return run::run(&command, state_dir).await,
    }
    .map(|()| ExitCode::SUCCESS)
}
