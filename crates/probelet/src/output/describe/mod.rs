//! `describe pod`, laid out as kubectl does it (C5).

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt::Write};

use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerPort, ContainerState, ContainerStatus, EnvVar, Event, Pod, PodSpec, PodStatus, Volume,
        VolumeMount,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Time},
};
use probelet_api::render::{event_age, last_seen, since};
use probelet_node::handle::CheckUsage;
use serde::Deserialize;
use serde_json::Value;

use super::{
    amounts::{kibibytes, milliseconds},
    printable,
    tabs::align,
};

/// Of a longer annotation the rest is left out.
const MAX_ANNOTATION: usize = 140;

/// The annotation in which kubectl keeps a copy of the manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// All about a pod, at a time.
pub(crate) fn pod(document: &Value, events: &[Value], now: Timestamp) -> serde_json::Result<String> {
    let pod = Pod::deserialize(document)?;
    let (spec, status) = (
        pod.spec.clone().unwrap_or_default(),
        pod.status.clone().unwrap_or_default(),
    );
    let mut text = Text::default();
    text.head(&pod, &spec, &status, now);
    let init_containers = spec.init_containers.as_deref().unwrap_or_default();
    if !init_containers.is_empty() {
        let statuses = status.init_container_statuses.as_deref().unwrap_or_default();
        text.containers("Init Containers", init_containers, statuses, document);
    }
    let statuses = status.container_statuses.as_deref().unwrap_or_default();
    text.containers("Containers", &spec.containers, statuses, document);
    text.readiness_gates(&spec, &status);
    text.conditions(&status);
    text.volumes(spec.volumes.as_deref().unwrap_or_default());
    text.field(0, "QoS Class", status.qos_class.as_deref().unwrap_or("<unset>"));
    text.map("Node-Selectors", spec.node_selector.as_ref());
    text.field(0, "Tolerations", "<none>");
    if events.is_empty() {
        text.field(0, "Events", "<none>");
    }
    // The events' columns are their own.
    Ok(align(&printable(&text.0)) + &align(&printable(&events_table(events, now)?)))
}

