//! A pod's status: the agent writes it, but for the conditions of others, such as readiness gates wait for (C2.7).

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use probelet_manifest::Diagnostic;
use probelet_node::handle::{ConditionStatus, ConditionUpdate, Document, OWN_CONDITIONS};
use serde_json::{Value, json};

use super::{
    Shared,
    pods::MERGE_PATCHES,
    refusal::Refusal,
    request::{Body, Parameters},
};

/// `PATCH …/pods/NAME/status`: sets the conditions that are named and are not the agent's own. The others stay.
pub(super) async fn patch(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Parameters,
    body: Body,
) -> Result<Response, Refusal> {
    parameters.refuse(&["dryRun"])?;
    let patch = body.json(MERGE_PATCHES)?.unwrap_or_else(|| json!({}));
    let (key, present) = shared.pod(namespace, name)?;
    let invalid = |(path, message): Fault| Refusal::invalid(&key.name, vec![Diagnostic::error(&path, message)]);
    let conditions = conditions(&patch, &present).map_err(invalid)?;
    let pod = shared
        .agent
        .set_conditions(&key, conditions)
        .await
        .map_err(|error| Refusal::of_pod(&key, error))?;
    Ok(Json(&*pod).into_response())
}

/// The path of a field, and what is wrong with it.
type Fault = (String, String);

fn fault(path: impl Into<String>, message: impl Into<String>) -> Fault {
    (path.into(), message.into())
}

/// The conditions of a patch, which may say nothing else.
fn conditions(patch: &Value, present: &Document) -> Result<Vec<ConditionUpdate>, Fault> {
    // Clients name the object that they patch.
    only(patch, "", &["apiVersion", "kind", "metadata", "status"])?;
    let status = patch.get("status").cloned().unwrap_or_else(|| json!({}));
    // How strategic patches ask for an order.
    only(&status, "status", &["conditions", "$setElementOrder/conditions"])?;
    let Some(items) = status.get("conditions") else {
        return Ok(Vec::new());
    };
    let no_list = || fault("status.conditions", "expected a list");
    let items = items.as_array().ok_or_else(no_list)?;
    let mut updates = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let path = format!("status.conditions[{at}]");
        let update = condition(item, &path)?;
        if !OWN_CONDITIONS.contains(&update.name.as_str()) {
            updates.push(update);
        } else if !says(present, &update) {
            let message = format!("Forbidden: {} is the agent's own condition", update.name);
            return Err(fault(path, message));
        }
    }
    Ok(updates)
}

/// Refuses what is no object, or has other fields than these.
fn only(value: &Value, path: &str, allowed: &[&str]) -> Result<(), Fault> {
    let fields = value.as_object();
    let mut fields = fields.ok_or_else(|| fault(path, "expected an object"))?.keys();
    match fields.find(|field| !allowed.contains(&field.as_str())) {
        Some(field) => {
            let path = if path.is_empty() {
                field.clone()
            } else {
                format!("{path}.{field}")
            };
            let message = "Forbidden: the agent writes the status; only conditions that are not its own can be set";
            Err(fault(path, message))
        }
        None => Ok(()),
    }
}

fn condition(item: &Value, path: &str) -> Result<ConditionUpdate, Fault> {
    let fault = |field: &str, message: &str| fault(format!("{path}.{field}"), message);
    let text = |field: &str| match item.get(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(fault(field, "expected a string")),
    };
    let name = text("type")?;
    if name.is_empty() {
        return Err(fault("type", "Required value"));
    }
    let status = match text("status")?.as_str() {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        "Unknown" => ConditionStatus::Unknown,
        "" => return Err(fault("status", "Required value")),
        other => {
            let known = "supported values: \"True\", \"False\", \"Unknown\"";
            return Err(fault("status", &format!("Unsupported value: \"{other}\": {known}")));
        }
    };
    Ok(ConditionUpdate {
        name,
        status,
        reason: text("reason")?,
        message: text("message")?,
    })
}

/// Whether the pod has this condition already, with this status: a list that was read and is sent back holds it too.
fn says(present: &Document, update: &ConditionUpdate) -> bool {
    let conditions = present["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|one| one["type"] == update.name && one["status"] == format!("{:?}", update.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(patch: Value) -> Result<Vec<(String, ConditionStatus)>, Fault> {
        let present = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
        let updates = conditions(&patch, &Arc::new(present))?;
        Ok(updates.into_iter().map(|update| (update.name, update.status)).collect())
    }

    #[test]
    fn c2_7_conditions_of_others_can_be_set() {
        let patch = json!({"status": {"conditions": [
            {"type": "example.com/warm", "status": "True", "lastProbeTime": null},
            {"type": "Ready", "status": "False"},
        ]}});
        assert_eq!(
            read(patch),
            Ok(vec![("example.com/warm".to_owned(), ConditionStatus::True)])
        );
        assert_eq!(read(json!({})), Ok(Vec::new()));
    }

    #[test]
    fn everything_else_is_refused() {
        for (patch, fault) in [
            (json!({"spec": {}}), "spec: Forbidden"),
            (json!({"status": {"phase": "Failed"}}), "status.phase: Forbidden"),
            (
                json!({"status": {"conditions": {}}}),
                "status.conditions: expected a list",
            ),
            (
                json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
                "status.conditions[0]: Forbidden: Ready is the agent's own",
            ),
            (
                json!({"status": {"conditions": [{"status": "True"}]}}),
                "status.conditions[0].type: Required",
            ),
            (
                json!({"status": {"conditions": [{"type": "a", "status": "true"}]}}),
                "status.conditions[0].status: Unsupported value: \"true\"",
            ),
        ] {
            let (path, message) = read(patch).unwrap_err();
            let found = format!("{path}: {message}");
            assert!(found.starts_with(fault), "{found}");
        }
    }
}
