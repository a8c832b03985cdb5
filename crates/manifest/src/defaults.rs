//! Kubernetes' defaults, filled into the document as an API server does (A1.1 to A1.3, A1.20).

use serde_json::{Map, Value, json};

use crate::{quantity, role::Role, wasm::annotation::Annotations};

/// Fills in what is missing. Whatever has the wrong type is left for the check to find.
pub(crate) fn fill(document: &mut Value, annotations: &mut Annotations) {
    let Some(document) = document.as_object_mut() else {
        return;
    };
    document.remove("status");
    if let Some(metadata) = object(document.get_mut("metadata")) {
        default(metadata, "namespace", json!("default"));
    }
    let Some(spec) = object(document.get_mut("spec")) else {
        return;
    };
    default(spec, "restartPolicy", json!("Always"));
    default(spec, "terminationGracePeriodSeconds", json!(30));
    // A1.20: a negative one is stored as 1.
    if spec["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(i64::is_negative)
    {
        spec["terminationGracePeriodSeconds"] = json!(1);
    }
    for field in ["initContainers", "containers"] {
        for container in items(spec.get_mut(field)) {
            fill_container(container, annotations);
        }
    }
}

fn fill_container(container: &mut Map<String, Value>, annotations: &mut Annotations) {
    let policy = container.get("image").and_then(Value::as_str).map(pull_policy);
    if let Some(policy) = policy {
        default(container, "imagePullPolicy", json!(policy));
    }
    default(container, "terminationMessagePath", json!("/dev/termination-log"));
    default(container, "terminationMessagePolicy", json!("File"));
    for port in items(container.get_mut("ports")) {
        default(port, "protocol", json!("TCP"));
    }
    for role in [Role::Startup, Role::Liveness, Role::Readiness] {
        fill_both(container, role, annotations);
    }
    if let Some(resources) = object(container.get_mut("resources")) {
        fill_requests(resources);
    }
    let Some(lifecycle) = object(container.get_mut("lifecycle")) else {
        return;
    };
    for name in ["postStart", "preStop"] {
        if let Some(hook) = object(lifecycle.get_mut(name)) {
            fill_handler(hook);
        }
    }
}

/// What has a limit but no request asks for as much as the limit.
fn fill_requests(resources: &mut Map<String, Value>) {
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else {
        return;
    };
    default(resources, "requests", json!({}));
    if let Some(requests) = object(resources.get_mut("requests")) {
        // A limit that is wrong is told of once, at its own place.
        for name in ["cpu", "memory"] {
            if let Some(amount) = limits.get(name).filter(|amount| quantity::from_json(amount).is_ok()) {
                default(requests, name, amount.clone());
            }
        }
    }
}

/// A probe's numbers may stand in its field or in its annotation. Those that are in neither are filled into the field,
/// if there is one: the annotation's text stays as it is, and only what has been read of it is filled.
fn fill_both(container: &mut Map<String, Value>, role: Role, annotations: &mut Annotations) {
    let name = container.get("name").and_then(Value::as_str);
    let annotation = name.and_then(|name| annotations.get_mut(name, role));
    let mut content = annotation.and_then(|annotation| object(annotation.value.as_mut()));
    let mut field = object(container.get_mut(role.field()));
    if let Some(field) = &mut field {
        fill_numbers(field, content.as_deref());
        fill_handler(field);
    }
    if let Some(content) = &mut content {
        fill_numbers(content, field.as_deref());
    }
}

/// A probe's own defaults.
pub(crate) fn fill_probe(probe: &mut Value) {
    if let Some(probe) = probe.as_object_mut() {
        fill_numbers(probe, None);
        fill_handler(probe);
    }
}

/// Fills in the numbers that are neither here nor in another place, in milliseconds or in seconds.
fn fill_numbers(numbers: &mut Map<String, Value>, elsewhere: Option<&Map<String, Value>>) {
    for (field, milliseconds, value) in [
        ("timeoutSeconds", Some("timeoutMilliseconds"), 1),
        ("periodSeconds", Some("periodMilliseconds"), 10),
        ("successThreshold", None, 1),
        ("failureThreshold", None, 3),
    ] {
        // Zero means the default, too.
        if numbers.get(field).and_then(Value::as_i64) == Some(0) {
            numbers.remove(field);
        }
        let has = |numbers: &Map<String, Value>, name: &str| {
            let value = numbers.get(name).filter(|value| !value.is_null());
            value.is_some_and(|value| name != field || value.as_i64() != Some(0))
        };
        let fine = milliseconds.is_some_and(|name| has(numbers, name));
        let other =
            elsewhere.is_some_and(|numbers| has(numbers, field) || milliseconds.is_some_and(|name| has(numbers, name)));
        if !fine && !other {
            default(numbers, field, json!(value));
        }
    }
}

fn fill_handler(handler: &mut Map<String, Value>) {
    if let Some(http) = object(handler.get_mut("httpGet")) {
        default(http, "path", json!("/"));
        default(http, "scheme", json!("HTTP"));
    }
    if let Some(grpc) = object(handler.get_mut("grpc")) {
        default(grpc, "service", json!(""));
    }
}

/// `Always` for a tag that moves, as Kubernetes has it.
fn pull_policy(image: &str) -> &'static str {
    let tag = image
        .rsplit_once(':')
        .map(|(_, tag)| tag)
        .filter(|tag| !tag.contains('/'));
    if image.contains('@') || tag.is_some_and(|tag| tag != "latest") {
        "IfNotPresent"
    } else {
        "Always"
    }
}

fn default(map: &mut Map<String, Value>, name: &str, value: Value) {
    if map.get(name).is_none_or(Value::is_null) {
        map.insert(name.to_owned(), value);
    }
}

fn object(value: Option<&mut Value>) -> Option<&mut Map<String, Value>> {
    value.and_then(Value::as_object_mut)
}

fn items(value: Option<&mut Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    value
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}
