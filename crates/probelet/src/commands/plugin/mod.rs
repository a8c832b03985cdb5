//! `probelet plugin`.

mod audit;
mod store;

use std::path::Path;

use probelet_api::client::Client;

use crate::arguments::{self, PluginCommand};

/// Works on the plugin store, whether an agent runs or not, or asks the agent what plugins need.
pub(crate) async fn run(command: arguments::Plugin, state_dir: &Path, client: &Client) -> anyhow::Result<()> {
    match command.command {
        PluginCommand::Import(command) => store::import(&command, state_dir),
        PluginCommand::List(command) => store::list(&command, state_dir),
        PluginCommand::Remove(command) => store::remove(&command, state_dir),
        PluginCommand::Audit(command) => audit::run(&command, client).await,
    }
}
