//! A leak: memory that grows and grows, seen over many runs, before the kernel ends the container.
//!
//! Each run leaves a sample to the next. A line is laid through those of a window by least squares; what counts is how
//! steep it is, and when it reaches the limit. The working set is measured, which the kernel goes by.

use std::time::{Duration, SystemTime};

use probelet_plugin::{
    Failure, Verdict, container_stats, go_duration, now,
    serde::{Deserialize, Serialize},
    serde_json, state,
};

/// A line needs no more points; when there are more, each second one is dropped. 256 take 10 KiB of the state's 64.
const MAX_SAMPLES: usize = 256;
/// A line through fewer points says nothing.
const MIN_SAMPLES: usize = 5;

/// What is too steep. At least one of the two limits has to be given.
#[probelet_plugin::config]
pub struct Config {
    /// How far back the trend is seen, in seconds.
    #[serde(default = "hour")]
    #[schemars(range(min = 1))]
    pub window_seconds: u64,
    /// How much has to have been seen before there is a trend, in seconds; half of the window unless it is given.
    pub min_seconds: Option<u64>,
    /// How many bytes more an hour are too many.
    pub max_growth_per_hour: Option<u64>,
    /// How soon the container's limit must not be reached, in seconds.
    pub full_within_seconds: Option<u64>,
    /// A trend that is too steep is degraded, and not unhealthy.
    #[serde(default)]
    pub degraded: bool,
}

fn hour() -> u64 {
    3600
}

/// What a run leaves to the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "probelet_plugin::serde")]
struct Sample {
    /// Milliseconds since the Unix epoch.
    at: u64,
    bytes: u64,
}

/// Measures once and looks back.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    if config.max_growth_per_hour.is_none() && config.full_within_seconds.is_none() {
        return Err(Failure::Errored(
            "give `maxGrowthPerHour` or `fullWithinSeconds`".to_owned(),
        ));
    }
    let memory = container_stats::memory()?;
    let at = now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let sample = Sample {
        at: u64::try_from(at).unwrap_or(u64::MAX),
        bytes: memory.working_set,
    };
    // What an earlier version of this check has left is no loss if it cannot be read.
    let before = state::get()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let samples = add(before, sample, config.window_seconds);
    let kept = serde_json::to_vec(&samples).map_err(|error| error.to_string())?;
    state::set(&kept)?;
    Ok(judge(config, &samples, memory.limit))
}

/// Adds a sample, and leaves out those that the window has passed by, and those that a clock that was set back has made
/// come later than the new one.
fn add(before: Vec<Sample>, sample: Sample, window_seconds: u64) -> Vec<Sample> {
    let oldest = sample.at.saturating_sub(window_seconds.saturating_mul(1000));
    let mut samples: Vec<Sample> = before
        .into_iter()
        .filter(|one| (oldest..sample.at).contains(&one.at))
        .collect();
    samples.push(sample);
    if samples.len() > MAX_SAMPLES {
        // There is one more, so that the first and the last both stay: MAX_SAMPLES is even.
        let mut keep = [true, false].into_iter().cycle();
        samples.retain(|_| keep.next() == Some(true));
    }
    samples
}

fn judge(config: &Config, samples: &[Sample], limit: Option<u64>) -> Verdict {
    let last = samples.last().map_or(0, |sample| sample.bytes);
    let verdict = Verdict::healthy();
    let seen = match samples {
        [first, .., last] => Duration::from_millis(last.at - first.at),
        _ => Duration::ZERO,
    };
    let needed = Duration::from_secs(config.min_seconds.unwrap_or(config.window_seconds / 2));
    let slope = if samples.len() < MIN_SAMPLES || seen < needed {
        None
    } else {
        slope(samples)
    };
    let Some(slope) = slope else {
        return verdict.with("bytes", last);
    };
    let per_hour = slope * 3600.0;
    let left = limit
        .map(|limit| limit.saturating_sub(last) as f64 / slope)
        .filter(|_| slope > 0.0);
    let message = match (config.max_growth_per_hour, config.full_within_seconds, left) {
        (Some(most), _, _) if per_hour > most as f64 => Some(format!(
            "memory grows by {per_hour:.0} bytes an hour, more than {most}, seen for {}",
            seconds(seen)
        )),
        (_, Some(soon), Some(left)) if left < soon as f64 => {
            let left = Duration::from_secs(left as u64);
            Some(format!(
                "memory reaches its limit in {}, by what was seen for {}",
                seconds(left),
                seconds(seen)
            ))
        }
        _ => None,
    };
    let verdict = match message {
        None => verdict,
        Some(message) if config.degraded => Verdict::degraded(message),
        Some(message) => Verdict::unhealthy(message),
    };
    verdict.with("bytes", last).with("growth-per-hour", per_hour.round())
}

