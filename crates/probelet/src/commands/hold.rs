//! `probelet hold`.

use std::{io, path::Path, time::SystemTime};

use jiff::Timestamp;
use serde_json::json;

use crate::{
    arguments,
    output::{documents::print_document, print},
};

/// Throws the switch that holds restarts because of liveness back, or tells how it stands, whether an agent runs or not.
pub(crate) fn run(command: &arguments::Hold, state_dir: &Path) -> anyhow::Result<()> {
    if command.status {
        let since = probelet_node::held_since(state_dir).map_err(|error| failure(state_dir, error))?;
        return status(command, since.map(second).transpose()?);
    }
    let held = !command.release;
    let changed = probelet_node::set_hold(state_dir, held).map_err(|error| failure(state_dir, error))?;
    Ok(print(match (held, changed) {
        (true, true) => "restarts because of liveness are held back; `probelet hold --release` ends that\n",
        (true, false) => "restarts because of liveness were held back already; `probelet hold --release` ends that\n",
        (false, true) => "restarts because of liveness take place again\n",
        (false, false) => "there was no hold: restarts because of liveness take place\n",
    })?)
}

fn status(command: &arguments::Hold, since: Option<Timestamp>) -> anyhow::Result<()> {
    if let Some(format) = command.output {
        let since = since.map(|since| since.to_string());
        return print_document(&json!({"held": since.is_some(), "since": since}), format);
    }
    Ok(match since {
        Some(since) => print(&format!(
            "restarts because of liveness are held back since {since}; `probelet hold --release` ends that\n"
        )),
        None => print("restarts because of liveness take place\n"),
    }?)
}

/// As Kubernetes writes times.
fn second(time: SystemTime) -> anyhow::Result<Timestamp> {
    Ok(Timestamp::from_second(Timestamp::try_from(time)?.as_second())?)
}

fn failure(state_dir: &Path, error: io::Error) -> anyhow::Error {
    let folder = state_dir.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => anyhow::anyhow!(
            "there is no agent's folder {folder}: name the one that the agent was started with by --state-dir"
        ),
        io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("only the agent's owner may look into {folder}: run this with sudo")
        }
        _ => anyhow::Error::new(error).context(format!("the switch in {folder} cannot be thrown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let text = |kind: io::ErrorKind| failure(Path::new("/x"), kind.into()).to_string();
        let missing = text(io::ErrorKind::NotFound);
        assert!(
            missing.contains("no agent's folder /x") && missing.contains("--state-dir"),
            "{missing}"
        );
        let forbidden = text(io::ErrorKind::PermissionDenied);
        assert!(forbidden.contains("/x") && forbidden.contains("sudo"), "{forbidden}");
    }
}
