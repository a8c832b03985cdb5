//! `probelet plugin`.

mod audit;
mod pull;
mod push;
pub(super) mod registries;
mod sign;
mod store;
mod verify;

use std::path::Path;

use probelet_api::client::Client;

use crate::arguments::{self, PluginCommand};

/// Works on the plugin store and with registries, whether an agent runs or not, or asks the agent what plugins need.
pub(crate) async fn run(command: arguments::Plugin, state_dir: &Path, client: &Client) -> anyhow::Result<()> {
    match command.command {
        PluginCommand::Import(command) => store::import(&command, state_dir),
        PluginCommand::List(command) => store::list(&command, state_dir),
        PluginCommand::Remove(command) => store::remove(&command, state_dir),
        PluginCommand::Push(command) => push::run(&command, state_dir).await,
        PluginCommand::Pull(command) => pull::run(&command, state_dir).await,
        PluginCommand::Sign(command) => sign::run(&command).await,
        PluginCommand::Verify(command) => verify::run(&command, state_dir).await,
        PluginCommand::Audit(command) => audit::run(&command, client).await,
    }
}
