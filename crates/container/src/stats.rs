//! What a container uses, as its cgroups count it.
//!
//! Commands that are executed in the container count too: they are in its cgroups of version 1, and below its cgroup2,
//! whose counters include what lies below.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use probelet_shim_protocol::cgroup::Controller;
use rustix::io::Errno;

use crate::{Container, StatsError};

/// The most that is read of one file. The longest, `memory.stat`, has some 4 KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A limit of cgroup version 1 above this is none: without one the kernel shows its largest number of bytes in whole
/// pages, which depends on their size. The kubelet's value.
const MEMORY_LIMIT_MAX: u64 = 1 << 62;

/// What a container uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Memory.
    pub memory: MemoryStats,
    /// Processor time.
    pub cpu: CpuStats,
    /// Processes.
    pub processes: ProcessStats,
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStats {
    /// What is in use, page cache included.
    pub usage: u64,
    /// The same without the page cache that was not used lately, which the kernel can drop at once. The kubelet's
    /// working set, computed as it does.
    pub working_set: u64,
    /// The limit, if there is one.
    pub limit: Option<u64>,
    /// How many processes the kernel has killed for want of memory.
    pub oom_kills: u64,
}

/// Processor time since the container's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuStats {
    /// Used.
    pub usage: Duration,
    /// In how many periods the limit held the container back. 0 where the kernel does not count them, for want of a
    /// controller that could hold it back.
    pub throttled_periods: u64,
    /// How long it was held back.
    pub throttled_time: Duration,
}

/// Processes and threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStats {
    /// How many count against the limit. With cgroups of version 1 that is one more than the container's own: the helper
    /// that executes commands in it waits in its cgroups.
    pub current: u64,
    /// How many there may be, if that is limited.
    pub limit: Option<u64>,
}

impl Container {
    /// What the container uses now. Reads some small files of the kernel's, which takes some 100 µs and waits for nobody.
    /// It fails if a part is unknown; the three functions below ask for one part.
    pub fn stats(&self) -> Result<Stats, StatsError> {
        Ok(Stats {
            memory: self.memory_stats()?,
            cpu: self.cpu_stats()?,
            processes: self.process_stats()?,
        })
    }

    /// Memory as it is now.
    pub fn memory_stats(&self) -> Result<MemoryStats, StatsError> {
        self.while_running(memory(self.cgroup().controller("memory")))
    }

    /// Processor time up to now.
    pub fn cpu_stats(&self) -> Result<CpuStats, StatsError> {
        let cgroup = self.cgroup();
        self.while_running(cpu(cgroup.controller("cpuacct"), cgroup.controller("cpu")))
    }

    /// Processes as of now.
    pub fn process_stats(&self) -> Result<ProcessStats, StatsError> {
        self.while_running(processes(self.cgroup().controller("pids")))
    }

    /// Numbers of a container that has ended, whose cgroup may still be there, are of no use.
    fn while_running<T>(&self, read: Result<T, StatsError>) -> Result<T, StatsError> {
        let cgroup_is_gone = || !self.cgroup().cgroup2().exists();
        if self.exit().is_some() || (read.is_err() && cgroup_is_gone()) {
            return Err(StatsError::NotRunning {
                id: self.id().to_owned(),
            });
        }
        read
    }
}

fn memory(controller: Controller<'_>) -> Result<MemoryStats, StatsError> {
    let read = |directory: &Path, name| Text::read(directory, name, "memory");
    let (usage, inactive_file, limit, oom_kills) = match controller {
        Controller::Version1(directory) => (
            read(directory, "memory.usage_in_bytes")?.number()?,
            read(directory, "memory.stat")?.counter("total_inactive_file")?,
            read(directory, "memory.limit_in_bytes")?.limit()?,
            read(directory, "memory.oom_control")?.counter("oom_kill")?,
        ),
        Controller::Version2(directory) => (
            read(directory, "memory.current")?.number()?,
            read(directory, "memory.stat")?.counter("inactive_file")?,
            read(directory, "memory.max")?.limit()?,
            read(directory, "memory.events")?.counter("oom_kill")?,
        ),
    };
    Ok(MemoryStats {
        usage,
        // Each is counted at its own time, so that the part may be more than the whole.
        working_set: usage.saturating_sub(inactive_file),
        limit: limit.filter(|bytes| *bytes < MEMORY_LIMIT_MAX),
        oom_kills,
    })
}

