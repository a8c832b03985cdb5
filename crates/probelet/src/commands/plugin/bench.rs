//! `probelet plugin bench`.

use std::{collections::BTreeMap, path::Path};

use probelet_histogram::Histogram;
use probelet_plugin_tools::{Bench, PERCENTILES};
use serde_json::{Map, Value, json};

use super::{component::load, handler::Handler, outcome::is_good};
use crate::{
    arguments::PluginBench,
    output::{
        amounts::{kibibytes, milliseconds},
        columns::Columns,
        documents::print_document,
        print,
        progress::ProgressLine,
        style,
    },
};

/// Runs a component many times.
pub(super) async fn run(command: &PluginBench, state_dir: &Path) -> anyhow::Result<()> {
    let loaded = load(&command.component, state_dir, &command.registries).await?;
    let handler = Handler::read(&command.handler, &loaded).await?;
    let limits = handler.request().limits;
    let mut bench = Bench::default();
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut last = None;
    let progress = ProgressLine::new(format!("running {}", command.component));
    for done in 0..command.runs {
        progress.tell(|| format!("{done} of {} runs", command.runs));
        let request = handler.request();
        let check = request.check;
        let outcome = loaded.plugin.run(request).await;
        *outcomes.entry(check.outcome_name(outcome.verdict)).or_default() += 1;
        bench.record(&outcome);
        last = Some(outcome.message);
    }
    drop(progress);
    if bench.reached(&limits) {
        style::warn(
            "a run has come up to its limits, so that what it would need is not known: raise them with --limits",
        );
    }
    if !outcomes.keys().any(|outcome| is_good(outcome)) {
        let last = last.unwrap_or_default();
        style::warn(&format!("no run was well, and one that is may need more: {last}"));
    }
    match command.output {
        Some(format) => print_document(&document(&bench, &outcomes), format),
        None => Ok(print(&text(&bench, &outcomes))?),
    }
}

/// Something that was measured.
struct Quantity<'a> {
    /// Its row.
    name: &'static str,
    /// Its field in documents, with the unit.
    field: &'static str,
    numbers: &'a Histogram,
    /// How people read it.
    shown: fn(u64) -> String,
}

fn quantities(bench: &Bench) -> [Quantity<'_>; 3] {
    let quantity = |name, field, numbers, shown| Quantity {
        name,
        field,
        numbers,
        shown,
    };
    [
        quantity("TIME", "wallMicroseconds", &bench.time, milliseconds),
        quantity("FUEL", "fuel", &bench.fuel, |fuel| fuel.to_string()),
        quantity("MEMORY", "memoryBytes", &bench.memory, kibibytes),
    ]
}

fn document(bench: &Bench, outcomes: &BTreeMap<&str, u64>) -> Value {
    let mut document = json!({ "runs": bench.time.count(), "outcomes": outcomes });
    for Quantity {
        field,
        numbers: histogram,
        ..
    } in quantities(bench)
    {
        let percentiles = PERCENTILES.map(|percent| (format!("p{percent}"), json!(histogram.percentile(percent))));
        let ends = [("min", histogram.least()), ("max", histogram.greatest())];
        let ends = ends.map(|(name, value)| (name.to_owned(), json!(value)));
        document[field] = Value::Object(percentiles.into_iter().chain(ends).collect::<Map<_, _>>());
    }
    document["limits"] = bench.limits();
    document
}

fn text(bench: &Bench, outcomes: &BTreeMap<&str, u64>) -> String {
    let outcomes: Vec<_> = outcomes
        .iter()
        .map(|(outcome, count)| format!("{count} {outcome}"))
        .collect();
    let heading = ["", "MIN"].map(str::to_owned).into_iter();
    let heading = heading
        .chain(PERCENTILES.map(|percent| format!("{percent}%")))
        .chain(["MAX".to_owned()]);
    let rows = quantities(bench).into_iter().map(|quantity| {
        let (name, histogram, shown) = (quantity.name, quantity.numbers, quantity.shown);
        let percentiles = PERCENTILES.map(|percent| shown(histogram.percentile(percent)));
        let start = [name.to_owned(), shown(histogram.least())].into_iter();
        start
            .chain(percentiles)
            .chain([shown(histogram.greatest())])
            .collect::<Vec<_>>()
    });
    let rows: Vec<_> = std::iter::once(heading.collect()).chain(rows).collect();
    let limits = bench.limits();
    let limit = |name: &str| limits[name].as_str().unwrap_or_default().to_owned();
    format!(
        "{} runs: {}\n\n{}\nLimits that leave something to spare:\n\nlimits: {{ fuel: {}, memory: {} }}\n",
        bench.time.count(),
        outcomes.join(", "),
        Columns::default().lines(&rows),
        limit("fuel"),
        limit("memory")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_line_up_and_limits_can_be_copied() {
        let mut bench = Bench::default();
        for number in 1..=10 {
            bench.time.record(number * 1000);
            bench.fuel.record(12_345);
            bench.memory.record(65_536);
        }
        let outcomes = BTreeMap::from([("healthy", 9), ("unhealthy", 1)]);
        assert_eq!(
            text(&bench, &outcomes),
            "\
10 runs: 9 healthy, 1 unhealthy

         MIN     50%     90%     99%      99.9%    MAX
TIME     1.0ms   5.1ms   9.2ms   10.0ms   10.0ms   10.0ms
FUEL     12345   12345   12345   12345    12345    12345
MEMORY   64Ki    64Ki    64Ki    64Ki     64Ki     64Ki

Limits that leave something to spare:

limits: { fuel: 38k, memory: 1Mi }
"
        );
        let document = document(&bench, &outcomes);
        assert_eq!(document["fuel"]["p99.9"], 12_345);
        assert_eq!(document["limits"]["memory"], "1Mi");
    }
}
