//! `probelet node`.

use std::path::Path;

use super::agent::{RunningAgent, interrupts, terminations};
use crate::arguments;

/// Runs the agent until it is told to end.
pub(crate) async fn run(command: &arguments::Node, state_dir: &Path, socket: &Path) -> anyhow::Result<()> {
    let (mut interrupts, mut terminations) = (interrupts()?, terminations()?);
    let agent = RunningAgent::start(&command.agent, state_dir, socket).await?;
    eprintln!("probelet: the agent listens on {}", socket.display());
    tokio::select! {
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
    eprintln!(
        "probelet: the agent ends; its containers run on, and the next agent on {} finds them",
        state_dir.display()
    );
    agent.shutdown().await;
    Ok(())
}
