//! A namespace of a test's own, with the commands that a user types in it.

use std::{
    io::Write,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::{
    agent::{Agent, lock},
    finished::Finished,
    pod,
    stream::Stream,
};

/// How long a container may take to run when all suites' pods start at once.
const START: Duration = Duration::from_secs(60);

/// How often the history is read while a run is awaited: it cannot be watched.
const HISTORY_PERIOD: Duration = Duration::from_millis(200);

/// A namespace. Dropping it deletes by force what was applied through it, after a panic too.
pub struct Namespace {
    agent: Arc<Agent>,
    name: String,
    /// The pods that were created; tests may share a namespace, but no pod.
    created: Mutex<Vec<String>>,
}

impl Namespace {
    pub(crate) fn new(agent: Arc<Agent>, name: &str) -> Namespace {
        Namespace {
            agent,
            name: name.to_owned(),
            created: Mutex::new(Vec::new()),
        }
    }

    /// The agent that it lies on.
    pub fn agent(&self) -> &Arc<Agent> {
        &self.agent
    }

    /// A command of the client, such as `["get", "pods"]`, in this namespace.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let (verb, rest) = arguments.split_first().expect("a command has a verb");
        let mut command = self.agent.client(&[verb, "--namespace", &self.name]);
        command.args(rest);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished::run(&mut self.command(arguments))
    }

    /// Runs a command in a container.
    pub fn exec(&self, pod: &str, command: &[&str]) -> Finished {
        self.run(&[&["exec", pod, "--"], command].concat())
    }

    /// Applies a manifest that is given as text.
    pub fn apply(&self, manifest: &str) -> Finished {
        let mut file = NamedTempFile::with_suffix(".yaml").expect("/tmp can be written");
        file.write_all(manifest.as_bytes()).expect("/tmp can be written");
        self.apply_file(file.path())
    }

    /// Applies a manifest.
    pub fn apply_file(&self, path: &Path) -> Finished {
        let finished = Finished::run(self.command(&["apply", "-f"]).arg(path));
        let created = finished
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("pod/")?.strip_suffix(" created"));
        lock(&self.created).extend(created.map(str::to_owned));
        finished
    }

    /// A pod as it is now.
    pub fn pod(&self, name: &str) -> Value {
        let text = self.run(&["get", "pod", name, "-o", "json"]).success();
        serde_json::from_str(&text).expect("a pod is a JSON document")
    }

    /// Whether there is such a pod.
    pub fn has(&self, name: &str) -> bool {
        self.run(&["get", "pod", name]).code == Some(0)
    }

    /// A pod's documents, as they change.
    pub fn watch(&self, name: &str) -> Stream<Value> {
        Stream::documents(&mut self.command(&["get", "pod", name, "--watch", "--output", "json"]))
    }

    /// The table of a pod, as `get pod -w` shows it: the header and a line for each change.
    pub fn table(&self, name: &str) -> Stream<String> {
        Stream::lines(&mut self.command(&["get", "pod", name, "--watch"]))
    }

    /// Events of a pod, old and new: each again whenever its count changes.
    pub fn watch_events(&self, pod: &str) -> Stream<Value> {
        let object = format!("pod/{pod}");
        Stream::documents(&mut self.command(&["events", "--for", &object, "--watch", "--output", "json"]))
    }

    /// Applies a manifest and waits until its first container runs. Returns the watch, and when that was.
    #[track_caller]
    pub fn start(&self, manifest: &str, name: &str) -> (Stream<Value>, Instant) {
        self.apply(manifest).success();
        self.wait_until_running(name)
    }

    /// Waits until the first container of a pod that was just applied runs.
    #[track_caller]
    pub fn wait_until_running(&self, name: &str) -> (Stream<Value>, Instant) {
        let mut watch = self.watch(name);
        let (begin, _) = watch.until("the container runs", START, pod::is_running);
        (watch, begin)
    }

    /// The events of a pod as they are now.
    pub fn events(&self, pod: &str) -> Vec<Value> {
        let object = format!("pod/{pod}");
        let text = self.run(&["events", "--for", &object, "--output", "json"]).success();
        let list: Value = serde_json::from_str(&text).expect("events are a JSON document");
        list["items"].as_array().cloned().expect("events are a list")
    }

    /// Waits for a recorded run that fits.
    #[track_caller]
    pub fn wait_for_run(&self, pod: &str, what: &str, patience: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        let found = self.find_run(pod, patience, fits);
        found.unwrap_or_else(|runs| panic!("no run of {pod} is {what}: {runs:#?}"))
    }

    /// The same, but if there is none in time, those that there are.
    #[track_caller]
    pub fn find_run(&self, pod: &str, patience: Duration, fits: impl Fn(&Value) -> bool) -> Result<Value, Vec<Value>> {
        let deadline = Instant::now() + patience;
        loop {
            let text = self.run(&["history", pod, "--output", "json"]).success();
            let runs: Vec<Value> = serde_json::from_str(&text).expect("a list of runs");
            if let Some(run) = runs.iter().find(|run| fits(run)) {
                return Ok(run.clone());
            }
            if Instant::now() > deadline {
                return Err(runs);
            }
            std::thread::park_timeout(HISTORY_PERIOD);
        }
    }

    /// The recorded runs of a pod's probes and hooks, oldest first. That each went through a component is asserted
    /// here, once for all tests: the digest says which, and nothing but a component uses fuel.
    #[track_caller]
    pub fn history(&self, pod: &str) -> Vec<Value> {
        let text = self.run(&["history", pod, "--output", "json"]).success();
        let documents = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let documents = documents.map(|one| one.expect("a run is a JSON document"));
        let runs: Vec<Value> = documents
            .flat_map(|one| one.as_array().cloned().unwrap_or_else(|| vec![one]))
            .collect();
        assert!(!runs.is_empty(), "no run was recorded");
        for run in &runs {
            let digest = run["digest"].as_str().unwrap_or_default();
            assert!(
                digest.len() == 71 && digest.starts_with("sha256:"),
                "a run without a component's digest: {run}"
            );
            assert!(run["fuel"].as_u64() > Some(0), "a run without fuel: {run}");
        }
        runs
    }

    /// Deletes what is left, by force.
    fn clear(&self) {
        if !self.agent.is_running() {
            self.agent.start_again();
        }
        for name in lock(&self.created).drain(..) {
            let force = ["--grace-period=0", "--force", "--ignore-not-found"];
            self.run(&[&["delete", "pod", &name], &force[..]].concat()).success();
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return self.clear();
        }
        // A second panic would end the process, and with it every other test.
        let cleared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.clear()));
        if cleared.is_err() {
            eprintln!("the pods of the namespace {} may still be there", self.name);
        }
    }
}
