//! The hostile components (`tests/hostile`) as probes of pods on a live node, beside healthy pods: each ends as its row
//! says and in time, and the neighbours stay ready, unharmed and on time.
//!
//! The cases' pods use the node's network, where most would be near: the node's own loopback.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use probelet_hostile::{Case, Ending, Resolver, Servers, cases};
use probelet_tests::{
    agent::{Agent, Settings},
    namespace::Namespace,
    pod::{is_ready, restarts},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Containers of a pod: enough to attack at once, and few enough to start in a moment.
const CONTAINERS: usize = 8;
/// How long a pod's cases may take, compilation included: the errored ones are tried three times.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest time limit that a case gets here, where the usual one would only make a broken suite slow.
const LONGEST: Duration = Duration::from_secs(10);
/// What a run may take beyond its time: the promised 100 ms, and what a machine of two processors that starts eight
/// containers meanwhile adds.
const LATE: Duration = Duration::from_millis(1100);
/// What a neighbour's run may take in all. Its own time limit is a second.
const NEIGHBOUR: Duration = Duration::from_millis(1000);
/// How often a try of an errored run is made (A3.13).
const TRIES: u32 = 3;

/// Three kinds of probe, by all three of the built-in components that ask somebody else.
const HEALTHY: &str = "apiVersion: v1
kind: Pod
metadata:
  name: healthy
spec:
  containers:
  - name: main
    image: busybox:latest
    command: [sh, -c, \"trap 'exit 0' TERM; mkdir /www; echo well > /www/index.html; httpd -p 8080 -h /www; sleep 36000 & wait\"]
    startupProbe:
      tcpSocket: { port: 8080 }
      periodMilliseconds: 100
      failureThreshold: 100
    livenessProbe:
      exec: { command: [\"true\"] }
      periodMilliseconds: 250
      failureThreshold: 1
    readinessProbe:
      httpGet: { port: 8080, path: /index.html }
      periodMilliseconds: 250
      failureThreshold: 1
";

struct Suite {
    namespace: Namespace,
    servers: Servers,
    resolver: Resolver,
    folder: TempDir,
    /// What the neighbour has suffered and was told already.
    seen: BTreeSet<String>,
}

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests")
}

impl Suite {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("/tmp can be written");
        let resolver = Resolver::make(folder.path());
        let agent: Arc<Agent> = Agent::start_with(Settings {
            environment: resolver.environment().into(),
            ..Settings::unique()
        });
        let namespace = agent.namespace("hostile");
        namespace.apply(HEALTHY).success();
        namespace
            .watch("healthy")
            .until("the neighbour is ready", PATIENCE, is_ready);
        Self {
            namespace,
            servers: Servers::start(),
            resolver,
            folder,
            seen: BTreeSet::new(),
        }
    }

    /// The case's component as a file.
    fn file(&self, case: &Case) -> PathBuf {
        let path = self.folder.path().join(format!("{}.wasm", case.name));
        fs::write(&path, case.component()).expect("/tmp can be written");
        path
    }

    /// A container with the case as its readiness probe, or as its hook.
    fn container(&self, case: &Case) -> Value {
        let handler = json!({
            "component": self.file(case),
            "config": self.servers.name_ports(&case.config),
            "allow": self.servers.name_ports(&case.allow),
            "limits": limits(case),
        });
        let mut container = json!({
            "name": container_name(case),
            "image": "busybox:latest",
            "command": ["sh", "-c", "trap 'exit 0' TERM; mkdir -p /data; head -c 1000000 /dev/zero > /data/zeros; sleep 36000 & wait"],
        });
        if case.is_hook {
            container["lifecycle"] = json!({"postStart": {"wasm": handler}});
        } else {
            let timeout = case.timeout.min(LONGEST).as_millis() as u64;
            container["readinessProbe"] =
                json!({"wasm": handler, "periodSeconds": 2, "timeoutMilliseconds": timeout, "initialDelaySeconds": 1});
        }
        container
    }

    fn pod(&self, name: &str, cases: &[&Case]) -> String {
        let containers: Vec<Value> = cases.iter().map(|case| self.container(case)).collect();
        let spec = json!({"hostNetwork": true, "terminationGracePeriodSeconds": 1, "containers": containers});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}).to_string()
    }

    /// Of a component that cannot be loaded the user learns when the pod is applied.
    fn is_refused(&self, case: &Case) -> Option<String> {
        let applied = self.namespace.apply(&self.pod("refused", &[case]));
        if applied.code != Some(0) && case.end_on_a_node().is_said_in(&applied.stderr) {
            return None;
        }
        self.delete("refused");
        Some(format!(
            "{} must be refused with {:?}: {applied:?}",
            case.name,
            case.end_on_a_node().words
        ))
    }

    /// Runs some cases in a pod, and says what was not as it must be.
    fn attack(&self, number: usize, cases: &[&Case]) -> Vec<String> {
        let name = format!("attack-{number}");
        let applied = self.namespace.apply(&self.pod(&name, cases));
        if applied.code != Some(0) {
            return vec![format!("{name} was not taken: {applied:?}")];
        }
        let faults = cases.iter().filter_map(|case| self.fault(&name, case)).collect();
        self.delete(&name);
        faults
    }

    fn fault(&self, pod: &str, case: &Case) -> Option<String> {
        let container = container_name(case);
        let is_mine = |run: &Value| run["container"] == *container;
        let Ok(run) = self.namespace.find_run(pod, PATIENCE, is_mine) else {
            return Some(format!("{} was not run within {PATIENCE:?}", case.name));
        };
        let (outcome, message) = (run["outcome"].as_str()?, run["message"].as_str()?);
        let expected = match case.end_on_a_node().ending {
            Ending::Refused => "refused",
            Ending::Errored => "errored",
            Ending::Failure => "failure",
            Ending::Warning => "warning",
            Ending::Success | Ending::RefusedOrSuccess => "success",
        };
        let is_said = case.end_on_a_node().is_said_in(message);
        if outcome != expected || !is_said {
            return Some(format!(
                "{} must be {expected} with {:?}: {run}",
                case.name,
                case.end_on_a_node().words
            ));
        }
        let tries = run["tries"].as_u64().unwrap_or(1).min(u64::from(TRIES)) as u32;
        let most = (case.timeout.min(LONGEST) + LATE) * tries;
        let took = Duration::from_micros(run["wallMicros"].as_u64().unwrap_or(u64::MAX));
        (took > most && !case.is_hook).then(|| format!("{} took {took:?} of at most {most:?}", case.name))
    }

    fn delete(&self, pod: &str) {
        let force = [
            "delete",
            "pod",
            pod,
            "--grace-period=0",
            "--force",
            "--ignore-not-found",
        ];
        self.namespace.run(&force).success();
    }

    /// What the neighbour has suffered since the last look: during `what`.
    fn neighbour(&mut self, what: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let pod = self.namespace.pod("healthy");
        if !is_ready(&pod) || restarts(&pod) > 0 {
            faults.push(format!("during {what} the neighbour is not well: {}", pod["status"]));
        }
        for event in self.namespace.events("healthy") {
            let is_bad = event["reason"] == "Unhealthy" || event["reason"] == "Killing";
            if is_bad && self.seen.insert(event.to_string()) {
                faults.push(format!("during {what} the neighbour has suffered: {event}"));
            }
        }
        for run in self.namespace.history("healthy") {
            let took = Duration::from_micros(run["wallMicros"].as_u64().unwrap_or(u64::MAX));
            let is_wrong = run["outcome"] != "success" && run["kind"] != "startup";
            if (is_wrong || took > NEIGHBOUR) && self.seen.insert(run.to_string()) {
                faults.push(format!(
                    "during {what} a run of the neighbour's is late or wrong: {run}"
                ));
            }
        }
        faults
    }
}

