//! What a test asks of a pod's JSON document: the parts of its status, by their Kubernetes names.

use serde_json::Value;

/// The status of the container of this place in the list.
pub fn container(pod: &Value, index: usize) -> &Value {
    &pod["status"]["containerStatuses"][index]
}

/// `restartCount` of the first container.
pub fn restarts(pod: &Value) -> u64 {
    container(pod, 0)["restartCount"].as_u64().unwrap_or(0)
}

/// Whether the first container runs now.
pub fn is_running(pod: &Value) -> bool {
    container(pod, 0)["state"]["running"].is_object()
}

/// Whether the first container runs, in its instance of this number.
pub fn runs_instance(pod: &Value, instance: u64) -> bool {
    is_running(pod) && restarts(pod) == instance
}

/// Whether the condition of this name is true.
pub fn condition(pod: &Value, name: &str) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == name && one["status"] == "True"))
}

/// Whether the pod is ready.
pub fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready")
}

/// Why the first container waits; empty if it does not.
pub fn waiting_reason(pod: &Value) -> &str {
    container(pod, 0)["state"]["waiting"]["reason"]
        .as_str()
        .unwrap_or_default()
}

/// How the first container has ended, if it has: now, or before its present instance.
pub fn termination(pod: &Value) -> &Value {
    let status = container(pod, 0);
    match &status["state"]["terminated"] {
        Value::Null => &status["lastState"]["terminated"],
        now => now,
    }
}

/// `status.podIPs`, the first one first.
pub fn addresses(pod: &Value) -> Vec<&str> {
    let all = pod["status"]["podIPs"].as_array();
    all.into_iter().flatten().filter_map(|one| one["ip"].as_str()).collect()
}

/// `status.podIP`.
pub fn address(pod: &Value) -> &str {
    pod["status"]["podIP"].as_str().unwrap_or_default()
}
