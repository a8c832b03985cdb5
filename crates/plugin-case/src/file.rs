//! A case file: its form, its rules, and where it breaks them.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use jiff::Timestamp;
use probelet_manifest::{Diagnostic, Role, Wasm, YamlDocument, parse_wasm, read_yaml};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::host::Host;

/// The largest case file: as large as a manifest may be, which holds any conversation that people would read.
pub const MAX_CASE_BYTES: usize = 1 << 20;
/// The longest time limit of a case; nothing is really waited for but what the plugin waits for itself.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// What a case without a `timeout` has, as a probe without one.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Lists of one case, each of them: more entries are no test of anything.
const MAX_ENTRIES: usize = 1000;

/// A case that keeps to the rules.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// The component that it names, as it stands there.
    pub component: Option<String>,
    /// What the plugin is run as.
    pub role: Role,
    /// What it is told.
    pub context: Context,
    /// Its handler: `config`, `allow` and `limits`. Its component is no matter.
    pub wasm: Wasm,
    /// How long it may take.
    pub timeout: Duration,
    /// What the host answers.
    pub host: Host,
    /// What has to come of it.
    pub expect: Expectation,
}

/// What a run is told, all of it optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Context {
    /// The pod's namespace [default: default].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pod's name [default: pod].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The container's name [default: container].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The pod's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Which run it is [default: 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// How often the container has been restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_count: Option<u32>,
    /// How the last run ended: `healthy`, `degraded`, `unhealthy` or `errored`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The container's ports by their names; a name that is a number itself is none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, u16>,
    /// What the last run has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state_base64: Option<crate::bytes::Base64>,
    /// Why a preStop hook runs: `delete`, `liveness`, … [default: delete].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the clock says, as RFC 3339: it stands still during the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// When the container started, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
}

impl Context {
    /// What the clock says, in nanoseconds since the Unix epoch.
    pub fn now_nanoseconds(&self) -> Option<u64> {
        self.now.as_deref().and_then(moment)
    }

    /// When the container started, likewise.
    pub fn started_at_nanoseconds(&self) -> Option<u64> {
        self.started_at.as_deref().and_then(moment)
    }

    /// What the last run has left, in whichever spelling.
    pub fn state_bytes(&self) -> Option<Vec<u8>> {
        crate::bytes::either(self.state.clone(), self.state_base64.clone()).map(|content| content.0)
    }
}

/// What has to come of a run. What is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expectation {
    /// `healthy`, `degraded`, `unhealthy` or `errored` of a probe; `succeeded`, `failed` or `errored` of a hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// The fields, exactly these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Map<String, Value>>,
    /// What the run leaves to the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What it may use at most, with the units of a handler's limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Value>,
    /// The same as numbers, once the file is read.
    #[serde(skip)]
    pub most: Most,
}

/// What a run may use at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Most {
    /// Fuel.
    pub fuel: Option<u64>,
    /// Memory in bytes.
    pub memory: Option<u64>,
}

/// An expected message: the whole of it, or `contains` with a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Message {
    /// The whole.
    Exact(String),
    /// A part.
    Contains(String),
}

impl TryFrom<Value> for Message {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let part = value.as_object().filter(|object| object.len() == 1);
        let part = part.and_then(|object| object.get("contains")?.as_str());
        match (value.as_str(), part) {
            (Some(text), _) => Ok(Self::Exact(text.to_owned())),
            (None, Some(part)) => Ok(Self::Contains(part.to_owned())),
            (None, None) => Err("write the message as a text, or { contains: \"a part of it\" }".to_owned()),
        }
    }
}

impl From<Message> for Value {
    fn from(message: Message) -> Self {
        match message {
            Message::Exact(text) => text.into(),
            Message::Contains(part) => json!({ "contains": part }),
        }
    }
}

/// The file as it stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    pub(crate) context: Context,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allow: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<String>,
    pub(crate) host: Host,
    pub(crate) expect: Expectation,
}

/// Reads a case file of one or more documents. `file` is its name for messages; `name` that of a case without one.
///
/// # Errors
///
/// The faults of the first document that has any, with their positions.
pub fn parse(text: &str, file: &str, name: &str) -> Result<Vec<Case>, Vec<Diagnostic>> {
    let documents = read_yaml(text, file)?;
    if documents.is_empty() {
        let nothing = Diagnostic::error(
            "",
            "there is no case in it; write at least `expect: { outcome: healthy }`",
        );
        return Err(vec![Diagnostic {
            file: Some(file.to_owned()),
            ..nothing
        }]);
    }
    let many = documents.len() > 1;
    let cases = documents.iter().enumerate().map(|(at, document)| {
        let name = if many {
            format!("{name} {}", at + 1)
        } else {
            name.to_owned()
        };
        case(document, name).map_err(|mut faults| {
            document.locate(file, &mut faults);
            faults
        })
    });
    cases.collect()
}

