//! Reading a case file, and telling where it breaks the rules.

use std::time::Duration;

use probelet_manifest::{Diagnostic, Role, YamlDocument, parse_wasm, read_yaml};
use serde_json::{Value, json};

use crate::{
    file::{Case, Expectation, File, Most, moment},
    host::{Connection, Host, Step},
};

/// The longest time limit of a case; nothing is really waited for but what the plugin waits for itself.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// What a case without a `timeout` has, as a probe without one.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Lists of one case, each of them: more entries are no test of anything.
const MAX_ENTRIES: usize = 1000;

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
    spellings(&file, &mut fault);
    host(&file.host, &mut fault);
    if file.expect == Expectation::default() {
        let message =
            "Required value; without an expectation nothing can go wrong: write at least { outcome: healthy }";
        fault("expect", message);
    }
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

const NO_TIME: &str = "Invalid value; write a time as 2026-01-01T00:00:00Z";

fn spellings(file: &File, fault: &mut impl FnMut(&str, &str)) {
    let mut tell = |path: String, found: Option<String>| {
        if let Some(found) = found {
            fault(&path, &found);
        }
    };
    tell("context".to_owned(), file.context.fault());
    for (at, exchange) in file.host.http.iter().enumerate() {
        tell(format!("host.http[{at}]"), exchange.fault());
    }
    for (path, answer) in &file.host.files {
        tell(format!("host.files[{path}]"), answer.fault());
    }
}

fn times(file: &File, fault: &mut impl FnMut(&str, &str)) {
    for (at, connection) in file.host.tcp.iter().enumerate() {
        for (number, name) in connection.bad_times() {
            fault(
                &format!("host.tcp[{at}].talk[{number}].tls.certificates.{name}"),
                NO_TIME,
            );
        }
    }
    let mut check = |path: String, text: &Option<String>| {
        if text.as_deref().is_some_and(|text| moment(text).is_none()) {
            fault(&path, NO_TIME);
        }
    };
    check("context.now".to_owned(), &file.context.now);
    check("context.startedAt".to_owned(), &file.context.started_at);
    for (path, answer) in &file.host.files {
        check(format!("host.files[{path}].modified"), &answer.modified);
    }
}

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
    let mut check = |path: &str, word: &Option<String>, known: &[&str]| {
        if word.as_deref().is_some_and(|word| !known.contains(&word)) {
            fault(path, &format!("Unsupported value; it is one of {}", known.join(", ")));
        }
    };
    check("expect.outcome", &file.expect.outcome, role.outcomes());
    check("context.previous", &file.context.previous, Role::Liveness.outcomes());
    check("context.reason", &file.context.reason, &REASONS);
}

fn connection_faults(path: &str, connection: &Connection, fault: &mut impl FnMut(&str, &str)) {
    if connection.address.parse::<std::net::SocketAddr>().is_err() {
        fault(
            &format!("{path}.address"),
            "Invalid value; write ADDRESS:PORT, such as 10.1.2.3:6379; names stand in host.lookup",
        );
    }
    if connection.refused && connection.silent
        || (connection.refused || connection.silent) && !connection.talk.is_empty()
    {
        fault(path, "it is one of talk, refused and silent");
    }
}

fn host(host: &Host, fault: &mut impl FnMut(&str, &str)) {
    for (list, connections) in [("tcp", &host.tcp), ("udp", &host.udp)] {
        for (at, connection) in connections.iter().enumerate() {
            connection_faults(&format!("host.{list}[{at}]"), connection, fault);
        }
    }
    let is_of_tcp = |step: &Step| matches!(step, Step::Tls(_) | Step::Close);
    for (at, entry) in host.udp.iter().enumerate() {
        if entry.talk.iter().any(is_of_tcp) {
            fault(&format!("host.udp[{at}].talk"), "datagrams have neither tls nor close");
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
        ("udp", host.udp.len()),
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
    use crate::Message;

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
