//! A real run as a case file.

use std::time::Duration;

use probelet_manifest::Role;
use serde_json::Value;

use crate::{
    compare::ANY,
    file::{Context, Expectation, File, Message},
    host::{Connection, Host, Step},
    http::{HeaderTexts, HttpResponse},
    parse::MAX_TIMEOUT,
    redact::Redaction,
    {Content, Seen},
};

/// All that a run was told and found.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// What the case is called.
    pub name: String,
    /// The component's reference.
    pub component: String,
    /// `allow` of its handler, as it stands in the manifest; none if there is none.
    pub allow: Option<Value>,
    /// `limits` of its handler, likewise.
    pub limits: Option<Value>,
    /// Its configuration.
    pub config: Value,
    /// What the run was told.
    pub context: Context,
    /// What the last run had left.
    pub state: Option<Vec<u8>>,
    /// How long it had.
    pub timeout: Duration,
    /// What the host answered.
    pub host: Host,
    /// What came of it.
    pub seen: Seen,
}

/// Writes a case file that replays a run. Secrets are replaced: the values of granted variables and of configuration
/// fields whose names say so, wherever they turn up, and headers such as `Authorization`.
///
/// # Errors
///
/// If it cannot be written as YAML.
pub fn case_file(recorded: Recorded, role: Role) -> Result<String, String> {
    let mut redaction = Redaction::of(recorded.host.environment.values().map(String::as_str));
    let config = redaction.config(&recorded.config);
    let seen = &recorded.seen;
    let mut context = Context {
        pod: recorded.context.pod.clone(),
        ..recorded.context
    };
    if let Some(state) = &recorded.state {
        (context.state, context.state_base64) = crate::bytes::spelled(&redaction.bytes(state));
    }
    let file = File {
        name: Some(redaction.text(&recorded.name)),
        component: Some(recorded.component),
        kind: Some(role.name().to_owned()),
        context,
        config: Some(config),
        allow: recorded
            .allow
            .filter(|allow| !allow.is_null())
            .map(|allow| redaction.value(&allow)),
        limits: recorded.limits.filter(|limits| !limits.is_null()),
        // A hook may have had hours; what it did in them is here already.
        timeout: Some(format!("{}ms", recorded.timeout.min(MAX_TIMEOUT).as_millis().max(1))),
        host: host(recorded.host, &redaction),
        expect: Expectation {
            outcome: Some(seen.outcome.clone()),
            message: Some(Message::Exact(redaction.text(&seen.message))),
            fields: match redaction.value(&Value::Object(seen.fields.clone())) {
                Value::Object(fields) => Some(fields.into_iter().map(untimed).collect()),
                _ => None,
            },
            ..Expectation::default()
        },
    };
    let yaml = serde_yaml::to_string(&file).map_err(|error| error.to_string())?;
    Ok(format!(
        "# Recorded by `probelet plugin record`; replay it with `probelet plugin test`.\n{yaml}"
    ))
}

/// What the run has measured of real time is another one in each replay.
fn untimed((name, value): (String, Value)) -> (String, Value) {
    if name == "milliseconds" || name.ends_with("-milliseconds") {
        return (name, ANY.into());
    }
    (name, value)
}

fn host(mut host: Host, redaction: &Redaction) -> Host {
    for value in host.environment.values_mut() {
        *value = redaction.mask(value);
    }
    for connection in &mut host.tcp {
        *connection = conversation(std::mem::take(connection), redaction);
    }
    for step in host.udp.iter_mut().flat_map(|entry| &mut entry.talk) {
        if let Step::Client(Content(bytes)) | Step::Server(Content(bytes)) = step {
            *bytes = redaction.bytes(bytes);
        }
    }
    let reason = |reason: &mut Option<String>| *reason = reason.as_deref().map(|reason| redaction.text(reason));
    for exchange in &mut host.http {
        reason(&mut exchange.error);
        let request = &mut exchange.request;
        request.url = redaction.text(&request.url);
        if let Some(body) = request.bytes() {
            request.set_bytes(&redaction.bytes(&body));
        }
        for (name, HeaderTexts(values)) in &mut request.headers {
            for value in values {
                // Whatever it will be.
                *value = redaction.header(name, value).unwrap_or_else(|| "*".to_owned());
            }
        }
        if let Some(response) = &mut exchange.response {
            let mut headers = std::mem::take(&mut response.headers);
            for (name, HeaderTexts(values)) in &mut headers {
                for value in values {
                    *value = redaction.header(name, value).unwrap_or_else(|| redaction.mask(value));
                }
            }
            *response = HttpResponse::new(response.status, headers, &redaction.bytes(&response.bytes()));
        }
    }
    for answer in &mut host.exec {
        for word in &mut answer.command {
            *word = redaction.text(word);
        }
        (answer.stdout, answer.stderr) = (redaction.text(&answer.stdout), redaction.text(&answer.stderr));
        reason(&mut answer.error);
    }
    if let Some(stats) = &mut host.stats {
        reason(&mut stats.error);
    }
    // What the plugin asks for is made of its configuration, whose secrets are replaced.
    let lookups = std::mem::take(&mut host.lookup).into_iter();
    host.lookup = lookups.map(|(name, found)| (redaction.text(&name), found)).collect();
    let files = std::mem::take(&mut host.files).into_iter();
    host.files = files.map(|(path, answer)| (redaction.text(&path), answer)).collect();
    for line in host.logs.iter_mut().flatten() {
        line.text = redaction.text(&line.text);
    }
    for answer in host.files.values_mut() {
        if let Some(content) = answer.bytes() {
            answer.set_bytes(&redaction.bytes(&content));
        }
        for entry in answer.entries.iter_mut().flatten() {
            *entry = redaction.text(entry);
        }
        reason(&mut answer.error);
    }
    host
}

