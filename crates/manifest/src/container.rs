//! One container.

use std::collections::BTreeSet;

use crate::{
    Container, ContainerPort, EnvVar, Handler, ImagePullPolicy, Probe, Protocol, Resources, SecurityContext,
    VolumeMount, check::Object, fields, names, probe, quantity, restart, role::Role, signal, source::Source,
    termination_message, wasm::annotation::Annotations,
};

/// The highest user or group, as in Kubernetes.
const MAX_ID: i64 = i32::MAX as i64;

/// What a container has from its pod.
pub(crate) struct Surroundings<'a> {
    /// The names of the pod's volumes.
    pub(crate) volumes: BTreeSet<String>,
    /// The user that is the default.
    pub(crate) user: Option<u32>,
    /// The group that is the default.
    pub(crate) group: Option<u32>,
    /// The pod's grace period in seconds, unless it is at fault itself.
    pub(crate) grace: Option<u64>,
    /// Whether `spec.os.name` is set.
    pub(crate) has_os: bool,
    /// The probes and hooks that are written as annotations.
    pub(crate) annotations: &'a Annotations,
}

/// Reads one of `containers`.
pub(crate) fn container<'a>(object: &Object<'a>, pod: &Surroundings<'a>) -> Option<Container> {
    read(object, pod, |name, lifecycle, ports| {
        checks(object, lifecycle, name, pod, ports)
    })
}

/// Reads one of `initContainers`, which may have probes and hooks only if it is a sidecar (A1.14).
pub(crate) fn init_container<'a>(object: &Object<'a>, pod: &Surroundings<'a>) -> Option<Container> {
    let stays = object.get("restartPolicy").and_then(serde_json::Value::as_str) == Some("Always");
    read(object, pod, |name, lifecycle, ports| {
        if stays {
            return checks(object, lifecycle, name, pod, ports);
        }
        let message = "Forbidden: may not be set for init containers without restartPolicy=Always";
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if object.get(field).is_some() {
                object.report.error(&object.at(field), message);
            }
        }
        let roles = Role::ALL.into_iter();
        for annotation in roles.filter_map(|role| pod.annotations.get(name?, role)) {
            object.report.error(&annotation.path, message);
        }
        Checks::none()
    })
}

fn read<'a>(
    object: &Object<'a>,
    pod: &Surroundings<'a>,
    checks: impl FnOnce(Option<&str>, Option<&Object<'a>>, &[ContainerPort]) -> Checks,
) -> Option<Container> {
    let name = object.required("name");
    if let Some(name) = name.filter(|name| !names::is_label(name)) {
        let message = format!("Invalid value: \"{name}\": {LABEL_RULE}");
        object.report.error(&object.at("name"), message);
    }
    let image = object.required("image");
    let policy = object.word(
        "imagePullPolicy",
        &[
            ("Always", ImagePullPolicy::Always),
            ("IfNotPresent", ImagePullPolicy::IfNotPresent),
            ("Never", ImagePullPolicy::Never),
        ],
    );
    let command = object.texts("command");
    probe::warn_of_one_word(object.report, &object.at("command"), &command);
    let ports = ports(object);
    let lifecycle = object.object("lifecycle", &fields::LIFECYCLE);
    let checks = checks(name, lifecycle.as_ref(), &ports);
    let stop_signal = lifecycle.map_or(Some(None), |lifecycle| signal::stop_signal(&lifecycle, pod.has_os));
    let termination_message = termination_message::read(object);
    let restart_policy_rules = restart::rules(object);
    let restart_policy = match object.get("restartPolicy") {
        Some(_) => Some(restart::policy(object)?),
        None => None,
    };
    let (env, resources, volume_mounts) = (env(object), resources(object), volume_mounts(object, &pod.volumes));
    let security_context = security_context(object, pod.user, pod.group);
    let (args, working_dir) = (object.texts("args"), object.text("workingDir").map(str::to_owned));
    Some(Container {
        name: name?.to_owned(),
        image: image?.to_owned(),
        image_pull_policy: policy?,
        command,
        args,
        working_dir: working_dir.filter(|folder| !folder.is_empty()),
        env,
        resources,
        volume_mounts,
        startup_probe: checks.startup?,
        liveness_probe: checks.liveness?,
        readiness_probe: checks.readiness?,
        post_start: checks.post_start?,
        pre_stop: checks.pre_stop?,
        stop_signal: stop_signal?,
        termination_message_path: termination_message.clone()?.0,
        falls_back_to_logs: termination_message?.1,
        restart_policy,
        restart_policy_rules: restart_policy_rules?,
        security_context,
        ports,
    })
}

