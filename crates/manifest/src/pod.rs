//! Whole documents.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use serde_json::Value;

use crate::{
    Diagnostic, HostPathType, Metadata, Pod, PodSpec, RestartPolicy, Severity, Volume, VolumeSource,
    check::{Object, Report, describe},
    container::{self, LABEL_RULE},
    defaults, fields, names, quantity, yaml,
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
                .map(|(at, item)| parse(item, &format!("items[{at}]")))
                .collect(),
            None => vec![parse(document.value.clone(), "")],
        };
        for pod in found {
            match pod {
                Ok(mut pod) => {
                    document.locate(file, &mut pod.warnings);
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
    if faults.is_empty() { Ok(pods) } else { Err(faults) }
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
    defaults::fill(&mut document);
    let report = Report::default();
    let found = read(&document, path, &report);
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

fn read(document: &Value, path: &str, report: &Report) -> Option<(Metadata, PodSpec)> {
    let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
    let version = document.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if document.is_object() && (kind, version) != ("Pod", "v1") {
        let message = format!(
            "expected apiVersion v1 and kind Pod, found apiVersion \"{version}\" and kind \"{kind}\"; probelet runs pods \
             only: take the pod template out of it"
        );
        report.error(path, message);
        return None;
    }
    let pod = Object::new(document, path, &fields::POD, report)?;
    let metadata = metadata(&pod);
    if pod.get("spec").is_none() {
        report.error(&pod.at("spec"), "Required value");
    }
    let spec = spec(&pod.object("spec", &fields::POD_SPEC)?);
    Some((metadata?, spec?))
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
    Some(Metadata {
        name: name?.to_owned(),
        namespace: namespace.to_owned(),
        uid: uid.map(str::to_owned),
        labels: metadata.text_map("labels"),
        annotations: metadata.text_map("annotations"),
    })
}

fn spec(object: &Object<'_>) -> Option<PodSpec> {
    let volumes = volumes(object);
    let volume_names: BTreeSet<_> = volumes.iter().map(|volume| volume.name.clone()).collect();
    let security = object.object("securityContext", &fields::POD_SECURITY_CONTEXT);
    let (user, group) = security.as_ref().map_or((None, None), |security| {
        (
            container::id(security, "runAsUser"),
            container::id(security, "runAsGroup"),
        )
    });
    let mut containers = Vec::new();
    let mut known = BTreeSet::new();
    let items = object.list("containers");
    if items.is_empty() {
        object.report.error(&object.at("containers"), "Required value");
    }
    let count = items.len();
    for (path, item) in items {
        let Some(one) = Object::new(item, path, &fields::CONTAINER, object.report) else {
            continue;
        };
        let Some(one_container) = container::container(&one, &volume_names, user, group) else {
            continue;
        };
        if !known.insert(one_container.name.clone()) {
            one.report
                .error(&one.at("name"), format!("Duplicate value: \"{}\"", one_container.name));
        }
        containers.push(one_container);
    }
    let restart_policy = object.word(
        "restartPolicy",
        &[
            ("Always", RestartPolicy::Always),
            ("OnFailure", RestartPolicy::OnFailure),
            ("Never", RestartPolicy::Never),
        ],
    );
    let grace = object.number("terminationGracePeriodSeconds", i64::MIN, i64::from(i32::MAX));
    let hostname = object.text("hostname").filter(|name| !name.is_empty());
    if let Some(name) = hostname.filter(|name| !names::is_label(name)) {
        object.report.error(
            &object.at("hostname"),
            format!("Invalid value: \"{name}\": {LABEL_RULE}"),
        );
    }
    let host_network = object.switch("hostNetwork").unwrap_or(false);
    if containers.len() < count {
        return None;
    }
    Some(PodSpec {
        containers,
        volumes,
        restart_policy: restart_policy?,
        // A1.20: a negative one is 1.
        termination_grace_period: Duration::from_secs(u64::try_from(grace?).unwrap_or(1)),
        host_network,
        hostname: hostname.map(str::to_owned),
    })
}

fn volumes(object: &Object<'_>) -> Vec<Volume> {
    let mut volumes: Vec<Volume> = Vec::new();
    for (path, item) in object.list("volumes") {
        let Some(volume) = Object::new(item, path, &fields::VOLUME, object.report) else {
            continue;
        };
        let Some(name) = volume.required("name") else { continue };
        if !names::is_label(name) {
            volume
                .report
                .error(&volume.at("name"), format!("Invalid value: \"{name}\": {LABEL_RULE}"));
        }
        if volumes.iter().any(|other| other.name == name) {
            volume
                .report
                .error(&volume.at("name"), format!("Duplicate value: \"{name}\""));
        }
        if let Some(source) = volume_source(&volume) {
            volumes.push(Volume {
                name: name.to_owned(),
                source,
            });
        }
    }
    volumes
}

fn volume_source(volume: &Object<'_>) -> Option<VolumeSource> {
    let source = match (volume.get("hostPath"), volume.get("emptyDir")) {
        (Some(_), Some(_)) => {
            volume.report.error(
                &volume.at("emptyDir"),
                "Forbidden: may not specify more than 1 volume type",
            );
            None
        }
        (Some(_), None) => host_path(&volume.object("hostPath", &fields::HOST_PATH)?),
        (None, Some(_)) => empty_dir(&volume.object("emptyDir", &fields::EMPTY_DIR)?),
        (None, None) => {
            // Another type has been refused by its name.
            let others = fields::VOLUME
                .fields
                .iter()
                .any(|field| field.name != "name" && volume.get(field.name).is_some());
            if !others {
                volume
                    .report
                    .error(&volume.path, "Required value: must specify a volume type");
            }
            None
        }
    };
    // Its mounts shall find its name, so that one fault is not reported as two.
    source.or(Some(VolumeSource::EmptyDir {
        memory: false,
        size_limit: None,
    }))
}

fn host_path(object: &Object<'_>) -> Option<VolumeSource> {
    use HostPathType::{
        BlockDevice, CharacterDevice, Directory, DirectoryOrCreate, File, FileOrCreate, Socket, Unchecked,
    };
    let path = object.required("path");
    if let Some(path) = path.filter(|path| !path.starts_with('/') || path.split('/').any(|part| part == "..")) {
        let message = format!("Invalid value: \"{path}\": must be an absolute path without \"..\"");
        object.report.error(&object.at("path"), message);
    }
    let types = [
        ("", Unchecked),
        ("DirectoryOrCreate", DirectoryOrCreate),
        ("Directory", Directory),
        ("FileOrCreate", FileOrCreate),
        ("File", File),
        ("Socket", Socket),
        ("CharDevice", CharacterDevice),
        ("BlockDevice", BlockDevice),
    ];
    let kind = if object.get("type").is_some() {
        object.word("type", &types)
    } else {
        Some(Unchecked)
    };
    Some(VolumeSource::HostPath {
        path: PathBuf::from(path?),
        kind: kind?,
    })
}

fn empty_dir(object: &Object<'_>) -> Option<VolumeSource> {
    let memory = match object.get("medium") {
        None => false,
        Some(_) => object.word("medium", &[("", false), ("Memory", true)])?,
    };
    let size_limit = match object.get("sizeLimit") {
        None => None,
        Some(value) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let size = quantity::thousandths(&text).map(|amount| amount.div_ceil(1000));
            if size.is_none() {
                let message = format!("Invalid value: {}: no quantity; write 64Mi or 1Gi", describe(value));
                object.report.error(&object.at("sizeLimit"), message);
            }
            size
        }
    };
    Some(VolumeSource::EmptyDir { memory, size_limit })
}
