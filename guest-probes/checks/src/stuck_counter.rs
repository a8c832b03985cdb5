//! A counter that no longer moves, while there is work to do: the application lives and does nothing.

use std::time::{Duration, SystemTime};

use probelet_plugin::{
    Failure, Verdict, go_duration, now,
    serde::{Deserialize, Serialize},
    serde_json, state,
};

use crate::source::Source;

/// What has to move.
#[probelet_plugin::config]
pub struct Config {
    /// The counter. Any change counts as a move.
    pub counter: Source,
    /// How long it may stand still, in seconds.
    #[schemars(range(min = 1))]
    pub stuck_seconds: u64,
    /// How much there is to do, such as a queue's length. While it is 0, the counter need not move.
    pub work: Option<Source>,
}

/// What a run leaves to the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "probelet_plugin::serde")]
struct Seen {
    value: f64,
    /// Since when it has been that, or there has been work: milliseconds since the Unix epoch.
    since: u64,
}

/// Looks once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let value = config.counter.read()?;
    let work = config.work.as_ref().map(Source::read).transpose()?;
    judge(config, value, work)
}

fn judge(config: &Config, value: f64, work: Option<f64>) -> Result<Verdict, Failure> {
    let now = now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let now = u64::try_from(now).unwrap_or(u64::MAX);
    // What an earlier version of this check has left is no loss if it cannot be read.
    let before = state::get().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let seen = look(before, value, work, now);
    let kept = serde_json::to_vec(&seen).map_err(|error| error.to_string())?;
    state::set(&kept)?;
    let still = Duration::from_secs((now - seen.since) / 1000);
    let verdict = if still > Duration::from_secs(config.stuck_seconds) {
        Verdict::unhealthy(format!("it has stood at {value} for {}", go_duration(still)))
    } else {
        Verdict::healthy()
    };
    Ok(verdict.with("value", value).with("still-seconds", still.as_secs()))
}

fn look(before: Option<Seen>, value: f64, work: Option<f64>, now: u64) -> Seen {
    match before {
        // A clock that was set back begins anew.
        Some(seen) if seen.value == value && work != Some(0.0) && seen.since <= now => seen,
        _ => Seen { value, since: now },
    }
}

#[cfg(test)]
mod tests {
    use probelet_plugin::{Health, serde_json::json, testing::Host};

    use super::*;
    use crate::tests::config;

    #[test]
    fn standing_still_counts_while_there_is_work() {
        let config: Config = config(json!({ "counter": { "metric": "done" }, "stuckSeconds": 60 }));
        let mut host = Host::default();
        // Seconds, counter, work, and whether it is stuck.
        let runs = [
            (0, 5.0, Some(1.0), false),
            (60, 5.0, Some(1.0), false),
            (61, 5.0, None, true),
            (62, 6.0, Some(1.0), false),
            (130, 6.0, Some(0.0), false),
            (190, 6.0, Some(2.0), false),
            (191, 6.0, Some(2.0), true),
            (10, 6.0, Some(2.0), false),
        ];
        for (seconds, done, work, is_stuck) in runs {
            host.now = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds));
            let verdict = host.run(|| judge(&config, done, work)).expect("a verdict");
            assert_eq!(verdict.health == Health::Unhealthy, is_stuck, "{seconds}: {verdict:?}");
        }
    }
}