fn case(document: &YamlDocument, name: String) -> Result<Case, Vec<Diagnostic>> {
    let file: File = serde_path_to_error::deserialize(document.value()).map_err(|error| {
        let path = error.path().to_string();
        vec![Diagnostic::error(
            path.trim_start_matches('.').trim_end_matches(".?"),
            error.inner().to_string(),
        )]
    })?;
    let mut faults = Vec::new();
    let mut fault = |path: &str, message: &str| faults.push(Diagnostic::error(path, message));
    let kind = file.kind.as_deref().unwrap_or("liveness");
    let role = Role::from_name(kind);
    if role.is_none() {
        fault(
            "kind",
            "Unsupported value; it is startup, liveness, readiness, postStart or preStop",
        );
    }
    let role = role.unwrap_or(Role::Liveness);
    let timeout = file.timeout.as_deref().map_or(Some(TIMEOUT), duration);
    if timeout.is_none_or(|timeout| timeout.is_zero() || timeout > MAX_TIMEOUT) {
        fault(
            "timeout",
            "Invalid value; write a time between 1ms and 60s, such as 500ms or 2s",
        );
    }
    times(&file, &mut fault);
    words(&file, role, &mut fault);
    host(&file.host, &mut fault);
    let most = most(file.expect.limits.as_ref(), role, &mut fault);
    let wasm = parse_wasm(&handler(&file), role);
    let wasm = wasm.map_err(|found| faults.extend(found));
    match wasm {
        Ok((wasm, _)) if faults.is_empty() => Ok(Case {
            name: file.name.unwrap_or(name),
            component: file.component,
            role,
            context: file.context,
            wasm,
            timeout: timeout.unwrap_or(TIMEOUT),
            host: file.host,
            expect: Expectation { most, ..file.expect },
        }),
        _ => Err(faults),
    }
}

/// The case's handler as a manifest has it; which component it is does not matter here.
fn handler(file: &File) -> Value {
    let mut handler = json!({ "component": "./component" });
    let parts = [
        ("config", &file.config),
        ("allow", &file.allow),
        ("limits", &file.limits),
    ];
    for (name, value) in parts {
        if let Some(value) = value {
            handler[name] = value.clone();
        }
    }
    handler
}

fn times(file: &File, fault: &mut impl FnMut(&str, &str)) {
    let mut check = |path: String, text: &Option<String>| {
        if text.as_deref().is_some_and(|text| moment(text).is_none()) {
            fault(&path, "Invalid value; write a time as 2026-01-01T00:00:00Z");
        }
    };
    check("context.now".to_owned(), &file.context.now);
    check("context.startedAt".to_owned(), &file.context.started_at);
    for (path, answer) in &file.host.files {
        check(format!("host.files[{path}].modified"), &answer.modified);
    }
}

/// A moment as RFC 3339, in nanoseconds since the Unix epoch; none before it.
pub(crate) fn moment(text: &str) -> Option<u64> {
    text.parse::<Timestamp>().ok()?.as_nanosecond().try_into().ok()
}

const PROBE_OUTCOMES: [&str; 4] = ["healthy", "degraded", "unhealthy", "errored"];
const HOOK_OUTCOMES: [&str; 3] = ["succeeded", "failed", "errored"];
const REASONS: [&str; 8] = [
    "start",
    "delete",
    "completed",
    "liveness",
    "startup",
    "post-start",
    "deadline",
    "restart",
];

fn words(file: &File, role: Role, fault: &mut impl FnMut(&str, &str)) {
    let outcomes: &[&str] = if role.is_hook() {
        &HOOK_OUTCOMES
    } else {
        &PROBE_OUTCOMES
    };
    let mut check = |path: &str, word: &Option<String>, known: &[&str]| {
        if word.as_deref().is_some_and(|word| !known.contains(&word)) {
            fault(path, &format!("Unsupported value; it is one of {}", known.join(", ")));
        }
    };
    check("expect.outcome", &file.expect.outcome, outcomes);
    check("context.previous", &file.context.previous, &PROBE_OUTCOMES);
    check("context.reason", &file.context.reason, &REASONS);
}

fn host(host: &Host, fault: &mut impl FnMut(&str, &str)) {
    for (at, connection) in host.tcp.iter().enumerate() {
        if connection.address.parse::<std::net::SocketAddr>().is_err() {
            fault(
                &format!("host.tcp[{at}].address"),
                "Invalid value; write ADDRESS:PORT, such as 10.1.2.3:6379; names stand in host.lookup",
            );
        }
        if connection.refused && connection.silent
            || (connection.refused || connection.silent) && !connection.talk.is_empty()
        {
            fault(&format!("host.tcp[{at}]"), "it is one of talk, refused and silent");
        }
    }
    for (at, exchange) in host.http.iter().enumerate() {
        let answers = [
            exchange.response.is_some(),
            exchange.refused,
            exchange.silent,
            exchange.error.is_some(),
        ];
        if answers.iter().filter(|answer| **answer).count() != 1 {
            fault(
                &format!("host.http[{at}]"),
                "it has one of response, refused, silent and error",
            );
        }
        if exchange
            .response
            .as_ref()
            .is_some_and(|response| !(200..=599).contains(&response.status))
        {
            fault(
                &format!("host.http[{at}].response.status"),
                "Invalid value; it is between 200 and 599",
            );
        }
    }
    let lists = [
        ("tcp", host.tcp.len()),
        ("http", host.http.len()),
        ("exec", host.exec.len()),
    ];
    for (name, _) in lists.iter().filter(|(_, length)| *length > MAX_ENTRIES) {
        fault(
            &format!("host.{name}"),
            &format!("more than {MAX_ENTRIES} entries; split the case"),
        );
    }
}

