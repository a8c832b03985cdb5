//! Where a container's cgroups lie, and how everything in them is ended.
//!
//! Two layouts are known. On a *unified* host (what most have) there is one cgroup2 hierarchy at `/sys/fs/cgroup` with
//! all controllers. On a *hybrid* host each controller has a hierarchy of version 1, and a cgroup2 beside them only
//! groups processes. Both have a cgroup2, and that is what ends processes for sure: `cgroup.kill` there reaches every
//! process of a subtree at once, those that were just forked included.
//!
//! A container's cgroup has the same path in every hierarchy. Process 1 is in it, and each command that is executed in
//! the container in a leaf below its cgroup2. No controller is ever enabled for those leaves, so that the rule against
//! processes in inner nodes does not apply and the container's limits cover them.

mod controller;

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

pub use controller::Controller;

/// Where libcontainer looks for cgroups, hence the only place that is of use.
const ROOT: &str = "/sys/fs/cgroup";

/// The controllers of version 1 that libcontainer puts containers into. Others may be mounted.
const CONTROLLERS: [&str; 12] = [
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
];

/// How often a cgroup whose last process was just seen to end is asked to go. Only hierarchies of version 1 need it:
/// the kernel tells of no event there, and takes a moment after the last process.
const REMOVE_ATTEMPTS: u32 = 200;

/// The pause between two such attempts.
const REMOVE_PAUSE: Duration = Duration::from_millis(2);

/// The hierarchies of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchies {
    cgroup2: PathBuf,
    /// By the controllers' names, as the kernel joins them: `memory`, `cpu,cpuacct`.
    version1: Vec<(String, PathBuf)>,
}

/// Why the hierarchies are of no use.
#[derive(Debug, thiserror::Error)]
pub enum HierarchiesError {
    /// No cgroup2 is mounted at `/sys/fs/cgroup` or below.
    #[error(
        "no cgroup2 is mounted below {ROOT}, which ends the processes of a container for sure; \
         mount one: mkdir {ROOT}/unified && mount -t cgroup2 none {ROOT}/unified"
    )]
    NoCgroup2,
    /// The list of mounts could not be read.
    #[error("cannot read /proc/self/mountinfo: {0}")]
    Mounts(#[from] io::Error),
}

impl Hierarchies {
    /// Finds the hierarchies that are mounted.
    pub fn discover() -> Result<Self, HierarchiesError> {
        Self::from_mounts(&fs::read_to_string("/proc/self/mountinfo")?)
    }

    fn from_mounts(mountinfo: &str) -> Result<Self, HierarchiesError> {
        let mut cgroup2 = None;
        let mut version1 = Vec::new();
        for line in mountinfo.lines() {
            let Some((mount, file_system)) = line.split_once(" - ") else {
                continue;
            };
            let Some(directory) = mount.split(' ').nth(4).filter(|path| path.starts_with(ROOT)) else {
                continue;
            };
            match file_system.split(' ').next() {
                Some("cgroup2") => cgroup2 = Some(PathBuf::from(directory)),
                Some("cgroup") => {
                    let name = directory.rsplit('/').next().unwrap_or_default();
                    if name.split(',').any(|controller| CONTROLLERS.contains(&controller)) {
                        version1.push((name.to_owned(), PathBuf::from(directory)));
                    }
                }
                _ => {}
            }
        }
        Ok(Self {
            cgroup2: cgroup2.ok_or(HierarchiesError::NoCgroup2)?,
            version1,
        })
    }

    /// Whether the cgroup2 is all there is.
    pub fn is_unified(&self) -> bool {
        self.cgroup2 == Path::new(ROOT)
    }

    /// Whether a controller, by its kernel name, can be used here.
    pub fn has_controller(&self, name: &str) -> bool {
        let unified = fs::read_to_string(self.cgroup2.join("cgroup.controllers")).unwrap_or_default();
        let mut version1 = self.version1.iter().flat_map(|(names, _)| names.split(','));
        version1.any(|other| other == name) || unified.split_whitespace().any(|other| other == name)
    }