/// Lines whose cells end with tabs, to be aligned.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, level: usize, line: impl AsRef<str>) {
        writeln!(self.0, "{}{}", "  ".repeat(level), line.as_ref()).expect("a String takes all that is written to it");
    }

    fn field(&mut self, level: usize, name: &str, value: impl std::fmt::Display) {
        self.line(level, format!("{name}:\t{value}"));
    }

    fn optional(&mut self, level: usize, name: &str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.field(level, name, value);
        }
    }

    fn head(&mut self, pod: &Pod, spec: &PodSpec, status: &PodStatus, now: Timestamp) {
        let metadata = &pod.metadata;
        self.field(0, "Name", metadata.name.as_deref().unwrap_or_default());
        self.field(0, "Namespace", metadata.namespace.as_deref().unwrap_or_default());
        match &spec.node_name {
            Some(node) => self.field(
                0,
                "Node",
                format!("{node}/{}", status.host_ip.as_deref().unwrap_or_default()),
            ),
            None => self.field(0, "Node", "<none>"),
        }
        if let Some(start) = &status.start_time {
            self.field(0, "Start Time", rfc_1123(start));
        }
        self.map("Labels", metadata.labels.as_ref());
        self.annotations(metadata.annotations.as_ref());
        let phase = status.phase.as_deref().unwrap_or_default();
        match &metadata.deletion_timestamp {
            Some(Time(deletion)) if phase != "Succeeded" && phase != "Failed" => {
                self.field(
                    0,
                    "Status",
                    format!("Terminating (lasts {})", since(Some(*deletion), now)),
                );
                let grace = metadata.deletion_grace_period_seconds.unwrap_or_default();
                self.field(0, "Termination Grace Period", format!("{grace}s"));
            }
            _ => self.field(0, "Status", phase),
        }
        self.optional(0, "Reason", status.reason.clone());
        self.optional(0, "Message", status.message.clone());
        self.field(0, "IP", status.pod_ip.as_deref().unwrap_or_default());
        match status.pod_ips.as_deref().unwrap_or_default() {
            [] => self.field(0, "IPs", "<none>"),
            addresses => {
                self.line(0, "IPs:");
                for address in addresses {
                    self.field(1, "IP", &address.ip);
                }
            }
        }
    }

    fn map(&mut self, name: &str, map: Option<&BTreeMap<String, String>>) {
        let lines = map.into_iter().flatten().map(|(key, value)| format!("{key}={value}"));
        self.several(name, lines.collect());
    }

    fn annotations(&mut self, annotations: Option<&BTreeMap<String, String>>) {
        let mut lines = Vec::new();
        for (key, value) in annotations
            .into_iter()
            .flatten()
            .filter(|(key, _)| *key != LAST_APPLIED)
        {
            let value = value.strip_suffix('\n').unwrap_or(value);
            if key.len() + value.len() + 2 < MAX_ANNOTATION && !value.contains('\n') {
                lines.push(format!("{key}: {value}"));
            } else {
                lines.push(format!("{key}:"));
                lines.extend(
                    value
                        .lines()
                        .map(|line| format!("  {}", shortened(line, MAX_ANNOTATION - 2))),
                );
            }
        }
        self.several("Annotations", lines);
    }

    fn several(&mut self, name: &str, lines: Vec<String>) {
        if lines.is_empty() {
            return self.field(0, name, "<none>");
        }
        for (index, line) in lines.into_iter().enumerate() {
            if index == 0 {
                self.field(0, name, line)
            } else {
                self.line(0, format!("\t{line}"))
            }
        }
    }

    /// The pod's document shows of probes what their types do not know.
    fn containers(&mut self, title: &str, containers: &[Container], statuses: &[ContainerStatus], document: &Value) {
        self.line(0, format!("{title}:"));
        for container in containers {
            let status = statuses.iter().find(|status| status.name == container.name);
            self.container(container, status, document);
        }
    }

    fn container(&mut self, container: &Container, status: Option<&ContainerStatus>, document: &Value) {
        self.line(1, format!("{}:", container.name));
        if let Some(status) = status {
            self.field(2, "Container ID", status.container_id.as_deref().unwrap_or_default());
        }
        self.field(2, "Image", container.image.as_deref().unwrap_or_default());
        if let Some(status) = status {
            self.field(2, "Image ID", &status.image_id);
        }
        let ports = container.ports.as_deref().unwrap_or_default();
        self.ports("Port", ports, |port| port.container_port);
        self.ports("Host Port", ports, |port| port.host_port.unwrap_or_default());
        self.words("Command", container.command.as_deref());
        self.words("Args", container.args.as_deref());
        if let Some(status) = status {
            self.status(status);
        }
        let resources = container.resources.clone().unwrap_or_default();
        self.quantities("Limits", resources.limits.as_ref());
        self.quantities("Requests", resources.requests.as_ref());
        for (name, probe) in [
            ("Liveness", "liveness"),
            ("Readiness", "readiness"),
            ("Startup", "startup"),
        ] {
            self.optional(
                2,
                name,
                probelet_manifest::describe_probe_of(document, &container.name, probe),
            );
        }
        self.plugins(&container.name, document);
        self.usage(&container.name, document);
        self.environment(container.env.as_deref().unwrap_or_default());
        self.mounts(container.volume_mounts.as_deref().unwrap_or_default());
    }

    /// The components of the container's own checks, by the digests that they are pinned to.
    fn plugins(&mut self, container: &str, document: &Value) {
        let components = document["status"]["components"].as_array();
        let components = components.into_iter().flatten();
        let own: Vec<_> = components
            .filter(|component| component["container"] == container)
            .collect();
        if own.is_empty() {
            return;
        }
        self.line(2, "Plugins:");
        for component in own {
            let text = |field: &str| component[field].as_str().unwrap_or_default();
            let name = [text("name"), text("version")].join(" ");
            let of = if name.trim().is_empty() {
                String::new()
            } else {
                format!(" ({name})")
            };
            self.field(
                3,
                text("check"),
                format!("{}@{}{of}", text("component"), text("digest")),
            );
            self.optional(4, "Error", component["error"].as_str().map(str::to_owned));
        }
    }

    /// What the runs of the container's checks have taken since the agent's start.
    fn usage(&mut self, container: &str, document: &Value) {
        let usage = Vec::<CheckUsage>::deserialize(&document["usage"]).unwrap_or_default();
        let own: Vec<_> = usage.iter().filter(|usage| usage.container == container).collect();
        if own.is_empty() {
            return;
        }
        self.line(2, "Usage:");
        for usage in own {
            let (time, fuel, memory) = (usage.wall_micros, usage.fuel, usage.memory_bytes);
            self.field(
                3,
                &usage.kind,
                format!(
                    "{} runs; median {}, {} fuel, {}; 99% {}, {} fuel, {}",
                    usage.runs,
                    milliseconds(time.p50),
                    fuel.p50,
                    kibibytes(memory.p50),
                    milliseconds(time.p99),
                    fuel.p99,
                    kibibytes(memory.p99),
                ),
            );
        }
    }

    fn ports(&mut self, name: &str, ports: &[ContainerPort], number: impl Fn(&ContainerPort) -> i32) {
        let ports = ports
            .iter()
            .map(|port| format!("{}/{}", number(port), port.protocol.as_deref().unwrap_or("TCP")));
        match ports.collect::<Vec<_>>().as_slice() {
            [] => self.field(2, name, "<none>"),
            [port] => self.field(2, name, port),
            ports => self.field(2, &format!("{name}s"), ports.join(", ")),
        }
    }

    fn words(&mut self, name: &str, words: Option<&[String]>) {
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            self.line(2, format!("{name}:"));
            for line in words.iter().flat_map(|word| word.split('\n')) {
                self.line(3, line);
            }
        }
    }

    fn status(&mut self, status: &ContainerStatus) {
        self.state("State", &status.state.clone().unwrap_or_default());
        if let Some(last) = status.last_state.as_ref().filter(|last| last.terminated.is_some()) {
            self.state("Last State", last);
        }
        self.field(2, "Ready", if status.ready { "True" } else { "False" });
        self.field(2, "Restart Count", status.restart_count);
    }

    fn state(&mut self, name: &str, state: &ContainerState) {
        let time = |time: &Option<Time>| time.as_ref().map(rfc_1123);
        if let Some(running) = &state.running {
            self.field(2, name, "Running");
            self.optional(3, "Started", time(&running.started_at));
        } else if let Some(end) = &state.terminated {
            self.field(2, name, "Terminated");
            self.optional(3, "Reason", end.reason.clone());
            self.optional(3, "Message", end.message.clone());
            self.field(3, "Exit Code", end.exit_code);
            self.optional(
                3,
                "Signal",
                end.signal.filter(|signal| *signal > 0).map(|signal| signal.to_string()),
            );
            self.optional(3, "Started", time(&end.started_at));
            self.optional(3, "Finished", time(&end.finished_at));
        } else {
            self.field(2, name, "Waiting");
            let waiting = state.waiting.clone().unwrap_or_default();
            self.optional(3, "Reason", waiting.reason);
            self.optional(3, "Message", waiting.message);
        }
    }

    fn quantities(&mut self, name: &str, quantities: Option<&BTreeMap<String, Quantity>>) {
        let Some(quantities) = quantities.filter(|quantities| !quantities.is_empty()) else {
            return;
        };
        self.line(2, format!("{name}:"));
        for (name, quantity) in quantities {
            self.field(3, name, &quantity.0);
        }
    }

    fn environment(&mut self, variables: &[EnvVar]) {
        if variables.is_empty() {
            return self.field(2, "Environment", "<none>");
        }
        self.line(2, "Environment:");
        for variable in variables {
            let value = variable.value.as_deref().unwrap_or_default();
            for (index, line) in value.split('\n').enumerate() {
                if index == 0 {
                    self.field(3, &variable.name, line)
                } else {
                    self.line(3, format!("\t{line}"))
                }
            }
        }
    }

    fn mounts(&mut self, mounts: &[VolumeMount]) {
        if mounts.is_empty() {
            return self.field(2, "Mounts", "<none>");
        }
        self.line(2, "Mounts:");
        let mut mounts: Vec<_> = mounts.iter().collect();
        mounts.sort_by(|one, other| one.mount_path.cmp(&other.mount_path));
        for mount in mounts {
            let mut flags = if mount.read_only == Some(true) { "ro" } else { "rw" }.to_owned();
            if let Some(path) = mount.sub_path.as_deref().filter(|path| !path.is_empty()) {
                flags += &format!(",path={path:?}");
            }
            self.line(3, format!("{} from {} ({flags})", mount.mount_path, mount.name));
        }
    }

    fn conditions(&mut self, status: &PodStatus) {
        let conditions = status.conditions.as_deref().unwrap_or_default();
        if conditions.is_empty() {
            return;
        }
        self.line(0, "Conditions:");
        self.line(1, "Type\tStatus");
        for condition in conditions {
            self.line(1, format!("{} \t{} ", condition.type_, condition.status));
        }
    }

    fn readiness_gates(&mut self, spec: &PodSpec, status: &PodStatus) {
        let gates = spec.readiness_gates.as_deref().unwrap_or_default();
        if gates.is_empty() {
            return;
        }
        self.line(0, "Readiness Gates:");
        self.line(1, "Type\tStatus");
        for gate in gates {
            let name = &gate.condition_type;
            let mut conditions = status.conditions.iter().flatten();
            let condition = conditions.find(|condition| condition.type_ == *name);
            let status = condition.map_or("<none>", |condition| &condition.status);
            self.line(1, format!("{name} \t{status} "));
        }
    }

    fn volumes(&mut self, volumes: &[Volume]) {
        if volumes.is_empty() {
            return self.field(0, "Volumes", "<none>");
        }
        self.line(0, "Volumes:");
        for volume in volumes {
            self.line(1, format!("{}:", volume.name));
            if let Some(host_path) = &volume.host_path {
                self.field(2, "Type", "HostPath (bare host directory volume)");
                self.field(2, "Path", &host_path.path);
                self.field(2, "HostPathType", host_path.type_.as_deref().unwrap_or("<none>"));
            } else if let Some(empty_dir) = &volume.empty_dir {
                self.field(
                    2,
                    "Type",
                    "EmptyDir (a temporary directory that shares a pod's lifetime)",
                );
                self.field(2, "Medium", empty_dir.medium.as_deref().unwrap_or_default());
                let limit = empty_dir
                    .size_limit
                    .as_ref()
                    .map_or("<unset>", |limit| limit.0.as_str());
                self.field(2, "SizeLimit", limit);
            } else {
                self.field(2, "Type", "<unknown>");
            }
        }
    }
}

