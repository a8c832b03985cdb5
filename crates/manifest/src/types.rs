//! The views of a pod: plain types, defaulted and checked.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use crate::{Diagnostic, Wasm, position::Origin};

/// A checked pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// The original document, without `status`, with defaults filled in.
    pub document: serde_json::Value,
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: PodSpec,
    /// What people should know of it.
    pub warnings: Vec<Diagnostic>,
    /// Where it stands, if it came from a file.
    pub(crate) origin: Option<Origin>,
}

/// `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `name`.
    pub name: String,
    /// `namespace`; `default` if there is none.
    pub namespace: String,
    /// `uid`, which the agent gives.
    pub uid: Option<String>,
    /// `labels`.
    pub labels: BTreeMap<String, String>,
    /// `annotations`.
    pub annotations: BTreeMap<String, String>,
}

/// `spec`.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSpec {
    /// `initContainers`, in their order.
    pub init_containers: Vec<Container>,
    /// `containers`, in their order; at least one.
    pub containers: Vec<Container>,
    /// `volumes`.
    pub volumes: Vec<Volume>,
    /// `restartPolicy`.
    pub restart_policy: RestartPolicy,
    /// `terminationGracePeriodSeconds`.
    pub termination_grace_period: Duration,
    /// `activeDeadlineSeconds`.
    pub active_deadline: Option<Duration>,
    /// The `conditionType` of each of `readinessGates`.
    pub readiness_gates: Vec<String>,
    /// `hostNetwork`.
    pub host_network: bool,
    /// `hostname`.
    pub hostname: Option<String>,
}

impl PodSpec {
    /// All containers: the init containers, then the others. What is said of "a container's place" is its place here.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// The container at a place; `None` behind the last one.
    pub fn container_at(&self, place: usize) -> Option<&Container> {
        self.all_containers().nth(place)
    }

    /// The container at a place, to be changed.
    pub(crate) fn container_at_mut(&mut self, place: usize) -> Option<&mut Container> {
        self.init_containers.iter_mut().chain(&mut self.containers).nth(place)
    }

    /// The field that a container stands in, and where: `initContainers` and 0 for the first place of a pod with one.
    pub fn field_of(&self, place: usize) -> (&'static str, usize) {
        match place.checked_sub(self.init_containers.len()) {
            None => ("initContainers", place),
            Some(place) => ("containers", place),
        }
    }
}

/// `restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// One of `restartPolicyRules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartPolicyRule {
    /// `action`.
    pub action: RestartPolicyRuleAction,
    /// Whether `exitCodes.operator` is `In`, rather than `NotIn`.
    pub listed: bool,
    /// `exitCodes.values`.
    pub exit_codes: Vec<i32>,
}

/// `action` of a restart policy rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RestartPolicyRuleAction {
    Restart,
    RestartAllContainers,
}

/// One of `volumes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// `name`.
    pub name: String,
    /// What it holds.
    pub source: VolumeSource,
}

/// What a volume holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// `hostPath`.
    HostPath {
        /// `path`, absolute.
        path: PathBuf,
        /// `type`.
        kind: HostPathType,
    },
    /// `emptyDir`.
    EmptyDir {
        /// Whether `medium` is `Memory`.
        memory: bool,
        /// `sizeLimit` in bytes.
        size_limit: Option<u64>,
    },
}

/// `hostPath.type`: what must be at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPathType {
    /// The empty type: anything.
    Unchecked,
    /// A folder, made if there is nothing.
    DirectoryOrCreate,
    /// A folder.
    Directory,
    /// A file, made if there is nothing.
    FileOrCreate,
    /// A file.
    File,
    /// A socket.
    Socket,
    /// `CharDevice`.
    CharacterDevice,
    /// `BlockDevice`.
    BlockDevice,
}

/// One of `initContainers` or `containers`.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// `name`.
    pub name: String,
    /// `image`.
    pub image: String,
    /// `imagePullPolicy`.
    pub image_pull_policy: ImagePullPolicy,
    /// `command`; empty for the image's entrypoint.
    pub command: Vec<String>,
    /// `args`.
    pub args: Vec<String>,
    /// `workingDir`.
    pub working_dir: Option<String>,
    /// `env`.
    pub env: Vec<EnvVar>,
    /// `ports`.
    pub ports: Vec<ContainerPort>,
    /// `resources`.
    pub resources: Resources,
    /// `volumeMounts`.
    pub volume_mounts: Vec<VolumeMount>,
    /// `startupProbe`.
    pub startup_probe: Option<Probe>,
    /// `livenessProbe`.
    pub liveness_probe: Option<Probe>,
    /// `readinessProbe`.
    pub readiness_probe: Option<Probe>,
    /// `lifecycle.postStart`.
    pub post_start: Option<Handler>,
    /// `lifecycle.preStop`.
    pub pre_stop: Option<Handler>,
    /// `lifecycle.stopSignal`, such as `SIGQUIT`; the image's own if there is none.
    pub stop_signal: Option<String>,
    /// `terminationMessagePath`.
    pub termination_message_path: String,
    /// Whether `terminationMessagePolicy` is `FallbackToLogsOnError`, rather than `File`.
    pub falls_back_to_logs: bool,
    /// `restartPolicy`, if the container has its own.
    pub restart_policy: Option<RestartPolicy>,
    /// `restartPolicyRules`, in their order.
    pub restart_policy_rules: Vec<RestartPolicyRule>,
    /// `securityContext`, with the pod's own as its default.
    pub security_context: SecurityContext,
}