    /// The cgroup at `path`, counted from the root of each hierarchy.
    pub fn cgroup(&self, path: &str) -> Cgroup {
        let below = |root: &PathBuf| root.join(path.trim_start_matches('/'));
        let version1 = self
            .version1
            .iter()
            .map(|(name, root)| (name.clone(), below(root)))
            .collect();
        Cgroup {
            cgroup2: below(&self.cgroup2),
            version1,
        }
    }

    /// Moves process `pid` into the cgroups of version 1 that process `model` is in.
    pub fn join_version1(&self, pid: Pid, model: Pid) -> io::Result<()> {
        for line in fs::read_to_string(format!("/proc/{}/cgroup", model.as_raw_nonzero()))?.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
                continue;
            };
            if let Some((_, mount)) = self.version1.iter().find(|(name, _)| name == controllers) {
                let procs = mount.join(path.trim_start_matches('/')).join("cgroup.procs");
                fs::write(procs, pid.as_raw_nonzero().to_string())?;
            }
        }
        Ok(())
    }
}

/// One cgroup in all hierarchies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    cgroup2: PathBuf,
    version1: Vec<(String, PathBuf)>,
}

impl Cgroup {
    /// Its folder in the cgroup2.
    pub fn cgroup2(&self) -> &Path {
        &self.cgroup2
    }

    /// Its folders in the hierarchies of version 1, with the names of those: `memory`, `cpu,cpuacct`.
    pub fn version1(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.version1
            .iter()
            .map(|(name, directory)| (name.as_str(), directory.as_path()))
    }

    /// The processes in it and below.
    pub fn processes(&self) -> Vec<Pid> {
        let mut processes = Vec::new();
        collect_processes(&self.cgroup2, &mut processes);
        processes
    }

    /// How often the kernel has killed a process in it for want of memory.
    pub fn oom_kills(&self) -> u64 {
        let version1 = self
            .version1()
            .map(|(_, directory)| directory.join("memory.oom_control"));
        let files = version1.chain([self.cgroup2.join("memory.events")]);
        files
            .filter_map(|file| fs::read_to_string(file).ok())
            .filter_map(|text| counter(&text, "oom_kill"))
            .sum()
    }

    /// Kills every process in it and below. It is no error if the cgroup does not exist.
    pub fn kill(&self) -> io::Result<()> {
        kill_tree(&self.cgroup2)
    }

    /// Kills all that is left, waits until it is gone, for `patience` at most, and removes the cgroup in every
    /// hierarchy with all below it. Blocks.
    pub fn destroy(&self, patience: Duration) -> io::Result<()> {
        self.kill()?;
        wait_until_empty(&self.cgroup2, patience)?;
        remove_tree(&self.cgroup2)?;
        for (_, directory) in &self.version1 {
            // A privileged container may have moved a process out of its cgroup2.
            let mut processes = Vec::new();
            collect_processes(directory, &mut processes);
            for process in processes {
                // It may have ended by itself.
                let _ = rustix::process::kill_process(process, Signal::KILL);
            }
            remove_patiently(directory)?;
        }
        Ok(())
    }

    /// Removes the folder in every hierarchy if it is empty; for the common parents of several containers.
    pub fn remove_if_empty(&self) {
        for directory in self.version1().map(|(_, directory)| directory).chain([self.cgroup2()]) {
            // Another container in it is the usual reason for it to stay.
            let _ = fs::remove_dir(directory);
        }
    }
}

/// Kills every process in the cgroup2 folder `directory` and below. It is no error if it does not exist.
pub fn kill_tree(directory: &Path) -> io::Result<()> {
    ignore_missing(fs::write(directory.join("cgroup.kill"), "1"))
}

/// Removes the folder of a cgroup and those below it. It is no error if it does not exist; one that still has processes
/// gives `ResourceBusy`.
pub fn remove_tree(directory: &Path) -> io::Result<()> {
    let Err(first) = ignore_missing(fs::remove_dir(directory)) else {
        return Ok(());
    };
    for child in child_directories(directory) {
        remove_tree(&child)?;
    }
    ignore_missing(fs::remove_dir(directory)).map_err(|_| first)
}

