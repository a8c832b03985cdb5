//! `probelet plugin run`.

use std::{path::Path, process::ExitCode};

use http::Method;
use probelet_api::client::{self, Client};
use probelet_engine::Verdict;
use probelet_node::handle::CheckRequest;
use serde_json::Value;

use super::{
    component::{absolute, load},
    handler::{Handler, document},
    outcome::{is_good, text},
};
use crate::{
    arguments::{DataFormat, PluginRun},
    commands::what::pod_name,
    output::{documents::print_document, print, style},
};

/// Runs a component once.
pub(super) async fn run(command: &PluginRun, state_dir: &Path, client: &Client) -> anyhow::Result<ExitCode> {
    if let Some(pod) = &command.pod {
        return against_pod(command, pod, client).await;
    }
    let loaded = load(&command.component, state_dir, &command.registries).await?;
    let handler = Handler::read(&command.handler, &loaded).await?;
    let request = handler.request();
    let check = request.check;
    let outcome = loaded.plugin.run(request).await;
    if outcome.verdict == Verdict::Errored && command.handler.against.is_none() {
        style::warn("there is no pod: --against HOST:PORT gives it an address and a port, --pod POD a container");
    }
    show(&outcome.document(check), command.output)
}

/// Lets the agent run it.
async fn against_pod(command: &PluginRun, pod: &str, client: &Client) -> anyhow::Result<ExitCode> {
    let arguments = &command.handler;
    let request = CheckRequest {
        container: command.container.clone(),
        kind: arguments.kind.map(|kind| kind.role().name().to_owned()),
        handler: document(arguments, &absolute(&command.component)?)?,
        timeout_milliseconds: u64::try_from(arguments.timeout.as_millis())?,
    };
    let target = client::check(&command.namespace.namespace, pod_name(pod)?);
    let answer = client
        .change(Method::POST, &target, &serde_json::to_value(request)?)
        .await?;
    show(&answer.object["outcome"], command.output)
}

/// Prints an outcome, and ends as it did.
pub(super) fn show(document: &Value, format: Option<DataFormat>) -> anyhow::Result<ExitCode> {
    match format {
        Some(format) => print_document(document, format)?,
        None => print(&text(document))?,
    }
    let is_good = document["outcome"].as_str().is_some_and(is_good);
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
