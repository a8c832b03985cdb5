//! One task per pod: it feeds the state machine and carries out what that asks for.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use probelet_container::{Container, ExitRecord};
use probelet_engine::Verdict;
use probelet_lifecycle::{
    ProbeResult, State,
    action::{Action, ActionId, PodEvent, ProbeKind, Request, StopSignal},
    config::ContainerIndex,
    event::{Event, Exit},
    status::PodStatus,
    step,
    time::{BootTime, Now},
};
use probelet_pod_config::pod_config;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use crate::{
    check::{self, CheckResult},
    clock,
    components::Components,
    handle::{CheckUsage, Collection, ConditionUpdate, Document, PodKey, RunRecord},
    history::History,
    hold::Failures,
    inner::Inner,
    journal::JournalFile,
    kept::KeptStates,
    last_words,
    metrics::Metrics,
    recorder::{PodEvents, Subject},
    recording::Recordings,
    sandbox::{self, Sandbox},
    signal, start,
    status::{Facts, pod_status},
    store::{PodFolder, StoredState},
};

/// Inputs that may wait for the task. Those who send wait for room, so nothing is lost; more than this would only hide
/// a task that is stuck.
pub(crate) const INBOX: usize = 64;

/// Signal numbers, as the runtime takes them.
const SIGKILL: i32 = 9;

/// What others may know of a pod, and do with it.
pub(crate) struct PodEntry {
    pub(crate) key: PodKey,
    pub(crate) uid: String,
    pub(crate) pod: probelet_manifest::Pod,
    pub(crate) folder: PodFolder,
    pub(crate) inbox: mpsc::Sender<Input>,
    pub(crate) components: Components,
    pub(crate) kept: KeptStates,
    /// Those who wait for records of its checks' runs.
    pub(crate) recordings: Recordings,
    history: Mutex<History>,
    instances: Mutex<Vec<Option<Instance>>>,
    /// The sandbox, as long as the pod's task has it.
    sandbox: Mutex<Weak<Sandbox>>,
}

/// A running instance of a container.
#[derive(Clone)]
pub(crate) struct Instance {
    /// Its number, which is also the restart count.
    pub(crate) number: u32,
    /// The runtime's handle on it.
    pub(crate) container: Container,
    /// Turns true when it has ended.
    pub(crate) ended: watch::Receiver<bool>,
}

/// What the task is told.
pub(crate) enum Input {
    /// The machine's own event.
    Event(Event),
    /// The sandbox is there.
    Sandbox(ActionId, Box<Sandbox>),
    /// A container's image is there.
    Image {
        action: ActionId,
        container: ContainerIndex,
        image: Box<probelet_image::Image>,
        message: String,
    },
    /// A container runs.
    Started {
        action: ActionId,
        container: ContainerIndex,
        instance: u32,
        running: Box<Container>,
    },
    /// A probe or hook has ended.
    Checked { action: ActionId, result: Box<CheckResult> },
    /// Somebody deletes the pod; the reply is its document after that.
    Delete {
        grace_period: Option<Duration>,
        reply: oneshot::Sender<Document>,
    },
    /// Somebody sets conditions; the reply is the pod's document after that.
    Conditions {
        conditions: Vec<ConditionUpdate>,
        reply: oneshot::Sender<Document>,
    },
    /// Something about its components that people are to be told.
    Tell(PodEvent),
    /// The agent stops; the pod goes on without it.
    Detach,
}

impl PodEntry {
    pub(crate) fn new(
        pod: probelet_manifest::Pod,
        folder: PodFolder,
        components: Components,
    ) -> (Arc<Self>, mpsc::Receiver<Input>) {
        let (inbox, receiver) = mpsc::channel(INBOX);
        let entry = Self {
            key: PodKey {
                namespace: pod.metadata.namespace.clone(),
                name: pod.metadata.name.clone(),
            },
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            components,
            kept: KeptStates::new(folder.path()),
            history: Mutex::new(History::open(folder.path())),
            instances: Mutex::new(vec![None; pod.spec.all_containers().count()]),
            recordings: Recordings::default(),
            sandbox: Mutex::default(),
            pod,
            folder,
            inbox,
        };
        (Arc::new(entry), receiver)
    }

