//! What is on the machine: counted before and after, so that a leak shows by its name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

/// How long a process may take to end once it was killed: it also has to be scheduled.
const END: Duration = Duration::from_secs(10);

/// The namespaces that a container or pod may have of its own.
const NAMESPACES: [&str; 6] = ["cgroup", "ipc", "mnt", "net", "pid", "uts"];

/// A count of everything that an agent makes and has to remove again, by kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Census {
    found: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Census {
    /// Counts. The files are those below these folders.
    pub fn take(folders: &[PathBuf]) -> Census {
        let mut found = BTreeMap::new();
        found.insert("process", processes());
        found.insert("mount", mounts());
        found.insert("namespace", namespaces());
        found.insert("interface", names_below("/sys/class/net"));
        found.insert("cgroup", tree(Path::new("/sys/fs/cgroup"), true));
        found.insert("file", folders.iter().flat_map(|folder| tree(folder, false)).collect());
        Census { found }
    }

    /// What is there now and was not there then, one line for each.
    pub fn new_since(&self, before: &Census) -> Vec<String> {
        let nothing = BTreeSet::new();
        let kinds = self.found.iter();
        kinds
            .flat_map(|(kind, now)| {
                let then = before.found.get(kind).unwrap_or(&nothing);
                now.difference(then).map(move |one| format!("{kind}: {one}"))
            })
            .collect()
    }

    /// How many there are of one kind.
    pub fn count(&self, kind: &str) -> usize {
        self.found.get(kind).map_or(0, BTreeSet::len)
    }
}

/// What runs, or has ended unnoticed by its parent, of an agent or in one of its containers. What else comes and goes on
/// the machine is not its affair.
fn processes() -> BTreeSet<String> {
    let ours = numbered("/proc").into_iter().filter_map(|folder| {
        let program = fs::read_link(folder.join("exe")).unwrap_or_default();
        let cgroups = fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
        // Tests bear the name as well, and compilers have it among their arguments.
        let is_program = file_name(&program).contains("probelet") && !program.starts_with(own_folder());
        let line = format!("{} {} ({})", folder.display(), arguments(&folder), program.display());
        (is_program || cgroups.contains("probelet")).then_some(line)
    });
    ours.collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where this test lies, and others.
fn own_folder() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows where it lies");
    program.parent().unwrap_or(Path::new("/")).to_owned()
}

fn arguments(folder: &Path) -> String {
    let words = fs::read(folder.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ").trim().to_owned()
}

/// The process with exactly this command line, wherever it runs.
pub fn process_with(command: &str) -> Option<u32> {
    let folder = numbered("/proc")
        .into_iter()
        .find(|folder| arguments(folder) == command)?;
    folder.file_name()?.to_str()?.parse().ok()
}

/// Asserts that no process with exactly this command line runs, or that it is just ending.
#[track_caller]
pub fn assert_ended(command: &str) {
    let deadline = Instant::now() + END;
    while let Some(process) = process_with(command) {
        let pid = Pid::from_raw(process.cast_signed()).expect("a process has a number above 0");
        // One that cannot be opened has ended meanwhile.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        let left = deadline
            .saturating_duration_since(Instant::now())
            .try_into()
            .expect("a few seconds fit");
        let ended = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&left)).expect("a pidfd can be polled");
        assert!(ended == 1, "`{command}` still runs as process {process}");
    }
}

/// The process that started a process, or inherited it.
pub fn parent(process: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .expect("a process has a parent");
    line.trim().parse().expect("a process has a number")
}

/// Mounts of this process's namespace.
fn mounts() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("a process can read its mounts");
    table.lines().map(str::to_owned).collect()
}

/// Namespaces that a process is in, or that a mount holds.
fn namespaces() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in numbered("/proc") {
        for kind in NAMESPACES {
            if let Ok(namespace) = fs::read_link(folder.join("ns").join(kind)) {
                found.insert(namespace.display().to_string());
            }
        }
    }
    found.extend(mounts().iter().filter_map(|line| {
        let root = line.split(' ').nth(3)?;
        line.contains(" - nsfs ").then(|| root.to_owned())
    }));
    found
}

fn numbered(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("/proc is mounted").flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .map(|entry| entry.path())
        .collect()
}

fn names_below(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is there").flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Everything below a folder, without following links; with `only_folders`, its folders.
fn tree(folder: &Path, only_folders: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                open.push(entry.path());
            }
            if is_folder || !only_folders {
                found.insert(entry.path().display().to_string());
            }
        }
    }
    found
}
