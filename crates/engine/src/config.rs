//! Checking a configuration against the schema that a plugin gives for it.
//!
//! The schema is the plugin's, and may be made to send a validator round in circles, so this too is done by a process of
//! its own where there is a program for it.

use std::{fmt::Display, time::Duration};

use jsonschema::{
    PatternOptions,
    error::{ValidationError, ValidationErrorKind},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::compile::{self, CompilerProgram, WorkerError};

/// The task's name.
pub(crate) const CHECK_CONFIG: &str = "check-config";
/// A check takes a millisecond.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Faults that are told at once.
const MAX_FAULTS: usize = 32;

/// What is wrong about a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFault {
    /// Where, from the configuration on, as in the path of a field: `.servers[0].port`; empty for the whole.
    pub path: String,
    /// What.
    pub message: String,
}

/// Why a plugin cannot be run as a manifest has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is a probe, and stands where a hook does.
    NoHook,
    /// It is a hook, and stands where a probe does.
    NoProbe,
    /// What it gives as its configuration's schema is none, or leads nowhere.
    Schema {
        /// Why.
        reason: String,
    },
    /// It does not take the configuration.
    Config(ConfigFault),
}

impl Misfit {
    /// The field that is to blame, below the handler at `handler`, which may be empty.
    pub fn path(&self, handler: &str) -> String {
        let field = match self {
            Self::Config(fault) => format!("config{}", fault.path),
            _ => "component".to_owned(),
        };
        if handler.is_empty() {
            field
        } else {
            format!("{handler}.{field}")
        }
    }

    /// What is wrong, of a plugin that people know as `component`.
    pub fn message(&self, component: impl Display) -> String {
        let exports = |other: &str, what: &str| {
            format!("{component} is a {other} and no {what}: it does not export `probelet:plugin/{what}`")
        };
        match self {
            Self::NoHook => exports("probe", "hook"),
            Self::NoProbe => exports("hook", "probe"),
            Self::Schema { reason } => {
                format!("the schema that {component} gives for its config cannot be used: {reason}")
            }
            Self::Config(fault) => fault.message.clone(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Task {
    schema: Value,
    config: Value,
}

/// The faults of a configuration. The error says why it cannot be checked.
pub(crate) async fn check(
    program: Option<&CompilerProgram>,
    schema: &Value,
    config: &Value,
) -> Result<Vec<ConfigFault>, String> {
    let task = Task {
        schema: schema.clone(),
        config: config.clone(),
    };
    let Some(program) = program else {
        let checked = tokio::task::spawn_blocking(move || faults(&task)).await;
        return checked.map_err(|crash| crash.to_string())?;
    };
    let input = serde_json::to_vec(&task).map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(TIMEOUT, compile::ask(program, CHECK_CONFIG, &input)).await;
    let answer = answer.map_err(|_| format!("it took longer than {TIMEOUT:?}"))?;
    let answer = answer.map_err(|error| match error {
        WorkerError::Input(reason) | WorkerError::Host(reason) => reason,
    })?;
    serde_json::from_slice(&answer).map_err(|error| error.to_string())
}

/// What the process of its own does.
pub(crate) fn check_task(input: &[u8]) -> Result<Vec<u8>, String> {
    let task: Task = serde_json::from_slice(input).map_err(|error| error.to_string())?;
    serde_json::to_vec(&faults(&task)?).map_err(|error| error.to_string())
}

fn faults(task: &Task) -> Result<Vec<ConfigFault>, String> {
    // A pattern is the plugin's as well: this kind is matched in one go, whatever it is.
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    let validator = options.build(&task.schema).map_err(|error| error.to_string())?;
    let faults = validator.iter_errors(&task.config).take(MAX_FAULTS);
    Ok(faults.map(|error| fault(&task.schema, &error)).collect())
}

fn fault(schema: &Value, error: &ValidationError<'_>) -> ConfigFault {
    let mut path = path_of(error);
    let unknown = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected.first(),
        _ => None,
    };
    let message = match unknown {
        Some(unknown) => {
            path.push_str(&format!(".{unknown}"));
            match fields_beside(schema, error.schema_path().as_str()).as_slice() {
                [] => "there is no such field".to_owned(),
                known => format!("there is no such field; there are {}", known.join(", ")),
            }
        }
        None => error.to_string(),
    };
    ConfigFault { path, message }
}

/// The fields that the schema of an object knows, from the place of one of its keywords. It may lead through references
/// within the schema; where it leads out there are none.
fn fields_beside(schema: &Value, keyword: &str) -> Vec<String> {
    let object = keyword.rsplit_once('/').map_or("", |(object, _)| object);
    let mut parts = object.split('/').skip(1);
    let found = parts.try_fold(schema, |at, part| match at {
        Value::Object(fields) if part == "$ref" => {
            let target = fields.get(part)?.as_str()?.strip_prefix('#')?;
            schema.pointer(target)
        }
        Value::Object(fields) => fields.get(&part.replace("~1", "/").replace("~0", "~")),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    });
    let fields = found.and_then(|object| object.get("properties")?.as_object());
    fields.into_iter().flat_map(|fields| fields.keys().cloned()).collect()
}

fn path_of(error: &ValidationError<'_>) -> String {
    let mut path = String::new();
    for part in error.instance_path().as_str().split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.parse::<usize>().is_ok() {
            path.push_str(&format!("[{part}]"));
        } else {
            path.push_str(&format!(".{part}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn faults_name_their_places() {
        let schema = json!({
            "type": "object",
            "required": ["port"],
            "properties": {
                "port": {"type": "integer", "maximum": 65535},
                "hosts": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
            },
        });
        let check = async |config: Value| check(None, &schema, &config).await.expect("it can be checked");
        assert_eq!(check(json!({"port": 80, "hosts": ["db"]})).await, []);
        let faults = check(json!({"port": 70_000, "hosts": ["db", 7]})).await;
        let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, [".port", ".hosts[1]"]);
        let hidden = json!({
            "$defs": {"part": {"properties": {"name": {}, "port": {}}, "additionalProperties": false}},
            "properties": {"parts": {"items": {"$ref": "#/$defs/part"}}},
        });
        let faults = super::check(None, &hidden, &json!({"parts": [{"prot": 1}]}))
            .await
            .expect("it can be checked");
        assert_eq!(faults[0].path, ".parts[0].prot");
        assert_eq!(faults[0].message, "there is no such field; there are name, port");
        assert_eq!(
            fields_beside(&json!({"$ref": "https://a/b"}), "/$ref/additionalProperties"),
            [""; 0]
        );
        let missing = check(json!({})).await;
        assert_eq!(missing[0].path, "");
        assert!(missing[0].message.contains("port"), "{missing:?}");
    }

    #[tokio::test]
    async fn a_schema_that_is_none_or_leads_elsewhere_is_told() {
        for schema in [
            json!({"type": "nothing"}),
            json!({"$ref": "https://example.org/schema.json"}),
        ] {
            assert!(check(None, &schema, &json!({})).await.is_err(), "{schema}");
        }
    }
}