/// Opens the file of a cgroup2 folder that tells, by [`PollFlags::PRI`], when the last process has gone.
pub fn open_events(directory: &Path) -> io::Result<File> {
    File::open(directory.join("cgroup.events"))
}

/// Whether the cgroup2 whose events these are has a process.
pub fn is_populated(events: &mut File) -> io::Result<bool> {
    let mut text = String::new();
    events.rewind()?;
    events.read_to_string(&mut text)?;
    Ok(counter(&text, "populated") != Some(0))
}

fn wait_until_empty(directory: &Path, patience: Duration) -> io::Result<()> {
    let mut events = match open_events(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        events => events?,
    };
    let end = Instant::now() + patience;
    while is_populated(&mut events)? {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let text = format!(
                "processes in {} do not end although they were killed",
                directory.display()
            );
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        rustix::event::poll(
            &mut [PollFd::from_borrowed_fd(events.as_fd(), PollFlags::PRI)],
            Some(&left),
        )?;
    }
    Ok(())
}

fn remove_patiently(directory: &Path) -> io::Result<()> {
    for _ in 1..REMOVE_ATTEMPTS {
        if remove_tree(directory).is_ok() {
            return Ok(());
        }
        std::thread::sleep(REMOVE_PAUSE);
    }
    remove_tree(directory)
}

fn collect_processes(directory: &Path, processes: &mut Vec<Pid>) {
    let listed = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    processes.extend(
        listed
            .lines()
            .filter_map(|line| line.parse().ok())
            .filter_map(Pid::from_raw),
    );
    for child in child_directories(directory) {
        collect_processes(&child, processes);
    }
}

fn child_directories(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    let gone = [Errno::NOENT, Errno::NODEV].map(|errno| Some(errno.raw_os_error()));
    match result {
        Err(error) if gone.contains(&error.raw_os_error()) => Ok(()),
        result => result,
    }
}

fn counter(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
        24 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        25 24 0:23 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        26 24 0:24 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        29 24 0:27 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
        27 24 0:25 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n\
        28 1 0:26 / /mnt/other rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn a_hybrid_host_has_the_same_path_everywhere() {
        let hierarchies = Hierarchies::from_mounts(HYBRID).unwrap();
        assert!(!hierarchies.is_unified());
        let cgroup = hierarchies.cgroup("/probelet/a/b");
        assert_eq!(cgroup.cgroup2(), Path::new("/sys/fs/cgroup/unified/probelet/a/b"));
        let version1: Vec<_> = cgroup.version1().collect();
        let memory = ("memory", Path::new("/sys/fs/cgroup/memory/probelet/a/b"));
        assert_eq!(
            version1,
            [
                memory,
                ("cpu,cpuacct", Path::new("/sys/fs/cgroup/cpu,cpuacct/probelet/a/b"))
            ]
        );
    }

    #[test]
    fn a_unified_host_has_one_folder() {
        let hierarchies = Hierarchies::from_mounts("24 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw").unwrap();
        assert!(hierarchies.is_unified());
        assert_eq!(hierarchies.cgroup("/a").cgroup2(), Path::new("/sys/fs/cgroup/a"));
    }

    #[test]
    fn a_host_without_cgroup2_is_told_what_to_mount() {
        let error = Hierarchies::from_mounts("24 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw").unwrap_err();
        assert!(error.to_string().contains("mount -t cgroup2"), "{error}");
    }

    #[test]
    fn counters_are_whole_words() {
        assert_eq!(
            counter("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill"),
            Some(3)
        );
        assert_eq!(
            counter("low 0\noom 2\noom_kill 1\noom_group_kill 0\n", "oom_kill"),
            Some(1)
        );
        assert_eq!(counter("populated 0\nfrozen 0\n", "populated"), Some(0));
    }
}
