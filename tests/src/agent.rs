//! An agent of a test's own: its own folder, bridge and address range, so that several live side by side.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU8, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{finished::Finished, namespace::Namespace};

/// How long an agent may take to answer, or to end: it has a few components to compile when the machine is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a starting agent's socket is tried, when its log says nothing meanwhile.
const RETRY: Duration = Duration::from_millis(50);

/// A running agent. Dropping it ends it and removes its folder; its pods are the [`Namespace`]s' affair.
pub struct Agent {
    settings: Settings,
    running: Mutex<Option<Running>>,
    directory: TempDir,
}

/// What sets an agent apart from others on the machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of its bridge.
    pub bridge: String,
    /// The range of its pods' addresses.
    pub pod_range: String,
    /// Variables that are set for it, beside those of the tests.
    pub environment: Vec<(&'static str, OsString)>,
}

struct Running {
    process: Child,
    log: Log,
}

/// What an agent says, kept for the message of a failing test.
struct Log {
    /// One message for each line; disconnected when the agent has closed its output.
    lines: Receiver<()>,
    text: Arc<Mutex<String>>,
}

impl Settings {
    /// Settings that no other agent of these suites uses: the process sets runs apart, the counter agents of one run.
    pub fn unique() -> Settings {
        static COUNTER: AtomicU8 = AtomicU8::new(0);
        let process = std::process::id() % 100;
        let agent = COUNTER.fetch_add(1, Ordering::Relaxed);
        Settings {
            bridge: format!("pbt{process}n{agent}"),
            pod_range: format!("10.{}.{agent}.0/24", 100 + process),
            environment: Vec::new(),
        }
    }
}

impl Agent {
    /// Starts an agent that has the images of the suites.
    pub fn start() -> Arc<Agent> {
        Self::start_with(Settings::unique())
    }

    /// The same with settings of one's own.
    pub fn start_with(settings: Settings) -> Arc<Agent> {
        assert!(
            rustix::process::geteuid().is_root(),
            "containers need root: run this by `cargo xtask test`"
        );
        let directory = tempfile::Builder::new()
            .prefix("probelet-test-")
            .tempdir()
            .expect("/tmp can be written");
        let agent = Agent {
            settings,
            running: Mutex::new(None),
            directory,
        };
        for archive in images() {
            Finished::run(agent.client(&["image", "import"]).arg(archive)).success();
        }
        agent.start_again();
        Arc::new(agent)
    }

    /// The agent that tests with no special wishes share. It lives for as long as one of them does.
    pub fn shared() -> Arc<Agent> {
        static SHARED: Mutex<Weak<Agent>> = Mutex::new(Weak::new());
        let mut shared = lock(&SHARED);
        shared.upgrade().unwrap_or_else(|| {
            let agent = Agent::start();
            *shared = Arc::downgrade(&agent);
            agent
        })
    }

    /// A namespace of a test's own on this agent.
    pub fn namespace(self: &Arc<Self>, name: &str) -> Namespace {
        Namespace::new(self.clone(), name)
    }

