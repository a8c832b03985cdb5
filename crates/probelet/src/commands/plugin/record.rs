//! `probelet plugin record`.

use std::{
    fs::File,
    io::{IsTerminal, Write},
    path::Path,
};

use anyhow::Context;
use probelet_api::client::{self, Client, OBJECTS};
use serde_json::Value;

use crate::{
    arguments::{PluginRecord, word},
    commands::what::pod_name,
    output::print,
};

/// Waits for the run, and keeps its case.
pub(super) async fn run(command: &PluginRecord, client: &Client) -> anyhow::Result<()> {
    // Before the wait, which may be long.
    let file = command.file.as_deref().map(create).transpose()?;
    let case = case(command, client).await;
    match (file, case) {
        (None, case) => Ok(print(&case?)?),
        (Some((mut file, path)), Ok(case)) => {
            let written = file.write_all(case.as_bytes());
            written.with_context(|| format!("cannot write {}", path.display()))
        }
        (Some((_, path)), Err(error)) => {
            // It is empty. What cannot be removed is no worse than what is told.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

async fn case(command: &PluginRecord, client: &Client) -> anyhow::Result<String> {
    let check = command.check.role().name();
    let outcome = command.outcome.as_ref().map(word);
    let target = client::record(&command.namespace.namespace, pod_name(&command.pod)?)
        .with("check", check)
        .with_some("container", command.container.as_deref())
        .with_some("outcome", outcome.as_deref());
    if std::io::stderr().is_terminal() {
        let how = outcome
            .map(|outcome| format!(" that ends {outcome}"))
            .unwrap_or_default();
        eprintln!("Waiting for the next run of the {check} check of {}{how}", command.pod);
    }
    let answer = client.get::<Value>(&target, OBJECTS);
    let document = match command.timeout {
        None => answer.await?,
        Some(timeout) => {
            let answer = tokio::time::timeout(timeout, answer).await;
            answer.with_context(|| format!("there was no such run within {timeout:?}"))??
        }
    };
    let case = document["case"].as_str().map(str::to_owned);
    case.context("the agent's answer has no case: use the probelet that it was started from")
}

/// A file that is not there yet.
fn create(path: &Path) -> anyhow::Result<(File, &Path)> {
    let file = File::create_new(path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok((file, path))
}
