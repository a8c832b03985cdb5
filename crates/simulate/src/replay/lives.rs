//! The lives of containers in a record: what each did, by its age.

use std::{collections::BTreeMap, time::Duration};

use probelet_lifecycle::{
    action::{Action, ActionId, HookReason, ProbeKind, Request, StopSignal},
    config::{ContainerIndex, ContainerKind},
    event::{Event, Exit, ProbeOutcome, Verdict},
    journal::{Journal, Told},
};

use crate::{
    clockwork::replies_to,
    duration,
    script::{Behaviour, EndRule, EndTime, HookEffect, HookRule, Stop, When},
};

/// Runs that take less are as good as instant: people would not notice.
const NOTABLE: Duration = Duration::from_millis(100);

/// A life that begins within this time of a recorded one is that one: an agent's timers are late by some milliseconds,
/// and what follows sums them up.
const NEAR: Duration = Duration::from_secs(1);

/// One life of a container, from the look for its image to its end; a try to start it that fails is one too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    /// When its image was looked for, or the record began.
    began: Duration,
    /// When it started.
    started: Option<Duration>,
    /// How old it was when it was asked to stop or ended. `None` if it lived on when the record ended.
    until: Option<Duration>,
    /// Whether the stop signal ended it, or SIGKILL after that.
    has_stopped: bool,
    /// For how long it had been told to stop when the record ended, or it ended by something else.
    stops_for: Option<Duration>,
    /// How long after the stop signal SIGKILL ended it.
    killed_after: Option<Duration>,
    /// After how long runs of probes were cut off.
    cut_off: BTreeMap<ProbeKind, Duration>,
    /// What its probes found by its age, in that order; the last answer is for good.
    answers: BTreeMap<ProbeKind, Vec<Answer>>,
    /// What else it did.
    pub(crate) behaviour: Behaviour,
}

/// What a probe found.
#[derive(Clone, Debug)]
struct Answer {
    /// From which age of the container on it is the answer; the first one is so from its start.
    from: Duration,
    takes: Duration,
    outcome: ProbeOutcome,
}

impl Life {
    /// How long a probe's run at this age takes, and what it comes to, if it may take `timeout`. Where none ever came to
    /// its end, all is well.
    pub(crate) fn probe(&self, kind: ProbeKind, age: Duration, timeout: Duration) -> (Duration, ProbeOutcome) {
        let answers = self.answers.get(&kind).map(Vec::as_slice).unwrap_or_default();
        let at = answers.partition_point(|answer| answer.from <= age);
        let Some(Answer { takes, outcome, .. }) = at.checked_sub(1).and_then(|at| answers.get(at)) else {
            let (verdict, message) = (Verdict::Success, String::new());
            return (Duration::ZERO, ProbeOutcome { verdict, message });
        };
        let has_failed = matches!(outcome.verdict, Verdict::Failure | Verdict::Errored);
        if *takes < timeout || has_failed {
            return ((*takes).min(timeout), outcome.clone());
        }
        let message = format!("no answer within {}", duration::text(timeout));
        let verdict = Verdict::Failure;
        (timeout, ProbeOutcome { verdict, message })
    }

    /// Since when one that started at `started` does what the recorded one did not live to do; `None` if it does not.
    pub(crate) fn outlived(&self, started: Duration, now: Duration) -> Option<Duration> {
        let until = started.saturating_add(self.until?);
        (now > until.saturating_add(NOTABLE)).then_some(until)
    }

    /// Whether a life that begins now is another than this one.
    pub(crate) fn is_far_from(&self, now: Duration) -> bool {
        self.began.abs_diff(now) > NEAR
    }

    /// Since when nobody knows whether one that was told to stop then would have done so, had it not been killed.
    pub(crate) fn outlives_kill(&self, since: Duration, now: Duration) -> Option<Duration> {
        let killed = since.saturating_add(self.killed_after?);
        (now > killed.saturating_add(NOTABLE)).then_some(killed)
    }

    /// After how long a run that takes so long was cut off, if it may take longer now: nobody knows what it would have found.
    pub(crate) fn was_cut_off(&self, kind: ProbeKind, takes: Duration, timeout: Duration) -> Option<Duration> {
        let before = *self.cut_off.get(&kind)?;
        (takes >= before && timeout > before).then_some(before)
    }

    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.started.unwrap_or(now))
    }

    fn stops(&mut self, now: Duration) {
        let age = self.age(now);
        self.until.get_or_insert(age);
    }
}

/// The life that began next to this time: one that is lived again begins some milliseconds beside it, and one that never
/// was so goes best as its neighbour did.
pub(crate) fn nearest(lives: &[Life], time: Duration) -> Option<&Life> {
    lives.iter().min_by_key(|life| life.began.abs_diff(time))
}

