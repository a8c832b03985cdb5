//! `probelet plugin run`.

use std::{path::Path, process::ExitCode};

use probelet_plugin_tools::document;
use serde_json::Value;

use super::{component::load, handler::Handler, outcome::text};
use crate::{
    arguments::{DataFormat, PluginRun},
    output::{documents::print_document, print},
};

/// Runs a component once.
pub(super) async fn run(command: &PluginRun, state_dir: &Path) -> anyhow::Result<ExitCode> {
    let loaded = load(&command.component, state_dir).await?;
    let handler = Handler::read(&command.handler, &loaded).await?;
    let request = handler.request();
    let check = request.check;
    let outcome = loaded.plugin.run(request).await;
    show(&document(check, &outcome), command.output)
}

/// Prints an outcome, and ends as it did.
pub(super) fn show(document: &Value, format: Option<DataFormat>) -> anyhow::Result<ExitCode> {
    match format {
        Some(format) => print_document(document, format)?,
        None => print(&text(document))?,
    }
    let is_good = matches!(document["outcome"].as_str(), Some("healthy" | "degraded" | "succeeded"));
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
