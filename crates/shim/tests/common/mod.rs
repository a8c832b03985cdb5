//! Real containers for tests: a root file system of busybox, and a runtime that leaves nothing behind.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)] // Each suite uses its part.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use probelet_container::{
    Attachment, Capabilities, Container, ContainerSpec, ExecError, ExecOutput, ExecRequest, Resources, Runtime,
    RuntimeConfig, User,
};

/// Longer than anything here takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
pub const SHIM: &str = env!("CARGO_BIN_EXE_probelet-shim");

/// A runtime with its own folder and cgroup. Whatever happens in the test, both are gone afterwards.
pub struct World {
    pub runtime: Runtime,
    pub directory: tempfile::TempDir,
    pub cgroup: String,
}

impl World {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests start real containers: run them as root"
        );
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let cgroup = format!("/probelet-test-{}-{number}", std::process::id());
        let directory = tempfile::tempdir().expect("a temporary folder");
        let runtime = Self::open(directory.path(), &cgroup);
        Self {
            runtime,
            directory,
            cgroup,
        }
    }

    /// The runtime of an agent that has just been started, on what an earlier one has left.
    pub fn reopened(&self) -> Runtime {
        Self::open(self.directory.path(), &self.cgroup)
    }

    fn open(directory: &Path, cgroup: &str) -> Runtime {
        let config = RuntimeConfig {
            root: directory.join("containers"),
            shim: PathBuf::from(SHIM),
            cgroup_parent: cgroup.to_owned(),
        };
        Runtime::new(config).expect("a runtime")
    }

    /// The folder of a container.
    pub fn folder(&self, id: &str) -> PathBuf {
        self.directory.path().join("containers").join(id)
    }

    /// A container that runs `script` in a shell.
    pub fn shell(&self, id: &str, script: &str) -> ContainerSpec {
        self.command(id, &["/bin/sh", "-c", script])
    }

    /// A container that runs a command.
    pub fn command(&self, id: &str, command: &[&str]) -> ContainerSpec {
        command_in(self.directory.path(), id, command)
    }

    /// Starts a container that waits to be killed and answers SIGTERM by ending.
    pub async fn idle(&self, id: &str) -> Container {
        self.runtime
            .start(self.shell(id, IDLE))
            .await
            .expect("the container starts")
    }

    /// The folders that this world's containers have in any hierarchy of cgroups.
    pub fn cgroup_folders(&self) -> Vec<PathBuf> {
        let name = self.cgroup.trim_start_matches('/');
        let roots = std::fs::read_dir("/sys/fs/cgroup")
            .unwrap()
            .map(|entry| entry.unwrap().path());
        roots
            .chain([PathBuf::from("/sys/fs/cgroup")])
            .map(|root| root.join(name))
            .filter(|path| path.exists())
            .collect()
    }

    /// The processes of this world that call themselves `name`.
    pub fn processes_named(&self, name: &str) -> Vec<rustix::process::Pid> {
        let read = |pid: i32, file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let folder = self.directory.path().to_str().expect("UTF-8");
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| read(*pid, "comm").trim() == name && read(*pid, "cmdline").contains(folder))
            .filter_map(rustix::process::Pid::from_raw)
            .collect()
    }

    /// Whether a process of this world's containers executes `command`.
    pub fn executes(&self, command: &str) -> bool {
        let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let in_world = |process: &Path| {
            std::fs::read_to_string(process.join("cgroup")).is_ok_and(|cgroups| cgroups.contains(&self.cgroup))
        };
        let command = command.replace(' ', "\0");
        let is_it = |process: &Path| {
            std::fs::read(process.join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&command))
        };
        processes
            .into_iter()
            .any(|process| in_world(&process) && is_it(&process))
    }

    /// The folder of a container in the cgroup2.
    pub fn cgroup2(&self, id: &str) -> PathBuf {
        let below = format!("{}/pod/{id}", self.cgroup.trim_start_matches('/'));
        ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .map(|root| Path::new(root).join(&below))
            .into_iter()
            .find(|path| path.join("cgroup.events").exists())
            .expect("the container has a cgroup2")
    }
}

/// As [`World::shell`], for a world that another process has made.
pub fn shell_in(directory: &Path, id: &str, script: &str) -> ContainerSpec {
    command_in(directory, id, &["/bin/sh", "-c", script])
}

fn command_in(directory: &Path, id: &str, command: &[&str]) -> ContainerSpec {
    let root = directory.join(format!("root-{id}"));
    make_root(&root);
    ContainerSpec {
        id: id.to_owned(),
        pod_uid: "pod".to_owned(),
        root,
        args: command.iter().map(|word| (*word).to_owned()).collect(),
        environment: vec![("GREETING".to_owned(), "hello world".to_owned())],
        working_directory: PathBuf::from("/"),
        user: User::default(),
        mounts: Vec::new(),
        network_namespace: None,
        ipc_namespace: None,
        uts_namespace: None,
        capabilities: Capabilities::default(),
        privileged: false,
        allow_privilege_escalation: true,
        read_only_root: false,
        resources: Resources::default(),
        annotations: Vec::new(),
        log_path: None,
    }
}

/// A shell that sleeps, with process 1 reaping what it inherits.
pub const IDLE: &str = "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done";

