//! What a script says: how an application behaves, and what is done to its pod.

use std::{collections::BTreeMap, time::Duration};

use probelet_lifecycle::{
    action::{HookReason, ProbeKind},
    event::{Event, ImageError, ProbeOutcome, StartError, Verdict},
};

/// What happens to pods in a simulation. The empty one is an application that is well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// How containers behave, by name.
    pub containers: BTreeMap<String, Behaviour>,
    /// When the pod is deleted, and with which grace period; `None` is the pod's own.
    pub deletions: Vec<(Duration, Option<Duration>)>,
    /// What else the pod's machine is told, and when: conditions that others set, and that restarts are held back.
    pub told: Vec<(Duration, Event)>,
    /// How long is simulated, if the script says it.
    pub watch: Option<Duration>,
}

impl Script {
    /// How the container of this name behaves.
    pub(crate) fn behaviour(&self, name: &str) -> &Behaviour {
        static WELL: Behaviour = Behaviour::WELL;
        self.containers.get(name).unwrap_or(&WELL)
    }
}

/// How one container behaves. Of rules that contradict each other the last one holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// What its probes come to.
    pub probes: Vec<ProbeRule>,
    /// When it ends by itself.
    pub ends: Vec<EndRule>,
    /// What its hooks come to.
    pub hooks: Vec<HookRule>,
    /// When its image cannot be had.
    pub image_missing: Vec<When>,
    /// What is wrong with the image then, if a record tells.
    pub image_error: Option<(ImageError, String)>,
    /// How long its image takes to come.
    pub image_takes: Duration,
    /// When it cannot be started.
    pub start_fails: Vec<When>,
    /// What goes wrong then, if a record tells.
    pub start_error: Option<(StartError, String)>,
    /// How long its start takes.
    pub start_takes: Duration,
    /// What it does about the stop signal.
    pub stop: Stop,
}

/// What a container does about the stop signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// Whether it does nothing, so that only SIGKILL ends it.
    pub ignored: bool,
    /// How long it takes to end.
    pub takes: Duration,
    /// With which exit code it ends.
    pub code: i32,
}

/// What a probe's runs come to at certain times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRule {
    /// Which probe; `None` is every one.
    pub kind: Option<ProbeKind>,
    /// When it holds.
    pub when: When,
    /// What it says.
    pub effect: ProbeEffect,
}

/// What a rule says of probe runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeEffect {
    /// They have this outcome.
    Outcome(Verdict, String),
    /// They take so long.
    Takes(Duration),
    /// They get no answer.
    Hangs,
}

/// When a rule holds. A clock begins with the simulation, an age with each start of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// From a time on the clock to another, or for ever.
    Clock(Duration, Option<Duration>),
    /// From an age to another, or for as long as the container runs.
    Age(Duration, Option<Duration>),
    /// From a time on the clock until the container that runs then has ended.
    UntilRestart(Duration),
    /// At every n-th run of a probe.
    EveryRun(u64),
}

/// When a container ends by itself, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndRule {
    /// The time on the clock, or the age.
    pub time: EndTime,
    /// The exit code.
    pub code: i32,
    /// Whether the kernel kills it for want of memory.
    pub out_of_memory: bool,
    /// From this time on the clock the rule no longer holds.
    pub until: Option<Duration>,
    /// For how many instances it holds.
    pub times: Option<u32>,
}

/// The time of an [`EndRule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndTime {
    /// Once, at this time on the clock.
    Clock(Duration),
    /// So long after each start.
    Age(Duration),
}

/// What a hook comes to at certain times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRule {
    /// Whether it is about `postStart`; else it is about `preStop`.
    pub post_start: bool,
    /// When it holds.
    pub when: When,
    /// What it says.
    pub effect: HookEffect,
}

/// What a rule says of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookEffect {
    /// It fails with this message.
    Fails(String),
    /// It takes so long.
    Takes(Duration),
    /// It never ends.
    Hangs,
}

/// A moment in a container's life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Since the beginning of the simulation.
    pub(crate) now: Duration,
    /// When the instance started.
    pub(crate) started: Duration,
    /// Which run of the probe it is; zero where it is about none.
    pub(crate) attempt: u64,
}

