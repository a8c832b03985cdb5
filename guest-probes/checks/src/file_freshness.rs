//! A file that the application writes again and again, as a sign that it is at work.

use std::time::Duration;

use probelet_plugin::{
    Failure, Verdict,
    container_files::{self, Error},
    go_duration, since,
};

/// Which file, and how fresh it has to be.
#[probelet_plugin::config]
pub struct Config {
    /// The file in the container, which `allow.files` has to grant.
    pub path: String,
    /// How long ago it may have been changed, in seconds.
    pub max_age_seconds: u64,
    /// How large it has to be, in bytes.
    #[serde(default)]
    pub min_bytes: u64,
}

/// Looks at the file once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let path = &config.path;
    let metadata = container_files::metadata(path).map_err(|error| trouble(path, error))?;
    let age = Duration::from_secs(since(metadata.modified).as_secs());
    let verdict = if age > Duration::from_secs(config.max_age_seconds) {
        Verdict::unhealthy(format!("{path} was changed {} ago", go_duration(age)))
    } else if metadata.size < config.min_bytes {
        Verdict::unhealthy(format!(
            "{path} has {} bytes, fewer than {}",
            metadata.size, config.min_bytes
        ))
    } else {
        Verdict::healthy()
    };
    Ok(verdict.with("age-seconds", age.as_secs()).with("bytes", metadata.size))
}

/// What it means that a file of the container cannot be looked at.
pub(crate) fn trouble(path: &str, error: Error) -> Failure {
    match error {
        Error::NotFound => Failure::Unhealthy(format!("there is no {path}")),
        Error::WrongKind => Failure::Unhealthy(format!("{path} is something else than expected")),
        Error::NotRunning => Failure::Errored("the container is not running".to_owned()),
        Error::NotGranted(how) | Error::Host(how) => Failure::Errored(how),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use probelet_plugin::{serde_json::json, testing::Host};

    use super::*;
    use crate::tests::config;

    #[test]
    fn an_old_heartbeat_is_unhealthy() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000);
        let mut host = Host {
            now: Some(now),
            ..Host::default()
        };
        host.files
            .insert("/beat".to_owned(), (b"ok".to_vec(), now - Duration::from_secs(90)));
        let mut told = |wanted| host.run(|| check(&config(wanted)));
        let fresh = told(json!({ "path": "/beat", "maxAgeSeconds": 90 })).expect("a verdict");
        assert_eq!(
            fresh,
            Verdict::healthy().with("age-seconds", 90_u64).with("bytes", 2_u64)
        );
        let stale = told(json!({ "path": "/beat", "maxAgeSeconds": 60 })).expect("a verdict");
        assert_eq!(stale.message, "/beat was changed 1m30s ago");
        let small = told(json!({ "path": "/beat", "maxAgeSeconds": 90, "minBytes": 3 })).expect("a verdict");
        assert_eq!(small.message, "/beat has 2 bytes, fewer than 3");
        let missing = told(json!({ "path": "/none", "maxAgeSeconds": 60 }));
        assert_eq!(missing, Err(Failure::Unhealthy("there is no /none".to_owned())));
    }
}
