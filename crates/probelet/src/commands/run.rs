//! `probelet run`: an agent for a few pods, for as long as they last.

use std::{collections::BTreeMap, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use futures::StreamExt;
use jiff::Timestamp;
use probelet_api::{
    is_unchanged,
    render::{self, Include},
};
use probelet_manifest::Pod;
use probelet_node::{
    Node,
    handle::{Change, ChangeKind, Changes, Collection, DeleteOptions, PodKey, RequestError},
};
use serde_json::json;

use super::{
    agent::{RunningAgent, interrupts, terminations},
    manifests,
};
use crate::{
    arguments::{self, Lines},
    output::{columns::TablePrinter, documents::print_next, print},
};

/// Runs the pods to their end, or until they are to end.
pub(crate) async fn run(command: arguments::Run, state_dir: &Path, socket: &Path) -> anyhow::Result<ExitCode> {
    let pods = manifests::read(&command.files)?;
    let agent = RunningAgent::start(&command.agent, state_dir, socket).await?;
    let result = run_pods(&agent.node, pods, command.output).await;
    agent.shutdown().await;
    result
}

async fn run_pods(node: &Node, pods: Vec<Pod>, output: Option<Lines>) -> anyhow::Result<ExitCode> {
    let version = node.list(Collection::Pods, None).resource_version;
    let changes = node.watch(Collection::Pods, None, version)?;
    let mut foreground = Foreground {
        node,
        output,
        table: TablePrinter::new(false, false),
        pods: BTreeMap::new(),
        interrupted: false,
    };
    let created = foreground.create(pods).await;
    let result = match created {
        Ok(()) => foreground.follow(changes).await,
        Err(error) => Err(error),
    };
    // Whatever happens, nothing of the pods stays behind.
    foreground.delete_the_rest().await;
    result
}

/// What is known of a pod.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    Runs,
    Succeeded,
    Failed,
    /// It was deleted, or it is gone.
    Gone,
}

struct Foreground<'a> {
    node: &'a Node,
    output: Option<Lines>,
    table: TablePrinter,
    pods: BTreeMap<PodKey, Course>,
    /// Whether Ctrl-C was typed already.
    interrupted: bool,
}

impl Foreground<'_> {
    async fn create(&mut self, pods: Vec<Pod>) -> anyhow::Result<()> {
        for pod in pods {
            manifests::warn(&pod.warnings);
            let key = PodKey {
                namespace: pod.metadata.namespace.clone(),
                name: pod.metadata.name.clone(),
            };
            match self.node.create(pod.document.clone()).await {
                Ok(_) => {}
                // One that an agent left that was killed.
                Err(RequestError::AlreadyExists(_)) => self.adopt(&key, &pod)?,
                Err(RequestError::Invalid(faults)) => return Err(manifests::located_faults(&pod, faults).into()),
                Err(error) => return Err(error).context(format!("cannot run pod {}", key.name)),
            }
            self.pods.insert(key, Course::Runs);
        }
        Ok(())
    }

    fn adopt(&mut self, key: &PodKey, pod: &Pod) -> anyhow::Result<()> {
        let present = self.node.pod(key)?;
        if !is_unchanged(&present, &pod.document) {
            bail!(
                "a pod {:?} that is not the same is there already: delete it first, by `probelet node` and `probelet delete \
                   pod {}`",
                key.name,
                key.name
            );
        }
        self.show(&Change {
            kind: ChangeKind::Added,
            resource_version: 0,
            object: present,
        })
    }

    /// Shows the changes until all pods have ended.
    async fn follow(&mut self, mut changes: Changes) -> anyhow::Result<ExitCode> {
        let (mut interrupts, mut terminations) = (interrupts()?, terminations()?);
        while self.pods.values().any(|course| *course == Course::Runs) {
            tokio::select! {
                change = changes.next() => {
                    let change = change.context("the agent has ended")?.context("cannot follow the pods")?;
                    if let Some(key) = self.known(&change) {
                        self.show(&change)?;
                        self.note(key, &change);
                    }
                }
                _ = interrupts.recv() => self.interrupt().await,
                _ = terminations.recv() => self.interrupt().await,
            }
        }
        let failed = self.pods.values().any(|course| *course == Course::Failed);
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// The first Ctrl-C gives the pods the time that they ask for, the second one none.
    async fn interrupt(&mut self) {
        let options = if self.interrupted {
            eprintln!("probelet: killing the pods");
            DeleteOptions {
                grace_period_seconds: Some(0),
            }
        } else {
            eprintln!("probelet: deleting the pods gracefully; Ctrl-C again kills them");
            DeleteOptions::default()
        };
        self.interrupted = true;
        self.delete(options).await;
    }

    async fn delete(&self, options: DeleteOptions) {
        let running = self.pods.iter().filter(|(_, course)| **course != Course::Gone);
        for (key, _) in running {
            match self.node.delete(key, options).await {
                Ok(_) | Err(RequestError::NotFound(_)) => {}
                Err(error) => tracing::error!(pod = key.name, %error, "the pod cannot be deleted"),
            }
        }
    }

    /// Deletes the pods that are still there, and waits until they are gone.
    async fn delete_the_rest(&mut self) {
        let version = self.node.list(Collection::Pods, None).resource_version;
        let Ok(mut changes) = self.node.watch(Collection::Pods, None, version) else {
            return;
        };
        self.delete(DeleteOptions::default()).await;
        let is_there = |node: &Node, key: &PodKey| node.pod(key).is_ok();
        while self.pods.keys().any(|key| is_there(self.node, key)) {
            if !matches!(changes.next().await, Some(Ok(_))) {
                return;
            }
        }
    }

    fn known(&self, change: &Change) -> Option<PodKey> {
        let metadata = &change.object["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        let key = PodKey {
            namespace: text("namespace"),
            name: text("name"),
        };
        self.pods.contains_key(&key).then_some(key)
    }

    fn note(&mut self, key: PodKey, change: &Change) {
        let deleted = !change.object["metadata"]["deletionTimestamp"].is_null();
        let course = match (change.kind, change.object["status"]["phase"].as_str()) {
            (ChangeKind::Deleted, _) => Course::Gone,
            (_, Some("Succeeded")) if !deleted => Course::Succeeded,
            (_, Some("Failed")) if !deleted => Course::Failed,
            _ => Course::Runs,
        };
        self.pods.insert(key, course);
    }

    fn show(&mut self, change: &Change) -> anyhow::Result<()> {
        if self.output == Some(Lines::Json) {
            let kind = match change.kind {
                ChangeKind::Added => "ADDED",
                ChangeKind::Modified => "MODIFIED",
                ChangeKind::Deleted => "DELETED",
            };
            return print_next(
                &json!({"type": kind, "object": &*change.object}),
                arguments::DataFormat::Json,
            );
        }
        let objects = [Arc::clone(&change.object)];
        let table = render::table(
            Collection::Pods,
            &objects,
            change.resource_version,
            Include::Metadata,
            Timestamp::now(),
        );
        Ok(print(&self.table.lines(&table))?)
    }
}
