//! `probelet metrics`.

use std::io::{Write, stdout};

use futures::StreamExt;
use probelet_api::client::{Client, Target};

/// Where the agent has its metrics: its own, and the kubelet's of probes.
const PATHS: [&str; 2] = ["/metrics", "/metrics/probes"];

/// Prints the agent's metrics.
pub(crate) async fn run(client: &Client) -> anyhow::Result<()> {
    for path in PATHS {
        let mut text = client.read_text(&Target::fixed(path)).await?;
        while let Some(piece) = text.next().await {
            stdout().lock().write_all(&piece?)?;
        }
    }
    Ok(())
}
