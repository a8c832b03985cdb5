//! Recording a check's next run as a test case, for those who wait for one.

mod container;
mod network;
mod recorder;
mod tls;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use probelet_engine::{Check, HookReason, Outcome, RunRequest, Verdict};
use probelet_lifecycle::config::ContainerIndex;
use probelet_manifest::{Allow, Diagnostic, ExecAllow, Handler, NetworkAllow, Role};
use probelet_plugin_case::{Context, Recorded, Seen, case_file};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    components::CheckKey,
    handle::{RecordOptions, RequestError},
    pod::PodEntry,
    session::container_index,
};
use recorder::Recorder;

/// Those who wait for records of one pod: somebody who debugs a check has one or two.
const MAX_WAITING: usize = 8;

/// A case file, or why there is none.
pub(crate) type Record = Result<String, String>;

/// Those who wait for records of a pod's runs.
#[derive(Default)]
pub(crate) struct Recordings(Mutex<Vec<Waiting>>);

struct Waiting {
    check: CheckKey,
    /// How the run has to end; any way if `None`.
    outcome: Option<&'static str>,
    reply: oneshot::Sender<Record>,
}

impl Recordings {
    /// Waits for a run of a check that ends in such a way; dropping the receiver ends the wait.
    pub(crate) fn wait(
        &self,
        check: CheckKey,
        outcome: Option<&'static str>,
    ) -> Result<oneshot::Receiver<Record>, RequestError> {
        let mut waiting = self.lock();
        if waiting.len() >= MAX_WAITING {
            return Err(RequestError::Conflict(format!(
                "{MAX_WAITING} records of this pod are waited for already; end some of them"
            )));
        }
        let (reply, record) = oneshot::channel();
        waiting.push(Waiting { check, outcome, reply });
        Ok(record)
    }

    /// Whether somebody waits for a run of a check.
    pub(crate) fn are_wanted(&self, check: CheckKey) -> bool {
        self.lock().iter().any(|waiting| waiting.check == check)
    }

    /// Hands a record to those who wait for such a run.
    pub(crate) fn deliver(&self, check: CheckKey, outcome: &str, record: &Record) {
        let mut waiting = self.lock();
        let mut at = 0;
        while at < waiting.len() {
            let one = &waiting[at];
            let fits = one.outcome.is_none_or(|wanted| wanted == outcome);
            if one.check == check && fits {
                // Whoever has gone away needs none.
                let _ = waiting.remove(at).reply.send(record.clone());
            } else {
                at += 1;
            }
        }
    }

    /// Those who are left, without whoever has gone away.
    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| !one.reply.is_closed());
        waiting
    }
}

/// Waits for the record of a check that the container has.
pub(crate) fn wait(entry: &PodEntry, options: &RecordOptions) -> Result<oneshot::Receiver<Record>, RequestError> {
    let index = container_index(entry, options.container.as_deref())?;
    let container = entry.container(ContainerIndex(index));
    let is_there = |role: Role| match role {
        Role::Startup => container.startup_probe.is_some(),
        Role::Liveness => container.liveness_probe.is_some(),
        Role::Readiness => container.readiness_probe.is_some(),
        Role::PostStart => container.post_start.is_some(),
        Role::PreStop => container.pre_stop.is_some(),
    };
    let there: Vec<Role> = Role::ALL.into_iter().filter(|role| is_there(*role)).collect();
    let role = Role::from_name(&options.kind).filter(|role| there.contains(role));
    let role = role.ok_or_else(|| {
        let names: Vec<_> = there.iter().map(|role| role.name()).collect();
        let message = format!(
            "container {} has no check \"{}\"; it has {}",
            container.name,
            options.kind,
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        );
        RequestError::Invalid(vec![Diagnostic::error("kind", message)])
    })?;
    let outcome = options
        .outcome
        .as_deref()
        .map(|outcome| word(role, outcome))
        .transpose()?;
    entry.recordings.wait((index, role), outcome)
}

/// A word for how runs of a check end; of any other one could wait for ever.
fn word(role: Role, outcome: &str) -> Result<&'static str, RequestError> {
    let words = role.outcomes();
    let word = words.iter().find(|word| **word == outcome);
    word.copied().ok_or_else(|| {
        let message = format!(
            "no run of a {} check ends \"{outcome}\"; it ends: {}",
            role.name(),
            words.join(", ")
        );
        RequestError::Invalid(vec![Diagnostic::error("outcome", message)])
    })
}

