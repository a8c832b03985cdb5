//! `probelet get`.

use anyhow::{bail, ensure};
use futures::StreamExt;
use probelet_api::{
    client::{self, Client, OBJECTS, TABLE, Target, WatchEvent},
    render::Table,
};
use probelet_node::handle::Collection;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ended, what::What};
use crate::{
    arguments::{DataFormat, Get, GetFormat},
    output::{
        columns::TablePrinter,
        documents::{print_document, print_next},
        print,
    },
};

/// Shows objects, and then their changes.
pub(crate) async fn run(command: Get, client: &Client) -> anyhow::Result<()> {
    let what = What::parse(&command.what)?;
    let namespace = (!command.all_namespaces).then_some(command.namespace.namespace.as_str());
    let collection = client::collection(what.collection, namespace);
    let query = match what.names.as_slice() {
        [] => Query {
            first: collection.clone(),
            changes: collection,
        },
        [name] => {
            ensure!(
                namespace.is_some(),
                "a name is unique in its namespace only: say -n instead of -A"
            );
            let changes = collection
                .clone()
                .with("fieldSelector", &format!("metadata.name={name}"));
            Query {
                first: collection.below(name),
                changes,
            }
        }
        _ => bail!("one name at most can be asked for at once"),
    };
    match command.output {
        None | Some(GetFormat::Wide) => table(&command, query, client, what.names.is_empty()).await,
        Some(GetFormat::Json) => documents(&command, query, client, DataFormat::Json).await,
        Some(GetFormat::Yaml) => documents(&command, query, client, DataFormat::Yaml).await,
        Some(GetFormat::Name) => names(&command, query, client, what.collection).await,
    }
}

/// What is there now, and where its changes are.
struct Query {
    first: Target,
    changes: Target,
}

impl Query {
    async fn changes<T: DeserializeOwned>(
        &self,
        client: &Client,
        accept: &str,
        version: Option<&str>,
    ) -> anyhow::Result<impl futures::Stream<Item = Result<WatchEvent<T>, client::ClientError>> + Unpin + use<T>> {
        let target = self.changes.clone().with_some("resourceVersion", version);
        Ok(client.watch(&target, accept).await?)
    }
}

async fn table(command: &Get, query: Query, client: &Client, is_list: bool) -> anyhow::Result<()> {
    let mut printer = TablePrinter::new(command.output == Some(GetFormat::Wide), command.all_namespaces);
    let first: Table = client.get(&query.first, TABLE).await?;
    if is_list && first.rows.is_empty() && !command.watch {
        if command.all_namespaces {
            eprintln!("No resources found");
        } else {
            eprintln!("No resources found in {} namespace.", command.namespace.namespace);
        }
    }
    print(&printer.lines(&first))?;
    if !command.watch {
        return Ok(());
    }
    let mut changes = query
        .changes::<Table>(client, TABLE, first.metadata.resource_version.as_deref())
        .await?;
    while let Some(change) = changes.next().await {
        print(&printer.lines(&change?.object))?;
    }
    Err(ended().into())
}

async fn documents(command: &Get, query: Query, client: &Client, format: DataFormat) -> anyhow::Result<()> {
    let first: Value = client.get(&query.first, OBJECTS).await?;
    if !command.watch {
        return print_document(&first, format);
    }
    match first["items"].as_array() {
        Some(items) => items.iter().try_for_each(|item| print_next(item, format))?,
        None => print_next(&first, format)?,
    }
    let version = first["metadata"]["resourceVersion"].as_str();
    let mut changes = query.changes::<Value>(client, OBJECTS, version).await?;
    while let Some(change) = changes.next().await {
        print_next(&change?.object, format)?;
    }
    Err(ended().into())
}

async fn names(command: &Get, query: Query, client: &Client, collection: Collection) -> anyhow::Result<()> {
    let kind = match collection {
        Collection::Pods => "pod",
        Collection::Events => "event",
    };
    let print_name = |object: &Value| {
        print(&format!(
            "{kind}/{}\n",
            object["metadata"]["name"].as_str().unwrap_or_default()
        ))
    };
    let first: Value = client.get(&query.first, OBJECTS).await?;
    match first["items"].as_array() {
        Some(items) => items.iter().try_for_each(print_name)?,
        None => print_name(&first)?,
    }
    if !command.watch {
        return Ok(());
    }
    let version = first["metadata"]["resourceVersion"].as_str();
    let mut changes = query.changes::<Value>(client, OBJECTS, version).await?;
    while let Some(change) = changes.next().await {
        print_name(&change?.object)?;
    }
    Err(ended().into())
}