/// The events, the newest last (C5.5).
fn events_table(events: &[Value], now: Timestamp) -> serde_json::Result<String> {
    let mut events: Vec<Event> = events.iter().map(Event::deserialize).collect::<Result<_, _>>()?;
    events.sort_by_key(last_seen);
    let mut text = Text::default();
    if events.is_empty() {
        return Ok(text.0);
    }
    text.line(0, "Events:");
    text.line(1, "Type\tReason\tAge\tFrom\tMessage");
    text.line(1, "----\t------\t----\t----\t-------");
    for event in &events {
        let source = event.source.as_ref().and_then(|source| source.component.as_ref());
        let source = source
            .or(event.reporting_component.as_ref())
            .map(String::as_str)
            .unwrap_or_default();
        let field = event
            .involved_object
            .field_path
            .as_deref()
            .filter(|field| !field.is_empty());
        let message = event.message.as_deref().unwrap_or_default().trim();
        text.line(
            1,
            format!(
                "{}\t{}\t{}\t{source}\t{}{message}",
                event.type_.as_deref().unwrap_or_default(),
                event.reason.as_deref().unwrap_or_default(),
                event_age(event, now),
                field.map(|field| format!("{field}: ")).unwrap_or_default(),
            ),
        );
    }
    Ok(text.0)
}

/// Go's RFC1123Z, in the zone of this machine.
fn rfc_1123(time: &Time) -> String {
    time.0
        .to_zoned(TimeZone::system())
        .strftime("%a, %d %b %Y %H:%M:%S %z")
        .to_string()
}

fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        text.to_owned()
    } else {
        text.chars().take(length).collect::<String>() + "..."
    }
}
