//! `meta.k8s.io/v1` Table. It is missing in `k8s_openapi`, which holds what the OpenAPI document of a cluster names.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// `apiVersion` of a Table and of the metadata in its rows.
const META_API_VERSION: &str = "meta.k8s.io/v1";

/// Rows to be shown to a person, made where the objects' meaning is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// `Table`.
    pub kind: String,
    /// `meta.k8s.io/v1`.
    pub api_version: String,
    /// The list's metadata; of a watch, that of the change.
    pub metadata: ListMeta,
    /// What the cells of each row are. Empty in all but the first event of a watch.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub column_definitions: Vec<Column>,
    /// One row for each object.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub rows: Vec<Row>,
}

/// One of [`Table::column_definitions`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its heading, which is shown in upper case.
    pub name: String,
    /// The OpenAPI type of its cells.
    #[serde(rename = "type")]
    pub kind: String,
    /// The OpenAPI format of its cells; `name` for the objects' names.
    pub format: String,
    /// What its cells say.
    pub description: String,
    /// 0 is always shown, anything else only where there is much room (`-o wide`).
    pub priority: i32,
}

/// One object of a [`Table`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// One for each column.
    pub cells: Vec<Value>,
    /// What is to be pointed out about the row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<RowCondition>,
    /// The object, or as much of it as was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
}

/// One of [`Row::conditions`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCondition {
    /// `Completed` for objects that have reached their end.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

/// How much of an object goes with its row (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

impl Table {
    /// A Table of these rows.
    pub fn new(resource_version: u64, columns: Vec<Column>, rows: Vec<Row>) -> Self {
        Self {
            kind: "Table".to_owned(),
            api_version: META_API_VERSION.to_owned(),
            metadata: ListMeta {
                resource_version: Some(resource_version.to_string()),
                ..ListMeta::default()
            },
            column_definitions: columns,
            rows,
        }
    }
}

impl Column {
    /// A column of text that is always shown.
    pub(super) fn text(name: &str, description: &str) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            name: text(name),
            kind: text("string"),
            format: String::new(),
            description: text(description),
            priority: 0,
        }
    }

    /// The column of the objects' names.
    pub(super) fn name() -> Self {
        Self {
            format: "name".to_owned(),
            ..Self::text("Name", "Unique among the objects of its kind in its namespace")
        }
    }

    /// The same column, shown only where there is much room.
    pub(super) fn wide(self) -> Self {
        Self { priority: 1, ..self }
    }
}

impl Include {
    /// As much of an object as goes with its row.
    pub(super) fn of(self, object: &Value) -> Option<Value> {
        match self {
            Self::None => None,
            Self::Metadata => Some(json!({
                "kind": "PartialObjectMetadata",
                "apiVersion": META_API_VERSION,
                "metadata": object["metadata"],
            })),
            Self::Object => Some(object.clone()),
        }
    }
}

/// Go writes an empty list as `null`.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
