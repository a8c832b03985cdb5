//! What this process has of the machine, before and after.

use std::{
    fs,
    time::{Duration, Instant},
};

/// Threads for blocking work that the runtime keeps for a while; look-ups of names among them.
const IDLE_THREADS: usize = 40;
/// What hundreds of runs may add to the memory of this process: an allocator keeps some of what was freed, and the pool
/// some of each slot that was ever used. One run's memory that is never given back would be 32 MiB.
const MEMORY: usize = 200 << 20;
/// How long connections and threads may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often this is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// Waits until this process has one that it has started.
pub(crate) async fn until_a_process_is_started() {
    let children = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    let is_started = || {
        let mut threads = fs::read_dir("/proc/self/task").expect("this process's threads");
        threads.any(|thread| thread.is_ok_and(|thread| !children(thread).is_empty()))
    };
    while !is_started() {
        tokio::time::sleep(INTERVAL).await;
    }
}

/// As of a moment.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    files: Vec<String>,
    threads: usize,
    memory: usize,
}

impl Machine {
    pub(crate) fn now() -> Self {
        let files = fs::read_dir("/proc/self/fd").expect("this process's files");
        let mut files: Vec<String> = files
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .map(|target| target.to_string_lossy().into_owned())
            .collect();
        files.sort();
        let status = fs::read_to_string("/proc/self/status").expect("this process's status");
        let number = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .expect("a known line");
            let number = line.split_whitespace().next().expect("a number");
            number.parse::<usize>().expect("a number")
        };
        Self {
            files,
            threads: number("Threads:"),
            memory: number("VmRSS:") << 10,
        }
    }

    /// What there is too much of compared to this, once all had time to go.
    pub(crate) async fn left(&self) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.compare(&Self::now());
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn compare(&self, now: &Self) -> Vec<String> {
        let mut left = Vec::new();
        if now.files.len() > self.files.len() {
            left.push(format!(
                "files: {} were open, now {}: {:?}",
                self.files.len(),
                now.files.len(),
                now.files
            ));
        }
        if now.threads > self.threads + IDLE_THREADS {
            left.push(format!("threads: there were {}, now {}", self.threads, now.threads));
        }
        if now.memory > self.memory + MEMORY {
            left.push(format!("memory: there were {} bytes, now {}", self.memory, now.memory));
        }
        left
    }
}
