//! Probes and handlers as `kubectl describe` shows them (C5.2).

use std::{fmt::Display, time::Duration};

use serde_json::Value;

use crate::{
    Handler, Probe,
    check::{Object, Report},
    defaults, fields, probe,
    role::Role,
    source::Source,
    wasm::annotation::Annotations,
};

impl Probe {
    /// The probe on one line, such as
    /// `http-get http://:80/index.html delay=3s timeout=1s period=3s #success=1 #failure=3`.
    pub fn describe(&self) -> String {
        format!(
            "{} delay={} timeout={} period={} #success={} #failure={}",
            self.handler.describe(),
            duration(self.initial_delay),
            duration(self.timeout),
            duration(self.period),
            self.success_threshold,
            self.failure_threshold
        )
    }
}

impl Handler {
    /// The handler on one line, such as `exec [cat /tmp/health]`, `http-get http://:80/` `tcp-socket :80` or
    /// `wasm builtin:tcp`.
    pub fn describe(&self) -> String {
        match self {
            Self::Exec { command } => format!("exec [{}]", command.join(" ")),
            Self::HttpGet(get) => {
                let scheme = get.scheme.to_string().to_lowercase();
                let slash = if get.path.starts_with('/') { "" } else { "/" };
                let address = address(get.host.as_deref(), &get.port);
                // Go prints a URL's path escaped; of what stands in manifests that is the question mark.
                format!("http-get {scheme}://{address}{slash}{}", get.path.replace('?', "%3F"))
            }
            Self::TcpSocket(socket) => format!("tcp-socket {}", address(socket.host.as_deref(), &socket.port)),
            // For the pod, whatever its address is.
            Self::Grpc(grpc) => format!("grpc <pod>:{} {}", grpc.port, grpc.service),
            Self::Sleep { seconds } => format!("sleep {seconds}s"),
            Self::Wasm(wasm) => format!("wasm {}", wasm.component),
        }
    }
}

/// The probe of a container's document on one line, with defaults where it says nothing; `unknown` if it has none that
/// this crate understands, for the document may be a newer server's.
pub fn describe_probe(document: &Value) -> String {
    let (mut document, report) = (document.clone(), Report::default());
    defaults::fill_probe(&mut document);
    let field = Object::new(&document, "", &fields::PROBE, &report);
    describe_source(&Source::new(Role::Readiness, field, None, &report))
}

/// The `liveness`, `readiness` or `startup` probe of a container of a pod's document, by the container's name: as
/// [`describe_probe`] has it, whether it is written as a field or as an annotation. `None` if there is no such probe.
pub fn describe_probe_of(pod: &Value, container: &str, probe: &str) -> Option<String> {
    let role = Role::from_name(probe).filter(|role| !role.is_hook())?;
    let (mut pod, report) = (pod.clone(), Report::default());
    let mut annotations = Annotations::read(&pod, "", &report);
    defaults::fill(&mut pod, &mut annotations);
    let name = container;
    let fields = ["initContainers", "containers"].into_iter();
    let mut containers = fields.flat_map(|field| pod["spec"][field].as_array().into_iter().flatten());
    let container = containers.find(|container| container["name"] == name)?;
    let field = Some(&container[role.field()]).filter(|field| !field.is_null());
    let field = field.and_then(|field| Object::new(field, "", &fields::PROBE, &report));
    let source = Source::new(role, field, annotations.get(name, role), &report);
    (!source.is_absent()).then(|| describe_source(&source))
}

fn describe_source(source: &Source<'_>) -> String {
    match probe::probe(source, &[]) {
        Some(probe) => probe.describe(),
        None => "unknown".to_owned(),
    }
}

/// Whole seconds as kubectl has them, and other durations as Go does: `90s`, `250ms`, `1.5s`, `1m30.5s`.
fn duration(duration: Duration) -> String {
    let (seconds, milliseconds) = (duration.as_secs(), duration.subsec_millis());
    let fraction = format!("{milliseconds:03}");
    let fraction = fraction.trim_end_matches('0');
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        _ if milliseconds == 0 => format!("{seconds}s"),
        (0, 0, 0) => format!("{milliseconds}ms"),
        (0, 0, seconds) => format!("{seconds}.{fraction}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}.{fraction}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}.{fraction}s"),
    }
}

/// `host:port`, with brackets around an IPv6 address.
fn address(host: Option<&str>, port: &dyn Display) -> String {
    match host {
        Some(host) if host.contains(':') => format!("[{host}]:{port}"),
        host => format!("{}:{port}", host.unwrap_or_default()),
    }
}
