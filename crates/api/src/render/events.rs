//! What is shown of an event in one line.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use serde_json::{Value, json};

use super::{duration::since, table::Column};

/// The columns of [`cells`].
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::text("Last Seen", "How long ago it last happened"),
        Column::text("Type", "Normal or Warning"),
        Column::text("Reason", "What happened, in one word"),
        Column::text("Object", "What it happened to"),
        Column::text("Subobject", "Which part of that").wide(),
        Column::text("Source", "Who reports it").wide(),
        Column::text("Message", "What happened"),
        Column::text("First Seen", "How long ago it first happened").wide(),
        Column {
            kind: "integer".to_owned(),
            ..Column::text("Count", "How often it happened").wide()
        },
        Column::name().wide(),
    ]
}

/// The cells of an event's row, the wide ones included.
pub(super) fn cells(event: &Event, now: Timestamp) -> Vec<Value> {
    let object = &event.involved_object;
    let kind = object.kind.as_deref().unwrap_or_default().to_lowercase();
    let object_name = match object.name.as_deref() {
        Some(name) if !name.is_empty() => format!("{kind}/{name}"),
        _ => kind,
    };
    vec![
        json!(since(last_seen(event), now)),
        json!(event.type_.as_deref().unwrap_or_default()),
        json!(event.reason.as_deref().unwrap_or_default()),
        json!(object_name),
        json!(object.field_path.as_deref().unwrap_or_default()),
        json!(event_source(event)),
        json!(event.message.as_deref().unwrap_or_default().trim()),
        json!(since(first_seen(event), now)),
        json!(count(event)),
        json!(event.metadata.name.as_deref().unwrap_or_default()),
    ]
}

/// How long ago an event happened, and how often over which time: `12s (x21 over 118s)` (C5.5).
pub fn event_age(event: &Event, now: Timestamp) -> String {
    let last = since(last_seen(event), now);
    match count(event) {
        ..2 if event.series.is_none() => last,
        count => format!("{last} (x{count} over {})", since(first_seen(event), now)),
    }
}

/// Who reports an event, and where.
fn event_source(event: &Event) -> String {
    let source = event.source.as_ref();
    let component = source
        .and_then(|source| source.component.as_ref())
        .or(event.reporting_component.as_ref());
    let host = source
        .and_then(|source| source.host.as_ref())
        .or(event.reporting_instance.as_ref());
    let parts = [component, host]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(", ")
}

/// When an event last happened.
pub fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref())
        .map(|time| time.0);
    series
        .or_else(|| event.last_timestamp.as_ref().map(|time| time.0))
        .or_else(|| first_seen(event))
}

fn first_seen(event: &Event) -> Option<Timestamp> {
    let first = event.first_timestamp.as_ref().map(|time| time.0);
    first.or_else(|| event.event_time.as_ref().map(|time| time.0))
}

fn count(event: &Event) -> i32 {
    let series = event.series.as_ref().and_then(|series| series.count);
    series.or(event.count).unwrap_or(1).max(1)
}
