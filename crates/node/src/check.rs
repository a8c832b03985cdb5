//! Running one probe or hook: from its handler in the manifest to the component, and from the component's outcome to
//! the history. There is no other way to run a check (invariant 2).

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use probelet_engine::{
    Check, ContainerFiles, ContainerLogs, ContainerStats, Destination, ExecGrant, Field, FieldValue, GrantUse, Grants,
    HTTP_FALLBACK, Limits, NetworkGrant, Outcome, Plugin, Port, RunRequest, SOFT_DEADLINE_MARGIN, Subject, Verdict,
    cut,
};
use probelet_lifecycle::{
    action::{ActionId, HookReason, ProbeKind},
    config::ContainerIndex,
    event::{Event, ProbeOutcome, Verdict as ProbeVerdict},
    time::{BootTime, Now},
};
use probelet_manifest::{Allow, Container, Grpc, Handler, HttpGet, PortReference, Probe, Role};
use serde_json::{Value, json};

use crate::{
    adapt::{ExecIn, FilesOf, LogsIn, StatsOf},
    clock,
    components::CheckKey,
    families,
    handle::{GrantRecord, PodKey, RunRecord},
    inner::Inner,
    kept::KeptStates,
    pod::PodEntry,
    recording::Recording,
    sandbox::Sandbox,
    start::log_path,
    status::instance_id,
};

/// Of what a plugin writes to its standard output and error the history keeps the beginning: a run in it is a line of a
/// file, and there are hundreds.
const MAX_LOG: usize = 2 << 10;

/// A check that could not be run is tried this often in all (A3.13).
const MAX_TRIES: u32 = 3;

/// What is to be run.
pub(crate) struct Run {
    pub(crate) container: ContainerIndex,
    pub(crate) instance: u32,
    pub(crate) what: What,
    pub(crate) due: BootTime,
    pub(crate) timeout: Duration,
    /// How the last run of the same probe for the same instance ended.
    pub(crate) previous: Option<Verdict>,
}

/// A probe or a hook.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Probe { kind: ProbeKind, attempt: u64 },
    Hook { reason: HookReason },
}

/// A run that has ended.
pub(crate) struct CheckResult {
    run: Run,
    started: Now,
    container: String,
    component: String,
    digest: String,
    tries: u32,
    outcome: Outcome,
}

/// Runs a check to its end; dropping the future ends it and leaves nothing behind.
pub(crate) async fn run(node: &Inner, entry: &PodEntry, sandbox: Option<&Sandbox>, run: Run) -> CheckResult {
    let started = clock::now();
    let container = entry.container(run.container);
    let checked = Checked::new(entry, sandbox, &run, handler(container, run.what));
    let (plugin, config) = checked.component(node);
    let config = config.and_then(|config| Ok((config, checked.addresses()?)));
    let mut tries = 0;
    let outcome = loop {
        tries += 1;
        let outcome = match (&plugin, &config) {
            (Ok(plugin), Ok((config, addresses))) => checked.try_once(plugin, config, addresses).await,
            (Err(reason), _) | (_, Err(reason)) => cannot_run(reason),
        };
        let may_retry = matches!(run.what, What::Probe { .. }) && plugin.is_ok() && config.is_ok() && tries < MAX_TRIES;
        if outcome.verdict != Verdict::Errored || !may_retry {
            break outcome;
        }
    };
    let (component, digest) = match &plugin {
        Ok(plugin) => (plugin.name().to_owned(), plugin.digest().to_owned()),
        Err(_) => Default::default(),
    };
    CheckResult {
        container: container.name.clone(),
        component,
        digest,
        run,
        started,
        tries,
        outcome,
    }
}

/// The outcome of a check for which there is nothing to run.
fn cannot_run(reason: &str) -> Outcome {
    Outcome {
        verdict: Verdict::Errored,
        message: reason.to_owned(),
        fields: Vec::new(),
        log: String::new(),
        usage: probelet_engine::Usage::default(),
        grants: Vec::new(),
        state: None,
    }
}

impl What {
    /// Which of a container's checks it is.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Probe { kind, .. } => match kind {
                ProbeKind::Startup => Role::Startup,
                ProbeKind::Liveness => Role::Liveness,
                ProbeKind::Readiness => Role::Readiness,
            },
            Self::Hook {
                reason: HookReason::Start,
            } => Role::PostStart,
            Self::Hook { .. } => Role::PreStop,
        }
    }
}