/// A run that is being recorded.
pub(crate) struct Recording {
    recorder: Recorder,
    told: Recorded,
    role: Role,
}

impl Recording {
    /// Begins, with what the run is told.
    pub(crate) fn begin(role: Role, handler: &Handler, component: String, request: &mut RunRequest) -> Self {
        let recorder = Recorder::default();
        recorder.listen(&mut request.grants);
        let now = SystemTime::now();
        let subject = &request.subject;
        let told = Recorded {
            name: format!(
                "{}/{} {} {}, run {} of {}",
                subject.namespace,
                subject.pod,
                subject.container,
                role.name(),
                request.attempt,
                moment(now).unwrap_or_default()
            ),
            component,
            allow: allowed(handler),
            limits: limits(handler),
            config: request.config.clone(),
            context: context(request, now),
            state: request.state.as_deref().map(<[u8]>::to_vec),
            timeout: request.timeout,
            ..Recorded::default()
        };
        Self { recorder, told, role }
    }

    /// Ends, with what came of the run.
    pub(crate) async fn end(self, check: Check, outcome: &Outcome) -> Record {
        let host = self.recorder.finish().await;
        let host = host.ok_or_else(|| "the run was told more by the host than a case file holds".to_owned())?;
        let mut recorded = self.told;
        // Addresses of names have to be granted beside the names where they are private, as a kubelet's never are.
        if let Some(network) = recorded
            .allow
            .as_mut()
            .and_then(|allow| allow["network"].as_array_mut())
        {
            let found = host.lookup.values().flatten();
            network.extend(found.map(|address| Value::from(address.to_string())));
        }
        recorded.host = host;
        recorded.seen = Seen {
            outcome: check.outcome_name(outcome.verdict).to_owned(),
            message: outcome.message.clone(),
            fields: outcome.fields(),
            ..Seen::default()
        };
        case_file(recorded, self.role)
    }
}

fn context(request: &RunRequest, now: SystemTime) -> Context {
    let subject = &request.subject;
    let ports = subject.ports.iter();
    let ports = ports.map(|port| {
        let name = port.name.clone().unwrap_or_else(|| port.number.to_string());
        (name, port.number)
    });
    let probe = Check::Probe(probelet_engine::ProbeKind::Liveness);
    Context {
        namespace: Some(subject.namespace.clone()),
        pod: Some(subject.pod.clone()),
        container: Some(subject.container.clone()),
        address: subject.address,
        attempt: Some(request.attempt),
        restart_count: Some(subject.restart_count),
        previous: request
            .previous
            .map(|verdict: Verdict| probe.outcome_name(verdict).to_owned()),
        ports: ports.collect::<BTreeMap<_, _>>(),
        reason: match request.check {
            Check::Hook(reason) if reason != HookReason::Start => Some(reason.name().to_owned()),
            _ => None,
        },
        now: moment(now),
        started_at: subject.started_at.and_then(moment),
        ..Context::default()
    }
}

fn moment(time: SystemTime) -> Option<String> {
    let since_epoch: Duration = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let milliseconds = i64::try_from(since_epoch.as_millis()).ok()?;
    Some(Timestamp::from_millisecond(milliseconds).ok()?.to_string())
}

/// What a handler is allowed, in the words of `wasm`: a built-in one what Kubernetes lets it do.
fn allowed(handler: &Handler) -> Option<Value> {
    let host = |host: &Option<String>| {
        let host = host.as_ref().filter(|host| !host.is_empty())?;
        Some(json!({ "network": [host] }))
    };
    match handler {
        Handler::Exec { .. } => Some(json!({ "exec": true })),
        Handler::HttpGet(http) => host(&http.host),
        Handler::TcpSocket(tcp) => host(&tcp.host),
        Handler::Wasm(wasm) => granted(&wasm.allow),
        _ => None,
    }
}