/// Bytes came in pieces, in which a secret may be cut in two: what one side says at a time is put together first.
fn conversation(mut connection: Connection, redaction: &Redaction) -> Connection {
    for step in std::mem::take(&mut connection.talk) {
        connection.push(step);
    }
    for step in &mut connection.talk {
        if let Step::Client(Content(bytes)) | Step::Server(Content(bytes)) = step {
            *bytes = redaction.bytes(bytes);
        }
    }
    connection
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::parse;

    #[test]
    fn a_record_has_no_secret_and_is_a_case_again() {
        let host = json!({
            "environment": {"REDIS_PASSWORD": "hunter2"},
            "tcp": [{"address": "10.1.2.3:6379", "talk": [
                {"client": "AUTH hun"}, {"client": "ter2\r\n"}, {"server": "+OK\r\n"}, {"close": true},
            ]}],
            "http": [{
                "request": {"url": "http://10.1.2.3/?key=hunter2", "headers": {"authorization": "Bearer abc"}},
                "response": {"status": 200, "headers": {"set-cookie": "id=1"}, "body": "of hunter2"},
            }],
            "exec": [{"command": ["cli", "-a", "hunter2"], "stdout": "hunter2"}, {"command": ["a"], "error": "no hunter2"}],
            "logs": ["login hunter2"],
            "files": {
                "/run/secret": {"content": "hunter2\n"},
                "/run/hunter2": {"entries": ["hunter2.pid"]},
                "/run/none": {"error": "hunter2"},
            },
            "lookup": {"hunter2.example": ["10.1.2.3"]},
            "stats": {"error": "hunter2"},
        });
        let recorded = Recorded {
            name: "web: liveness, run 7".to_owned(),
            component: "./redis.wasm".to_owned(),
            allow: Some(json!({"exec": [["cli", "-a", "hunter2"]], "environment": ["REDIS_PASSWORD"]})),
            config: json!({"token": "sesame-open"}),
            timeout: Duration::from_secs(2),
            host: serde_json::from_value(host).expect("a host"),
            state: Some(b"hunter2".to_vec()),
            seen: Seen {
                outcome: "unhealthy".to_owned(),
                message: "hunter2 is wrong".to_owned(),
                fields: serde_json::from_value(json!({"milliseconds": 7, "role": "master"})).expect("fields"),
                ..Seen::default()
            },
            ..Recorded::default()
        };
        let text = case_file(recorded, Role::Liveness).expect("a file");
        for secret in ["hunter2", "hun", "ter2", "sesame", "abc", "id=1"] {
            assert!(!text.contains(secret), "{secret} in\n{text}");
        }
        let cases = parse(&text, "case.yaml", "case").expect("a case");
        let case = &cases[0];
        assert_eq!(
            case.host.tcp[0].talk[0],
            Step::Client(Content(b"AUTH REDACTE\r\n".to_vec()))
        );
        assert_eq!(case.host.http[0].request.headers["authorization"].0, ["*"]);
        assert_eq!(case.context.state_bytes().as_deref(), Some(&b"REDACTE"[..]));
        assert_eq!(
            (case.name.as_str(), case.timeout),
            ("web: liveness, run 7", Duration::from_secs(2))
        );
        assert_eq!(case.expect.outcome.as_deref(), Some("unhealthy"));
        let fields = case.expect.fields.as_ref().expect("fields");
        assert_eq!(
            (&fields["milliseconds"], &fields["role"]),
            (&json!("*"), &json!("master"))
        );
    }

    #[test]
    fn a_hook_with_a_long_time_is_a_case_again() {
        let recorded = Recorded {
            component: "./drain.wasm".to_owned(),
            timeout: Duration::from_secs(120),
            seen: Seen {
                outcome: "succeeded".to_owned(),
                ..Seen::default()
            },
            ..Recorded::default()
        };
        let text = case_file(recorded, Role::PreStop).expect("a file");
        let cases = parse(&text, "case.yaml", "case").expect("a case");
        assert_eq!(cases[0].timeout, MAX_TIMEOUT);
    }
}