/// The lives of each container, in the order of the configuration.
pub(super) fn lives(journal: &Journal) -> Vec<Vec<Life>> {
    let origin = journal.since.boot.0;
    let mut reader = Reader {
        asked: BTreeMap::new(),
        containers: journal.config().containers.iter().map(|_| Known::default()).collect(),
    };
    for (container, _) in journal.state.instances() {
        reader.containers[container.0].lives.push(Life {
            began: origin,
            started: Some(origin),
            ..Life::default()
        });
    }
    for (id, request) in journal.state.outstanding() {
        if let Request::EnsureImage { container } | Request::StartContainer { container, .. } = request {
            reader.begins(container, origin);
        }
        reader.asked.insert(id, (origin, request));
    }
    journal.replay(|told, _, actions| reader.told(told, &actions));
    reader.finish(journal)
}

/// When a run began by the age of its container, how long it took, and what it found.
type Run = (Duration, Duration, ProbeOutcome);

#[derive(Default)]
struct Known {
    lives: Vec<Life>,
    /// Since when the present life has been told to stop.
    stopping: Option<Duration>,
    /// Whether it was sent SIGKILL.
    killed: bool,
    /// What the probes of the present life found.
    runs: BTreeMap<ProbeKind, Vec<Run>>,
}

impl Known {
    fn life(&mut self) -> Option<&mut Life> {
        self.lives.last_mut()
    }

    /// Makes answers of what the present life's probes found: each answer holds from the middle between its run and the
    /// one before, for a run that is a little early or late still gets its own.
    fn conclude(&mut self) {
        let runs = std::mem::take(&mut self.runs);
        let Some(life) = self.lives.last_mut() else { return };
        for (kind, runs) in runs {
            let mut before = Duration::ZERO;
            let answers = runs.into_iter().enumerate().map(|(at, (age, takes, outcome))| {
                let from = if at == 0 { Duration::ZERO } else { (before + age) / 2 };
                before = age;
                Answer { from, takes, outcome }
            });
            let mut answers: Vec<_> = answers.collect();
            let is_notable = |answer: &Answer| Some(answer.takes).filter(|takes| *takes >= NOTABLE);
            answers.dedup_by(|one, other| (is_notable(one), &one.outcome) == (is_notable(other), &other.outcome));
            life.answers.insert(kind, answers);
        }
    }
}

struct Reader {
    asked: BTreeMap<ActionId, (Duration, Request)>,
    containers: Vec<Known>,
}

impl Reader {
    fn begins(&mut self, container: ContainerIndex, began: Duration) {
        let known = &mut self.containers[container.0];
        known.conclude();
        known.lives.push(Life {
            began,
            ..Life::default()
        });
    }

    fn told(&mut self, told: &Told, actions: &[Action]) {
        let now = told.now.boot.0;
        if let Event::ContainerExited { container, exit, .. } = &told.event {
            self.exited(*container, exit, now);
        }
        if let Some((since, request)) = replies_to(&told.event).and_then(|action| self.asked.remove(&action)) {
            self.replied(&told.event, since, now, &request);
        }
        for action in actions {
            match action {
                Action::Request { id, request } => {
                    match request {
                        Request::EnsureImage { container } => self.begins(*container, now),
                        Request::RunHook { container, reason, .. } if *reason != HookReason::Start => {
                            if let Some(life) = self.containers[container.0].life() {
                                life.stops(now);
                            }
                        }
                        _ => {}
                    }
                    self.asked.insert(*id, (now, request.clone()));
                }
                Action::Signal { container, signal, .. } => {
                    let known = &mut self.containers[container.0];
                    match signal {
                        StopSignal::Stop => known.stopping = known.stopping.or(Some(now)),
                        StopSignal::Kill => known.killed = true,
                    }
                    if let Some(life) = known.life() {
                        life.stops(now);
                    }
                }
                // How long a hook would have taken, nobody knows; the next one is cut off too.
                Action::Cancel { id } => {
                    if let Some((_, request)) = self.asked.remove(id) {
                        self.hook(&request, HookEffect::Hangs);
                    }
                }
                _ => {}
            }
        }
    }

    fn replied(&mut self, event: &Event, since: Duration, now: Duration, request: &Request) {
        let container = match request {
            Request::EnsureImage { container }
            | Request::StartContainer { container, .. }
            | Request::RunProbe { container, .. }
            | Request::RunHook { container, .. } => *container,
            Request::CreateSandbox | Request::RemoveSandbox => return,
        };
        let takes = now.saturating_sub(since);
        let known = &mut self.containers[container.0];
        let Some(life) = known.lives.last_mut() else { return };
        let behaviour = &mut life.behaviour;
        match event {
            Event::ImageReady { .. } => behaviour.image_takes = takes,
            Event::ImageFailed { error, message, .. } => {
                behaviour.image_takes = takes;
                behaviour.image_missing.push(When::Always);
                behaviour.image_error = Some((*error, message.clone()));
            }
            Event::ContainerStarted { .. } => {
                behaviour.start_takes = takes;
                life.started = Some(now);
            }
            Event::ContainerStartFailed { error, message, .. } => {
                behaviour.start_takes = takes;
                behaviour.start_fails.push(When::Always);
                behaviour.start_error = Some((*error, message.clone()));
            }
            Event::ProbeFinished { outcome, .. } => {
                let age = life.age(since);
                if let Request::RunProbe { kind, timeout, .. } = request {
                    if takes >= *timeout && matches!(outcome.verdict, Verdict::Failure | Verdict::Errored) {
                        life.cut_off.insert(*kind, *timeout);
                    }
                    known.runs.entry(*kind).or_default().push((age, takes, outcome.clone()));
                }
            }
            Event::HookFinished { result, .. } => {
                self.hook(request, HookEffect::Takes(takes));
                if let Err(message) = result {
                    self.hook(request, HookEffect::Fails(message.clone()));
                }
            }
            _ => {}
        }
    }