/// What a container has of each; `None` for what is at fault.
struct Checks {
    startup: Option<Option<Probe>>,
    liveness: Option<Option<Probe>>,
    readiness: Option<Option<Probe>>,
    post_start: Option<Option<Handler>>,
    pre_stop: Option<Option<Handler>>,
}

impl Checks {
    /// Of a container that has none.
    fn none() -> Self {
        Self {
            startup: Some(None),
            liveness: Some(None),
            readiness: Some(None),
            post_start: Some(None),
            pre_stop: Some(None),
        }
    }
}

fn checks<'a>(
    object: &Object<'a>,
    lifecycle: Option<&Object<'a>>,
    name: Option<&str>,
    pod: &Surroundings<'a>,
    ports: &[ContainerPort],
) -> Checks {
    let source = |role: Role| -> Option<Source<'a>> {
        let (parent, kind) = if role.is_hook() {
            (lifecycle, &fields::LIFECYCLE_HANDLER)
        } else {
            (Some(object), &fields::PROBE)
        };
        let parent = parent.filter(|parent| parent.get(role.field()).is_some());
        // What is no object has been told, and says nothing of a handler.
        let field = match parent {
            None => None,
            Some(parent) => Some(parent.object(role.field(), kind)?),
        };
        let annotation = name.and_then(|name| pod.annotations.get(name, role));
        Some(Source::new(role, field, annotation, object.report))
    };
    let probe = |role| -> Option<Option<Probe>> {
        let source = source(role)?;
        if source.is_absent() {
            return Some(None);
        }
        probe::probe(&source, ports).map(Some)
    };
    let hook = |role| -> Option<Option<Handler>> {
        let source = source(role)?;
        if source.is_absent() {
            return Some(None);
        }
        probe::hook(&source, ports, pod.grace).map(Some)
    };
    Checks {
        startup: probe(Role::Startup),
        liveness: probe(Role::Liveness),
        readiness: probe(Role::Readiness),
        post_start: hook(Role::PostStart),
        pre_stop: hook(Role::PreStop),
    }
}

pub(crate) const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or \
                                     '-', must start and end with an alphanumeric character, and has at most 63";

fn ports(object: &Object<'_>) -> Vec<ContainerPort> {
    let mut ports: Vec<ContainerPort> = Vec::new();
    for (path, item) in object.list("ports") {
        let Some(port) = Object::new(item, path, &fields::CONTAINER_PORT, object.report) else {
            continue;
        };
        let name = port.text("name").filter(|name| !name.is_empty());
        if let Some(name) = name {
            if !names::is_port_name(name) {
                let rule = "a port's name has at most 15 lower-case letters, digits and '-', and at least one letter";
                port.report
                    .error(&port.at("name"), format!("Invalid value: \"{name}\": {rule}"));
            }
            if ports.iter().any(|other| other.name.as_deref() == Some(name)) {
                port.report
                    .error(&port.at("name"), format!("Duplicate value: \"{name}\""));
            }
        }
        if port.get("containerPort").is_none() {
            port.report.error(&port.at("containerPort"), "Required value");
        }
        let number = port.number("containerPort", 1, i64::from(u16::MAX));
        let protocol = port.word(
            "protocol",
            &[("TCP", Protocol::Tcp), ("UDP", Protocol::Udp), ("SCTP", Protocol::Sctp)],
        );
        if let (Some(number), Some(protocol)) = (number.and_then(|number| u16::try_from(number).ok()), protocol) {
            ports.push(ContainerPort {
                name: name.map(str::to_owned),
                container_port: number,
                protocol,
            });
        }
    }
    ports
}