impl Run {
    /// Which check it is of.
    pub(crate) fn key(&self) -> CheckKey {
        (self.container.0, self.what.role())
    }
}

/// A check and all that it is about.
pub(crate) struct Checked<'a> {
    entry: &'a PodEntry,
    container: &'a Container,
    sandbox: Option<&'a Sandbox>,
    run: &'a Run,
    handler: &'a Handler,
}

impl<'a> Checked<'a> {
    /// A check of the pod by a handler, which need not be one of its manifest.
    pub(crate) fn new(entry: &'a PodEntry, sandbox: Option<&'a Sandbox>, run: &'a Run, handler: &'a Handler) -> Self {
        Self {
            entry,
            container: entry.container(run.container),
            sandbox,
            run,
            handler,
        }
    }

    /// One try. The addresses are those of the pod's that the handler chooses; it may be none.
    async fn try_once(&self, plugin: &Plugin, config: &Value, addresses: &[IpAddr]) -> Outcome {
        let deadline = self.deadline();
        let Some(family) = families::family(self.handler) else {
            return self.run_once(plugin, config.clone(), deadline).await;
        };
        families::ask(family, addresses.to_vec(), self.run.timeout, |address| {
            let mut config = config.clone();
            config["host"] = address.to_string().into();
            self.run_once(plugin, config, deadline)
        })
        .await
    }

    /// One run; if somebody waits for its record, it is written down.
    async fn run_once(&self, plugin: &Plugin, config: Value, deadline: Instant) -> Outcome {
        let mut request = RunRequest {
            deadline,
            ..self.request(config)
        };
        let key = self.run.key();
        let recordings = &self.entry.recordings;
        if !recordings.are_wanted(key) {
            return plugin.run(request).await;
        }
        let component = match self.handler {
            Handler::Wasm(wasm) => wasm.component.to_string(),
            _ => format!("builtin:{}", plugin.name()),
        };
        let recording = Recording::begin(key.1, self.handler, component, &mut request);
        let check = request.check;
        let outcome = plugin.run(request).await;
        let record = recording.end(check, &outcome).await;
        recordings.deliver(key, check.outcome_name(outcome.verdict), &record);
        outcome
    }

    /// The component of the handler, and its configuration: names, ports and addresses resolved.
    fn component(&self, node: &Inner) -> (Result<Plugin, String>, Result<Value, String>) {
        let builtin = |name| Ok(node.plugins.builtin(name).clone());
        match self.handler {
            Handler::Exec { command } => (builtin("exec"), Ok(json!({ "command": self.expanded(command) }))),
            Handler::HttpGet(http) => (builtin("http"), self.http(http)),
            Handler::TcpSocket(tcp) => (
                builtin("tcp"),
                self.port(&tcp.port)
                    .and_then(|port| Ok(json!({ "host": self.host(tcp.host.as_deref())?, "port": port }))),
            ),
            Handler::Grpc(grpc) => (builtin("grpc"), self.grpc(grpc)),
            Handler::Sleep { seconds } => (builtin("sleep"), Ok(json!({ "seconds": seconds }))),
            Handler::Wasm(wasm) => (self.entry.components.plugin(self.run.key()), Ok(wasm.config.clone())),
        }
    }

    fn http(&self, http: &HttpGet) -> Result<Value, String> {
        let headers: Vec<_> = http
            .headers
            .iter()
            .map(|header| json!({ "name": header.name, "value": header.value }))
            .collect();
        Ok(json!({
            "scheme": http.scheme.to_string(),
            "host": self.host(http.host.as_deref())?,
            "port": self.port(&http.port)?,
            "path": http.path,
            "headers": headers,
            "http2": http.http2,
            "hook": matches!(self.run.what, What::Hook { .. }),
        }))
    }

    fn grpc(&self, grpc: &Grpc) -> Result<Value, String> {
        Ok(json!({
            "host": self.host(None)?,
            "port": self.port(&grpc.port)?,
            "service": grpc.service,
            "tls": grpc.tls,
        }))
    }

    /// `$(NAME)` in a probe's command is replaced, in a hook's it is not (A2.30).
    fn expanded(&self, command: &[String]) -> Vec<String> {
        match self.run.what {
            What::Probe { .. } => probelet_manifest::expand_all(command, &self.container.env),
            What::Hook { .. } => command.to_vec(),
        }
    }