impl Container {
    /// Whether it is a sidecar if it is one of `initContainers`: it then runs beside all others (B4.3).
    pub fn restarts_always(&self) -> bool {
        self.restart_policy == Some(RestartPolicy::Always)
    }
}

/// `imagePullPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ImagePullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// One of `env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// `name`.
    pub name: String,
    /// `value`.
    pub value: String,
}

/// One of `ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// `name`.
    pub name: Option<String>,
    /// `containerPort`.
    pub container_port: u16,
    /// `protocol`.
    pub protocol: Protocol,
}

/// `protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// `resources`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// `limits.memory` in bytes.
    pub memory_limit: Option<u64>,
    /// `requests.memory` in bytes.
    pub memory_request: Option<u64>,
    /// `limits.cpu` in thousandths.
    pub cpu_limit_millis: Option<u64>,
    /// `requests.cpu` in thousandths.
    pub cpu_request_millis: Option<u64>,
}

/// One of `volumeMounts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// `name`: one of the pod's volumes.
    pub name: String,
    /// `mountPath`.
    pub mount_path: String,
    /// `readOnly`.
    pub read_only: bool,
}

/// `securityContext`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityContext {
    /// `runAsUser`.
    pub run_as_user: Option<u32>,
    /// `runAsGroup`.
    pub run_as_group: Option<u32>,
    /// `capabilities.add`.
    pub capabilities_add: Vec<String>,
    /// `capabilities.drop`.
    pub capabilities_drop: Vec<String>,
    /// `privileged`.
    pub privileged: bool,
    /// `allowPrivilegeEscalation`.
    pub allow_privilege_escalation: bool,
    /// `readOnlyRootFilesystem`.
    pub read_only_root_filesystem: bool,
}

/// A probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is done.
    pub handler: Handler,
    /// `initialDelaySeconds` or `initialDelayMilliseconds`.
    pub initial_delay: Duration,
    /// `periodSeconds` or `periodMilliseconds`.
    pub period: Duration,
    /// `timeoutSeconds` or `timeoutMilliseconds`.
    pub timeout: Duration,
    /// `successThreshold`.
    pub success_threshold: u32,
    /// `failureThreshold`.
    pub failure_threshold: u32,
    /// The probe's own `terminationGracePeriodSeconds`.
    pub termination_grace_period: Option<Duration>,
}

/// What a probe or hook does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handler {
    /// `exec`.
    Exec {
        /// `command`; not empty.
        command: Vec<String>,
    },
    /// `httpGet`.
    HttpGet(HttpGet),
    /// `tcpSocket`.
    TcpSocket(TcpSocket),
    /// `grpc`, of probes only.
    Grpc(Grpc),
    /// `sleep`, of hooks only.
    Sleep {
        /// `seconds`.
        seconds: u64,
    },
    /// `wasm`, as a field or as an annotation.
    Wasm(Box<Wasm>),
}

/// `httpGet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGet {
    /// `host`; the pod's address if there is none.
    pub host: Option<String>,
    /// `port`.
    pub port: PortReference,
    /// `path`.
    pub path: String,
    /// `scheme`.
    pub scheme: Scheme,
    /// `httpHeaders`.
    pub headers: Vec<Header>,
    /// Whether `protocol` is `HTTP2`: without TLS, and from the first byte on (F16).
    pub http2: bool,
    /// `addressFamily`; the pod's first address if there is none, and none if there is a `host`.
    pub address_family: Option<AddressFamily>,
}

/// `tcpSocket`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    /// `host`; the pod's address if there is none.
    pub host: Option<String>,
    /// `port`.
    pub port: PortReference,
    /// `addressFamily`, as that of [`HttpGet`].
    pub address_family: Option<AddressFamily>,
}

/// `grpc`, always to the pod's own address (A1.13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grpc {
    /// `port`; a name, too (F17).
    pub port: PortReference,
    /// `service`; empty for the whole server.
    pub service: String,
    /// Whether `mode` is `TLS`: without a check of the server's certificate (F17).
    pub tls: bool,
    /// `addressFamily`, as that of [`HttpGet`].
    pub address_family: Option<AddressFamily>,
}

/// `addressFamily`: which of the pod's own addresses are asked (F20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFamily {
    /// That of IPv4.
    Ipv4,
    /// That of IPv6.
    Ipv6,
    /// Each until one answers well. Of probes only, as the next one.
    Any,
    /// Each, and each has to answer well.
    All,
}

/// A port, by its number or by its name in the container's `ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PortReference {
    Number(u16),
    Name(String),
}

impl fmt::Display for PortReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

/// `scheme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Scheme {
    Http,
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        })
    }
}

/// One of `httpHeaders`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `name`.
    pub name: String,
    /// `value`.
    pub value: String,
}
