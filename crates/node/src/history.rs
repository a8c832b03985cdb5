//! The last runs of each probe and hook of a pod, in memory and on disk.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use probelet_histogram::Histogram;

use crate::{
    handle::{CheckUsage, RunRecord},
    metrics::Duration,
};

/// Runs kept of each probe and hook: 20 minutes of a probe every 10 s, two of one every second.
const RUNS_PER_PROBE: usize = 128;

/// The file is written anew once it holds this many times as many runs as are kept.
const REWRITE_FACTOR: usize = 4;

const MICROS_PER_SECOND: f64 = 1e6;

/// The history of one pod: `history.jsonl` in its folder, a run a line.
pub(crate) struct History {
    path: PathBuf,
    file: Option<File>,
    lines: usize,
    runs: BTreeMap<CheckName, VecDeque<RunRecord>>,
    totals: BTreeMap<CheckName, Totals>,
}

/// A check: its container, and its kind such as `liveness`.
pub(crate) type CheckName = (String, String);

/// What all runs of a check since the agent's start add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    /// Runs by outcome.
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// What they reached for, by grant and by `granted` or `refused`.
    pub(crate) grants: BTreeMap<(String, &'static str), u64>,
    /// What all of them took.
    pub(crate) used: Used,
    /// How long those took that succeeded, warnings included, from their due time: as the kubelet, none that failed
    /// (A5.2).
    pub(crate) successes: Duration,
}

/// What the runs of a check took, the errored ones included: those are what limits are for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    /// Microseconds, from the due time.
    pub(crate) time: Histogram,
    pub(crate) fuel: Histogram,
    /// The most memory of each, in bytes.
    pub(crate) memory: Histogram,
}

impl Used {
    fn count(&mut self, record: &RunRecord) {
        self.time.record(record.wall_micros);
        self.fuel.record(record.fuel);
        self.memory.record(record.memory_bytes);
    }
}

impl History {
    /// Reads what an earlier agent wrote; a last line that was cut off by its death is dropped.
    pub(crate) fn open(folder: &Path) -> Self {
        let path = folder.join("history.jsonl");
        let mut history = Self {
            path,
            file: None,
            lines: 0,
            runs: BTreeMap::new(),
            totals: BTreeMap::new(),
        };
        if let Ok(file) = File::open(&history.path) {
            let lines = BufReader::new(file).lines().map_while(Result::ok);
            for record in lines.filter_map(|line| serde_json::from_str::<RunRecord>(&line).ok()) {
                history.keep(record);
            }
            history.lines = usize::MAX;
        }
        history
    }

    /// Adds a run.
    pub(crate) fn record(&mut self, record: RunRecord) {
        let mut line = serde_json::to_vec(&record).expect("a run record has string keys only");
        line.push(b'\n');
        self.count(&record);
        self.keep(record);
        if let Err(error) = self.write(&line) {
            tracing::error!(file = %self.path.display(), %error, "a run is missing from the history on disk");
            self.file = None;
        }
    }

    /// All runs, oldest first.
    pub(crate) fn runs(&self) -> Vec<RunRecord> {
        let mut runs: Vec<_> = self.runs.values().flatten().cloned().collect();
        runs.sort_by(|one, other| one.time.cmp(&other.time));
        runs
    }

    /// What all runs since the agent's start add up to.
    pub(crate) fn totals(&self) -> &BTreeMap<CheckName, Totals> {
        &self.totals
    }

    /// The percentiles of what they took.
    pub(crate) fn usage(&self) -> Vec<CheckUsage> {
        let usage = self.totals.iter().map(|((container, kind), totals)| CheckUsage {
            container: container.clone(),
            kind: kind.clone(),
            runs: totals.used.time.count(),
            wall_micros: (&totals.used.time).into(),
            fuel: (&totals.used.fuel).into(),
            memory_bytes: (&totals.used.memory).into(),
        });
        usage.collect()
    }

    /// The last run of each check.
    pub(crate) fn last(&self) -> Vec<&RunRecord> {
        self.runs.values().filter_map(VecDeque::back).collect()
    }