impl Drop for World {
    fn drop(&mut self) {
        let runtime = self.runtime.clone();
        let removed = std::thread::spawn(move || {
            let tasks = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("tasks");
            tasks.block_on(async {
                for id in runtime.list() {
                    runtime
                        .remove(&id)
                        .await
                        .unwrap_or_else(|error| panic!("{id}: {error}"));
                }
            });
        });
        let removed = removed.join();
        if !std::thread::panicking() {
            removed.expect("all containers are removed");
            assert_eq!(self.cgroup_folders(), Vec::<PathBuf>::new(), "cgroups are left");
        }
    }
}

/// Executes a command that has all the time it wants.
pub async fn exec(container: &Container, command: &[&str]) -> ExecOutput {
    exec_within(container, command, PATIENCE)
        .await
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Executes a command that has this much time.
pub async fn exec_within(container: &Container, command: &[&str], time: Duration) -> Result<ExecOutput, ExecError> {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    container
        .exec(ExecRequest {
            command,
            deadline: Instant::now() + time,
            max_output_bytes: 64 * 1024,
        })
        .await
}

/// The text that a command wrote to its standard output.
pub fn text(output: &ExecOutput) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// The container, which an attachment says is running.
pub fn running(attachment: Attachment) -> Container {
    match attachment {
        Attachment::Running(container) => container,
        other => panic!("not running: {other:?}"),
    }
}

/// Waits until something is so that nothing tells of.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not so after {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The lines of a log, without their times.
pub fn log_lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a log");
    text.lines()
        .map(|line| line.split_once(' ').expect("a time").1.to_owned())
        .collect()
}

/// Runs the other tests of this suite once more as on a host that has nothing but a cgroup2, which most have. On a
/// hybrid host that is a matter of mounts, though the controllers stay where they are: `without` are tests that need
/// them.
pub fn again_with_unified_cgroups(this_test: &str, without: &[&str]) {
    if is_unified() {
        return;
    }
    let mounts = "umount -l /sys/fs/cgroup/* && umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup";
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        &format!("{mounts} && exec \"$0\" \"$@\""),
    ]);
    command.arg(std::env::current_exe().expect("this suite"));
    for skipped in without.iter().chain([&this_test]) {
        command.args(["--skip", skipped]);
    }
    let output = command.output().expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether the host has nothing but a cgroup2.
pub fn is_unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// Puts a small program, compiled from `source` without need of libraries, into a container's root as `/bin/<name>`.
pub fn install_program(root: &Path, name: &str, source: &str) {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let file = scratch.path().join("main.rs");
    std::fs::write(&file, source).expect("a source file");
    let compiled = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2021", "-C", "target-feature=+crt-static", "-o"])
        .args([root.join("bin").join(name), file])
        .output()
        .expect("rustc");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
}

fn make_root(root: &Path) {
    for folder in ["bin", "etc", "proc", "sys", "dev", "tmp", "home/user"] {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    std::fs::copy(busybox(), root.join("bin/busybox")).expect("busybox");
    for applet in applets() {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("a link");
    }
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n",
    )
    .expect("etc/passwd");
}

fn applets() -> &'static [String] {
    static APPLETS: OnceLock<Vec<String>> = OnceLock::new();
    APPLETS.get_or_init(|| {
        let listed = Command::new(busybox()).arg("--list").output().expect("busybox runs");
        let applets = String::from_utf8(listed.stdout).expect("names");
        applets
            .lines()
            .filter(|name| *name != "busybox")
            .map(str::to_owned)
            .collect()
    })
}

/// The static busybox of Debian's package, which is fetched once; `PROBELET_TEST_BUSYBOX` names another.
fn busybox() -> &'static Path {
    static BUSYBOX: OnceLock<PathBuf> = OnceLock::new();
    BUSYBOX.get_or_init(|| match std::env::var_os("PROBELET_TEST_BUSYBOX") {
        Some(path) => PathBuf::from(path),
        None => fetch_busybox(),
    })
}

fn fetch_busybox() -> PathBuf {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let cache = Path::new(&home).join(".cache/probelet/test-busybox");
    let binary = cache.join("busybox");
    if !binary.exists() {
        std::fs::create_dir_all(&cache).expect("a cache folder");
        let scratch = tempfile::tempdir_in(&cache).expect("a temporary folder");
        let fetch = "apt-get download -q busybox-static && dpkg -x busybox-static_*.deb root";
        // apt's own user cannot write to our folder, of which it warns.
        let fetched = Command::new("sh")
            .args(["-c", fetch])
            .current_dir(&scratch)
            .output()
            .expect("a shell");
        assert!(
            fetched.status.success(),
            "Debian's busybox-static cannot be fetched; set PROBELET_TEST_BUSYBOX to a static busybox: {}",
            String::from_utf8_lossy(&fetched.stderr)
        );
        // Several tests may do this at once; the last to come replaces the same by the same.
        let unpacked = ["root/bin/busybox", "root/usr/bin/busybox"].map(|path| scratch.path().join(path));
        let unpacked = unpacked
            .into_iter()
            .find(|path| path.exists())
            .expect("busybox in its package");
        std::fs::rename(unpacked, &binary).expect("busybox in the cache");
    }
    binary
}
