//! What a run came to, as a document for scripts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{Check, FieldValue, HookReason, Outcome, Verdict};

impl HookReason {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Start,
        Self::Delete,
        Self::Completed,
        Self::Liveness,
        Self::Startup,
        Self::PostStart,
        Self::Deadline,
        Self::Restart,
    ];

    /// The contract's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Delete => "delete",
            Self::Completed => "completed",
            Self::Liveness => "liveness",
            Self::Startup => "startup",
            Self::PostStart => "post-start",
            Self::Deadline => "deadline",
            Self::Restart => "restart",
        }
    }
}

impl Check {
    /// The word for how a run of it ended: `healthy`, `degraded`, `unhealthy` or `errored` of a probe, `succeeded`,
    /// `failed` or `errored` of a hook.
    pub fn outcome_name(self, verdict: Verdict) -> &'static str {
        let is_hook = matches!(self, Self::Hook(_));
        match verdict {
            Verdict::Success | Verdict::Warning if is_hook => "succeeded",
            Verdict::Success => "healthy",
            Verdict::Warning => "degraded",
            Verdict::Failure if is_hook => "failed",
            Verdict::Failure => "unhealthy",
            Verdict::Errored => "errored",
        }
    }
}

/// A whole number without a point, as people write it: those that a float holds exactly.
fn shown(number: f64) -> Value {
    const MOST: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    if number.fract() == 0.0 && number.abs() <= MOST {
        (number as i64).into()
    } else {
        number.into()
    }
}

impl Outcome {
    /// What came of a run of this check. What `hostCalls` has beside the total are the uses of grants that succeeded.
    pub fn document(&self, check: Check) -> Value {
        let usage = &self.usage;
        let mut calls: BTreeMap<&str, u64> = BTreeMap::new();
        for used in self.grants.iter().filter(|used| used.granted > 0) {
            *calls.entry(used.grant.name()).or_default() += u64::from(used.granted);
        }
        calls.insert("total", usage.host_calls);
        let grants = self.grants.iter().map(|used| {
            json!({
                "grant": used.grant.name(),
                "detail": used.detail,
                "granted": used.granted,
                "refused": used.refused,
            })
        });
        json!({
            "outcome": check.outcome_name(self.verdict),
            "message": self.message,
            "fields": self.fields(),
            "log": self.log,
            "usage": {
                "fuel": usage.fuel,
                "memoryBytes": usage.memory_peak_bytes,
                "wallMicroseconds": u64::try_from(usage.wall.as_micros()).unwrap_or(u64::MAX),
                "hostCalls": calls,
            },
            "grants": grants.collect::<Vec<_>>(),
        })
    }

    /// The fields as an object.
    pub fn fields(&self) -> Map<String, Value> {
        let fields = self.fields.iter().map(|field| {
            let value = match &field.value {
                FieldValue::Text(text) => text.as_str().into(),
                FieldValue::Number(number) => shown(*number),
                FieldValue::Flag(flag) => (*flag).into(),
            };
            (field.name.clone(), value)
        });
        fields.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Field, Grant, GrantUse, ProbeKind, Usage};

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
        let document = outcome.document(Check::Probe(ProbeKind::Liveness));
        assert_eq!(document["outcome"], "degraded");
        assert_eq!(document["fields"], json!({"lag": 2}));
        assert_eq!(document["usage"]["wallMicroseconds"], 2000);
        assert_eq!(document["usage"]["hostCalls"], json!({"network": 3, "total": 9}));
        let hook = Check::Hook(HookReason::Start);
        assert_eq!(hook.outcome_name(Verdict::Failure), "failed");
    }
}