    /// A port's number; a name is looked up in the container's own ports (A2.1, A2.2).
    fn port(&self, port: &PortReference) -> Result<u16, String> {
        match port {
            PortReference::Number(number) => Ok(*number),
            PortReference::Name(name) => {
                let ports = self.container.ports.iter();
                let named = ports
                    .filter(|port| port.name.as_deref() == Some(name))
                    .map(|port| port.container_port);
                named.chain(name.parse().ok()).next().ok_or_else(|| {
                    format!(
                        "container {} has no port named \"{name}\"; add it to its ports",
                        self.container.name
                    )
                })
            }
        }
    }

    /// The address to dial: the handler's, else the pod's (A2.3). Never empty, which would be the node itself (A2.31).
    fn host(&self, host: Option<&str>) -> Result<String, String> {
        match (host, self.pod_address()) {
            (Some(host), _) if !host.is_empty() => Ok(host.to_owned()),
            (_, Some(address)) => Ok(address.to_string()),
            (_, None) => Err("the pod has no address yet".to_owned()),
        }
    }

    /// The pod's own addresses that the handler chooses, if it does (F20).
    fn addresses(&self) -> Result<Vec<IpAddr>, String> {
        let all = self.sandbox.map_or(&[][..], Sandbox::addresses);
        families::family(self.handler).map_or_else(|| Ok(Vec::new()), |family| families::chosen(family, all))
    }

    fn pod_address(&self) -> Option<IpAddr> {
        self.sandbox.and_then(|sandbox| sandbox.addresses().first().copied())
    }

    /// A run that begins now.
    pub(crate) fn request(&self, config: Value) -> RunRequest {
        let timeout = self.run.timeout;
        let (check, attempt, grace_left) = match self.run.what {
            What::Probe { kind, attempt } => (Check::Probe(engine_kind(kind)), attempt, None),
            What::Hook { reason } => (
                Check::Hook(engine_reason(reason)),
                1,
                (reason != HookReason::Start).then_some(timeout),
            ),
        };
        RunRequest {
            check,
            subject: self.subject(),
            attempt,
            previous: self.run.previous,
            config,
            timeout,
            deadline: self.deadline(),
            limits: self.limits(),
            grants: self.grants(),
            grace_left,
            state: self.entry.kept.get(self.run.key(), self.run.instance),
        }
    }

    /// That of a run that begins now.
    fn deadline(&self) -> Instant {
        Instant::now() + self.run.timeout + SOFT_DEADLINE_MARGIN
    }

    fn subject(&self) -> Subject {
        let ports = self.container.ports.iter().map(|port| Port {
            name: port.name.clone(),
            number: port.container_port,
            protocol: port.protocol.to_string(),
        });
        Subject {
            namespace: self.entry.key.namespace.clone(),
            pod: self.entry.key.name.clone(),
            container: self.container.name.clone(),
            container_id: instance_id(&self.entry.uid, &self.container.name, self.run.instance),
            restart_count: self.run.instance,
            address: self.pod_address(),
            ports: ports.collect(),
            started_at: self.instance().map(|running| running.started_at()),
        }
    }

    fn limits(&self) -> Limits {
        let limits = Limits::default();
        match self.handler {
            Handler::Wasm(wasm) => Limits {
                fuel: wasm.limits.fuel,
                memory_bytes: usize::try_from(wasm.limits.memory).unwrap_or(usize::MAX),
                ..limits
            },
            _ => limits,
        }
    }

    /// What a built-in component needs, and no more; of a user's what the manifest allows.
    fn grants(&self) -> Grants {
        match self.handler {
            Handler::Exec { .. } => Grants {
                exec: Some(self.exec_grant(None)),
                ..Grants::default()
            },
            Handler::HttpGet(http) => Grants {
                network: Some(self.network(host_grant(http.host.as_deref()), true)),
                ..Grants::default()
            },
            Handler::TcpSocket(tcp) => Grants {
                network: Some(self.network(host_grant(tcp.host.as_deref()), false)),
                ..Grants::default()
            },
            Handler::Grpc(_) => Grants {
                network: Some(self.network(host_grant(None), true)),
                ..Grants::default()
            },
            Handler::Sleep { .. } => Grants::default(),
            Handler::Wasm(wasm) => self.allowed(&wasm.allow),
        }
    }

