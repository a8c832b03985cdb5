//! A newcomer: somebody who reads a page of `docs/plugins` and types what stands there.

use std::{
    cell::RefCell,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use probelet_tests::{
    agent::{Agent, binary},
    finished::Finished,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::docs;

/// How long a probe may take to run for the first time: its component may have to be compiled, and the agent of these tests
/// has an unoptimised compiler.
const PATIENCE: Duration = Duration::from_secs(120);

/// Somebody with a folder of their own, and a pod that is gone when they are.
pub(crate) struct Newcomer {
    agent: Arc<Agent>,
    home: TempDir,
    folder: RefCell<PathBuf>,
    pod: String,
}

impl Newcomer {
    /// `pod` is the pod that they will make.
    pub(crate) fn new(pod: &str) -> Newcomer {
        let home = tempfile::Builder::new().prefix("probelet-newcomer-").tempdir();
        let home = home.expect("/tmp can be written");
        Newcomer {
            agent: Agent::shared(),
            folder: RefCell::new(home.path().to_owned()),
            home,
            pod: pod.to_owned(),
        }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The program that is tested.
    pub(crate) fn probelet(&self) -> String {
        binary("probelet").display().to_string()
    }

    /// Types all that is to be typed on a page.
    pub(crate) fn type_page(&mut self, name: &str) {
        let page = fs::read_to_string(docs().join(name)).expect("the page is there");
        let lines = to_type(&page);
        for line in &lines {
            if line.contains("probelet history") {
                self.wait_for_a_healthy_run();
            }
            self.type_line(line);
        }
        assert!(
            lines.iter().any(|line| line.contains("plugin build"))
                && lines.iter().any(|line| line.contains("apply -f")),
            "the page {name} leads nowhere: {lines:#?}"
        );
    }

    /// Types a line, which has to succeed.
    #[track_caller]
    pub(crate) fn type_line(&self, line: &str) -> String {
        if let Some(folder) = line.strip_prefix("cd ") {
            let folder = self.folder.borrow().join(folder);
            assert!(folder.is_dir(), "there is no folder {}", folder.display());
            self.folder.replace(folder);
            return String::new();
        }
        self.finish(line).success()
    }

    /// Types a line, and returns what came of it.
    pub(crate) fn finish(&self, line: &str) -> Finished {
        // These tests are root already, and `sudo` may not be there.
        let line = line.strip_prefix("sudo ").unwrap_or(line);
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(&*self.folder.borrow());
        self.equip(&mut command);
        Finished::run(&mut command)
    }

    /// Runs a component once, with a server for the pod.
    #[track_caller]
    pub(crate) fn run_plugin(&self, component: &Path, config: &str, port: u16) -> Value {
        let finished = self.run_once(component, config, port);
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
    }

    /// The same, whether it could be run or not.
    pub(crate) fn run_once(&self, component: &Path, config: &str, port: u16) -> Finished {
        let mut command = Command::new(binary("probelet"));
        command.args(["plugin", "run"]).arg(component);
        command.args(["--config", config, "--against", &format!("127.0.0.1:{port}")]);
        // Long enough for a debug build on a machine that compiles for the other tests meanwhile.
        command.args(["--timeout", "30s", "--output", "json"]);
        self.equip(&mut command);
        Finished::run(&mut command)
    }

    /// Gives a command the agent's folder and the compilers.
    fn equip(&self, command: &mut Command) {
        command.env("PROBELET_STATE_DIR", self.agent.state());
        let compilers = env::var("PROBELET_COMPILERS").unwrap_or_default();
        let variables = compilers.lines().filter_map(|line| line.split_once('='));
        command.envs(variables);
        let path = compilers.lines().find_map(|line| line.strip_prefix("PATH="));
        let path = path.map_or_else(|| env::var("PATH").expect("there is a PATH"), str::to_owned);
        let binaries = binary("probelet")
            .parent()
            .expect("it lies in a folder")
            .display()
            .to_string();
        command.env("PATH", format!("{binaries}:{path}"));
    }

    fn wait_for_a_healthy_run(&self) {
        let namespace = self.agent.namespace("default");
        let run = namespace.wait_for_run(&self.pod, "well", PATIENCE, |run| run["outcome"] == "success");
        assert_eq!(run["fields"]["answer"], "+PONG", "{run:#}");
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let force = ["--force", "--grace-period=0", "--ignore-not-found"];
        let _ = Finished::run(self.agent.client(&["delete", "pod", &self.pod]).args(force));
    }
}

/// The lines of a page's blocks of `sh`.
fn to_type(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}
