//! The kubelet's own metrics, by its names, so that its dashboards and alerts can be used as they are (A5.1 to A5.4).

use std::collections::BTreeMap;

use probelet_lifecycle::{
    State,
    action::{ActionId, Request},
    config::ContainerIndex,
    event::{Event, ImageError, StartError},
};

use super::{Head, Metrics, text};
use crate::{
    handle::PodKey,
    history::{CheckName, Totals},
};

/// The upper bounds of the histogram's buckets, in seconds: the default of Prometheus' libraries, which the kubelet
/// uses (A5.2).
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const PROBES: Head = Head {
    name: "prober_probe_total",
    kind: "counter",
    help: "Cumulative number of a liveness, readiness or startup probe for a container by result.",
};

const DURATIONS: Head = Head {
    name: "prober_probe_duration_seconds",
    kind: "histogram",
    help: "Duration in seconds for a probe response.",
};

const STARTED: Head = Head {
    name: "kubelet_started_containers_total",
    kind: "counter",
    help: "Cumulative number of containers started",
};

const START_ERRORS: Head = Head {
    name: "kubelet_started_containers_errors_total",
    kind: "counter",
    help: "Cumulative number of errors when starting containers",
};

const TERMINATED: Head = Head {
    name: "kubelet_terminated_containers_total",
    kind: "counter",
    help: "Cumulative number of containers terminated",
};

const SLEEPS: Head = Head {
    name: "kubelet_sleep_action_terminated_early_total",
    kind: "counter",
    help: "The number of times lifecycle sleep handler got terminated before it finishes",
};

const FALLBACKS: Head = Head {
    name: "kubelet_lifecycle_handler_http_fallbacks_total",
    kind: "counter",
    help: "The number of times lifecycle handlers successfully fell back to http from https.",
};

/// How long runs have taken, as a histogram.
#[derive(Clone, Debug, Default)]
pub(crate) struct Duration {
    /// Runs by the first bucket that holds them; those behind the last bucket are only in `count`.
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
}

impl Duration {
    /// Adds a run.
    pub(crate) fn observe(&mut self, seconds: f64) {
        if let Some(bucket) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.seconds += seconds;
    }
}

/// What the kubelet counts for the whole node. All labels are of small sets (an exit code is one of 256), so that the
/// series are bounded however many pods come and go.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Tries to start a container, by its type.
    started: BTreeMap<&'static str, u64>,
    /// Those that failed, by type and code.
    start_errors: BTreeMap<(&'static str, &'static str), u64>,
    /// Ends, by type, exit code and reason.
    terminated: BTreeMap<(&'static str, i32, &'static str), u64>,
    sleeps_cut_short: u64,
    /// Hooks whose server wanted no TLS (B1.8).
    fallbacks: u64,
}

impl Counters {
    /// Counts what a pod's machine is about to be told; `state` is the one before that step, and what it drops is not
    /// counted. The pod's first `init_containers` containers are init containers, sidecars included. As with the
    /// kubelet a start counts whether it succeeds or not, the image's included (A5.4).
    pub(crate) fn count(&mut self, event: &Event, state: &State, init_containers: usize) {
        let kind = |container: ContainerIndex| match container.0 < init_containers {
            true => "init_container",
            false => "container",
        };
        match event {
            Event::ContainerStarted { action } => {
                if let Some(container) = starting(state, *action) {
                    *self.started.entry(kind(container)).or_default() += 1;
                }
            }
            Event::ImageFailed { action, error, .. } => {
                if let Some(container) = starting(state, *action) {
                    self.failed(kind(container), image_code(*error));
                }
            }
            Event::ContainerStartFailed { action, error, .. } => {
                if let Some(container) = starting(state, *action) {
                    self.failed(kind(container), start_code(*error));
                }
            }
            Event::ContainerExited {
                container,
                instance,
                exit,
            } if state.instances().any(|live| live == (*container, *instance)) => {
                let ended = (kind(*container), exit.code, exit.reason());
                *self.terminated.entry(ended).or_default() += 1;
            }
            Event::HookFellBack { action, .. } if matches!(state.request(*action), Some(Request::RunHook { .. })) => {
                self.fallbacks += 1;
            }
            _ => {}
        }
    }

    /// Counts a `sleep` hook that ended before its time.
    pub(crate) fn sleep_cut_short(&mut self) {
        self.sleeps_cut_short += 1;
    }

    fn failed(&mut self, kind: &'static str, code: &'static str) {
        *self.started.entry(kind).or_default() += 1;
        *self.start_errors.entry((kind, code)).or_default() += 1;
    }
}

/// Whose start an action belongs to.
fn starting(state: &State, action: ActionId) -> Option<ContainerIndex> {
    match state.request(action)? {
        Request::EnsureImage { container } | Request::StartContainer { container, .. } => Some(*container),
        _ => None,
    }
}

fn image_code(error: ImageError) -> &'static str {
    match error {
        ImageError::Pull => "ErrImagePull",
        ImageError::NeverPull => "ErrImageNeverPull",
        ImageError::InvalidName => "InvalidImageName",
        ImageError::Inspect => "ImageInspectError",
    }
}

