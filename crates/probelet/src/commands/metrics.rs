//! `probelet metrics`.

use std::io::{Write, stdout};

use futures::StreamExt;
use probelet_api::client::{Client, Target};

/// Prints the agent's metrics.
pub(crate) async fn run(client: &Client) -> anyhow::Result<()> {
    let mut text = client.read_text(&Target::fixed("/metrics")).await?;
    while let Some(piece) = text.next().await {
        stdout().lock().write_all(&piece?)?;
    }
    Ok(())
}
