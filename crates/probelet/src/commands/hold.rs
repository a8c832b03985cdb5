//! `probelet hold`.

use std::path::Path;

use anyhow::Context;

use crate::{arguments, output::print};

/// Throws the switch that holds restarts because of liveness back, whether an agent runs or not.
pub(crate) fn run(command: &arguments::Hold, state_dir: &Path) -> anyhow::Result<()> {
    let held = !command.release;
    probelet_node::set_hold(state_dir, held)
        .with_context(|| format!("the switch in {} cannot be thrown", state_dir.display()))?;
    let text = if held {
        "restarts because of liveness are held back; `probelet hold --release` ends that\n"
    } else {
        "restarts because of liveness take place again\n"
    };
    Ok(print(text)?)
}