/// In version 1 time is counted by one controller and limited by another, each of which may be absent. A cgroup2 counts
/// time without any.
fn cpu(accounting: Controller<'_>, limiting: Controller<'_>) -> Result<CpuStats, StatsError> {
    let usage = match accounting {
        Controller::Version1(directory) => {
            Duration::from_nanos(Text::read(directory, "cpuacct.usage", "cpuacct")?.number()?)
        }
        Controller::Version2(directory) => {
            Duration::from_micros(Text::read(directory, "cpu.stat", "cpu")?.counter("usage_usec")?)
        }
    };
    let (Controller::Version1(directory) | Controller::Version2(directory)) = limiting;
    let text = Text::read(directory, "cpu.stat", "cpu")?;
    let throttled_time = match limiting {
        Controller::Version1(_) => text.optional_counter("throttled_time").map(Duration::from_nanos),
        Controller::Version2(_) => text.optional_counter("throttled_usec").map(Duration::from_micros),
    };
    Ok(CpuStats {
        usage,
        throttled_periods: text.optional_counter("nr_throttled").unwrap_or(0),
        throttled_time: throttled_time.unwrap_or_default(),
    })
}

fn processes(controller: Controller<'_>) -> Result<ProcessStats, StatsError> {
    let (Controller::Version1(directory) | Controller::Version2(directory)) = controller;
    Ok(ProcessStats {
        current: Text::read(directory, "pids.current", "pids")?.number()?,
        limit: Text::read(directory, "pids.max", "pids")?.limit()?,
    })
}

/// What a file of a cgroup says.
struct Text {
    name: &'static str,
    path: PathBuf,
    text: String,
}

impl Text {
    fn read(directory: &Path, name: &'static str, controller: &'static str) -> Result<Self, StatsError> {
        let path = directory.join(name);
        match read_bounded(&path) {
            Ok(text) => Ok(Self { name, path, text }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StatsError::NoController { controller, path }),
            // The cgroup went between opening and reading, which is no different from before.
            Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => {
                Err(StatsError::NoController { controller, path })
            }
            Err(source) => Err(StatsError::Read { path, source }),
        }
    }

    /// The number that is all there is.
    fn number(&self) -> Result<u64, StatsError> {
        self.text.trim().parse().map_err(|_| self.unknown(self.name))
    }

    /// The number that is all there is, or `max`.
    fn limit(&self) -> Result<Option<u64>, StatsError> {
        if self.text.trim() == "max" {
            return Ok(None);
        }
        self.number().map(Some)
    }

    /// The number behind a name at a line's beginning.
    fn counter(&self, name: &'static str) -> Result<u64, StatsError> {
        self.optional_counter(name).ok_or_else(|| self.unknown(name))
    }

    fn optional_counter(&self, name: &str) -> Option<u64> {
        let mut values = self.text.lines().filter_map(|line| line.split_once(' '));
        values.find(|(other, _)| *other == name)?.1.trim().parse().ok()
    }