    fn allowed(&self, allow: &Allow) -> Grants {
        let files = || allow.files.iter().map(Into::into).collect();
        let destinations = allow
            .network
            .iter()
            .map(|granted| Destination::new(&granted.host, granted.port));
        Grants {
            exec: allow.exec.prefixes().map(|prefixes| self.exec_grant(prefixes)),
            network: Some(self.network(destinations.collect(), false)),
            stats: allow
                .stats
                .then(|| Arc::new(StatsOf(self.instance())) as Arc<dyn ContainerStats>),
            logs: allow.logs.then(|| {
                let log = log_path(self.entry, &self.container.name, self.run.instance);
                Arc::new(LogsIn(log)) as Arc<dyn ContainerLogs>
            }),
            files: (!allow.files.is_empty()).then(|| {
                let files = self.instance().map(|container| container.files(files()));
                Arc::new(FilesOf(files.map(Arc::new))) as Arc<dyn ContainerFiles>
            }),
            environment: self.variables(&allow.environment),
            ..Grants::default()
        }
    }

    /// The granted of the container's variables. Most runs are granted none, and are not to expand them all.
    fn variables(&self, granted: &[String]) -> Vec<(String, String)> {
        if granted.is_empty() {
            return Vec::new();
        }
        let mut variables = probelet_manifest::expanded_environment(&self.container.env);
        variables.retain(|(name, _)| granted.contains(name));
        variables
    }

    fn exec_grant(&self, prefixes: Option<Vec<Vec<String>>>) -> ExecGrant {
        ExecGrant {
            container: Arc::new(ExecIn(self.instance())),
            prefixes,
        }
    }

    fn network(&self, destinations: Vec<Destination>, tls_unverified: bool) -> NetworkGrant {
        NetworkGrant {
            namespace: self.sandbox.and_then(|sandbox| sandbox.namespace.clone()),
            pod_addresses: self
                .sandbox
                .map(|sandbox| sandbox.addresses().to_vec())
                .unwrap_or_default(),
            destinations,
            tls_unverified,
        }
    }

    /// The instance that is checked, if it still runs.
    fn instance(&self) -> Option<probelet_container::Container> {
        let instance = self.entry.instance(self.run.container.0)?;
        (instance.number == self.run.instance).then_some(instance.container)
    }
}

/// A `host` in a handler is a grant for that host, wherever it is, as with the kubelet.
fn host_grant(host: Option<&str>) -> Vec<Destination> {
    let host = host.filter(|host| !host.is_empty());
    host.map(|host| Destination::new(host, None).with_private())
        .into_iter()
        .collect()
}

/// The handler of a check.
fn handler(container: &Container, what: What) -> &Handler {
    let (handler, name) = match what {
        What::Probe {
            kind: ProbeKind::Startup,
            ..
        } => (probe_handler(&container.startup_probe), "startupProbe"),
        What::Probe {
            kind: ProbeKind::Liveness,
            ..
        } => (probe_handler(&container.liveness_probe), "livenessProbe"),
        What::Probe {
            kind: ProbeKind::Readiness,
            ..
        } => (probe_handler(&container.readiness_probe), "readinessProbe"),
        What::Hook {
            reason: HookReason::Start,
        } => (container.post_start.as_ref(), "postStart"),
        What::Hook { .. } => (container.pre_stop.as_ref(), "preStop"),
    };
    handler.unwrap_or_else(|| panic!("the machine asks only for checks that the manifest has, not for {name}"))
}

/// Whether a run is of a `sleep` hook.
pub(crate) fn is_sleep(entry: &PodEntry, run: &Run) -> bool {
    matches!(handler(entry.container(run.container), run.what), Handler::Sleep { .. })
}

fn probe_handler(probe: &Option<Probe>) -> Option<&Handler> {
    probe.as_ref().map(|probe| &probe.handler)
}

fn engine_kind(kind: ProbeKind) -> probelet_engine::ProbeKind {
    match kind {
        ProbeKind::Startup => probelet_engine::ProbeKind::Startup,
        ProbeKind::Liveness => probelet_engine::ProbeKind::Liveness,
        ProbeKind::Readiness => probelet_engine::ProbeKind::Readiness,
    }
}

fn engine_reason(reason: HookReason) -> probelet_engine::HookReason {
    match reason {
        HookReason::Start => probelet_engine::HookReason::Start,
        HookReason::Delete => probelet_engine::HookReason::Delete,
        HookReason::Completed => probelet_engine::HookReason::Completed,
        HookReason::Liveness => probelet_engine::HookReason::Liveness,
        HookReason::Startup => probelet_engine::HookReason::Startup,
        HookReason::PostStart => probelet_engine::HookReason::PostStart,
        HookReason::Deadline => probelet_engine::HookReason::Deadline,
        HookReason::Restart => probelet_engine::HookReason::Restart,
    }
}