    fn hook(&mut self, request: &Request, effect: HookEffect) {
        let Request::RunHook { container, reason, .. } = request else {
            return;
        };
        if let Some(life) = self.containers[container.0].life() {
            life.behaviour.hooks.push(HookRule {
                post_start: *reason == HookReason::Start,
                when: When::Always,
                effect,
            });
        }
    }

    fn exited(&mut self, container: ContainerIndex, exit: &Exit, now: Duration) {
        let known = &mut self.containers[container.0];
        let (stopping, killed) = (known.stopping.take(), std::mem::take(&mut known.killed));
        let Some(life) = known.life() else { return };
        let stops_for = stopping.map(|since| now.saturating_sub(since));
        match stops_for {
            _ if exit.oom_killed || stops_for.is_none() && !killed => {
                life.stops_for = stops_for;
                life.behaviour.ends.push(EndRule {
                    time: EndTime::Age(life.age(now)),
                    code: exit.code,
                    out_of_memory: exit.oom_killed,
                    until: None,
                    times: None,
                });
            }
            Some(takes) if !killed => {
                life.has_stopped = true;
                (life.behaviour.stop.takes, life.behaviour.stop.code) = (takes, exit.code);
            }
            _ => {
                (life.has_stopped, life.behaviour.stop.ignored) = (true, true);
                life.killed_after = stops_for;
            }
        }
        life.stops(now);
    }

    fn finish(mut self, journal: &Journal) -> Vec<Vec<Life>> {
        for (_, request) in std::mem::take(&mut self.asked).into_values() {
            // What was not answered when the record ended takes longer than that.
            self.hook(&request, HookEffect::Hangs);
            if let Request::EnsureImage { container } | Request::StartContainer { container, .. } = request
                && let Some(life) = self.containers[container.0].life()
            {
                let behaviour = &mut life.behaviour;
                match request {
                    Request::EnsureImage { .. } => behaviour.image_takes = Duration::MAX,
                    _ => behaviour.start_takes = Duration::MAX,
                }
            }
        }
        let kinds = journal.config().containers.iter().map(|container| container.kind);
        let lives = self.containers.into_iter().zip(kinds).map(|(mut known, kind)| {
            known.conclude();
            if let (Some(since), Some(life)) = (known.stopping, known.lives.last_mut()) {
                life.stops_for = Some(journal.until.boot.0.saturating_sub(since));
            }
            complete(&mut known.lives, kind);
            known.lives
        });
        lives.collect()
    }
}

/// Gives each life what is known of others only: how it would have stopped.
fn complete(lives: &mut [Life], kind: ContainerKind) {
    let stop = lives.iter().rev().map(|life| life.behaviour.stop);
    let stop = stop
        .into_iter()
        .find(|stop| *stop != Default::default())
        .unwrap_or_default();
    let is_pre_stop = |rule: &&HookRule| !rule.post_start;
    let of_stop = |life: &Life| {
        life.behaviour
            .hooks
            .iter()
            .filter(is_pre_stop)
            .cloned()
            .collect::<Vec<_>>()
    };
    let hooks = lives
        .iter()
        .rev()
        .map(of_stop)
        .find(|hooks| !hooks.is_empty())
        .unwrap_or_default();
    for life in lives {
        if !life.has_stopped {
            // Whatever the others did, it had not stopped by then.
            let is_longer = |time: Duration| stop.ignored || stop.takes > time;
            let ignored = stop.ignored || life.stops_for.is_some_and(|time| !is_longer(time));
            life.behaviour.stop = Stop { ignored, ..stop };
        }
        if of_stop(life).is_empty() {
            life.behaviour.hooks.extend(hooks.iter().cloned());
        }
        // An init container whose end is not recorded goes on, where one that nothing is said of ends at once.
        if kind == ContainerKind::Init && life.behaviour.ends.is_empty() {
            life.behaviour.ends.push(EndRule {
                time: EndTime::Clock(Duration::MAX),
                code: 0,
                out_of_memory: false,
                until: None,
                times: None,
            });
        }
    }
}