impl When {
    pub(crate) fn holds(&self, at: Moment) -> bool {
        let within = |time, from, to: Option<Duration>| from <= time && to.is_none_or(|to| time < to);
        match *self {
            Self::Always => true,
            Self::Clock(from, to) => within(at.now, from, to),
            Self::Age(from, to) => within(at.now.saturating_sub(at.started), from, to),
            Self::UntilRestart(from) => at.started <= from && from <= at.now,
            Self::EveryRun(n) => at.attempt > 0 && at.attempt.is_multiple_of(n),
        }
    }

    /// The times at which it begins or ends to hold for an instance that started then.
    fn edges(&self, started: Duration) -> impl Iterator<Item = Duration> + use<> {
        let (from, to) = match *self {
            Self::Clock(from, to) => (Some(from), to),
            Self::Age(from, to) => (Some(started + from), to.map(|to| started + to)),
            Self::UntilRestart(from) => (Some(from), None),
            Self::Always | Self::EveryRun(_) => (None, None),
        };
        from.into_iter().chain(to)
    }
}

impl Behaviour {
    /// It does what it should.
    const WELL: Self = Self {
        probes: Vec::new(),
        ends: Vec::new(),
        hooks: Vec::new(),
        image_missing: Vec::new(),
        image_error: None,
        image_takes: Duration::ZERO,
        start_fails: Vec::new(),
        start_error: None,
        start_takes: Duration::ZERO,
        stop: Stop {
            ignored: false,
            takes: Duration::ZERO,
            code: 0,
        },
    };

    /// How long a probe's run takes, and what it comes to, if it may take `timeout`.
    pub(crate) fn probe(&self, kind: ProbeKind, at: Moment, timeout: Duration) -> (Duration, ProbeOutcome) {
        let (mut takes, mut outcome) = (Duration::ZERO, None);
        for rule in &self.probes {
            if rule.kind.is_some_and(|other| other != kind) || !rule.when.holds(at) {
                continue;
            }
            match &rule.effect {
                ProbeEffect::Outcome(verdict, message) => outcome = Some((*verdict, message)),
                ProbeEffect::Takes(duration) => takes = *duration,
                ProbeEffect::Hangs => takes = Duration::MAX,
            }
        }
        if takes >= timeout {
            let message = format!("no answer within {}", crate::duration::text(timeout));
            let verdict = Verdict::Failure;
            return (timeout, ProbeOutcome { verdict, message });
        }
        let (verdict, message) = outcome.map_or((Verdict::Success, String::new()), |(verdict, message)| {
            (verdict, message.clone())
        });
        (takes, ProbeOutcome { verdict, message })
    }

    /// Whether it could do its work: it would answer a readiness probe, were there one, within a second.
    pub(crate) fn could_work(&self, at: Moment) -> bool {
        let (_, outcome) = self.probe(ProbeKind::Readiness, at, Duration::from_secs(1));
        matches!(outcome.verdict, Verdict::Success | Verdict::Warning)
    }

    /// The times at which [`could_work`](Self::could_work) may change for an instance that started then.
    pub(crate) fn edges(&self, started: Duration) -> impl Iterator<Item = Duration> + '_ {
        self.probes.iter().flat_map(move |rule| rule.when.edges(started))
    }

    /// How long a hook takes (`None` is for ever) and what it comes to, if nothing but `usual` were known of it.
    pub(crate) fn hook(
        &self,
        reason: HookReason,
        at: Moment,
        usual: Duration,
    ) -> (Option<Duration>, Result<(), String>) {
        let (mut takes, mut result) = (Some(usual), Ok(()));
        let rules = self
            .hooks
            .iter()
            .filter(|rule| rule.post_start == (reason == HookReason::Start));
        for rule in rules.filter(|rule| rule.when.holds(at)) {
            match &rule.effect {
                HookEffect::Fails(message) => result = Err(message.clone()),
                HookEffect::Takes(duration) => takes = Some(*duration),
                HookEffect::Hangs => takes = None,
            }
        }
        (takes, result)
    }

    /// When an instance that starts at `started` ends by itself.
    pub(crate) fn end(&self, instance: u32, started: Duration) -> Option<(Duration, EndRule)> {
        let times = self.ends.iter().filter_map(|rule| {
            let time = match rule.time {
                EndTime::Clock(time) => time,
                EndTime::Age(age) => started + age,
            };
            let holds = time >= started
                && rule.until.is_none_or(|until| time < until)
                && rule.times.is_none_or(|times| instance < times)
                // An end on the clock is one end, also if the container starts again in the same instant.
                && (rule.time != EndTime::Clock(started) || instance == 0);
            holds.then_some((time, *rule))
        });
        times.min_by_key(|(time, _)| *time)
    }
}