fn start_code(error: StartError) -> &'static str {
    match error {
        StartError::Config => "CreateContainerConfigError",
        StartError::Create => "CreateContainerError",
        StartError::Run => "RunContainerError",
    }
}

impl Metrics {
    /// Adds what the kubelet counts of a pod's probes: runs that could be done (A5.1), and how long those took that
    /// succeeded (A5.2). Hooks have no such series.
    pub(crate) fn add_probes(&mut self, pod: &PodKey, uid: &str, totals: &BTreeMap<CheckName, Totals>) {
        for ((container, check), totals) in totals {
            let Some(probe_type) = probe_type(check) else {
                continue;
            };
            let labels = [
                ("probe_type", probe_type),
                ("container", container),
                ("pod", &pod.name),
                ("namespace", &pod.namespace),
            ];
            let runs = |outcome| totals.outcomes.get(outcome).copied().unwrap_or_default();
            let results = [
                ("successful", runs("success") + runs("warning")),
                ("failed", runs("failure")),
            ];
            for (result, count) in results.into_iter().filter(|(_, count)| *count > 0) {
                let more = [("result", result), ("pod_uid", uid)];
                self.sample(PROBES, "", text(labels.iter().chain(&more)), count as f64);
            }
            if totals.successes.count > 0 {
                self.histogram(DURATIONS, &labels, &totals.successes);
            }
        }
    }

    /// Adds what the kubelet counts for the whole node (A5.4).
    pub(crate) fn add_counters(&mut self, counters: &Counters) {
        for (kind, count) in &counters.started {
            self.sample(STARTED, "", text(&[("container_type", *kind)]), *count as f64);
        }
        for ((kind, code), count) in &counters.start_errors {
            let labels = [("container_type", *kind), ("code", *code)];
            self.sample(START_ERRORS, "", text(&labels), *count as f64);
        }
        for ((kind, exit_code, reason), count) in &counters.terminated {
            let exit_code = exit_code.to_string();
            let labels = [
                ("container_type", *kind),
                ("exit_code", &exit_code),
                ("reason", *reason),
            ];
            self.sample(TERMINATED, "", text(&labels), *count as f64);
        }
        self.sample(SLEEPS, "", String::new(), counters.sleeps_cut_short as f64);
        self.sample(FALLBACKS, "", String::new(), counters.fallbacks as f64);
    }

    fn histogram(&mut self, head: Head, labels: &[(&str, &str)], duration: &Duration) {
        let mut runs = 0;
        for (bound, count) in BUCKETS.iter().zip(&duration.buckets) {
            runs += count;
            let bound = bound.to_string();
            let labels = text(labels.iter().chain(&[("le", bound.as_str())]));
            self.sample(head, "_bucket", labels, runs as f64);
        }
        let infinite = text(labels.iter().chain(&[("le", "+Inf")]));
        self.sample(head, "_bucket", infinite, duration.count as f64);
        self.sample(head, "_sum", text(labels), duration.seconds);
        self.sample(head, "_count", text(labels), duration.count as f64);
    }
}

