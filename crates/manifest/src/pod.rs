//! Whole documents.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use crate::{
    Container, Diagnostic, Metadata, Pod, PodSpec, Severity,
    check::{Object, Report, describe},
    container::{self, LABEL_RULE},
    defaults, fields, names,
    position::Origin,
    readiness_gate, restart, volume,
    wasm::annotation::Annotations,
    yaml,
};

/// Reads all pods of a YAML file: documents, and `List`s of them. `file` is its name for messages.
///
/// # Errors
///
/// All faults of all documents, with their positions.
pub fn parse_yaml(text: &str, file: &str) -> Result<Vec<Pod>, Vec<Diagnostic>> {
    let (mut pods, mut faults) = (Vec::new(), Vec::new());
    for document in yaml::read(text, file)? {
        let found = match list_items(&document.value) {
            Some(items) => items
                .into_iter()
                .enumerate()
                .map(|(at, item)| (format!("items[{at}]"), item))
                .collect(),
            None => vec![(String::new(), document.value.clone())],
        };
        for (path, pod) in found {
            match parse(pod, &path) {
                Ok(mut pod) => {
                    document.locate(file, &mut pod.warnings);
                    pod.warnings.sort_by_key(position);
                    pod.origin = Some(Origin::new(file, path, &document.positions));
                    pods.push(pod);
                }
                Err(mut found) => {
                    document.locate(file, &mut found);
                    faults.append(&mut found);
                }
            }
        }
    }
    if pods.is_empty() && faults.is_empty() {
        let nothing = Diagnostic::new(Severity::Error, "", "there is no pod in it");
        faults.push(Diagnostic {
            file: Some(file.to_owned()),
            ..nothing
        });
    }
    if faults.is_empty() {
        return Ok(pods);
    }
    faults.sort_by_key(position);
    Err(faults)
}

/// For an order in which people read a file.
fn position(diagnostic: &Diagnostic) -> (Option<usize>, Option<usize>) {
    (diagnostic.line, diagnostic.column)
}

/// Reads a pod from JSON, such as the document of an earlier [`Pod`].
///
/// # Errors
///
/// All faults.
pub fn parse_json(document: Value) -> Result<Pod, Vec<Diagnostic>> {
    parse(document, "")
}

/// The items of a `List`.
fn list_items(document: &Value) -> Option<Vec<Value>> {
    let is_list = document["kind"] == "List" && document["apiVersion"] == "v1";
    if is_list {
        document["items"].as_array().cloned()
    } else {
        None
    }
}

fn parse(mut document: Value, path: &str) -> Result<Pod, Vec<Diagnostic>> {
    let report = Report::default();
    let mut annotations = Annotations::read(&document, path, &report);
    defaults::fill(&mut document, &mut annotations);
    let found = read(&document, path, &annotations, &report);
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    for diagnostic in report.finish() {
        match diagnostic.severity {
            Severity::Error => faults.push(diagnostic),
            Severity::Warning => warnings.push(diagnostic),
        }
    }
    match found {
        Some((metadata, spec)) if faults.is_empty() => Ok(Pod {
            document,
            metadata,
            spec,
            warnings,
            origin: None,
        }),
        _ => {
            // Whatever could not be read has been said; this is for the case that it has not.
            if faults.is_empty() {
                faults.push(Diagnostic::new(Severity::Error, path, "not a valid Pod"));
            }
            faults.append(&mut warnings);
            Err(faults)
        }
    }
}

fn read<'a>(
    document: &'a Value,
    path: &str,
    annotations: &'a Annotations,
    report: &'a Report,
) -> Option<(Metadata, PodSpec)> {
    if document.is_object() && !is_pod(document, path, report) {
        return None;
    }
    let pod = Object::new(document, path, &fields::POD, report)?;
    let metadata = metadata(&pod);
    if pod.get("spec").is_none() {
        report.error(&pod.at("spec"), "Required value");
    }
    let spec = spec(&pod.object("spec", &fields::POD_SPEC)?, annotations);
    Some((metadata?, spec?))
}

/// Whether a document says that it is a Pod; another's fields are not looked at, for all would be unknown.
fn is_pod(document: &Value, path: &str, report: &Report) -> bool {
    let wrong = [("apiVersion", "v1"), ("kind", "Pod")].map(|(name, wanted)| {
        let place = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        match document.get(name) {
            None | Some(Value::Null) => report.error(&place, format!("Required value: \"{wanted}\"")),
            Some(Value::String(found)) if found == wanted => return false,
            Some(Value::String(found)) => {
                let message =
                    format!("expected \"{wanted}\", found \"{found}\"; probelet runs pods of version v1 only");
                report.error(&place, message);
            }
            Some(other) => report.error(&place, format!("expected \"{wanted}\", found {}", describe(other))),
        }
        true
    });
    wrong == [false, false]
}

