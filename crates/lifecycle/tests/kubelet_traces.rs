//! Every case that was recorded from the kubelet's own probe workers, driven through `step` (the format stands in the
//! README beside the recorded file in the project's shared folder).

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use probelet_lifecycle::{
    ProbeResult, State,
    action::{Action, ActionId, ProbeKind, Request},
    config::{BackOffConfig, ContainerConfig, ContainerIndex, PodConfig, ProbeConfig, RestartPolicy},
    event::{Event, Exit, ProbeOutcome, Verdict},
    step,
    time::{BootTime, Now, WallTime},
};
use serde::Deserialize;

const KINDS: [(&str, ProbeKind); 3] = [
    ("startup", ProbeKind::Startup),
    ("liveness", ProbeKind::Liveness),
    ("readiness", ProbeKind::Readiness),
];

/// How far apart an expected and a real time may lie.
const TOLERANCE_MILLISECONDS: u64 = 500;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    probes: BTreeMap<String, Numbers>,
    outcomes: BTreeMap<String, Vec<Step>>,
    restarts_at: Option<Vec<u64>>,
    delete_at: u64,
    horizon: u64,
    runs: Vec<Row>,
    updates: Option<Vec<Row>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Numbers {
    initial_delay_seconds: u64,
    period_seconds: u64,
    success_threshold: u32,
    failure_threshold: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    from_second: u64,
    outcome: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Row {
    at: f64,
    kind: String,
    #[serde(alias = "result")]
    outcome: String,
    container: u32,
}

/// A row with its time in milliseconds.
type Found = (u64, String, String, u32);

/// The world around the machine: it grants every request at once and ignores every other action.
struct World<'a> {
    case: &'a Case,
    state: State,
    now: u64,
    started: u64,
    instance: u32,
    results: BTreeMap<&'static str, ProbeResult>,
    runs: Vec<Found>,
    updates: Vec<Found>,
}

impl<'a> World<'a> {
    fn new(case: &'a Case) -> Self {
        let probe = |kind: &str| {
            case.probes.get(kind).map(|numbers| ProbeConfig {
                initial_delay: Duration::from_secs(numbers.initial_delay_seconds),
                period: Duration::from_secs(numbers.period_seconds),
                timeout: Duration::from_secs(1),
                success_threshold: numbers.success_threshold,
                failure_threshold: numbers.failure_threshold,
                termination_grace_period: None,
                errored_is_failure: false,
            })
        };
        let config = PodConfig {
            name: "pod".into(),
            namespace: "default".into(),
            uid: "uid".into(),
            restart_policy: RestartPolicy::Always,
            termination_grace_period: Duration::from_secs(30),
            active_deadline: None,
            readiness_gates: Vec::new(),
            containers: vec![ContainerConfig {
                name: "app".into(),
                image: "image".into(),
                startup: probe("startup"),
                liveness: probe("liveness"),
                readiness: probe("readiness"),
                ..ContainerConfig::default()
            }],
            // The recorded containers start in the instant that the case names.
            restart_back_off: BackOffConfig {
                initial: Duration::ZERO,
                maximum: Duration::ZERO,
                reset_after: Duration::ZERO,
            },
        };
        let state = State::new(config, at(0));
        let (results, runs, updates) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self {
            case,
            state,
            now: 0,
            started: 0,
            instance: 0,
            results,
            runs,
            updates,
        }
    }

    fn run(mut self) -> (Vec<Found>, Vec<Found>) {
        let restarts = self
            .case
            .restarts_at
            .iter()
            .flatten()
            .map(|second| (second * 1000 - 1, false));
        let deletion = (self.case.delete_at > 0).then_some((self.case.delete_at * 1000 + 500, true));
        let mut script: Vec<_> = restarts.chain(deletion).collect();
        script.sort_unstable();
        let mut script = script.into_iter().peekable();
        self.event(Event::Begin);
        loop {
            let wake = self
                .state
                .next_wake()
                .map(|time| u64::try_from(time.0.as_millis()).unwrap());
            let planned = script.peek().map(|(time, _)| *time);
            let Some(next) = wake.into_iter().chain(planned).min() else {
                break;
            };
            if next > self.case.horizon * 1000 {
                break;
            }
            self.now = next;
            if planned == Some(next) {
                let (_, deletes) = script.next().unwrap();
                self.event(if deletes {
                    Event::Delete { grace_period: None }
                } else {
                    self.exit()
                });
            } else {
                self.event(Event::Wake);
            }
        }
        (self.runs, self.updates)
    }

    fn exit(&self) -> Event {
        let exit = Exit {
            code: 1,
            signal: None,
            oom_killed: false,
            lost: false,
            message: String::new(),
        };
        Event::ContainerExited {
            container: ContainerIndex(0),
            instance: self.instance,
            exit,
        }
    }

