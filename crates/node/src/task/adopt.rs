//! Taking up what runs: a sandbox, containers, and those of them that an earlier agent has left.

use std::sync::Arc;

use probelet_container::{Container, ExitRecord};
use probelet_lifecycle::{
    action::{ActionId, Request},
    config::ContainerIndex,
    event::{Event, Exit},
};
use tokio::sync::watch;

use super::PodTask;
use crate::{
    last_words,
    pod::{Input, Instance, PodEntry},
    sandbox::Sandbox,
    start,
};

impl PodTask {
    /// Takes the sandbox as the pod's.
    pub(super) fn adopt_sandbox(&mut self, sandbox: Sandbox) {
        self.facts.addresses = sandbox.addresses().to_vec();
        let sandbox = Arc::new(sandbox);
        self.entry.set_sandbox(&sandbox);
        self.sandbox = Some(sandbox);
        // The addresses are the agent's own knowledge, so the machine does not publish them by itself.
        self.publish(&self.state.status());
    }

    /// Follows a running instance to its end.
    pub(super) fn adopt_container(&mut self, container: ContainerIndex, number: u32, running: Container) {
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
    pub(super) async fn adopt_containers(&mut self, outstanding: &[(ActionId, Request)]) {
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
