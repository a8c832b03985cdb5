//! `probelet events`.

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use probelet_api::{
    client::{self, Client, OBJECTS, WatchEventKind},
    render::{event_age, last_seen},
};
use probelet_node::handle::Collection;
use serde::Deserialize;
use serde_json::Value;

use super::{describe::events_of, ended, what::pod_name};
use crate::{
    arguments::Events,
    output::{
        columns::Columns,
        documents::{print_document, print_next},
        print,
    },
};

/// Shows events, the newest last, and then those that come.
pub(crate) async fn run(command: Events, client: &Client) -> anyhow::Result<()> {
    let namespace = (!command.all_namespaces).then_some(command.namespace.namespace.as_str());
    let target = match &command.about {
        Some(pod) => events_of(&command.namespace.namespace, pod_name(pod)?, None),
        None => client::collection(Collection::Events, namespace),
    };
    let first: Value = client.get(&target, OBJECTS).await?;
    let mut printer = Printer {
        command: &command,
        columns: Columns::default(),
        has_heading: false,
    };
    printer.list(&first)?;
    if !command.watch {
        return Ok(());
    }
    let target = target.with_some("resourceVersion", first["metadata"]["resourceVersion"].as_str());
    let mut changes = client.watch::<Value>(&target, OBJECTS).await?;
    while let Some(change) = changes.next().await {
        let change = change?;
        // An event that is no longer kept has not happened again.
        if change.kind != WatchEventKind::Deleted {
            printer.next(&change.object)?;
        }
    }
    Err(ended().into())
}

struct Printer<'a> {
    command: &'a Events,
    columns: Columns,
    has_heading: bool,
}

impl Printer<'_> {
    fn list(&mut self, list: &Value) -> anyhow::Result<()> {
        if let Some(format) = self.command.output {
            return print_document(list, format);
        }
        let items = list["items"].as_array().into_iter().flatten();
        let mut events: Vec<Event> = items.map(Event::deserialize).collect::<Result<_, _>>()?;
        events.sort_by_key(last_seen);
        if events.is_empty() && !self.command.watch {
            match self.command.all_namespaces {
                true => eprintln!("No events found."),
                false => eprintln!("No events found in {} namespace.", self.command.namespace.namespace),
            }
        }
        self.rows(&events)
    }

    fn next(&mut self, event: &Value) -> anyhow::Result<()> {
        match self.command.output {
            Some(format) => print_next(event, format),
            None => self.rows(&[Event::deserialize(event)?]),
        }
    }

    fn rows(&mut self, events: &[Event]) -> anyhow::Result<()> {
        let mut rows = Vec::with_capacity(events.len() + 1);
        if !self.has_heading && !events.is_empty() {
            self.has_heading = true;
            rows.push(self.row(
                "NAMESPACE",
                ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"].map(str::to_owned),
            ));
        }
        let now = Timestamp::now();
        rows.extend(events.iter().map(|event| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let object = &event.involved_object;
            let cells = [
                event_age(event, now),
                text(&event.type_),
                text(&event.reason),
                format!("{}/{}", text(&object.kind), text(&object.name)),
                text(&event.message).trim().to_owned(),
            ];
            self.row(event.metadata.namespace.as_deref().unwrap_or_default(), cells)
        }));
        Ok(print(&self.columns.lines(&rows))?)
    }

    fn row(&self, namespace: &str, cells: [String; 5]) -> Vec<String> {
        let namespace = self.command.all_namespaces.then(|| namespace.to_owned());
        namespace.into_iter().chain(cells).collect()
    }
}
