//! The contract's imports on other targets than WebAssembly, answered by the test's host.

use std::time::{Duration, SystemTime};

use crate::{
    bindings::probe::probelet::plugin as contract,
    testing::{ask, tell},
};

/// The contract counts nanoseconds in 64 bits: 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn milliseconds_since_epoch(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[allow(missing_docs)]
pub mod context {
    pub use super::contract::context::{CheckKind, Outcome, Port};
    use super::{ask, milliseconds_since_epoch, nanoseconds};

    pub fn namespace() -> String {
        ask(|host| host.namespace.clone())
    }

    pub fn pod() -> String {
        ask(|host| host.pod.clone())
    }

    pub fn container() -> String {
        ask(|host| host.container.clone())
    }

    pub fn container_id() -> String {
        ask(|host| format!("{}-{}", host.container, host.restart_count))
    }

    pub fn restart_count() -> u32 {
        ask(|host| host.restart_count)
    }

    pub fn address() -> Option<String> {
        ask(|host| host.address.clone())
    }

    pub fn ports() -> Vec<Port> {
        ask(|host| host.ports.clone())
    }

    pub fn started_at() -> Option<u64> {
        ask(|host| host.started_at.map(milliseconds_since_epoch))
    }

    pub fn kind() -> CheckKind {
        ask(|host| host.kind)
    }

    pub fn attempt() -> u64 {
        ask(|host| host.attempt)
    }

    pub fn previous_outcome() -> Option<Outcome> {
        ask(|host| host.previous_outcome)
    }

    pub fn config() -> String {
        ask(|host| host.config.clone())
    }

    pub fn timeout() -> u64 {
        ask(|host| nanoseconds(host.timeout))
    }

    pub fn time_left() -> u64 {
        nanoseconds(crate::testing::time_left())
    }

    pub fn hook_reason() -> Option<String> {
        ask(|host| host.hook_reason.clone())
    }

    pub fn grace_left() -> Option<u64> {
        ask(|host| host.grace_left.map(nanoseconds))
    }
}

#[allow(missing_docs)]
pub mod state {
    use super::{ask, tell};

    /// As much as the real host keeps.
    const MAX_STATE: usize = 64 << 10;

    pub fn get() -> Option<Vec<u8>> {
        ask(|host| host.state.clone())
    }

    pub fn set(content: &[u8]) -> Result<(), String> {
        if content.len() > MAX_STATE {
            return Err(format!("a state has at most {MAX_STATE} bytes"));
        }
        tell(|host| host.state = Some(content.to_vec()));
        Ok(())
    }
}

#[allow(missing_docs)]
pub mod container_exec {
    use super::ask;
    pub use super::contract::container_exec::{Error, Output};

    pub fn exec(command: &[String], output_limit: u32) -> Result<Output, Error> {
        let answer = ask(|host| {
            host.commands
                .iter()
                .find(|known| known.0 == command)
                .map(|known| known.1.clone())
        });
        let mut output = answer.unwrap_or_else(|| {
            Err(Error::NotGranted(format!(
                "the test's host has no answer for the command {command:?}"
            )))
        })?;
        for stream in [&mut output.stdout, &mut output.stderr] {
            output.truncated |= stream.len() > output_limit as usize;
            stream.truncate(output_limit as usize);
        }
        Ok(output)
    }
}

#[allow(missing_docs)]
pub mod container_stats {
    use super::ask;
    pub use super::contract::container_stats::{CpuUsage, MemoryUsage, ProcessCount};

    fn known<T>(stat: Option<T>) -> Result<T, String> {
        stat.ok_or_else(|| "the test's host does not know".to_owned())
    }

    pub fn memory() -> Result<MemoryUsage, String> {
        known(ask(|host| host.memory))
    }

    pub fn cpu() -> Result<CpuUsage, String> {
        known(ask(|host| host.cpu))
    }

    pub fn processes() -> Result<ProcessCount, String> {
        known(ask(|host| host.processes))
    }
}

#[allow(missing_docs)]
pub mod container_logs {
    use super::ask;
    pub use super::contract::container_logs::{Line, Stream};

    pub fn tail(lines: u32) -> Result<Vec<Line>, String> {
        Ok(ask(|host| {
            let first = host.logs.len().saturating_sub(lines as usize);
            host.logs[first..].to_vec()
        }))
    }
}

#[allow(missing_docs)]
pub mod container_files {
    pub use super::contract::container_files::{Error, FileMetadata, FileSystemSpace, Kind};
    use super::{ask, milliseconds_since_epoch};

    pub fn metadata(path: &str) -> Result<FileMetadata, Error> {
        ask(|host| {
            let (content, modified) = host.files.get(path).ok_or(Error::NotFound)?;
            Ok(FileMetadata {
                kind: Kind::File,
                size: content.len() as u64,
                modified: milliseconds_since_epoch(*modified),
            })
        })
    }

    pub fn read(path: &str, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        ask(|host| {
            let (content, _) = host.files.get(path).ok_or(Error::NotFound)?;
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
            let to = from.saturating_add(length as usize).min(content.len());
            Ok(content[from..to].to_vec())
        })
    }

    pub fn list(path: &str) -> Result<Vec<String>, Error> {
        ask(|host| {
            let below = host
                .files
                .keys()
                .filter_map(|file| file.strip_prefix(path)?.strip_prefix('/'));
            let mut names: Vec<String> = below
                .filter_map(|rest| rest.split('/').next())
                .map(str::to_owned)
                .collect();
            names.dedup();
            if names.is_empty() {
                Err(Error::NotFound)
            } else {
                Ok(names)
            }
        })
    }

    pub fn space(path: &str) -> Result<FileSystemSpace, Error> {
        ask(|host| host.spaces.get(path).copied().ok_or(Error::NotFound))
    }
}
