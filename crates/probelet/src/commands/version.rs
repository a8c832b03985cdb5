//! `probelet version`.

use probelet_api::client::{Client, OBJECTS, Target};
use serde_json::{Value, json};

use crate::{
    arguments::Version,
    output::{documents::print_document, print},
};

/// Shows the versions of this program and of the agent.
pub(crate) async fn run(command: &Version, client: &Client) -> anyhow::Result<()> {
    let own = env!("CARGO_PKG_VERSION");
    let agent = if command.client {
        None
    } else {
        Some(client.get::<Value>(&Target::fixed("/version"), OBJECTS).await)
    };
    let (agent, failure) = match agent.transpose() {
        Ok(agent) => (agent, None),
        // What can be told is told, whether an agent runs or not.
        Err(error) => (None, Some(error)),
    };
    match command.output {
        Some(format) => {
            let mut versions = json!({"clientVersion": {"version": own}});
            if let Some(agent) = agent {
                versions["serverVersion"] = agent;
            }
            print_document(&versions, format)?;
        }
        None => {
            let mut text = format!("Client Version: {own}\n");
            if let Some(version) = agent.as_ref().and_then(|agent| agent["gitVersion"].as_str()) {
                text += &format!("Server Version: {version}\n");
            }
            print(&text)?;
        }
    }
    failure.map_or(Ok(()), |error| Err(error.into()))
}
