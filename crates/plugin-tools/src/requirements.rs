//! What a component needs to be granted.

use probelet_engine::{Grant, Plugin};

/// The lines below `allow` without which a component cannot run, by what it imports. The network is none of them: a pod
/// is open to its own checks without a word.
pub fn requirements(plugin: &Plugin) -> Vec<&'static str> {
    let line = |grant| match grant {
        Grant::Exec => Some("exec: true"),
        Grant::Stats => Some("stats: true"),
        Grant::Logs => Some("logs: true"),
        Grant::Files => Some("files: [\"/PATH\"]"),
        Grant::Network | Grant::Environment => None,
    };
    plugin.needs().into_iter().filter_map(line).collect()
}
