//! Cases that were recorded from the kubelet's own probe workers, run through the machine.
//!
//! A case has no world to speak of: containers are there in the instant that they are asked for, and live until the case
//! says otherwise, whatever their probes say. The probe runs that the machine asks for and the results that it comes to
//! must be those of the kubelet.

use std::{collections::BTreeMap, fmt, time::Duration};

use probelet_lifecycle::{
    ProbeResult, State,
    action::{Action, ProbeKind, Request},
    config::{BackOffConfig, ContainerConfig, ContainerIndex, PodConfig, ProbeConfig, RestartPolicy},
    event::{Event, Exit, ProbeOutcome, Verdict},
};
use serde::Deserialize;

use crate::clockwork::{self, Ended, Plan, World, moment};

/// How far an expected and a real time may lie apart.
const TOLERANCE: Duration = Duration::from_millis(500);

/// A container that replaces another starts so long before its second.
const EARLY: Duration = Duration::from_millis(1);

/// So long after its second a deletion comes.
const DELETION_AFTER: Duration = Duration::from_millis(500);

/// The most steps of one case: a hundred times those of the longest one that was recorded.
const MAX_STEPS: u64 = 1_000_000;

const CONTAINER: ContainerIndex = ContainerIndex(0);

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Its name.
    pub name: String,
    probes: BTreeMap<Kind, Numbers>,
    outcomes: BTreeMap<Kind, Vec<Step>>,
    restarts_at: Option<Vec<u32>>,
    delete_at: u32,
    horizon: u32,
    runs: Vec<Run>,
    updates: Option<Vec<Update>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Startup,
    Liveness,
    Readiness,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Numbers {
    initial_delay_seconds: u32,
    period_seconds: u32,
    success_threshold: u32,
    failure_threshold: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    from_second: u32,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Success,
    Warning,
    Failure,
    Unknown,
    Error,
}

#[derive(Clone, Debug, Deserialize)]
struct Run {
    at: f64,
    kind: Kind,
    outcome: Outcome,
    container: u32,
}

#[derive(Clone, Debug, Deserialize)]
struct Update {
    at: f64,
    kind: Kind,
    result: Outcome,
    container: u32,
}

/// A run or an update: when, of which probe, what, and in which container.
type Row = (Duration, Kind, Outcome, u32);

/// The cases of a file.
///
/// # Errors
/// If it is no JSON of that form: says where; or if it holds no case.
pub fn read(text: &str) -> Result<Vec<Case>, String> {
    let cases: Vec<Case> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if cases.is_empty() {
        Err("there is no case in it".to_owned())
    } else {
        Ok(cases)
    }
}

impl Case {
    /// Runs the case: the first difference from what was recorded, if there is one. A case that cannot be run differs too.
    pub fn difference(&self) -> Option<String> {
        if let Err(fault) = self.check() {
            return Some(format!("cannot be run: {fault}"));
        }
        let config = self.config();
        let (mut plan, mut state) = (Plan::default(), State::new(config, moment(Duration::ZERO)));
        if self.delete_at > 0 {
            plan.at(
                seconds(self.delete_at) + DELETION_AFTER,
                Event::Delete { grace_period: None },
            );
        }
        let mut world = Recording {
            case: self,
            started: Duration::ZERO,
            instance: 0,
            results: BTreeMap::new(),
            runs: Vec::new(),
            updates: Vec::new(),
        };
        let ended = clockwork::run(&mut state, &mut plan, &mut world, seconds(self.horizon), MAX_STEPS);
        if ended == Ended::TooMuch {
            return Some(format!("cannot be run: more than {MAX_STEPS} steps"));
        }
        let runs = self
            .runs
            .iter()
            .map(|row| (at(row.at), row.kind, row.outcome, row.container));
        let updates = self
            .updates
            .iter()
            .flatten()
            .map(|row| (at(row.at), row.kind, row.result, row.container));
        difference("run", runs.collect(), world.runs).or_else(|| difference("update", updates.collect(), world.updates))
    }

    fn check(&self) -> Result<(), String> {
        for (kind, numbers) in &self.probes {
            let name = kind.name();
            let steps = self.outcomes.get(kind).map_or(&[][..], Vec::as_slice);
            if steps.first().is_none_or(|step| step.from_second > 0) {
                return Err(format!("outcomes of {name} do not begin at second 0"));
            }
            if numbers.period_seconds == 0 || numbers.success_threshold == 0 || numbers.failure_threshold == 0 {
                return Err(format!("period and thresholds of {name} must be 1 or more"));
            }
        }
        if self.restarts_at.iter().flatten().any(|second| *second == 0) {
            return Err("a restart at second 0 replaces nothing".to_owned());
        }
        Ok(())
    }

    fn config(&self) -> PodConfig {
        let probe = |kind| {
            self.probes.get(&kind).map(|numbers| ProbeConfig {
                initial_delay: seconds(numbers.initial_delay_seconds),
                period: seconds(numbers.period_seconds),
                timeout: Duration::from_secs(1),
                success_threshold: numbers.success_threshold,
                failure_threshold: numbers.failure_threshold,
                termination_grace_period: None,
                errored_is_failure: false,
            })
        };
        PodConfig {
            name: self.name.clone(),
            namespace: "default".into(),
            uid: "uid".into(),
            restart_policy: RestartPolicy::Always,
            termination_grace_period: Duration::from_secs(30),
            active_deadline: None,
            readiness_gates: Vec::new(),
            containers: vec![ContainerConfig {
                name: "app".into(),
                image: "image".into(),
                startup: probe(Kind::Startup),
                liveness: probe(Kind::Liveness),
                readiness: probe(Kind::Readiness),
                ..ContainerConfig::default()
            }],
            // The recorded containers start in the instant that the case names.
            restart_back_off: BackOffConfig {
                initial: Duration::ZERO,
                maximum: Duration::ZERO,
                reset_after: Duration::ZERO,
            },
        }
    }
}

