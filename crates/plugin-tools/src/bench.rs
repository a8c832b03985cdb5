//! Many runs of a component, and what limits they would have kept to.

use probelet_engine::{Limits, Outcome};
use probelet_histogram::Histogram;
use serde_json::{Value, json};

/// What the limits leave beyond the most that was seen: inputs vary, and a run that breaks its limits says nothing.
const FUEL_FACTOR: u64 = 3;
/// Memory grows in steps already.
const MEMORY_PERCENT: u64 = 150;
/// The least `limits.memory` that is worth naming.
const LEAST_MEMORY: u64 = 1 << 20;
/// What a manifest takes at most.
const MOST_MEMORY: u64 = 1 << 30;
/// What a manifest takes at most.
const MOST_FUEL: u64 = 1_000_000_000_000;
/// The percentiles that are told.
pub const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// What runs took.
#[derive(Clone, Debug, Default)]
pub struct Bench {
    /// Time in microseconds.
    pub time: Histogram,
    /// Fuel.
    pub fuel: Histogram,
    /// The most memory of each run, in bytes.
    pub memory: Histogram,
}

impl Bench {
    /// Adds a run.
    pub fn record(&mut self, outcome: &Outcome) {
        let usage = &outcome.usage;
        self.time
            .record(u64::try_from(usage.wall.as_micros()).unwrap_or(u64::MAX));
        self.fuel.record(usage.fuel);
        self.memory.record(usage.memory_peak_bytes);
    }

    /// The `limits` that all of these runs would have kept to with something to spare, in a manifest's units. Where a run
    /// has used up what it had, more is not known to be enough.
    pub fn limits(&self) -> Value {
        let fuel = self.fuel.greatest().saturating_mul(FUEL_FACTOR).clamp(1, MOST_FUEL);
        let memory = self.memory.greatest().saturating_mul(MEMORY_PERCENT) / 100;
        let memory = memory.clamp(LEAST_MEMORY, MOST_MEMORY).div_ceil(1 << 20);
        json!({ "fuel": fuel_text(fuel), "memory": format!("{memory}Mi") })
    }

    /// Whether a run has come up to one of its limits.
    pub fn reached(&self, limits: &Limits) -> bool {
        // Memory is refused before it is full: what was asked for last is not counted.
        self.fuel.greatest() >= limits.fuel || self.memory.greatest() > limits.memory_bytes as u64 / 10 * 9
    }
}

/// Two digits, rounded up, with the unit that fits.
fn fuel_text(fuel: u64) -> String {
    let step = 10_u64.pow(fuel.max(1).ilog10().saturating_sub(1));
    let fuel = fuel.div_ceil(step) * step;
    match fuel {
        fuel if fuel >= 1_000_000_000 && fuel.is_multiple_of(1_000_000_000) => format!("{}G", fuel / 1_000_000_000),
        fuel if fuel >= 1_000_000 && fuel.is_multiple_of(1_000_000) => format!("{}M", fuel / 1_000_000),
        fuel if fuel >= 1_000 && fuel.is_multiple_of(1_000) => format!("{}k", fuel / 1_000),
        fuel => fuel.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probelet_engine::{Usage, Verdict};
    use probelet_manifest::{Role, parse_wasm};

    use super::*;

    fn bench(runs: &[(u64, u64)]) -> Bench {
        let mut bench = Bench::default();
        for &(fuel, memory) in runs {
            bench.record(&Outcome {
                verdict: Verdict::Success,
                message: String::new(),
                fields: Vec::new(),
                log: String::new(),
                usage: Usage {
                    fuel,
                    memory_peak_bytes: memory,
                    wall: Duration::from_millis(1),
                    host_calls: 0,
                },
                grants: Vec::new(),
                state: None,
            });
        }
        bench
    }

    #[test]
    fn limits_leave_something_and_a_manifest_takes_them() {
        for (runs, fuel, memory) in [
            (&[(2_000, 65_536), (12_345, 3 << 20)][..], "38k", "5Mi"),
            (&[(1, 1)], "3", "1Mi"),
            (&[(41_000_000, 40 << 20)], "130M", "60Mi"),
            (&[(999_999_999_999, 1 << 30)], "1000G", "1024Mi"),
        ] {
            let limits = bench(runs).limits();
            assert_eq!(limits, json!({ "fuel": fuel, "memory": memory }));
            let handler = json!({ "component": "./a.wasm", "limits": limits });
            assert!(parse_wasm(&handler, Role::Liveness).is_ok(), "{handler}");
        }
    }

    #[test]
    fn a_run_at_its_limits_is_told() {
        let limits = Limits::default();
        assert!(!bench(&[(2_000, 65_536)]).reached(&limits));
        assert!(bench(&[(limits.fuel, 65_536)]).reached(&limits));
        assert!(bench(&[(1, limits.memory_bytes as u64)]).reached(&limits));
    }
}