impl CheckResult {
    /// Which probe it was of which instance, and how it ended; `None` for a hook.
    pub(crate) fn probe_verdict(&self) -> Option<((ContainerIndex, ProbeKind), (u32, Verdict))> {
        match self.run.what {
            What::Probe { kind, .. } => Some(((self.run.container, kind), (self.run.instance, self.outcome.verdict))),
            What::Hook { .. } => None,
        }
    }

    /// The log has why a hook failed. Events do not say it, as in Kubernetes: it may hold secrets, and could not be counted
    /// (A4.7, F31). The history goes with the pod, which for a preStop hook is soon.
    pub(crate) fn log_failed_hook(&self, pod: &PodKey) {
        if matches!(self.run.what, What::Hook { .. }) && !self.is_good() {
            let (hook, instance, message) = (self.run.what.role().name(), self.run.instance, &self.outcome.message);
            tracing::warn!(%pod, container = self.container, instance, hook, message, "a hook failed");
        }
    }

    /// Whether it succeeded, warnings included.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.outcome.verdict, Verdict::Success | Verdict::Warning)
    }

    /// Keeps what the run leaves to the next one.
    pub(crate) fn keep(&self, kept: &KeptStates) {
        if let Some(content) = &self.outcome.state {
            kept.set(self.run.key(), self.run.instance, content.clone());
        }
    }

    /// What the state machine is told before, of a hook whose server wanted no TLS (B1.8).
    pub(crate) fn fallback(&self, action: ActionId) -> Option<Event> {
        let is_it = |field: &&Field| matches!(self.run.what, What::Hook { .. }) && field.name == HTTP_FALLBACK;
        match &self.outcome.fields.iter().find(is_it)?.value {
            FieldValue::Text(host) => Some(Event::HookFellBack {
                action,
                host: host.clone(),
            }),
            FieldValue::Number(_) | FieldValue::Flag(_) => None,
        }
    }

    /// What the state machine is told.
    pub(crate) fn event(&self, action: ActionId) -> Event {
        let message = self.outcome.message.clone();
        match self.run.what {
            What::Probe { .. } => {
                let verdict = match self.outcome.verdict {
                    Verdict::Success => ProbeVerdict::Success,
                    Verdict::Warning => ProbeVerdict::Warning,
                    Verdict::Failure => ProbeVerdict::Failure,
                    Verdict::Errored => ProbeVerdict::Errored,
                };
                Event::ProbeFinished {
                    action,
                    outcome: ProbeOutcome { verdict, message },
                }
            }
            What::Hook { .. } => Event::HookFinished {
                action,
                result: if self.is_good() { Ok(()) } else { Err(message) },
            },
        }
    }

    /// What the history keeps; `recorded` is the present.
    pub(crate) fn record(self, recorded: BootTime) -> RunRecord {
        let kind = self.run.what.role().name();
        let attempt = match self.run.what {
            What::Probe { attempt, .. } => attempt,
            What::Hook { .. } => 1,
        };
        let outcome = match self.outcome.verdict {
            Verdict::Success => "success",
            Verdict::Warning => "warning",
            Verdict::Failure => "failure",
            Verdict::Errored => "errored",
        };
        let (usage, fields) = (self.outcome.usage, self.outcome.fields());
        RunRecord {
            time: clock::milliseconds_text(self.started.wall),
            container: self.container,
            instance: self.run.instance,
            kind: kind.to_owned(),
            attempt,
            outcome: outcome.to_owned(),
            message: self.outcome.message,
            wall_micros: micros(recorded.since(self.run.due)),
            fuel: usage.fuel,
            memory_bytes: usage.memory_peak_bytes,
            host_calls: usage.host_calls,
            component: self.component,
            digest: self.digest,
            tries: self.tries,
            fields,
            grants: self.outcome.grants.into_iter().map(grant).collect(),
            log: cut(self.outcome.log, MAX_LOG),
        }
    }
}

fn grant(used: GrantUse) -> GrantRecord {
    GrantRecord {
        grant: used.grant.name().to_owned(),
        detail: used.detail,
        granted: used.granted,
        refused: used.refused,
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
