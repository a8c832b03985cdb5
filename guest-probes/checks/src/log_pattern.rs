//! What the container has written last: a line that must not be there, or one that must.

use std::time::Duration;

use probelet_plugin::{
    Failure, Verdict,
    container_logs::{self, Line},
    serde::Deserialize,
    since,
};

use crate::text::{pattern, quote};

/// What is looked for.
#[probelet_plugin::config]
pub struct Config {
    /// A regular expression that a line matches somewhere.
    pub pattern: String,
    /// Lines that match this one as well do not count.
    pub except: Option<String>,
    /// How many of the last lines are looked at; the host keeps to 1000.
    #[serde(default = "lines")]
    #[schemars(range(min = 1, max = 1000))]
    pub lines: u32,
    /// Lines that are older do not count, in seconds.
    pub within_seconds: Option<u64>,
    /// How many lines have to match.
    #[serde(default = "once")]
    #[schemars(range(min = 1))]
    pub count: usize,
    /// What it means.
    #[serde(default)]
    pub found: Meaning,
}

/// What it means that there are lines that match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, probelet_plugin::schemars::JsonSchema)]
#[serde(crate = "probelet_plugin::serde", rename_all = "camelCase")]
#[schemars(crate = "probelet_plugin::schemars")]
pub enum Meaning {
    /// The container is not well.
    #[default]
    Unhealthy,
    /// It is not at its best.
    Degraded,
    /// It is well, and not well as long as there are none.
    Healthy,
}

fn lines() -> u32 {
    200
}

fn once() -> usize {
    1
}

/// Looks once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let wanted = pattern("pattern", &config.pattern)?;
    let except = config
        .except
        .as_deref()
        .map(|text| pattern("except", text))
        .transpose()?;
    let lines = container_logs::tail(config.lines)?;
    let counts = |line: &&Line| {
        let is_recent = config
            .within_seconds
            .is_none_or(|seconds| since(line.time / 1_000_000) <= Duration::from_secs(seconds));
        is_recent && wanted.is_match(&line.text) && !except.as_ref().is_some_and(|except| except.is_match(&line.text))
    };
    let found: Vec<&Line> = lines.iter().filter(counts).collect();
    let is_found = found.len() >= config.count;
    let last = || found.last().map(|line| quote(&line.text)).unwrap_or_default();
    let verdict = match (config.found, is_found) {
        (Meaning::Unhealthy, true) => Verdict::unhealthy(last()),
        (Meaning::Degraded, true) => Verdict::degraded(last()),
        (Meaning::Healthy, false) => Verdict::unhealthy(format!(
            "{} of the last {} lines match `{}`, fewer than {}",
            found.len(),
            lines.len(),
            config.pattern,
            config.count
        )),
        _ => Verdict::healthy(),
    };
    Ok(verdict.with("matches", found.len() as u64))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use probelet_plugin::{Health, container_logs::Stream, serde_json::json, testing::Host};

    use super::*;
    use crate::tests::config;

    #[test]
    fn lines_count_by_their_text_and_their_age() {
        let line = |seconds: u64, text: &str| Line {
            time: seconds * 1_000_000_000,
            stream: Stream::Stderr,
            text: text.to_owned(),
        };
        let mut host = Host {
            now: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(100)),
            logs: vec![line(10, "panic: old"), line(95, "started"), line(99, "panic: new")],
            ..Host::default()
        };
        let mut told = |wanted| host.run(|| check(&config(wanted))).expect("a verdict");
        let both = told(json!({ "pattern": "^panic:" }));
        assert_eq!(both, Verdict::unhealthy("panic: new").with("matches", 2_u64));
        let recent = json!({ "pattern": "^panic:", "withinSeconds": 5, "count": 2 });
        assert_eq!(told(recent), Verdict::healthy().with("matches", 1_u64));
        let except = json!({ "pattern": "panic", "except": "new", "found": "degraded" });
        assert_eq!(told(except).health, Health::Degraded);
        assert_eq!(
            told(json!({ "pattern": "started", "found": "healthy" })).health,
            Health::Healthy
        );
        let missing = told(json!({ "pattern": "ready", "found": "healthy" }));
        assert_eq!(missing.message, "0 of the last 3 lines match `ready`, fewer than 1");
    }
}