/// The expected limits are read as a handler's.
fn most(limits: Option<&Value>, role: Role, fault: &mut impl FnMut(&str, &str)) -> Most {
    let Some(limits) = limits else { return Most::default() };
    match parse_wasm(&json!({ "component": "./component", "limits": limits }), role) {
        Ok((wasm, _)) => Most {
            fuel: limits.get("fuel").map(|_| wasm.limits.fuel),
            memory: limits.get("memory").map(|_| wasm.limits.memory),
        },
        Err(found) => {
            for one in found {
                fault(&format!("expect.{}", one.path), &one.message);
            }
            Most::default()
        }
    }
}

/// `500ms`, `2s` or `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s')?, 1000),
    };
    let number: f64 = number.parse().ok()?;
    let milliseconds = number * f64::from(unit);
    // No larger than is allowed, so that it can be a duration.
    (milliseconds >= 0.0 && milliseconds <= MAX_TIMEOUT.as_millis() as f64)
        .then(|| Duration::from_secs_f64(milliseconds / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let found = parse(text, "case.yaml", "case").expect_err("faults");
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_case_is_read_with_the_rules_of_a_manifest() {
        let text = "name: a primary\nkind: readiness\nconfig: {port: 6379}\nallow: {network: ['db:5432']}\n\
                    limits: {fuel: 2M}\ntimeout: 1.5s\nhost:\n  tcp:\n  - address: 10.1.2.3:6379\n    talk:\n    \
                    - client: \"PING\\r\\n\"\n    - serverBase64: AAE=\n    - close: true\n\
                    expect: {outcome: healthy, message: {contains: PO}, limits: {fuel: 1M}}\n";
        let cases = parse(text, "case.yaml", "case").expect("a case");
        let [case] = &cases[..] else { panic!("one case") };
        assert_eq!((case.name.as_str(), case.role), ("a primary", Role::Readiness));
        assert_eq!(case.wasm.limits.fuel, 2_000_000);
        assert_eq!(case.timeout, Duration::from_millis(1500));
        assert_eq!(case.host.tcp[0].talk.len(), 3);
        assert_eq!(
            case.expect.most,
            Most {
                fuel: Some(1_000_000),
                memory: None
            }
        );
        assert_eq!(case.expect.message, Some(Message::Contains("PO".to_owned())));
    }

    #[test]
    fn faults_are_told_with_line_and_path() {
        let text = "kind: alive\nhost:\n  tcp:\n  - address: db\nexpect:\n  outcome: well\n  limits: {fuel: 0}\n";
        let all = faults(text).join("\n");
        for part in [
            "case.yaml:1:1: error: kind: Unsupported value",
            "case.yaml:4:5: error: host.tcp[0].address: Invalid value",
            "case.yaml:6:3: error: expect.outcome: Unsupported value",
            "expect.limits.fuel",
        ] {
            assert!(all.contains(part), "{part} in\n{all}");
        }
    }

    #[test]
    fn what_is_unknown_or_of_another_type_is_told_at_its_place() {
        for (text, parts) in [
            (
                "expect: {outcom: healthy}\n",
                ["case.yaml:1:", "expect", "unknown field `outcom`"],
            ),
            (
                "host:\n  exec:\n  - command: true\n",
                ["case.yaml:3:5", "host.exec[0].command", "expected a sequence"],
            ),
            (
                "host:\n  tcp:\n  - address: 1.2.3.4:5\n    talk: [{client: a, server: b}]\n",
                ["case.yaml:4:", "host.tcp[0].talk[0]", "a step is one of"],
            ),
            (
                "host: {http: [{request: {url: 'http://a/'}}]}\n",
                ["case.yaml:1:", "host.http[0]", "one of response"],
            ),
            ("allow: {exce: true}\n", ["case.yaml:1:", "allow.exce", "unknown field"]),
            ("timeout: 5m\n", ["case.yaml:1:", "timeout", "between 1ms and 60s"]),
            (
                "context: {now: yesterday}\n",
                ["case.yaml:1:", "context.now", "2026-01-01T00:00:00Z"],
            ),
            ("", ["case.yaml:", "there is no case", "expect:"]),
        ] {
            let all = faults(text).join("\n");
            for part in parts {
                assert!(all.contains(part), "{part} in\n{all}");
            }
        }
    }
}
