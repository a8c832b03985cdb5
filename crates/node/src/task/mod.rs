//! One task per pod: it feeds the state machine and carries out what that asks for.

mod adopt;
mod work;

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use probelet_engine::Verdict;
use probelet_lifecycle::{
    ProbeResult, State,
    action::{Action, ActionId, ProbeKind, Request},
    config::ContainerIndex,
    event::Event,
    status::PodStatus,
    step,
    time::{BootTime, Now},
};
use probelet_pod_config::pod_config;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use crate::{
    clock,
    handle::{Collection, Document},
    hold::Failures,
    inner::Inner,
    journal::JournalFile,
    pod::{Input, PodEntry},
    recorder::PodEvents,
    sandbox::{self, Sandbox},
    start,
    status::{Facts, pod_status},
    store::StoredState,
};

/// Held while the containers of an earlier agent are looked for.
pub(crate) type Searching = mpsc::Sender<Infallible>;

/// A probe or hook run under way.
struct Running {
    work: AbortHandle,
    /// Whether it is a `sleep` hook, which is counted if it is cut short (A5.4).
    is_sleep: bool,
}

/// The task of one pod.
pub(crate) struct PodTask {
    node: Arc<Inner>,
    entry: Arc<PodEntry>,
    inbox: mpsc::Receiver<Input>,
    state: State,
    journal: JournalFile,
    events: PodEvents,
    facts: Facts,
    sandbox: Option<Arc<Sandbox>>,
    /// Probe and hook runs under way, so that they can be cancelled.
    runs: HashMap<ActionId, Running>,
    /// How each probe's last run ended, and for which instance.
    previous: HashMap<(ContainerIndex, ProbeKind), (u32, Verdict)>,
    /// Everything under way; all of it ends with this task.
    work: JoinSet<()>,
    finished: bool,
}

impl PodTask {
    /// Takes over a pod: a new one, or one that an earlier agent left (`stored`).
    pub(crate) fn new(
        node: Arc<Inner>,
        entry: Arc<PodEntry>,
        inbox: mpsc::Receiver<Input>,
        stored: Option<StoredState>,
    ) -> Self {
        let events = node.recorder.open(entry.subject(), entry.folder.path());
        let mut facts = start::facts(&node, &entry);
        let state = match stored {
            Some(stored) => {
                facts.addresses = stored.addresses;
                stored.state
            }
            None => State::new(pod_config(&entry.pod, &entry.uid), clock::now()),
        };
        let journal = JournalFile::new(entry.folder.path());
        Self {
            node,
            entry,
            inbox,
            state,
            journal,
            events,
            facts,
            sandbox: None,
            runs: HashMap::new(),
            previous: HashMap::new(),
            work: JoinSet::new(),
            finished: false,
        }
    }

    /// Publishes the pod before anything is done for it, so that whoever asked for it can see it.
    pub(crate) fn publish_first(&self) -> Document {
        self.publish(&self.state.status())
    }

    /// Starts a new pod, and lives until it is forgotten or the agent stops.
    pub(crate) async fn run_new(mut self) {
        self.handle(Event::Begin);
        self.run().await;
    }

    /// Goes on with a pod that an earlier agent left: finds its sandbox and containers again, and asks anew for what
    /// had not been answered.
    pub(crate) async fn run_recovered(mut self, searching: Searching) {
        self.handle(Event::Resume);
        let outstanding = self.state.outstanding();
        let changes_sandbox =
            |(_, request): &(_, Request)| matches!(request, Request::CreateSandbox | Request::RemoveSandbox);
        if self.state.has_sandbox() {
            match sandbox::create(&self.node, &self.entry).await {
                Ok(sandbox) => self.adopt_sandbox(sandbox),
                Err(error) => tracing::error!(pod = %self.entry.key, %error, "the pod's sandbox was not found again"),
            }
        } else if !outstanding.iter().any(changes_sandbox)
            && let Err(error) = sandbox::remove(&self.node, &self.entry.uid).await
        {
            // It has ended, or waits for another try: what there is of a sandbox is left over, and nobody asks for it again.
            tracing::error!(pod = %self.entry.key, %error, "what is left of the pod's sandbox was not removed");
        }
        self.adopt_containers(&outstanding).await;
        drop(searching);
        for (id, request) in outstanding {
            self.request(id, request);
        }
        self.handle(Event::Wake);
        self.run().await;
    }