fn limits(case: &Case) -> Value {
    match case.limits.as_object() {
        Some(limits) if !limits.is_empty() => case.limits.clone(),
        _ => json!({"fuel": "100M"}),
    }
}

/// Names of containers have no dots.
fn container_name(case: &Case) -> String {
    case.name.replace('.', "-")
}

#[test]
fn each_hostile_component_ends_as_it_must_and_its_neighbours_are_as_well_as_before() {
    let (mut suite, all) = (Suite::start(), cases(&guests()));
    let begin = Instant::now();
    let chosen: Vec<&Case> = all.iter().filter(|case| case.is_for_pods()).collect();
    let is_refused = |case: &&&Case| case.end_on_a_node().ending == Ending::Refused;
    let (refused, run): (Vec<&Case>, Vec<&Case>) = chosen.iter().partition(is_refused);
    let mut faults = suite.neighbour("the start");
    for case in refused {
        faults.extend(suite.is_refused(case));
        faults.extend(suite.neighbour(&case.name));
    }
    for (number, cases) in run.chunks(CONTAINERS).enumerate() {
        faults.extend(suite.attack(number, cases));
        faults.extend(suite.neighbour(&format!("{} to {}", cases[0].name, cases[cases.len() - 1].name)));
    }
    suite.resolver.release();
    println!("{} cases in {:?}", chosen.len(), begin.elapsed());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
