//! `probelet logs`.

use std::io::{Write, stdout};

use futures::StreamExt;
use probelet_api::client::{self, Client};

use super::what::{pod_name, tell_default_container};
use crate::arguments::Logs;

/// Prints a container's log as it comes.
pub(crate) async fn run(command: Logs, client: &Client) -> anyhow::Result<()> {
    let (namespace, pod) = (&command.namespace.namespace, pod_name(&command.pod)?);
    tell_default_container(client, namespace, pod, command.container.as_deref()).await;
    let mut target = client::pod(namespace, pod)
        .below("log")
        .with_some("container", command.container.as_deref())
        .with_some("tailLines", u64::try_from(command.tail).ok());
    let flags = [
        ("follow", command.follow),
        ("previous", command.previous),
        ("timestamps", command.timestamps),
    ];
    for (name, _) in flags.iter().filter(|(_, set)| *set) {
        target = target.with(name, "true");
    }
    let mut log = client.read_text(&target).await?;
    while let Some(piece) = log.next().await {
        let mut stdout = stdout().lock();
        stdout.write_all(&piece?)?;
        stdout.flush()?;
    }
    Ok(())
}