fn env(object: &Object<'_>) -> Vec<EnvVar> {
    let mut variables = Vec::new();
    for (path, item) in object.list("env") {
        let Some(variable) = Object::new(item, path, &fields::ENV_VAR, object.report) else {
            continue;
        };
        let (name, value) = (variable.required("name"), variable.text("value").unwrap_or_default());
        let Some(name) = name else {
            continue;
        };
        if !names::is_variable(name) {
            let message = format!("Invalid value: \"{name}\": a variable's name has printable characters but '='");
            variable.report.error(&variable.at("name"), message);
        }
        if value.contains('\0') {
            variable.report.error(
                &variable.at("value"),
                "Invalid value: a variable's value has no NUL character",
            );
        }
        variables.push(EnvVar {
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }
    variables
}

fn resources(object: &Object<'_>) -> Resources {
    let Some(resources) = object.object("resources", &fields::RESOURCES) else {
        return Resources::default();
    };
    let (limits, requests) = (
        resources.object("limits", &fields::RESOURCE_LIST),
        resources.object("requests", &fields::RESOURCE_LIST),
    );
    let read = |amounts: &Option<Object<'_>>, name: &str, divisor: u64| -> Option<u64> {
        let amounts = amounts.as_ref()?;
        match quantity::from_json(amounts.get(name)?) {
            Ok(amount) => Some(amount.div_ceil(divisor)),
            Err(message) => {
                amounts.report.error(&amounts.at(name), message);
                None
            }
        }
    };
    let found = Resources {
        memory_limit: read(&limits, "memory", 1000),
        memory_request: read(&requests, "memory", 1000),
        cpu_limit_millis: read(&limits, "cpu", 1),
        cpu_request_millis: read(&requests, "cpu", 1),
    };
    let pairs = [
        ("memory", found.memory_request, found.memory_limit),
        ("cpu", found.cpu_request_millis, found.cpu_limit_millis),
    ];
    for (name, request, limit) in pairs {
        if let (Some(request), Some(limit)) = (request, limit)
            && request > limit
        {
            let message = format!("Invalid value: must be less than or equal to {name} limit");
            resources
                .report
                .error(&format!("{}.{name}", resources.at("requests")), message);
        }
    }
    found
}

fn volume_mounts(object: &Object<'_>, volumes: &BTreeSet<String>) -> Vec<VolumeMount> {
    let mut mounts: Vec<VolumeMount> = Vec::new();
    for (path, item) in object.list("volumeMounts") {
        let Some(mount) = Object::new(item, path, &fields::VOLUME_MOUNT, object.report) else {
            continue;
        };
        let (name, destination) = (mount.required("name"), mount.required("mountPath"));
        if let Some(name) = name.filter(|name| !volumes.contains(*name)) {
            let known: Vec<_> = volumes.iter().map(String::as_str).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            mount.report.error(
                &mount.at("name"),
                format!("Not found: \"{name}\"; the pod's volumes are: {known}"),
            );
        }
        if let Some(destination) = destination {
            // Mounts are put below the container's root, out of which no path may lead.
            if !destination.starts_with('/') || destination.split('/').any(|part| part == "..") {
                let message = format!("Invalid value: \"{destination}\": must be an absolute path without \"..\"");
                mount.report.error(&mount.at("mountPath"), message);
            }
            if mounts.iter().any(|other| other.mount_path == destination) {
                mount
                    .report
                    .error(&mount.at("mountPath"), "Invalid value: must be unique");
            }
        }
        let read_only = mount.switch("readOnly").unwrap_or(false);
        if let (Some(name), Some(destination)) = (name, destination) {
            mounts.push(VolumeMount {
                name: name.to_owned(),
                mount_path: destination.to_owned(),
                read_only,
            });
        }
    }
    mounts
}

/// A user or group of a security context.
pub(crate) fn id(object: &Object<'_>, name: &str) -> Option<u32> {
    object.number(name, 0, MAX_ID).and_then(|id| u32::try_from(id).ok())
}

fn security_context(object: &Object<'_>, user: Option<u32>, group: Option<u32>) -> SecurityContext {
    let mut context = SecurityContext {
        run_as_user: user,
        run_as_group: group,
        capabilities_add: Vec::new(),
        capabilities_drop: Vec::new(),
        privileged: false,
        allow_privilege_escalation: true,
        read_only_root_filesystem: false,
    };
    let Some(own) = object.object("securityContext", &fields::SECURITY_CONTEXT) else {
        return context;
    };
    context.run_as_user = id(&own, "runAsUser").or(user);
    context.run_as_group = id(&own, "runAsGroup").or(group);
    if let Some(capabilities) = own.object("capabilities", &fields::CAPABILITIES) {
        context.capabilities_add = capabilities.texts("add");
        context.capabilities_drop = capabilities.texts("drop");
    }
    context.privileged = own.switch("privileged").unwrap_or(false);
    context.allow_privilege_escalation = own.switch("allowPrivilegeEscalation").unwrap_or(true);
    context.read_only_root_filesystem = own.switch("readOnlyRootFilesystem").unwrap_or(false);
    if context.privileged && !context.allow_privilege_escalation {
        let message = "Invalid value: cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        own.report.error(&own.path, message);
    }
    context
}