/// The world of a case, and what the machine does in it.
struct Recording<'a> {
    case: &'a Case,
    started: Duration,
    instance: u32,
    results: BTreeMap<Kind, Outcome>,
    runs: Vec<Row>,
    updates: Vec<Row>,
}

impl World for Recording<'_> {
    fn happens(&mut self, plan: &mut Plan, _state: &State, event: &Event) -> bool {
        if let Event::ContainerStarted { .. } = event {
            self.started = plan.now;
            self.results.clear();
            let ends = self.case.restarts_at.iter().flatten().nth(self.instance as usize);
            if let Some(second) = ends {
                let exit = Exit::with_code(1);
                let event = Event::ContainerExited {
                    container: CONTAINER,
                    instance: self.instance,
                    exit,
                };
                plan.at(seconds(*second).saturating_sub(EARLY), event);
            }
        }
        true
    }

    /// Notes the results that have changed; the first ones of an instance are not listed.
    fn taken(&mut self, plan: &mut Plan, state: &State) {
        for kind in [Kind::Startup, Kind::Liveness, Kind::Readiness] {
            let Some(result) = state.probe_result(CONTAINER, kind.of_machine()) else {
                continue;
            };
            let result = match result {
                ProbeResult::Unknown => Outcome::Unknown,
                ProbeResult::Success => Outcome::Success,
                ProbeResult::Failure => Outcome::Failure,
            };
            if self.results.insert(kind, result).is_some_and(|before| before != result) {
                self.updates.push((plan.now, kind, result, self.instance + 1));
            }
        }
    }

    fn act(&mut self, plan: &mut Plan, _state: &State, action: Action) {
        let Action::Request { id: action, request } = action else {
            return;
        };
        let reply = match request {
            Request::CreateSandbox => Event::SandboxReady { action },
            Request::EnsureImage { .. } => Event::ImageReady {
                action,
                message: String::new(),
            },
            Request::StartContainer { instance, .. } => {
                self.instance = instance;
                Event::ContainerStarted { action }
            }
            Request::RunProbe { kind, .. } => Event::ProbeFinished {
                action,
                outcome: self.probe(plan.now, kind.into()),
            },
            Request::RunHook { .. } | Request::RemoveSandbox => return,
        };
        plan.after(Duration::ZERO, reply);
    }
}

impl Recording<'_> {
    fn probe(&mut self, now: Duration, kind: Kind) -> ProbeOutcome {
        let second = (now - self.started).as_secs();
        let mut steps = self.case.outcomes.get(&kind).into_iter().flatten();
        let step = steps.rfind(|step| u64::from(step.from_second) <= second);
        // `check` has seen that there is one.
        let outcome = step.map_or(Outcome::Success, |step| step.outcome);
        self.runs.push((now, kind, outcome, self.instance + 1));
        let verdict = match outcome {
            Outcome::Success => Verdict::Success,
            Outcome::Warning => Verdict::Warning,
            Outcome::Failure | Outcome::Unknown => Verdict::Failure,
            Outcome::Error => Verdict::Errored,
        };
        ProbeOutcome {
            verdict,
            message: String::new(),
        }
    }
}

impl Kind {
    fn of_machine(self) -> ProbeKind {
        match self {
            Self::Startup => ProbeKind::Startup,
            Self::Liveness => ProbeKind::Liveness,
            Self::Readiness => ProbeKind::Readiness,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Liveness => "liveness",
            Self::Readiness => "readiness",
        }
    }
}

impl From<ProbeKind> for Kind {
    fn from(kind: ProbeKind) -> Self {
        match kind {
            ProbeKind::Startup => Self::Startup,
            ProbeKind::Liveness => Self::Liveness,
            ProbeKind::Readiness => Self::Readiness,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
            Self::Error => "error",
        })
    }
}

/// The first row in which the two differ. Rows of one instant have no order among them.
fn difference(what: &str, mut expected: Vec<Row>, found: Vec<Row>) -> Option<String> {
    // A container that replaces another starts early, and so do its runs.
    let mut found: Vec<_> = found
        .into_iter()
        .map(|row| (row.0 + EARLY, row.1, row.2, row.3))
        .collect();
    for row in &mut found {
        row.0 = Duration::from_millis(u64::try_from(row.0.as_millis()).unwrap_or(u64::MAX) / 10 * 10);
    }
    expected.sort();
    found.sort();
    let said = |row: Option<&Row>| match row {
        None => "nothing".to_owned(),
        Some((at, kind, outcome, container)) => {
            format!(
                "{} {outcome} at {} s in container {container}",
                kind.name(),
                at.as_secs_f64()
            )
        }
    };
    (0..expected.len().max(found.len())).find_map(|position| {
        let (one, other) = (expected.get(position), found.get(position));
        let same = matches!((one, other), (Some(one), Some(other))
            if one.0.abs_diff(other.0) < TOLERANCE && (one.1, one.2, one.3) == (other.1, other.2, other.3));
        (!same).then(|| format!("{what} {}: expected {}, found {}", position + 1, said(one), said(other)))
    })
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

/// A recorded time; what is no time is the end of all times, and so a difference.
fn at(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