fn granted(allow: &Allow) -> Option<Value> {
    let mut granted = serde_json::Map::new();
    let exec = match &allow.exec {
        ExecAllow::None => None,
        ExecAllow::All => Some(json!(true)),
        ExecAllow::Prefixes(prefixes) => Some(json!(prefixes)),
    };
    let network: Vec<String> = allow.network.iter().map(destination).collect();
    let list = |list: &[String]| (!list.is_empty()).then(|| json!(list));
    let parts = [
        ("exec", exec),
        ("network", list(&network)),
        ("stats", allow.stats.then(|| json!(true))),
        ("logs", allow.logs.then(|| json!(true))),
        ("files", list(&allow.files)),
        ("environment", list(&allow.environment)),
    ];
    for (name, value) in parts {
        if let Some(value) = value {
            granted.insert(name.to_owned(), value);
        }
    }
    (!granted.is_empty()).then_some(Value::Object(granted))
}

fn destination(allow: &NetworkAllow) -> String {
    match allow.port {
        None => allow.host.clone(),
        Some(port) if allow.host.contains(':') => format!("[{}]:{port}", allow.host),
        Some(port) => format!("{}:{port}", allow.host),
    }
}

fn limits(handler: &Handler) -> Option<Value> {
    let Handler::Wasm(wasm) = handler else { return None };
    Some(json!({ "fuel": wasm.limits.fuel.to_string(), "memory": wasm.limits.memory.to_string() }))
}

#[cfg(test)]
mod tests {
    use probelet_manifest::parse_wasm;

    use super::*;

    #[test]
    fn a_record_goes_to_those_who_wait_for_such_a_run() {
        let recordings = Recordings::default();
        let liveness = (0, Role::Liveness);
        assert!(!recordings.are_wanted(liveness));
        let mut any = recordings.wait(liveness, None).unwrap();
        let mut failed = recordings.wait(liveness, Some("unhealthy")).unwrap();
        drop(recordings.wait((0, Role::Readiness), None).unwrap());
        assert!(recordings.are_wanted(liveness) && !recordings.are_wanted((0, Role::Readiness)));
        recordings.deliver(liveness, "healthy", &Ok("one".to_owned()));
        assert_eq!(any.try_recv().unwrap().unwrap(), "one");
        assert!(failed.try_recv().is_err());
        recordings.deliver(liveness, "unhealthy", &Ok("two".to_owned()));
        assert_eq!(failed.try_recv().unwrap().unwrap(), "two");
        let kept: Vec<_> = (0..MAX_WAITING)
            .map(|_| recordings.wait(liveness, None).unwrap())
            .collect();
        assert!(recordings.wait(liveness, None).is_err());
        drop(kept);
        assert!(recordings.wait(liveness, None).is_ok());
    }

    #[test]
    fn nobody_waits_for_an_end_that_a_check_cannot_come_to() {
        assert_eq!(word(Role::Readiness, "degraded").unwrap(), "degraded");
        assert_eq!(word(Role::PreStop, "failed").unwrap(), "failed");
        let Err(RequestError::Invalid(faults)) = word(Role::PreStop, "unhealthy") else {
            panic!("a hook is never unhealthy");
        };
        assert_eq!(
            faults[0].message,
            "no run of a preStop check ends \"unhealthy\"; it ends: succeeded, failed, errored"
        );
        // They are the engine's words.
        for role in Role::ALL {
            let check = match role {
                Role::PostStart => Check::Hook(HookReason::Start),
                Role::PreStop => Check::Hook(HookReason::Delete),
                _ => Check::Probe(probelet_engine::ProbeKind::Liveness),
            };
            for verdict in [Verdict::Success, Verdict::Warning, Verdict::Failure, Verdict::Errored] {
                assert!(word(role, check.outcome_name(verdict)).is_ok(), "{role:?} {verdict:?}");
            }
        }
    }

    #[test]
    fn grants_are_written_as_a_manifest_has_them() {
        let allow = json!({
            "exec": [["cat", "/a"]], "network": ["db:5432", "10.0.0.0/8"], "stats": true,
            "files": ["/data"], "environment": ["ROLE"],
        });
        let handler = json!({ "component": "./a.wasm", "allow": allow });
        let (wasm, _) = parse_wasm(&handler, Role::Liveness).unwrap();
        assert_eq!(granted(&wasm.allow), Some(allow));
        assert_eq!(granted(&Allow::default()), None);
    }
}