    /// The pod's sandbox, if it has one at present.
    pub(crate) fn sandbox(&self) -> Option<Arc<Sandbox>> {
        self.sandbox.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// The recorded runs, oldest first.
    pub(crate) fn runs(&self) -> Vec<RunRecord> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).runs()
    }

    /// What the runs of its checks took.
    pub(crate) fn usage(&self) -> Vec<CheckUsage> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).usage()
    }

    /// Adds what is known of the pod's checks.
    pub(crate) fn measure(&self, metrics: &mut Metrics) {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.add(&self.key, history.totals(), &history.last());
    }

    /// Adds what the kubelet counts of the pod's probes.
    pub(crate) fn measure_probes(&self, metrics: &mut Metrics) {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.add_probes(&self.key, &self.uid, history.totals());
    }

    /// A container, by the place that the state machine knows it by: init containers first.
    pub(crate) fn container(&self, index: ContainerIndex) -> &probelet_manifest::Container {
        let container = self.pod.spec.container_at(index.0);
        container.expect("the state machine names containers of its configuration only")
    }

    /// The running instance of a container.
    pub(crate) fn instance(&self, container: usize) -> Option<Instance> {
        self.instances().get(container).cloned().flatten()
    }

    fn instances(&self) -> MutexGuard<'_, Vec<Option<Instance>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, record: RunRecord) {
        self.history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(record);
    }

    fn subject(&self) -> Subject {
        let spec = &self.pod.spec;
        let paths = spec.all_containers().enumerate().map(|(place, container)| {
            let (field, _) = spec.field_of(place);
            format!("spec.{field}{{{}}}", container.name)
        });
        let containers = paths.collect();
        Subject {
            key: self.key.clone(),
            uid: self.uid.clone(),
            containers,
        }
    }
}

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
        let facts = start::facts(&node, &entry);
        let state = match stored {
            Some(stored) => stored.state,
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
        if !outstanding
            .iter()
            .any(|(_, request)| matches!(request, Request::CreateSandbox | Request::RemoveSandbox))
        {
            match sandbox::create(&self.node, &self.entry).await {
                Ok(sandbox) => self.adopt_sandbox(sandbox),
                Err(error) => tracing::error!(pod = %self.entry.key, %error, "the pod's sandbox was not found again"),
            }
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
        if let Err(error) = self.entry.folder.write_state(&self.node.boot_id, &self.state) {
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
            Action::RecordEvent(event) => self.events.record(now.wall, &event),
            Action::PublishStatus(status) => drop(self.publish(&status)),
            Action::Forget => self.forget(now),
        }
    }

    fn request(&mut self, id: ActionId, request: Request) {
        let (node, entry) = (self.node.clone(), self.entry.clone());
        match request {
            Request::CreateSandbox => {
                self.spawn(async move {
                    match sandbox::create(&node, &entry).await {
                        Ok(sandbox) => Input::Sandbox(id, Box::new(sandbox)),
                        Err(error) => Input::Event(Event::SandboxFailed {
                            action: id,
                            message: error.to_string(),
                        }),
                    }
                });
            }
            Request::EnsureImage { container } => {
                self.spawn(async move { start::ensure_image(&node, &entry, id, container).await });
            }
            Request::StartContainer { container, instance } => {
                let sandbox = self.sandbox.clone();
                self.spawn(async move { start::start(&node, &entry, sandbox, id, container, instance).await });
            }
            Request::RunProbe {
                container,
                instance,
                kind,
                due,
                attempt,
                timeout,
            } => {
                let what = check::What::Probe { kind, attempt };
                let previous = self
                    .previous
                    .get(&(container, kind))
                    .filter(|(number, _)| *number == instance);
                let previous = previous.map(|(_, verdict)| *verdict);
                self.run_check(
                    id,
                    check::Run {
                        container,
                        instance,
                        what,
                        due,
                        timeout,
                        previous,
                    },
                );
            }
            Request::RunHook {
                container,
                instance,
                reason,
                timeout,
            } => {
                let (what, due) = (check::What::Hook { reason }, clock::boot_time());
                self.run_check(
                    id,
                    check::Run {
                        container,
                        instance,
                        what,
                        due,
                        timeout,
                        previous: None,
                    },
                );
            }
            Request::RemoveSandbox => {
                self.entry.instances().fill(None);
                self.sandbox = None;
                self.spawn(async move {
                    if let Err(error) = sandbox::remove(&node, &entry).await {
                        tracing::error!(pod = %entry.key, %error, "the pod was not removed completely");
                    }
                    Input::Event(Event::SandboxRemoved { action: id })
                });
            }
        }
    }

    fn run_check(&mut self, id: ActionId, run: check::Run) {
        let (node, entry, sandbox) = (self.node.clone(), self.entry.clone(), self.sandbox.clone());
        Components::look(&node, &entry, run.key());
        let is_sleep = check::is_sleep(&entry, &run);
        let work = self.spawn(async move {
            let result = check::run(&node, &entry, sandbox.as_deref(), run).await;
            Input::Checked {
                action: id,
                result: Box::new(result),
            }
        });
        self.runs.insert(id, Running { work, is_sleep });
    }

    /// Runs something beside the task, and sends what it gives to the task.
    fn spawn(&mut self, work: impl Future<Output = Input> + Send + 'static) -> AbortHandle {
        let inbox = self.entry.inbox.clone();
        self.work.spawn(async move {
            let input = work.await;
            let _ = inbox.send(input).await;
        })
    }

    fn signal(&mut self, container: ContainerIndex, number: u32, signal: StopSignal) {
        let Some(instance) = self
            .entry
            .instance(container.0)
            .filter(|instance| instance.number == number)
        else {
            return;
        };
        let (node, entry) = (self.node.clone(), self.entry.clone());
        self.work.spawn(async move {
            let sent = match signal {
                StopSignal::Stop => {
                    let number = signal::stop_signal(&node, &entry, container).await;
                    instance.container.signal(number, false).await
                }
                StopSignal::Kill => instance.container.signal(SIGKILL, true).await,
            };
            // An instance that has ended meanwhile needs no signal.
            if let Err(error) = sent
                && !*instance.ended.borrow()
            {
                tracing::warn!(pod = %entry.key, %error, ?signal, "a signal was not delivered");
            }
        });
    }

    fn adopt_sandbox(&mut self, sandbox: Sandbox) {
        self.facts.addresses = sandbox.addresses().to_vec();
        let sandbox = Arc::new(sandbox);
        *self.entry.sandbox.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&sandbox);
        self.sandbox = Some(sandbox);
        // The addresses are the agent's own knowledge, so the machine does not publish them by itself.
        self.publish(&self.state.status());
    }

    /// Follows a running instance to its end.
    fn adopt_container(&mut self, container: ContainerIndex, number: u32, running: Container) {
        let (ended, receiver) = watch::channel(false);
        let instance = Instance {
            number,
            container: running.clone(),
            ended: receiver,
        };
        self.entry.instances()[container.0] = Some(instance);
        let entry = self.entry.clone();
        self.spawn(async move {
            let record = running.wait().await;
            ended.send_replace(true);
            Input::Event(Event::ContainerExited {
                container,
                instance: number,
                exit: exit(&entry, container, number, record).await,
            })
        });
    }

    /// Finds the containers again that ran when the last agent ended.
    async fn adopt_containers(&mut self, outstanding: &[(ActionId, Request)]) {
        let starting: Vec<_> = outstanding
            .iter()
            .filter_map(|(_, request)| match request {
                Request::StartContainer { container, .. } => Some(*container),
                _ => None,
            })
            .collect();
        // Those included whose postStart hook still runs, which the status does not show yet.
        let instances: Vec<_> = self.state.instances().collect();
        for (container, instance) in instances {
            if starting.contains(&container) {
                continue;
            }
            match start::attach(&self.node, &self.entry, container, instance).await {
                start::Found::Running(running) => self.adopt_container(container, instance, *running),
                start::Found::Ended(record) => {
                    let exit = exit(&self.entry, container, instance, record).await;
                    self.handle(Event::ContainerExited {
                        container,
                        instance,
                        exit,
                    });
                }
            }
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

/// How an instance has ended, with its last words.
async fn exit(entry: &PodEntry, container: ContainerIndex, instance: u32, record: ExitRecord) -> Exit {
    let ExitRecord {
        code,
        signal,
        oom_killed,
        lost,
        ..
    } = record;
    Exit {
        code,
        signal,
        oom_killed,
        lost,
        message: last_words::read(entry, container, instance, code).await,
    }
}

async fn sleep_until(wake: Option<BootTime>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(Instant::now() + wake.since(clock::boot_time())).await,
        None => std::future::pending().await,
    }
}
