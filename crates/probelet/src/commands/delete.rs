//! `probelet delete`.

use anyhow::{Context, bail};
use futures::StreamExt;
use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use probelet_api::client::{self, Client, ClientError, OBJECTS, WatchEventKind};
use probelet_node::handle::{Collection, PodKey};
use serde_json::Value;

use super::{ended, manifests, what::What};
use crate::{
    arguments::{Delete, Name},
    output::{print, style},
};

/// Deletes pods, and waits until they are gone.
pub(crate) async fn run(command: Delete, client: &Client) -> anyhow::Result<()> {
    let grace_period = grace_period(&command)?;
    if grace_period == Some(0) {
        style::warn(
            "Immediate deletion does not wait for confirmation that the running resource has been terminated. The \
             resource may continue to run on the cluster indefinitely.",
        );
    }
    let mut deleted = Vec::new();
    for key in pods(&command)? {
        match delete(client, &key, grace_period).await {
            Ok(pod) => {
                let done = if grace_period == Some(0) {
                    "force deleted"
                } else {
                    "deleted"
                };
                match command.output {
                    None => print(&format!("pod \"{}\" {done}\n", key.name))?,
                    Some(Name::Name) => print(&format!("pod/{}\n", key.name))?,
                }
                deleted.push((key, pod));
            }
            Err(error) if error.is_not_found() && command.ignore_not_found => {}
            Err(error) => return Err(error.into()),
        }
    }
    if command.wait {
        for (key, pod) in deleted {
            wait_until_gone(client, &key, &pod)
                .await
                .with_context(|| format!("cannot tell whether pod {} is gone", key.name))?;
        }
    }
    Ok(())
}

/// A grace period of 0 has to be asked for twice, since it gives the pod no time for anything.
fn grace_period(command: &Delete) -> anyhow::Result<Option<u64>> {
    match (command.grace_period, command.force) {
        (Some(0), false) => bail!("--grace-period=0 kills the pod at once: say --force as well if that is meant"),
        (Some(1..), true) => bail!("--force and --grace-period greater than 0 cannot be specified together"),
        (None, true) => Ok(Some(0)),
        (grace_period, _) => Ok(grace_period),
    }
}

fn pods(command: &Delete) -> anyhow::Result<Vec<PodKey>> {
    let key = |namespace: &str, name: &str| PodKey {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    if command.files.is_empty() {
        let namespace = command.namespace.as_deref().unwrap_or("default");
        return Ok(What::pods(&command.what)?
            .iter()
            .map(|name| key(namespace, name))
            .collect());
    }
    let mut pods = manifests::read(&command.files)?;
    pods.iter_mut()
        .map(|pod| {
            manifests::set_namespace(pod, command.namespace.as_deref())?;
            Ok(key(&pod.metadata.namespace, &pod.metadata.name))
        })
        .collect()
}

async fn delete(client: &Client, key: &PodKey, grace_period: Option<u64>) -> Result<Value, ClientError> {
    let grace_period_seconds = grace_period.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
    let options = DeleteOptions {
        grace_period_seconds,
        ..DeleteOptions::default()
    };
    let options = serde_json::to_value(options).map_err(|error| ClientError::Answer(error.to_string()))?;
    let answer = client
        .change(Method::DELETE, &client::pod(&key.namespace, &key.name), &options)
        .await?;
    Ok(answer.object)
}

/// Waits for the deletion of this very pod: another one may have taken its name by then.
async fn wait_until_gone(client: &Client, key: &PodKey, deleted: &Value) -> Result<(), ClientError> {
    let uid = &deleted["metadata"]["uid"];
    loop {
        let present: Value = match client.get(&client::pod(&key.namespace, &key.name), OBJECTS).await {
            Ok(pod) => pod,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        if present["metadata"]["uid"] != *uid {
            return Ok(());
        }
        match watch_until_gone(client, key, &present).await {
            Err(error) if error.is_expired() => {}
            result => return result,
        }
    }
}

async fn watch_until_gone(client: &Client, key: &PodKey, pod: &Value) -> Result<(), ClientError> {
    let target = client::collection(Collection::Pods, Some(&key.namespace))
        .with("fieldSelector", &format!("metadata.name={}", key.name))
        .with_some("resourceVersion", pod["metadata"]["resourceVersion"].as_str());
    let mut changes = client.watch::<Value>(&target, OBJECTS).await?;
    while let Some(change) = changes.next().await {
        if change?.kind == WatchEventKind::Deleted {
            return Ok(());
        }
    }
    Err(ended())
}
