//! `probelet apply`.

use anyhow::Context;
use http::Method;
use probelet_api::client::{self, Client, ClientError};
use probelet_manifest::{Diagnostic, Pod};
use probelet_node::handle::Collection;
use serde_json::{Value, json};

use super::manifests;
use crate::{
    arguments::{Apply, DataFormat, ObjectFormat},
    output::{documents::print_document, print, style},
};

/// Creates the pods that are not there yet.
pub(crate) async fn run(command: Apply, client: &Client) -> anyhow::Result<()> {
    let mut pods = manifests::read(&command.files)?;
    for pod in &mut pods {
        manifests::set_namespace(pod, command.namespace.as_deref())?;
    }
    let mut objects = Vec::with_capacity(pods.len());
    for pod in pods {
        manifests::warn(&pod.warnings);
        let name = &pod.metadata.name;
        let (object, what) = apply(client, &pod)
            .await
            .with_context(|| format!("cannot apply pod {name}"))?;
        match command.output {
            None => print(&format!("pod/{name} {what}\n"))?,
            Some(ObjectFormat::Name) => print(&format!("pod/{name}\n"))?,
            Some(ObjectFormat::Json | ObjectFormat::Yaml) => objects.push(object),
        }
    }
    let document = match <[Value; 1]>::try_from(objects) {
        Ok([object]) => object,
        Err(objects) => json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": objects}),
    };
    match command.output {
        Some(ObjectFormat::Json) => print_document(&document, DataFormat::Json),
        Some(ObjectFormat::Yaml) => print_document(&document, DataFormat::Yaml),
        None | Some(ObjectFormat::Name) => Ok(()),
    }
}

/// The faults that the agent names, if it names the field of each.
fn faults(error: &ClientError) -> Option<Vec<Diagnostic>> {
    let ClientError::Refused(status) = error else {
        return None;
    };
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let faults = causes
        .iter()
        .map(|cause| Some(Diagnostic::error(cause.field.as_deref()?, cause.message.clone()?)));
    faults.collect()
}

/// Creates a pod, or makes sure that the one that is there is the same.
async fn apply(client: &Client, pod: &Pod) -> anyhow::Result<(Value, &'static str)> {
    let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
    let collection = client::collection(Collection::Pods, Some(namespace));
    match client.change(Method::POST, &collection, &pod.document).await {
        Ok(answer) => {
            // What the manifest's own warnings say, they say with a line.
            let known: Vec<String> = pod.warnings.iter().map(|warning| warning.to_string()).collect();
            for warning in answer
                .warnings
                .iter()
                .filter(|warning| !known.iter().any(|known| known.ends_with(*warning)))
            {
                style::warn(warning);
            }
            Ok((answer.object, "created"))
        }
        Err(ClientError::Refused(status)) if status.reason.as_deref() == Some("AlreadyExists") => {
            let answer = client
                .change(Method::PUT, &client::pod(namespace, name), &pod.document)
                .await?;
            if !answer.object["metadata"]["deletionTimestamp"].is_null() {
                style::warn(&format!(
                    "pod {name} is being deleted, and nothing takes its place: apply it again when it is gone, for which \
                     `probelet delete pod {name} --namespace {namespace}` waits"
                ));
            }
            Ok((answer.object, "unchanged"))
        }
        // What is wrong with the pod is told at its lines.
        Err(error) => Err(match faults(&error) {
            Some(faults) => manifests::located_faults(pod, faults).into(),
            None => error.into(),
        }),
    }
}