    async fn run(mut self) {
        while !self.finished {
            let wake = self.state.next_wake();
            tokio::select! {
                biased;
                input = self.inbox.recv() => match input {
                    Some(Input::Detach) | None => return,
                    Some(input) => self.take(input),
                },
                () = sleep_until(wake) => self.handle(Event::Wake),
                // Ended work has sent its result already; it is only taken off the books here.
                Some(_) = self.work.join_next() => {}
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Event(event) => self.handle(event),
            Input::Sandbox(action, sandbox) => {
                self.adopt_sandbox(*sandbox);
                self.handle(Event::SandboxReady { action });
            }
            Input::Image {
                action,
                container,
                image,
                message,
            } => {
                self.facts.containers[container.0].image_id = image.id;
                self.handle(Event::ImageReady { action, message });
            }
            Input::Started {
                action,
                container,
                instance,
                running,
            } => {
                self.adopt_container(container, instance, *running);
                self.handle(Event::ContainerStarted { action });
            }
            Input::Checked { action, result } => {
                let run = self.runs.remove(&action);
                if run.is_some_and(|run| run.is_sleep) && !result.is_good() {
                    self.node.counters().sleep_cut_short();
                }
                let probe = result.probe_verdict();
                if let Some((probe, verdict)) = probe {
                    self.previous.insert(probe, verdict);
                }
                result.log_failed_hook(&self.entry.key);
                let (fallback, event) = (result.fallback(action), result.event(action));
                result.keep(&self.entry.kept);
                self.entry.record(result.record(clock::boot_time()));
                if let Some(fallback) = fallback {
                    self.handle(fallback);
                }
                match probe {
                    Some(((container, ProbeKind::Liveness), (_, Verdict::Failure | Verdict::Errored))) => {
                        self.handle_with_permission(container, event);
                    }
                    _ => self.handle(event),
                }
            }
            Input::Delete { grace_period, reply } => {
                self.handle(Event::Delete { grace_period });
                let _ = reply.send(self.document());
            }
            Input::Conditions { conditions, reply } => {
                for condition in conditions {
                    self.handle(Event::ConditionSet {
                        name: condition.name,
                        status: condition.status,
                        reason: condition.reason,
                        message: condition.message,
                    });
                }
                let _ = reply.send(self.document());
            }
            Input::Tell(event) => {
                self.events.record(clock::now().wall, &event);
                self.publish(&self.state.status());
            }
            Input::Detach => {}
        }
    }

    /// One step that may condemn a container for its liveness, if the node lets it (F34).
    fn handle_with_permission(&mut self, container: ContainerIndex, event: Event) {
        let granted = self.node.hold.ask(clock::boot_time(), self.failures(container));
        if self.state.is_held() == granted {
            self.handle(Event::Hold { held: !granted });
        }
        let before = self.state.is_condemned(container);
        self.handle(event);
        if granted && (before || !self.state.is_condemned(container)) {
            self.node.hold.give_back();
        }
    }

    /// How often a container's liveness probe will have failed in a row if it fails once more.
    fn failures(&self, container: ContainerIndex) -> Failures {
        let kind = ProbeKind::Liveness;
        let is_failing = self.state.probe_result(container, kind) == Some(ProbeResult::Failure);
        let streak = self.state.probe_streak(container, kind).filter(|_| is_failing);
        let threshold = self
            .entry
            .container(container)
            .liveness_probe
            .as_ref()
            .map(|probe| probe.failure_threshold);
        Failures {
            in_a_row: streak.unwrap_or_default().saturating_add(1),
            threshold: threshold.unwrap_or(1),
        }
    }

    /// The pod's document as it is shown now.
    fn document(&self) -> Document {
        let document = self.node.objects.get(Collection::Pods, &self.entry.key);
        document.unwrap_or_else(|| Arc::new(self.entry.pod.document.clone()))
    }

    /// One step of the machine: the state is on disk before its actions are taken (invariant 5).
    fn handle(&mut self, event: Event) {
        let now = clock::now();
        let mut actions = Vec::new();
        tracing::debug!(pod = %self.entry.key, ?event, "event");
        let init_containers = self.entry.pod.spec.init_containers.len();
        self.node.counters().count(&event, &self.state, init_containers);
        let prepared = self.journal.prepare(now, &self.state);
        step(&mut self.state, now, event.clone(), &mut actions);
        if let Err(error) = prepared.and_then(|()| self.journal.record(now, event, &actions)) {
            tracing::error!(pod = %self.entry.key, %error, "what happened is missing from the pod's journal");
        }
        let (folder, boot_id) = (&self.entry.folder, &self.node.boot_id);
        if let Err(error) = folder.write_state(boot_id, &self.state, &self.facts.addresses) {
            tracing::error!(pod = %self.entry.key, %error, "the pod's state cannot be stored; \
                it would be out of date if the agent died now");
        }
        for action in actions {
            tracing::debug!(pod = %self.entry.key, ?action, "action");
            self.perform(now, action);
        }
    }

    fn perform(&mut self, now: Now, action: Action) {
        match action {
            Action::Request { id, request } => self.request(id, request),
            Action::Cancel { id } => {
                if let Some(run) = self.runs.remove(&id) {
                    // To the machine it has not ended, though it may be about to.
                    if run.is_sleep {
                        self.node.counters().sleep_cut_short();
                    }
                    run.work.abort();
                }
            }
            Action::Signal {
                container,
                instance,
                signal,
            } => self.signal(container, instance, signal),
            Action::RecordEvent(event) => {
                tracing::info!(pod = %self.entry.key, "{}: {}", event.reason, event.message);
                self.events.record(now.wall, &event);
            }
            Action::PublishStatus(status) => drop(self.publish(&status)),
            Action::Forget => self.forget(now),
        }
    }

    /// Publishes the pod's document with this status (invariant 8).
    fn publish(&self, status: &PodStatus) -> Document {
        let mut document = self.entry.pod.document.clone();
        let metadata = &mut document["metadata"];
        if let Some(time) = status.deletion_time {
            metadata["deletionTimestamp"] = clock::seconds_text(time).into();
            metadata["deletionGracePeriodSeconds"] = status.deletion_grace_seconds.into();
        }
        document["status"] =
            serde_json::to_value(pod_status(status, &self.facts)).expect("a status has string keys only");
        let components = self.entry.components.status(&self.entry.pod);
        if components.as_array().is_some_and(|components| !components.is_empty()) {
            document["status"]["components"] = components;
        }
        self.node
            .objects
            .put(Collection::Pods, self.entry.key.clone(), document)
    }

    fn forget(&mut self, now: Now) {
        if let Err(error) = self.entry.folder.remove() {
            tracing::error!(pod = %self.entry.key, %error, "files of the deleted pod are left");
        }
        self.finished = true;
        self.node.forget(&self.entry);
        self.events.close(now.wall);
    }
}

async fn sleep_until(wake: Option<BootTime>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(Instant::now() + wake.since(clock::boot_time())).await,
        None => std::future::pending().await,
    }
}