    fn event(&mut self, event: Event) {
        let mut actions = Vec::new();
        step(&mut self.state, at(self.now), event, &mut actions);
        self.observe();
        for action in actions {
            if let Action::Request { id, request } = action {
                self.grant(id, request);
            }
        }
    }

    fn grant(&mut self, action: ActionId, request: Request) {
        let reply = match request {
            Request::CreateSandbox => Event::SandboxReady { action },
            Request::EnsureImage { .. } => Event::ImageReady {
                action,
                message: String::new(),
            },
            Request::StartContainer { instance, .. } => {
                (self.instance, self.started) = (instance, self.now);
                self.results.clear();
                Event::ContainerStarted { action }
            }
            Request::RunProbe { kind, .. } => Event::ProbeFinished {
                action,
                outcome: self.probe(kind),
            },
            Request::RunHook { .. } | Request::RemoveSandbox => return,
        };
        self.event(reply);
    }

    fn probe(&mut self, kind: ProbeKind) -> ProbeOutcome {
        let name = KINDS.iter().find(|(_, known)| *known == kind).unwrap().0;
        let second = (self.now - self.started) / 1000;
        let steps = &self.case.outcomes[name];
        let outcome = &steps.iter().rfind(|step| step.from_second <= second).unwrap().outcome;
        self.runs
            .push((self.now, name.into(), outcome.clone(), self.instance + 1));
        let verdict = match outcome.as_str() {
            "success" => Verdict::Success,
            "warning" => Verdict::Warning,
            "failure" | "unknown" => Verdict::Failure,
            "error" => Verdict::Errored,
            other => panic!("{}: unknown outcome {other}", self.case.name),
        };
        ProbeOutcome {
            verdict,
            message: String::new(),
        }
    }

    /// Notes the results that have changed; the first ones of an instance are not listed.
    fn observe(&mut self) {
        for (name, kind) in KINDS {
            let Some(result) = self.state.probe_result(ContainerIndex(0), kind) else {
                continue;
            };
            if self.results.insert(name, result).is_some_and(|before| before != result) {
                let text = format!("{result:?}").to_lowercase();
                self.updates.push((self.now, name.into(), text, self.instance + 1));
            }
        }
    }
}

fn at(milliseconds: u64) -> Now {
    let wall = WallTime(i64::try_from(milliseconds).unwrap());
    Now {
        boot: BootTime(Duration::from_millis(milliseconds)),
        wall,
    }
}

/// The first row in which the two differ. Rows of one instant have no order among them.
fn difference(what: &str, expected: &[Row], found: &[Found]) -> Option<String> {
    let mut expected: Vec<_> = expected
        .iter()
        .map(|row| {
            let at = u64::try_from(Duration::from_secs_f64(row.at).as_millis()).unwrap();
            (at, row.kind.clone(), row.outcome.clone(), row.container)
        })
        .collect();
    // A container that replaces another starts a millisecond before its second, and so do its runs.
    let mut found: Vec<_> = found
        .iter()
        .map(|row| (row.0.div_ceil(10) * 10, row.1.clone(), row.2.clone(), row.3))
        .collect();
    expected.sort();
    found.sort();
    for position in 0..expected.len().max(found.len()) {
        let (one, other) = (expected.get(position), found.get(position));
        let same = matches!((one, other), (Some(one), Some(other))
            if one.0.abs_diff(other.0) < TOLERANCE_MILLISECONDS && (&one.1, &one.2, one.3) == (&other.1, &other.2, other.3));
        if !same {
            return Some(format!("{what} {position}: expected {one:?}, found {other:?}"));
        }
    }
    None
}

/// The cases: those that `PROBELET_KUBELET_TRACES` names, else the project's shared ones, else the copy beside this test.
fn cases_file() -> PathBuf {
    if let Some(named) = std::env::var_os("PROBELET_KUBELET_TRACES") {
        return named.into();
    }
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = crate_folder.join("../../../shared/kubernetes/kubelet-traces.json");
    if shared.exists() {
        shared
    } else {
        crate_folder.join("tests/data/kubelet-traces.json")
    }
}

#[test]
fn every_recorded_case_runs_as_in_the_kubelet() {
    let file = cases_file();
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(!cases.is_empty(), "{} holds no case", file.display());
    let mut differences = Vec::new();
    for case in &cases {
        let (runs, updates) = World::new(case).run();
        let updates_expected = case.updates.as_deref().unwrap_or_default();
        let difference =
            difference("run", &case.runs, &runs).or_else(|| difference("update", updates_expected, &updates));
        differences.extend(difference.map(|difference| format!("{}: {difference}", case.name)));
    }
    assert!(
        differences.is_empty(),
        "{} of {} cases differ:\n{}",
        differences.len(),
        cases.len(),
        differences.join("\n")
    );
}