fn metadata(pod: &Object<'_>) -> Option<Metadata> {
    if pod.get("metadata").is_none() {
        pod.report.error(&pod.at("metadata"), "Required value");
    }
    let metadata = pod.object("metadata", &fields::METADATA)?;
    let name = metadata.required("name");
    if let Some(name) = name.filter(|name| !names::is_subdomain(name)) {
        let message = format!(
            "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
             characters, '-' or '.', and must start and end with an alphanumeric character"
        );
        metadata.report.error(&metadata.at("name"), message);
    }
    let namespace = metadata
        .text("namespace")
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or("default");
    if !names::is_label(namespace) {
        let message = format!("Invalid value: \"{namespace}\": {LABEL_RULE}");
        metadata.report.error(&metadata.at("namespace"), message);
    }
    let uid = metadata.text("uid");
    // It names folders and cgroups.
    let plain = |uid: &&str| {
        uid.len() <= 64
            && uid
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    };
    if let Some(uid) = uid.filter(|uid| !plain(uid)) {
        metadata.report.error(
            &metadata.at("uid"),
            format!("Invalid value: \"{uid}\": letters, digits and '-' only"),
        );
    }
    let (labels, annotations) = (metadata.text_map("labels"), metadata.text_map("annotations"));
    Some(Metadata {
        name: name?.to_owned(),
        namespace: namespace.to_owned(),
        uid: uid.map(str::to_owned),
        labels,
        annotations,
    })
}

fn spec<'a>(object: &Object<'a>, annotations: &'a Annotations) -> Option<PodSpec> {
    let volumes = volume::volumes(object);
    let volume_names: BTreeSet<_> = volumes.iter().map(|volume| volume.name.clone()).collect();
    let security = object.object("securityContext", &fields::POD_SECURITY_CONTEXT);
    let (user, group) = security.as_ref().map_or((None, None), |security| {
        (
            container::id(security, "runAsUser"),
            container::id(security, "runAsGroup"),
        )
    });
    // What was negative is 1 by now (A1.20).
    let grace = object
        .number("terminationGracePeriodSeconds", i64::MIN, i64::from(i32::MAX))
        .map(|seconds| u64::try_from(seconds).unwrap_or(1));
    let surroundings = container::Surroundings {
        volumes: volume_names,
        user,
        group,
        grace,
        has_os: os_name(object).is_some(),
        annotations,
    };
    let (init_containers, containers) = containers(object, &surroundings);
    let restart_policy = restart::policy(object);
    let hostname = object.text("hostname").filter(|name| !name.is_empty());
    if let Some(name) = hostname.filter(|name| !names::is_label(name)) {
        object.report.error(
            &object.at("hostname"),
            format!("Invalid value: \"{name}\": {LABEL_RULE}"),
        );
    }
    // A1.19
    let active_deadline = object
        .number("activeDeadlineSeconds", 1, i64::from(i32::MAX))
        .and_then(|seconds| u64::try_from(seconds).ok());
    let readiness_gates = readiness_gate::read(object);
    let host_network = object.switch("hostNetwork").unwrap_or(false);
    Some(PodSpec {
        init_containers: init_containers?,
        containers: containers?,
        volumes,
        restart_policy: restart_policy?,
        termination_grace_period: Duration::from_secs(grace?),
        active_deadline: active_deadline.map(Duration::from_secs),
        readiness_gates,
        host_network,
        hostname: hostname.map(str::to_owned),
    })
}

/// `os.name`, which can only be Linux here.
fn os_name(spec: &Object<'_>) -> Option<()> {
    let os = spec.object("os", &fields::POD_OS)?;
    os.required("name")?;
    os.word("name", &[("linux", ())])
}

/// The init containers and the containers, if none has a fault. A name is unique among all of them.
fn containers<'a>(
    object: &Object<'a>,
    surroundings: &container::Surroundings<'a>,
) -> (Option<Vec<Container>>, Option<Vec<Container>>) {
    let mut known = BTreeSet::new();
    let init_containers = list_of_containers(
        object,
        "initContainers",
        container::init_container,
        surroundings,
        &mut known,
    );
    let containers = list_of_containers(object, "containers", container::container, surroundings, &mut known);
    if containers.as_ref().is_some_and(Vec::is_empty) {
        object.report.error(&object.at("containers"), "Required value");
    }
    (init_containers, containers)
}

fn list_of_containers<'a>(
    object: &Object<'a>,
    field: &str,
    read: fn(&Object<'a>, &container::Surroundings<'a>) -> Option<Container>,
    surroundings: &container::Surroundings<'a>,
    known: &mut BTreeSet<&'a str>,
) -> Option<Vec<Container>> {
    let mut containers = Some(Vec::new());
    for (path, item) in object.list(field) {
        let one = Object::new(item, path, &fields::CONTAINER, object.report);
        let name = one.as_ref().and_then(|one| one.get("name")).and_then(Value::as_str);
        if let (Some(one), Some(name)) = (&one, name)
            && !known.insert(name)
        {
            one.report
                .error(&one.at("name"), format!("Duplicate value: \"{name}\""));
        }
        let container = one.and_then(|one| read(&one, surroundings));
        containers = containers.and_then(|mut all: Vec<_>| {
            all.push(container?);
            Some(all)
        });
    }
    containers
}
