//! The form of a case file.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use jiff::Timestamp;
use probelet_manifest::{Role, Wasm};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::host::Host;

/// A case that keeps to the rules.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// The component that it names, as it stands there.
    pub component: Option<String>,
    /// What the plugin is run as.
    pub role: Role,
    /// What it is told.
    pub context: Context,
    /// Its handler: `config`, `allow` and `limits`. Its component is no matter.
    pub wasm: Wasm,
    /// How long it may take.
    pub timeout: Duration,
    /// What the host answers.
    pub host: Host,
    /// What has to come of it.
    pub expect: Expectation,
}

/// What a run is told, all of it optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Context {
    /// The pod's namespace [default: default].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pod's name [default: pod].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The container's name [default: container].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The pod's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Which run it is [default: 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// How often the container has been restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_count: Option<u32>,
    /// How the last run ended: `healthy`, `degraded`, `unhealthy` or `errored`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The container's ports by their names; a name that is a number itself is none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, u16>,
    /// What the last run has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The same in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_base64: Option<crate::bytes::Base64>,
    /// Why a preStop hook runs: `delete`, `liveness`, … [default: delete].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the clock says, as RFC 3339: it stands still during the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// When the container started, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
}

impl Context {
    /// What the clock says, in nanoseconds since the Unix epoch.
    pub fn now_nanoseconds(&self) -> Option<u64> {
        self.now.as_deref().and_then(moment)
    }

    /// When the container started, likewise.
    pub fn started_at_nanoseconds(&self) -> Option<u64> {
        self.started_at.as_deref().and_then(moment)
    }

    /// What is wrong with how it is written.
    pub(crate) fn fault(&self) -> Option<String> {
        crate::bytes::one_spelling("state", &self.state, &self.state_base64).err()
    }

    /// What the last run has left, in whichever spelling.
    pub fn state_bytes(&self) -> Option<Vec<u8>> {
        crate::bytes::either(self.state.clone(), self.state_base64.clone()).map(|content| content.0)
    }
}

/// What has to come of a run. What is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expectation {
    /// `healthy`, `degraded`, `unhealthy` or `errored` of a probe; `succeeded`, `failed` or `errored` of a hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// The fields, exactly these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Map<String, Value>>,
    /// What the run leaves to the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What it may use at most, with the units of a handler's limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Value>,
    /// The same as numbers, once the file is read.
    #[serde(skip)]
    pub most: Most,
}

/// What a run may use at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Most {
    /// Fuel.
    pub fuel: Option<u64>,
    /// Memory in bytes.
    pub memory: Option<u64>,
}

/// An expected message: the whole of it, or `contains` with a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Message {
    /// The whole.
    Exact(String),
    /// A part.
    Contains(String),
}

impl TryFrom<Value> for Message {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let part = value.as_object().filter(|object| object.len() == 1);
        let part = part.and_then(|object| object.get("contains")?.as_str());
        match (value.as_str(), part) {
            (Some(text), _) => Ok(Self::Exact(text.to_owned())),
            (None, Some(part)) => Ok(Self::Contains(part.to_owned())),
            (None, None) => Err("write the message as a text, or { contains: \"a part of it\" }".to_owned()),
        }
    }
}

impl From<Message> for Value {
    fn from(message: Message) -> Self {
        match message {
            Message::Exact(text) => text.into(),
            Message::Contains(part) => json!({ "contains": part }),
        }
    }
}

/// The file as it stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    pub(crate) context: Context,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allow: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<String>,
    pub(crate) host: Host,
    pub(crate) expect: Expectation,
}

/// A moment as RFC 3339, in nanoseconds since the Unix epoch; none before it.
pub(crate) fn moment(text: &str) -> Option<u64> {
    text.parse::<Timestamp>().ok()?.as_nanosecond().try_into().ok()
}
