//! The agent's metrics, in the text format that Prometheus reads.

mod kubelet;

use std::{collections::BTreeMap, fmt::Write};

use probelet_histogram::Histogram;
use serde_json::Value;

pub(crate) use kubelet::{Counters, Duration};

use crate::{
    handle::{PodKey, RunRecord},
    history::{CheckName, Totals},
};

/// The metrics in the making: families of samples, in the order in which they are first met.
#[derive(Default)]
pub(crate) struct Metrics {
    families: BTreeMap<&'static str, Family>,
}

struct Family {
    kind: &'static str,
    help: &'static str,
    samples: Vec<String>,
}

/// What a family's samples have in common.
#[derive(Clone, Copy)]
struct Head {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

/// In seconds.
const MICROSECOND: f64 = 1e-6;

const TIME: Head = Head {
    name: "probelet_check_duration_seconds",
    kind: "summary",
    help: "How long probes and hooks took since the agent's start, from their due times.",
};

const FUEL: Head = Head {
    name: "probelet_check_fuel",
    kind: "summary",
    help: "Fuel that runs of probes and hooks used since the agent's start.",
};

const MEMORY: Head = Head {
    name: "probelet_check_memory_bytes",
    kind: "summary",
    help: "The most memory that runs of probes and hooks had at once since the agent's start.",
};

/// What the labels of all samples of a check begin with.
struct Labels<'a> {
    pod: &'a PodKey,
    check: &'a CheckName,
}

impl Metrics {
    /// Adds the checks of a pod: their totals, and what their last runs have measured.
    pub(crate) fn add(&mut self, pod: &PodKey, totals: &BTreeMap<CheckName, Totals>, last: &[&RunRecord]) {
        for (check, totals) in totals {
            let labels = Labels { pod, check };
            for (outcome, count) in &totals.outcomes {
                self.sample(
                    Head {
                        name: "probelet_check_runs_total",
                        kind: "counter",
                        help: "Runs of probes and hooks since the agent's start, by outcome.",
                    },
                    "",
                    labels.with(&[("outcome", outcome)]),
                    *count as f64,
                );
            }
            for (head, used, unit) in [
                (TIME, &totals.used.time, MICROSECOND),
                (FUEL, &totals.used.fuel, 1.0),
                (MEMORY, &totals.used.memory, 1.0),
            ] {
                self.summary(head, &labels, used, unit);
            }
            for ((grant, result), count) in &totals.grants {
                self.sample(
                    Head {
                        name: "probelet_check_grants_total",
                        kind: "counter",
                        help: "What probes and hooks reached for since the agent's start, by grant and result.",
                    },
                    "",
                    labels.with(&[("grant", grant), ("result", result)]),
                    *count as f64,
                );
            }
        }
        for run in last {
            let check = (run.container.clone(), run.kind.clone());
            let labels = Labels { pod, check: &check };
            for (name, value) in &run.fields {
                let number = match value {
                    Value::Number(number) => number.as_f64(),
                    Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
                    _ => None,
                };
                if let Some(number) = number {
                    self.sample(
                        Head {
                            name: "probelet_check_field",
                            kind: "gauge",
                            help: "What the last run of a check has measured, by the plugin's own names.",
                        },
                        "",
                        labels.with(&[("field", name)]),
                        number,
                    );
                }
            }
        }
    }

    /// Adds whether restarts because of liveness are held back for the whole node.
    pub(crate) fn add_hold(&mut self, is_thrown: bool) {
        self.sample(
            Head {
                name: "probelet_restarts_held",
                kind: "gauge",
                help: "Whether `probelet hold` holds restarts because of liveness back: 1 if it does.",
            },
            "",
            String::new(),
            f64::from(u8::from(is_thrown)),
        );
    }

    /// Adds the percentiles of some numbers, each times `unit`.
    fn summary(&mut self, head: Head, labels: &Labels<'_>, numbers: &Histogram, unit: f64) {
        for (quantile, percent) in [("0.5", 50.0), ("0.9", 90.0), ("0.99", 99.0)] {
            let labels = labels.with(&[("quantile", quantile)]);
            self.sample(head, "", labels, numbers.percentile(percent) as f64 * unit);
        }
        self.sample(head, "_sum", labels.with(&[]), numbers.sum() as f64 * unit);
        self.sample(head, "_count", labels.with(&[]), numbers.count() as f64);
    }

    /// Adds a sample; `suffix` stands behind the family's name, as a histogram's `_sum`.
    fn sample(&mut self, head: Head, suffix: &str, labels: String, value: f64) {
        let family = self.families.entry(head.name).or_insert(Family {
            kind: head.kind,
            help: head.help,
            samples: Vec::new(),
        });
        let labels = if labels.is_empty() {
            labels
        } else {
            format!("{{{labels}}}")
        };
        family.samples.push(format!("{}{suffix}{labels} {value}", head.name));
    }

    /// All of it as text.
    pub(crate) fn text(self) -> String {
        let mut text = String::new();
        for (name, family) in self.families {
            let samples = family.samples.join("\n");
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "# HELP {name} {}\n# TYPE {name} {}\n{samples}",
                family.help, family.kind
            );
        }
        text
    }
}

impl Labels<'_> {
    fn with(&self, more: &[(&str, &str)]) -> String {
        let (container, check) = self.check;
        let own = [
            ("namespace", self.pod.namespace.as_str()),
            ("pod", &self.pod.name),
            ("container", container),
            ("check", check),
        ];
        text(own.iter().chain(more))
    }
}

/// Labels as they stand between the braces.
fn text<'a>(labels: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> String {
    let labels: Vec<_> = labels
        .into_iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    labels.join(",")
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_by_family_with_their_labels() {
        let pod = PodKey {
            namespace: "default".into(),
            name: "web".into(),
        };
        let check = ("app".to_owned(), "liveness".to_owned());
        let mut totals = Totals::default();
        totals.outcomes.insert("success".into(), 3);
        totals.grants.insert(("network".into(), "refused"), 1);
        totals.used.time.record(2_000);
        totals.used.fuel.record(15);
        let run = RunRecord {
            container: "app".into(),
            kind: "liveness".into(),
            fields: serde_json::from_str(r#"{"lag": 2.5, "primary": true, "role": "replica"}"#).unwrap(),
            ..RunRecord::default()
        };
        let mut metrics = Metrics::default();
        metrics.add(&pod, &BTreeMap::from([(check, totals)]), &[&run]);
        metrics.add_hold(true);
        let labels = r#"namespace="default",pod="web",container="app",check="liveness""#;
        let text = metrics.text();
        for line in [
            format!("probelet_check_runs_total{{{labels},outcome=\"success\"}} 3"),
            format!("probelet_check_grants_total{{{labels},grant=\"network\",result=\"refused\"}} 1"),
            format!("probelet_check_field{{{labels},field=\"lag\"}} 2.5"),
            format!("probelet_check_field{{{labels},field=\"primary\"}} 1"),
            "# TYPE probelet_check_field gauge".to_owned(),
            "probelet_restarts_held 1".to_owned(),
            "# TYPE probelet_check_fuel summary".to_owned(),
            format!("probelet_check_fuel{{{labels},quantile=\"0.99\"}} 15"),
            format!("probelet_check_duration_seconds_sum{{{labels}}} 0.002"),
            format!("probelet_check_duration_seconds_count{{{labels}}} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("role"), "{text}");
        assert_eq!(escaped("a\"\\\n"), r#"a\"\\\n"#);
    }
}