    fn count(&mut self, record: &RunRecord) {
        let check = (record.container.clone(), record.kind.clone());
        let totals = self.totals.entry(check).or_default();
        *totals.outcomes.entry(record.outcome.clone()).or_default() += 1;
        totals.used.count(record);
        if matches!(record.outcome.as_str(), "success" | "warning") {
            totals.successes.observe(record.wall_micros as f64 / MICROS_PER_SECOND);
        }
        for used in &record.grants {
            for (result, count) in [("granted", used.granted), ("refused", used.refused)] {
                if count > 0 {
                    *totals.grants.entry((used.grant.clone(), result)).or_default() += u64::from(count);
                }
            }
        }
    }

    fn keep(&mut self, record: RunRecord) {
        let runs = self
            .runs
            .entry((record.container.clone(), record.kind.clone()))
            .or_default();
        if runs.len() == RUNS_PER_PROBE {
            runs.pop_front();
        }
        runs.push_back(record);
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let most = REWRITE_FACTOR * RUNS_PER_PROBE * self.runs.len();
        if self.lines >= most {
            return self.rewrite();
        }
        if self.file.is_none() {
            self.file = Some(append(&self.path)?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(line)?;
            self.lines += 1;
        }
        Ok(())
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let runs = self.runs();
        let mut bytes = Vec::new();
        for run in &runs {
            serde_json::to_writer(&mut bytes, run)?;
            bytes.push(b'\n');
        }
        crate::store::replace(&self.path, &bytes)?;
        self.file = Some(append(&self.path)?);
        self.lines = runs.len();
        Ok(())
    }
}

/// Opens a file of a pod's, to write at its end.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(attempt: u64) -> RunRecord {
        RunRecord {
            time: format!("2026-01-01T00:{:02}:{:02}.000Z", attempt / 60 % 60, attempt % 60),
            container: "c".into(),
            instance: 0,
            kind: "liveness".into(),
            attempt,
            outcome: "success".into(),
            message: String::new(),
            wall_micros: 1,
            fuel: 1,
            memory_bytes: 1,
            host_calls: 1,
            component: "exec".into(),
            digest: "sha256:00".into(),
            tries: 1,
            ..RunRecord::default()
        }
    }

    #[test]
    fn only_the_last_runs_are_kept_in_memory_and_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(folder.path());
        for attempt in 1..=2000 {
            history.record(run(attempt));
        }
        assert_eq!(history.runs().len(), RUNS_PER_PROBE);
        let lines = fs::read_to_string(folder.path().join("history.jsonl"))
            .unwrap()
            .lines()
            .count();
        assert!(lines <= REWRITE_FACTOR * RUNS_PER_PROBE, "{lines} lines");
    }

    #[test]
    fn what_runs_took_is_kept_as_percentiles_whatever_their_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(folder.path());
        for attempt in 1..=100 {
            history.record(RunRecord {
                wall_micros: if attempt == 100 { 1_000_000 } else { 10 },
                fuel: attempt,
                outcome: if attempt % 2 == 0 { "success" } else { "errored" }.into(),
                ..run(attempt)
            });
        }
        let [usage] = &history.usage()[..] else {
            panic!("one check")
        };
        assert_eq!((usage.runs, usage.kind.as_str()), (100, "liveness"));
        assert_eq!((usage.wall_micros.p99, usage.wall_micros.max), (10, 1_000_000));
        assert!((50..=53).contains(&usage.fuel.p50), "{usage:?}");
    }

    #[test]
    fn it_survives_the_agent_even_with_a_line_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(folder.path());
        history.record(run(1));
        history.record(run(2));
        drop(history);
        append(&folder.path().join("history.jsonl"))
            .unwrap()
            .write_all(b"{\"time\":")
            .unwrap();

        let mut history = History::open(folder.path());
        history.record(run(3));
        drop(history);

        let attempts: Vec<_> = History::open(folder.path())
            .runs()
            .iter()
            .map(|run| run.attempt)
            .collect();
        assert_eq!(attempts, [1, 2, 3]);
    }
}
