//! How objects are shown: `meta.k8s.io/v1` Tables and the texts in them. Pure functions of a document and the time, which
//! the server and the command line share.

mod duration;
mod events;
mod pods;
mod table;
#[cfg(test)]
mod tests;

pub use duration::{human_duration, since};
pub use events::{event_age, last_seen};
pub use pods::PodSummary;
pub use table::{Column, Include, Row, RowCondition, Table};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use probelet_node::handle::{Collection, Document};
use serde::de::DeserializeOwned;

/// The Table of some documents of one collection.
pub fn table(
    collection: Collection,
    documents: &[Document],
    resource_version: u64,
    include: Include,
    now: Timestamp,
) -> Table {
    let columns = match collection {
        Collection::Pods => pods::columns(),
        Collection::Events => events::columns(),
    };
    let rows = documents
        .iter()
        .map(|document| row(collection, document, include, now))
        .collect();
    Table::new(resource_version, columns, rows)
}

fn row(collection: Collection, document: &Document, include: Include, now: Timestamp) -> Row {
    let (cells, conditions) = match collection {
        Collection::Pods => {
            let summary = PodSummary::of(&typed::<Pod>(document));
            (summary.cells(now), summary.conditions())
        }
        Collection::Events => (events::cells(&typed::<Event>(document), now), Vec::new()),
    };
    Row {
        cells,
        conditions,
        object: include.of(document),
    }
}

/// The typed view of a document. One that does not fit its type was stored by a newer agent: what it says is then shown
/// as far as nothing but its metadata tells.
fn typed<T: DeserializeOwned + Default>(document: &serde_json::Value) -> T {
    let metadata_only = || serde_json::json!({"metadata": document["metadata"]});
    T::deserialize(document)
        .or_else(|_| T::deserialize(metadata_only()))
        .unwrap_or_default()
}