    fn unknown(&self, field: &'static str) -> StatsError {
        StatsError::Format {
            path: self.path.clone(),
            field,
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    const VERSION1: [(&str, &str); 8] = [
        ("memory.usage_in_bytes", "1000000\n"),
        ("memory.stat", "cache 1\ninactive_file 7\ntotal_inactive_file 300000\n"),
        ("memory.limit_in_bytes", "67108864\n"),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ("cpuacct.usage", "1500000001\n"),
        (
            "cpu.stat",
            "nr_periods 9\nnr_throttled 4\nthrottled_time 250000000\nnr_bursts 0\n",
        ),
        ("pids.current", "5\n"),
        ("pids.max", "50\n"),
    ];

    const VERSION2: [(&str, &str); 7] = [
        ("memory.current", "1000000\n"),
        ("memory.stat", "anon 1\nfile 2\ninactive_file 300000\nactive_file 4\n"),
        ("memory.max", "67108864\n"),
        ("memory.events", "low 0\nmax 8\noom 2\noom_kill 3\noom_group_kill 0\n"),
        (
            "cpu.stat",
            "usage_usec 1500000\nuser_usec 1\nnr_periods 9\nnr_throttled 4\nthrottled_usec 250000\n",
        ),
        ("pids.current", "5\n"),
        ("pids.max", "50\n"),
    ];

    const MEMORY: MemoryStats = MemoryStats {
        usage: 1_000_000,
        working_set: 700_000,
        limit: Some(64 << 20),
        oom_kills: 3,
    };

    const PROCESSES: ProcessStats = ProcessStats {
        current: 5,
        limit: Some(50),
    };

    #[test]
    fn both_versions_tell_the_same() {
        let (one, two) = (folder(&VERSION1), folder(&VERSION2));
        let (one, two) = (Controller::Version1(one.path()), Controller::Version2(two.path()));
        assert_eq!(memory(one).unwrap(), MEMORY);
        assert_eq!(memory(two).unwrap(), MEMORY);
        assert_eq!(processes(one).unwrap(), PROCESSES);
        assert_eq!(processes(two).unwrap(), PROCESSES);
        let used = |nanoseconds| CpuStats {
            usage: Duration::from_nanos(nanoseconds),
            throttled_periods: 4,
            throttled_time: Duration::from_millis(250),
        };
        assert_eq!(cpu(one, one).unwrap(), used(1_500_000_001));
        assert_eq!(cpu(two, two).unwrap(), used(1_500_000_000));
        // Time is counted in the cgroup2 where nothing else does.
        assert_eq!(cpu(two, one).unwrap(), used(1_500_000_000));
    }

    #[test]
    fn no_limit_is_none() {
        let one = folder(&VERSION1);
        // With pages of 4 KiB, and of 64 KiB.
        for none in ["9223372036854771712\n", "9223372036854710272\n"] {
            std::fs::write(one.path().join("memory.limit_in_bytes"), none).unwrap();
            assert_eq!(memory(Controller::Version1(one.path())).unwrap().limit, None);
        }
        let two = folder(&VERSION2);
        for file in ["memory.max", "pids.max"] {
            std::fs::write(two.path().join(file), "max\n").unwrap();
        }
        let two = Controller::Version2(two.path());
        assert_eq!(memory(two).unwrap().limit, None);
        assert_eq!(processes(two).unwrap().limit, None);
    }

    #[test]
    fn a_part_that_is_more_than_the_whole_leaves_nothing() {
        let two = folder(&VERSION2);
        std::fs::write(two.path().join("memory.current"), "200000\n").unwrap();
        assert_eq!(memory(Controller::Version2(two.path())).unwrap().working_set, 0);
    }

    #[test]
    fn what_is_not_counted_is_told() {
        let two = folder(&[("cpu.stat", "usage_usec 7\nuser_usec 1\n")]);
        let two = Controller::Version2(two.path());
        let error = memory(two).unwrap_err();
        assert!(
            matches!(
                error,
                StatsError::NoController {
                    controller: "memory",
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("cgroup.subtree_control"), "{error}");
        assert!(matches!(processes(two), Err(StatsError::NoController { .. })));
        let unlimited = cpu(two, two).unwrap();
        assert_eq!(
            (unlimited.usage, unlimited.throttled_periods),
            (Duration::from_micros(7), 0)
        );
    }

    #[test]
    fn nonsense_is_an_error() {
        let two = folder(&VERSION2);
        std::fs::write(two.path().join("memory.current"), "much\n").unwrap();
        let error = memory(Controller::Version2(two.path())).unwrap_err();
        assert!(
            matches!(
                error,
                StatsError::Format {
                    field: "memory.current",
                    ..
                }
            ),
            "{error}"
        );
        std::fs::write(two.path().join("cpu.stat"), "usage_usec_more 1\n").unwrap();
        let two = Controller::Version2(two.path());
        assert!(matches!(
            cpu(two, two),
            Err(StatsError::Format {
                field: "usage_usec",
                ..
            })
        ));
    }
}