fn seconds(duration: Duration) -> String {
    go_duration(Duration::from_secs(duration.as_secs()))
}

/// Bytes a second, by least squares. None: all samples are of one moment.
fn slope(samples: &[Sample]) -> Option<f64> {
    let first = samples.first()?;
    let points = || {
        samples
            .iter()
            .map(|sample| ((sample.at - first.at) as f64 / 1000.0, sample.bytes as f64))
    };
    let count = samples.len() as f64;
    let (sum_x, sum_y) = points().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (above, below) = points().fold((0.0, 0.0), |(above, below), (x, y)| {
        (above + (x - mean_x) * (y - mean_y), below + (x - mean_x) * (x - mean_x))
    });
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use probelet_plugin::{Health, container_stats::MemoryUsage, serde_json::json, testing::Host};

    use super::*;
    use crate::tests::config;

    /// What the last of some runs says, one each minute, of memory that grows by so many bytes from run to run.
    fn after(runs: u64, growth: u64, wanted: serde_json::Value) -> Verdict {
        let config: Config = config(wanted);
        let mut host = Host::default();
        let mut verdict = Verdict::healthy();
        for run in 0..runs {
            host.now = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + run * 60));
            // It wobbles, as memory does.
            let bytes = 50_000_000 + run * growth + run % 3 * 1000;
            host.memory = Some(MemoryUsage {
                usage: bytes,
                working_set: bytes,
                limit: Some(100_000_000),
                oom_kills: 0,
            });
            verdict = host.run(|| check(&config)).expect("a verdict");
        }
        let state = host.state.expect("a state");
        assert!(state.len() < 16 << 10, "{} bytes", state.len());
        verdict
    }

    #[test]
    fn a_leak_is_seen_when_it_has_lasted() {
        let wanted = json!({ "maxGrowthPerHour": 10_000_000 });
        assert_eq!(after(29, 1_000_000, wanted.clone()).health, Health::Healthy);
        let leak = after(31, 1_000_000, wanted.clone());
        assert_eq!(leak.health, Health::Unhealthy);
        assert!(leak.message.starts_with("memory grows by 60"), "{}", leak.message);
        assert!(
            leak.message.ends_with("an hour, more than 10000000, seen for 30m0s"),
            "{}",
            leak.message
        );
        assert_eq!(after(500, 1000, wanted).health, Health::Healthy);
    }

    #[test]
    fn the_limit_is_seen_coming() {
        let wanted = json!({ "fullWithinSeconds": 1800, "minSeconds": 240, "degraded": true });
        assert_eq!(after(10, 1_000_000, wanted.clone()).health, Health::Healthy);
        let close = after(30, 1_000_000, wanted.clone());
        assert_eq!(close.health, Health::Degraded);
        assert!(
            close.message.starts_with("memory reaches its limit in 2"),
            "{}",
            close.message
        );
        assert_eq!(after(30, 0, wanted).health, Health::Healthy);
    }

    #[test]
    fn many_samples_stay_few_and_the_newest_stays() {
        let all = (0..10_000).fold(Vec::new(), |samples, at| add(samples, Sample { at, bytes: at }, 3600));
        assert!(all.len() <= MAX_SAMPLES, "{}", all.len());
        assert_eq!(all.last(), Some(&Sample { at: 9999, bytes: 9999 }));
        assert_eq!(all.first(), Some(&Sample { at: 0, bytes: 0 }));
        let set_back = add(all, Sample { at: 5, bytes: 1 }, 3600);
        assert!(set_back.iter().all(|sample| sample.at <= 5), "{set_back:?}");
    }
}