    /// Its folder.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// What sets it apart.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A command of the client, for this agent.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("probelet"));
        command.args(arguments).env("PROBELET_STATE_DIR", self.state());
        command
    }

    /// The command that starts an agent on this folder.
    pub fn node(&self, settings: &Settings) -> Command {
        let mut command = self.client(&["node"]);
        command.args(["--bridge", &settings.bridge, "--pod-cidr", &settings.pod_range]);
        command.envs(settings.environment.iter().cloned());
        command
    }

    /// Kills the agent as a crash would: nothing of it gets a chance to clean up.
    pub fn kill(&self) {
        let mut running = lock(&self.running);
        let Running { mut process, .. } = running.take().expect("the agent runs");
        process.kill().expect("a child can be killed");
        process.wait().expect("a child can be waited for");
    }

    /// Starts it on the same folder, after [`Agent::kill`].
    pub fn start_again(&self) {
        let mut running = lock(&self.running);
        assert!(running.is_none(), "the agent runs already");
        let mut command = self.node(&self.settings);
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let log = Log::follow(process.stderr.take().expect("stderr was asked for as a pipe"));
        let deadline = Instant::now() + PATIENCE;
        let socket = self.state().join("probelet.sock");
        while UnixStream::connect(&socket).is_err() {
            let ended = log.lines.recv_timeout(RETRY) == Err(RecvTimeoutError::Disconnected);
            assert!(!ended, "the agent has ended:\n{}", log.text());
            assert!(
                Instant::now() < deadline,
                "the agent does not answer on {}:\n{}",
                socket.display(),
                log.text()
            );
        }
        *running = Some(Running { process, log });
    }

    /// Sends a merge patch to the agent's API, as a controller does, and gives the answer's first line.
    pub fn patch(&self, path: &str, patch: &Value) -> String {
        let body = patch.to_string();
        let request = format!(
            "PATCH {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/merge-patch+json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let socket = self.state().join("probelet.sock");
        let mut stream = UnixStream::connect(&socket).expect("the agent runs");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has a timeout");
        stream.write_all(request.as_bytes()).expect("the agent reads");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("the agent answers");
        line.trim_end().to_owned()
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        let running = lock(&self.running);
        running.as_ref().expect("the agent runs").process.id()
    }

    /// Waits until it has said this since it was started.
    #[track_caller]
    pub fn says(&self, text: &str) {
        let running = lock(&self.running);
        let log = &running.as_ref().expect("the agent runs").log;
        let deadline = Instant::now() + PATIENCE;
        while !log.text().contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = log.lines.recv_timeout(left);
            assert!(line.is_ok(), "the agent has not said `{text}`:\n{}", log.text());
        }
    }

    /// Whether it has been started and not killed.
    pub(crate) fn is_running(&self) -> bool {
        lock(&self.running).is_some()
    }

    /// Ends it as `systemctl stop` does.
    fn stop(&self) {
        let Some(Running { mut process, log }) = lock(&self.running).take() else {
            return;
        };
        let _ = kill_process(Pid::from_child(&process), Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while log
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .is_ok()
        {}
        let _ = process.kill();
        let _ = process.wait();
        if std::thread::panicking() {
            eprintln!("the agent's log:\n{}", log.text());
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Log {
    fn follow(stderr: std::process::ChildStderr) -> Log {
        let (sender, lines) = mpsc::channel();
        let text = Arc::new(Mutex::new(String::new()));
        let kept = text.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lock(&kept).push_str(&format!("{line}\n"));
                let _ = sender.send(());
            }
        });
        Log { lines, text }
    }

    fn text(&self) -> String {
        lock(&self.text).clone()
    }
}

/// The binary of this name, as `cargo xtask` or cargo built it.
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os("PROBELET_BIN_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let test = std::env::current_exe().expect("a test has a file");
            test.ancestors()
                .nth(2)
                .expect("a test lies in target/debug/deps")
                .to_owned()
        });
    let binary = folder.join(name);
    assert!(
        binary.exists(),
        "{} is missing: run this by `cargo xtask test`",
        binary.display()
    );
    binary
}

/// The archives of the images that all agents have.
pub fn images() -> Vec<PathBuf> {
    all_images().filter(|archive| !is_image(archive, GRPC_HEALTH)).collect()
}

/// The archive of the image with a server of gRPC's health protocol, which is too large for agents that do not need it.
pub fn grpc_health_image() -> PathBuf {
    let found = all_images().find(|archive| is_image(archive, GRPC_HEALTH));
    found.expect("PROBELET_IMAGES has grpc-health.tar: run this by `cargo xtask test`")
}

const GRPC_HEALTH: &str = "grpc-health";

fn is_image(archive: &Path, name: &str) -> bool {
    archive.file_stem().is_some_and(|stem| stem == name)
}

fn all_images() -> impl Iterator<Item = PathBuf> {
    let list = std::env::var_os("PROBELET_IMAGES").expect("PROBELET_IMAGES is set: run this by `cargo xtask test`");
    Vec::from_iter(std::env::split_paths(&list)).into_iter()
}

/// One of the eight manifests that people gave us, unmodified.
pub fn seed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/seed").join(name)
}

/// A component that tests are driven with, as `cargo xtask build` has built it.
pub fn plugin(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/guests/tests");
    let path = folder.join(format!("{name}.wasm"));
    path.canonicalize()
        .unwrap_or_else(|error| panic!("run `cargo xtask build` first: {}: {error}", path.display()))
}

/// A test that panicked with the lock says so itself; the others go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
