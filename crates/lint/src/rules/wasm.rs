//! Probes that are components of the user's.

use probelet_manifest::{ComponentReference, ExecAllow, Handler, Role, Wasm};
use serde_json::{Value, json};

use super::{Check, Rule};
use crate::{Severity, finding::Found, subject::ProbeSubject};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "wasm-errors-ignored",
        severity: Severity::Hint,
        finds: "a liveness or readiness probe with `wasm` that does not say what errored runs come to",
        why: "A run that cannot be done, or that exceeds its limits, is errored, and by default that counts for nothing: a \
              broken check looks like a healthy container. Write `onError: Fail`, or `Ignore` if that is meant.",
        checks: &[Check::Probe(errors_ignored)],
    },
    Rule {
        name: "wasm-any-command",
        severity: Severity::Warning,
        finds: "a probe with `wasm` that may run any command in the container",
        why: "Whoever can change the component can do all that the container can. List the commands; `probelet plugin audit` \
              prints those that it has run. The one in the fix is an example.",
        checks: &[Check::Probe(any_command)],
    },
    Rule {
        name: "wasm-all-files",
        severity: Severity::Warning,
        finds: "a probe with `wasm` that may read all files of the container",
        why: "Secrets that are mounted are among them. List what it needs; `probelet plugin audit` prints what it has read. \
              The path in the fix is an example.",
        checks: &[Check::Probe(all_files)],
    },
    Rule {
        name: "wasm-moving-tag",
        severity: Severity::Hint,
        finds: "a component from a registry without a tag, or with the tag `latest`",
        why: "Which component it is depends on the day on which the pod is applied. Name a version, better a digest. The \
              version in the fix is an example.",
        checks: &[Check::Probe(moving_tag)],
    },
    Rule {
        name: "wasm-reload",
        severity: Severity::Hint,
        finds: "a component that is reloaded when its file changes",
        why: "It is for development: whoever writes the file decides over the container's life, and no record of the pod \
              says which component it is meant to be.",
        checks: &[Check::Probe(reload)],
    },
];

fn wasm<'a>(subject: &ProbeSubject<'a>) -> Option<&'a Wasm> {
    match &subject.probe.handler {
        Handler::Wasm(wasm) => Some(wasm),
        _ => None,
    }
}

/// Says something of a field of `wasm`.
fn found(subject: &ProbeSubject<'_>, field: &str, reason: impl Into<String>, change: &Value) -> Found {
    subject.found(&format!("wasm{field}"), reason, &json!({"wasm": change}))
}

fn errors_ignored(subject: &ProbeSubject<'_>) -> Option<Found> {
    wasm(subject)?;
    // A startup probe that cannot be run never succeeds, which is seen.
    let hidden = subject.role != Role::Startup && subject.handler()["wasm"].get("onError").is_none();
    let reason = "a run that cannot be done or exceeds its limits counts for nothing";
    hidden.then(|| found(subject, "", reason, &json!({"onError": "Fail"})))
}

fn any_command(subject: &ProbeSubject<'_>) -> Option<Found> {
    let all = wasm(subject)?.allow.exec == ExecAllow::All;
    let change = json!({"allow": {"exec": [["redis-cli", "ping"]]}});
    all.then(|| {
        found(
            subject,
            ".allow.exec",
            "it may run any command in the container",
            &change,
        )
    })
}

fn all_files(subject: &ProbeSubject<'_>) -> Option<Found> {
    let all = wasm(subject)?.allow.files.iter().any(|path| path == "/");
    let change = json!({"allow": {"files": ["/var/run/app"]}});
    all.then(|| {
        found(
            subject,
            ".allow.files",
            "it may read all files of the container",
            &change,
        )
    })
}

fn moving_tag(subject: &ProbeSubject<'_>) -> Option<Found> {
    let ComponentReference::Oci(reference) = &wasm(subject)?.component else {
        return None;
    };
    let name = super::containers::moving(reference)?;
    let reason = format!("which component \"{reference}\" is depends on the day on which the pod is applied");
    let change = json!({"component": format!("{name}:1.0.0")});
    Some(found(subject, ".component", reason, &change))
}

fn reload(subject: &ProbeSubject<'_>) -> Option<Found> {
    let reloads = wasm(subject)?.reload;
    let reason = "whoever writes the file changes what decides over the container";
    reloads.then(|| found(subject, ".reload", reason, &json!({"reload": null})))
}
