//! How full the file system at a path of the container is.

use probelet_plugin::{Failure, Verdict, container_files};

use crate::file_freshness::trouble;

/// Where, and how much has to be free. At least one limit has to be given.
#[probelet_plugin::config]
pub struct Config {
    /// A path on the file system, which `allow.files` has to grant.
    pub path: String,
    /// How much has to be free, in percent.
    pub min_free_percent: Option<f64>,
    /// How much has to be free, in bytes.
    pub min_free_bytes: Option<u64>,
    /// Below a limit the container is degraded, and not unhealthy.
    #[serde(default)]
    pub degraded: bool,
}

/// Looks once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    if config.min_free_percent.is_none() && config.min_free_bytes.is_none() {
        return Err(Failure::Errored("give `minFreePercent` or `minFreeBytes`".to_owned()));
    }
    let path = &config.path;
    let space = container_files::space(path).map_err(|error| trouble(path, error))?;
    let percent = match space.total {
        0 => 0.0,
        total => (space.available as f64 / total as f64 * 1000.0).round() / 10.0,
    };
    let is_low = config.min_free_percent.is_some_and(|least| percent < least)
        || config.min_free_bytes.is_some_and(|least| space.available < least);
    let message = || format!("{path} has {} bytes free, {percent}%", space.available);
    let verdict = match (is_low, config.degraded) {
        (false, _) => Verdict::healthy(),
        (true, true) => Verdict::degraded(message()),
        (true, false) => Verdict::unhealthy(message()),
    };
    Ok(verdict
        .with("free-percent", percent)
        .with("free-bytes", space.available))
}

#[cfg(test)]
mod tests {
    use probelet_plugin::{Health, container_files::FileSystemSpace, serde_json::json, testing::Host};

    use super::*;
    use crate::tests::config;

    #[test]
    fn each_limit_counts_by_itself() {
        let mut host = Host::default();
        let space = FileSystemSpace {
            total: 1000,
            available: 94,
        };
        host.spaces.insert("/data".to_owned(), space);
        let mut told = |limits| host.run(|| check(&config(limits)));
        let low = told(json!({ "path": "/data", "minFreePercent": 10 })).expect("a verdict");
        assert_eq!(
            (low.health, low.message.as_str()),
            (Health::Unhealthy, "/data has 94 bytes free, 9.4%")
        );
        let low = told(json!({ "path": "/data", "minFreeBytes": 95, "degraded": true })).expect("a verdict");
        assert_eq!(low.health, Health::Degraded);
        let enough = told(json!({ "path": "/data", "minFreePercent": 9.4, "minFreeBytes": 94 })).expect("a verdict");
        assert_eq!(
            enough,
            Verdict::healthy().with("free-percent", 9.4).with("free-bytes", 94_u64)
        );
        assert!(told(json!({ "path": "/data" })).is_err());
    }
}
