//! `probelet describe`.

use jiff::Timestamp;
use probelet_api::client::{self, Client, OBJECTS};
use probelet_node::handle::Collection;
use serde_json::Value;

use super::what::What;
use crate::{
    arguments::Describe,
    output::{describe, print},
};

/// Tells all about pods.
pub(crate) async fn run(command: Describe, client: &Client) -> anyhow::Result<()> {
    let namespace = &command.namespace.namespace;
    for (index, name) in What::pods(&command.what)?.iter().enumerate() {
        let mut pod: Value = client.get(&client::pod(namespace, name), OBJECTS).await?;
        let mut usage: Value = client.get(&client::usage(namespace, name), OBJECTS).await?;
        // Beside the pod's own fields: no Kubernetes object has it.
        pod["usage"] = usage["items"].take();
        let events: Value = client
            .get(&events_of(namespace, name, pod["metadata"]["uid"].as_str()), OBJECTS)
            .await?;
        let events = events["items"].as_array().cloned().unwrap_or_default();
        let separator = if index == 0 { "" } else { "\n\n" };
        print(&format!(
            "{separator}{}",
            describe::pod(&pod, &events, Timestamp::now())?
        ))?;
    }
    Ok(())
}

/// The events of one pod; with its uid, not those of an earlier pod of the same name.
pub(super) fn events_of(namespace: &str, name: &str, uid: Option<&str>) -> client::Target {
    let mut selector = format!("involvedObject.kind=Pod,involvedObject.name={name}");
    if let Some(uid) = uid {
        selector += &format!(",involvedObject.uid={uid}");
    }
    client::collection(Collection::Events, Some(namespace)).with("fieldSelector", &selector)
}
