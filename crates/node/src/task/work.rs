//! Carrying out what the machine asks for, beside the pod's task.

use probelet_lifecycle::{
    action::{ActionId, Request, StopSignal},
    config::ContainerIndex,
    event::Event,
};
use tokio::task::AbortHandle;

use super::{PodTask, Running};
use crate::{check, clock, components::Components, pod::Input, sandbox, signal, start};

/// Signal numbers, as the runtime takes them.
const SIGKILL: i32 = 9;

impl PodTask {
    /// Begins what the machine asks for; the answer comes to the inbox.
    pub(super) fn request(&mut self, id: ActionId, request: Request) {
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
                    if let Err(error) = sandbox::remove(&node, &entry.uid).await {
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
    pub(super) fn spawn(&mut self, work: impl Future<Output = Input> + Send + 'static) -> AbortHandle {
        let inbox = self.entry.inbox.clone();
        self.work.spawn(async move {
            let input = work.await;
            let _ = inbox.send(input).await;
        })
    }

    /// Sends a signal to an instance, if it still runs.
    pub(super) fn signal(&mut self, container: ContainerIndex, number: u32, signal: StopSignal) {
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
}