/// A probe's name in the kubelet's labels; `None` for a hook.
fn probe_type(check: &str) -> Option<&'static str> {
    match check {
        "startup" => Some("Startup"),
        "liveness" => Some("Liveness"),
        "readiness" => Some("Readiness"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration as Time;

    use probelet_lifecycle::{
        action::Action,
        event::Exit,
        step,
        time::{BootTime, Now, WallTime},
    };
    use probelet_pod_config::pod_config;

    use super::*;
    use crate::{handle::RunRecord, history::History};

    fn lines_of(metrics: Metrics, start: &str) -> Vec<String> {
        let text = metrics.text();
        text.lines()
            .filter(|line| line.starts_with(start))
            .map(str::to_owned)
            .collect()
    }

    /// What the kubelet shows of these runs: kind, outcome and milliseconds.
    fn probes(runs: &[(&str, &str, u64)]) -> Metrics {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(folder.path());
        for (kind, outcome, milliseconds) in runs {
            history.record(RunRecord {
                container: "app".into(),
                kind: (*kind).to_owned(),
                outcome: (*outcome).to_owned(),
                wall_micros: milliseconds * 1000,
                ..RunRecord::default()
            });
        }
        let (namespace, name) = ("default".into(), "web".into());
        let mut metrics = Metrics::default();
        metrics.add_probes(&PodKey { namespace, name }, "u-1", history.totals());
        metrics
    }

    #[test]
    fn a5_1_probes_are_counted_by_result_but_for_errored_ones() {
        let metrics = probes(&[
            ("liveness", "success", 1),
            ("liveness", "warning", 1),
            ("liveness", "failure", 1),
            ("readiness", "errored", 1),
            ("postStart", "success", 1),
        ]);
        let labels = r#"probe_type="Liveness",container="app",pod="web",namespace="default""#;
        assert_eq!(
            lines_of(metrics, "prober_probe_total"),
            [
                format!(r#"prober_probe_total{{{labels},result="successful",pod_uid="u-1"}} 2"#),
                format!(r#"prober_probe_total{{{labels},result="failed",pod_uid="u-1"}} 1"#),
            ]
        );
    }

    #[test]
    fn a5_2_only_successes_have_a_duration() {
        let runs = [
            ("startup", "success", 5),
            ("startup", "warning", 300),
            ("startup", "success", 20_000),
            ("startup", "failure", 1),
            ("liveness", "failure", 1),
        ];
        let labels = r#"probe_type="Startup",container="app",pod="web",namespace="default""#;
        let bucket =
            |bound: &str, runs: u64| format!(r#"prober_probe_duration_seconds_bucket{{{labels},le="{bound}"}} {runs}"#);
        let bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25"];
        let mut expected: Vec<_> = bounds.iter().map(|bound| bucket(bound, 1)).collect();
        expected.extend(["0.5", "1", "2.5", "5", "10"].iter().map(|bound| bucket(bound, 2)));
        expected.push(bucket("+Inf", 3));
        expected.push(format!("prober_probe_duration_seconds_sum{{{labels}}} 20.305"));
        expected.push(format!("prober_probe_duration_seconds_count{{{labels}}} 3"));
        assert_eq!(lines_of(probes(&runs), "prober_probe_duration_seconds"), expected);
        let heads = lines_of(probes(&runs), "# TYPE prober_probe_duration_seconds");
        assert_eq!(heads, ["# TYPE prober_probe_duration_seconds histogram"]);
    }

    /// A pod whose counters are kept as its task keeps them.
    struct Pod {
        state: State,
        second: u64,
        outstanding: Option<ActionId>,
        counters: Counters,
    }

    impl Pod {
        fn new() -> Self {
            let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  initContainers:\n  \
                        - {name: first, image: i}\n  containers:\n  - {name: app, image: i}\n";
            let pods = probelet_manifest::parse_yaml(text, "web.yaml").unwrap();
            Self {
                state: State::new(pod_config(&pods[0], "u-1"), at(0)),
                second: 0,
                outstanding: None,
                counters: Counters::default(),
            }
        }

        /// Tells the machine something, a minute after the last event.
        fn tell(&mut self, event: Event) {
            self.second += 60;
            self.counters.count(&event, &self.state, 1);
            let mut actions = Vec::new();
            step(&mut self.state, at(self.second), event, &mut actions);
            let mut requests = actions.into_iter().filter_map(|action| match action {
                Action::Request { id, .. } => Some(id),
                _ => None,
            });
            self.outstanding = requests.next_back().or(self.outstanding);
        }

        /// Answers the last request.
        fn answer(&mut self, event: impl Fn(ActionId) -> Event) {
            let action = self.outstanding.unwrap();
            self.tell(event(action));
        }

        fn exit(&mut self, container: usize, exit: Exit) {
            self.tell(Event::ContainerExited {
                container: ContainerIndex(container),
                instance: 0,
                exit,
            });
        }
    }

    fn at(second: u64) -> Now {
        Now {
            boot: BootTime(Time::from_secs(second)),
            wall: WallTime(i64::try_from(second).unwrap() * 1000),
        }
    }

    fn image(action: ActionId) -> Event {
        let message = "there".into();
        Event::ImageReady { action, message }
    }

    #[test]
    fn a5_4_containers_are_counted_as_they_start_and_end() {
        let mut pod = Pod::new();
        pod.tell(Event::Begin);
        pod.answer(|action| Event::SandboxReady { action });
        pod.answer(|action| Event::ImageFailed {
            action,
            error: ImageError::Pull,
            message: "no such image".into(),
        });
        pod.tell(Event::Wake);
        pod.answer(image);
        pod.answer(|action| Event::ContainerStarted { action });
        // Told twice, it has happened once.
        pod.answer(|action| Event::ContainerStarted { action });
        pod.exit(0, Exit::with_code(0));
        pod.exit(0, Exit::with_code(0));
        pod.answer(image);
        pod.answer(|action| Event::ContainerStarted { action });
        let oom_killed = true;
        pod.exit(
            1,
            Exit {
                oom_killed,
                ..Exit::with_code(137)
            },
        );
        pod.counters.sleep_cut_short();
        let mut metrics = Metrics::default();
        metrics.add_counters(&pod.counters);
        assert_eq!(
            lines_of(metrics, "kubelet_"),
            [
                "kubelet_lifecycle_handler_http_fallbacks_total 0",
                "kubelet_sleep_action_terminated_early_total 1",
                r#"kubelet_started_containers_errors_total{container_type="init_container",code="ErrImagePull"} 1"#,
                r#"kubelet_started_containers_total{container_type="container"} 1"#,
                r#"kubelet_started_containers_total{container_type="init_container"} 2"#,
                r#"kubelet_terminated_containers_total{container_type="container",exit_code="137",reason="OOMKilled"} 1"#,
                r#"kubelet_terminated_containers_total{container_type="init_container",exit_code="0",reason="Completed"} 1"#,
            ]
        );
    }
}
