//! What a run came to, and what a component needs, as documents for scripts.

use std::collections::BTreeMap;

use probelet_engine::{Check, FieldValue, Grant, Outcome, Plugin, Verdict};
use serde_json::{Map, Value, json};

/// The word for how a run ended: `healthy`, `degraded`, `unhealthy` or `errored` of a probe, `succeeded`, `failed` or
/// `errored` of a hook.
pub fn outcome_name(check: Check, verdict: Verdict) -> &'static str {
    let is_hook = matches!(check, Check::Hook(_));
    match verdict {
        Verdict::Success | Verdict::Warning if is_hook => "succeeded",
        Verdict::Success => "healthy",
        Verdict::Warning => "degraded",
        Verdict::Failure if is_hook => "failed",
        Verdict::Failure => "unhealthy",
        Verdict::Errored => "errored",
    }
}

/// The outcome of a run of a check. What `hostCalls` has beside the total are the uses of grants that succeeded.
pub fn document(check: Check, outcome: &Outcome) -> Value {
    let usage = &outcome.usage;
    let mut calls: BTreeMap<&str, u64> = BTreeMap::new();
    for used in outcome.grants.iter().filter(|used| used.granted > 0) {
        *calls.entry(used.grant.name()).or_default() += u64::from(used.granted);
    }
    calls.insert("total", usage.host_calls);
    let grants = outcome.grants.iter().map(|used| {
        json!({
            "grant": used.grant.name(),
            "detail": used.detail,
            "granted": used.granted,
            "refused": used.refused,
        })
    });
    json!({
        "outcome": outcome_name(check, outcome.verdict),
        "message": outcome.message,
        "fields": fields(outcome),
        "log": outcome.log,
        "usage": {
            "fuel": usage.fuel,
            "memoryBytes": usage.memory_peak_bytes,
            "wallMicroseconds": u64::try_from(usage.wall.as_micros()).unwrap_or(u64::MAX),
            "hostCalls": calls,
        },
        "grants": grants.collect::<Vec<_>>(),
    })
}

/// The fields of an outcome as an object.
pub(crate) fn fields(outcome: &Outcome) -> Map<String, Value> {
    let fields = outcome.fields.iter().map(|field| {
        let value = match &field.value {
            FieldValue::Text(text) => text.as_str().into(),
            FieldValue::Number(number) => (*number).into(),
            FieldValue::Flag(flag) => (*flag).into(),
        };
        (field.name.clone(), value)
    });
    fields.collect()
}

/// The lines below `allow` without which a component cannot run, by what it imports. The network is none of them: a pod
/// is open to its own checks without a word.
pub fn requirements(plugin: &Plugin) -> Vec<&'static str> {
    let line = |grant| match grant {
        Grant::Exec => Some("exec: true"),
        Grant::Stats => Some("stats: true"),
        Grant::Logs => Some("logs: true"),
        Grant::Files => Some("files: [\"/PATH\"]"),
        Grant::Network | Grant::Environment => None,
    };
    plugin.needs().into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probelet_engine::{Field, GrantUse, ProbeKind, Usage};

    use super::*;

    #[test]
    fn an_outcome_has_the_words_of_its_check_and_counts_calls_by_grant() {
        let used = |grant, detail: &str, granted, refused| GrantUse {
            grant,
            detail: detail.to_owned(),
            granted,
            refused,
        };
        let outcome = Outcome {
            verdict: Verdict::Warning,
            message: "slow".to_owned(),
            fields: vec![Field {
                name: "lag".to_owned(),
                value: FieldValue::Number(2.0),
            }],
            log: String::new(),
            usage: Usage {
                fuel: 7,
                memory_peak_bytes: 65_536,
                wall: Duration::from_millis(2),
                host_calls: 9,
            },
            grants: vec![
                used(Grant::Network, "db:1", 2, 0),
                used(Grant::Network, "db:2", 1, 0),
                used(Grant::Exec, "", 0, 1),
            ],
            state: None,
        };
        let document = document(Check::Probe(ProbeKind::Liveness), &outcome);
        assert_eq!(document["outcome"], "degraded");
        assert_eq!(document["fields"], json!({"lag": 2.0}));
        assert_eq!(document["usage"]["wallMicroseconds"], 2000);
        assert_eq!(document["usage"]["hostCalls"], json!({"network": 3, "total": 9}));
        let hook = Check::Hook(probelet_engine::HookReason::Start);
        assert_eq!(outcome_name(hook, Verdict::Failure), "failed");
    }
}
