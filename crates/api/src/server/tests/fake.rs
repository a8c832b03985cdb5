//! A stand-in for the agent: pods that do nothing, commands that echo.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream};
use probelet_lifecycle::{journal::Journal, time::Now};
use probelet_manifest::Diagnostic;
use probelet_node::handle::{
    Change, ChangeKind, Changes, CheckRequest, CheckUsage, Collection, ConditionUpdate, Created, DeleteOptions,
    Document, ExecOptions, ExecSession, Listing, LogOptions, LogStream, PodKey, RecordOptions, RequestError, RunRecord,
    WatchError,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    sync::{oneshot, watch},
};

use crate::Agent;

/// The oldest version that the fake still knows.
pub(super) const OLDEST: u64 = 100;

/// What it was asked, and what it has.
pub(super) struct Fake {
    state: Mutex<State>,
    newest: watch::Sender<u64>,
    /// How many commands run.
    pub(super) commands: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    documents: Vec<(Collection, Document)>,
    changes: Vec<(Collection, Change)>,
    deletions: Vec<DeleteOptions>,
    logs: Vec<LogOptions>,
}

impl Fake {
    pub(super) fn new() -> Arc<Self> {
        let newest = watch::Sender::new(OLDEST);
        Arc::new(Self {
            state: Mutex::default(),
            newest,
            commands: watch::Sender::new(0),
        })
    }

    /// Adds or replaces an object.
    pub(super) fn put(&self, collection: Collection, document: Value) -> Document {
        self.change(collection, document, |documents, document| {
            let name = &document["metadata"]["name"];
            let known = documents
                .iter()
                .position(|(of, one)| *of == collection && one["metadata"]["name"] == *name);
            match known {
                Some(known) => documents[known].1 = document.clone(),
                None => documents.push((collection, document.clone())),
            }
            if known.is_some() {
                ChangeKind::Modified
            } else {
                ChangeKind::Added
            }
        })
    }

    /// What deletions were asked for.
    pub(super) fn deletions(&self) -> Vec<Option<u64>> {
        self.lock()
            .deletions
            .iter()
            .map(|options| options.grace_period_seconds)
            .collect()
    }

    /// What logs were asked for.
    pub(super) fn logs(&self) -> Vec<LogOptions> {
        self.lock().logs.clone()
    }

    fn change(
        &self,
        collection: Collection,
        mut document: Value,
        change: impl FnOnce(&mut Vec<(Collection, Document)>, &Document) -> ChangeKind,
    ) -> Document {
        let mut state = self.lock();
        let version = *self.newest.borrow() + 1;
        document["metadata"]["resourceVersion"] = json!(version.to_string());
        let document = Arc::new(document);
        let kind = change(&mut state.documents, &document);
        state.changes.push((
            collection,
            Change {
                kind,
                resource_version: version,
                object: document.clone(),
            },
        ));
        drop(state);
        self.newest.send_replace(version);
        document
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agent for Fake {
    fn create(&self, document: Value) -> BoxFuture<'_, Result<Created, RequestError>> {
        let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = PodKey {
            namespace: "default".into(),
            name: name.clone(),
        };
        let result = if self.pod(&key).is_ok() {
            Err(RequestError::AlreadyExists(name))
        } else if !document["spec"].is_object() {
            Err(RequestError::Invalid(vec![
                Diagnostic::error("spec", "is required"),
                Diagnostic::error("metadata.name", "is odd"),
            ]))
        } else {
            let pod = self.put(Collection::Pods, document);
            Ok(Created {
                pod,
                warnings: vec!["did you mean [\"cat\", \"a\\b\"]?\nsurely".into()],
            })
        };
        Box::pin(std::future::ready(result))
    }

    fn list(&self, collection: Collection, namespace: Option<&str>) -> Listing {
        let state = self.lock();
        let items = state.documents.iter().filter(|(of, document)| {
            *of == collection && namespace.is_none_or(|namespace| document["metadata"]["namespace"] == namespace)
        });
        Listing {
            resource_version: *self.newest.borrow(),
            items: items.map(|(_, document)| document.clone()).collect(),
        }
    }

    fn pod(&self, key: &PodKey) -> Result<Document, RequestError> {
        let mut pods = self.list(Collection::Pods, Some(&key.namespace)).items.into_iter();
        pods.find(|pod| pod["metadata"]["name"] == key.name.as_str())
            .ok_or_else(|| RequestError::NotFound(format!("pods \"{}\" not found", key.name)))
    }

    fn watch(&self, collection: Collection, _: Option<&str>, after: u64) -> Result<Changes, WatchError> {
        if after < OLDEST {
            return Err(WatchError::Expired(after));
        }
        let changes = self.lock().changes.clone();
        let past = changes
            .into_iter()
            .filter(move |(of, change)| *of == collection && change.resource_version > after);
        let past: Vec<_> = past.map(|(_, change)| Ok(change)).collect();
        let newest = self.newest.subscribe();
        // Whatever comes next is too much for this reader.
        let next = stream::unfold(Some(newest), |newest| async {
            let mut newest = newest?;
            newest.changed().await.ok()?;
            let version = *newest.borrow();
            Some((Err(WatchError::Expired(version)), None))
        });
        Ok(Box::pin(stream::iter(past).chain(next)))
    }

    fn delete<'a>(&'a self, key: &'a PodKey, options: DeleteOptions) -> BoxFuture<'a, Result<Document, RequestError>> {
        let result = self.pod(key).map(|pod| {
            self.lock().deletions.push(options);
            self.change(Collection::Pods, (*pod).clone(), |documents, pod| {
                documents.retain(|(_, one)| one["metadata"]["name"] != pod["metadata"]["name"]);
                ChangeKind::Deleted
            })
        });
        Box::pin(std::future::ready(result))
    }

    fn set_conditions<'a>(
        &'a self,
        key: &'a PodKey,
        conditions: Vec<ConditionUpdate>,
    ) -> BoxFuture<'a, Result<Document, RequestError>> {
        let result = self.pod(key).map(|pod| {
            let mut pod = (*pod).clone();
            let conditions = conditions
                .into_iter()
                .map(|condition| json!({"type": condition.name, "status": format!("{:?}", condition.status)}));
            pod["status"]["conditions"] = conditions.collect();
            Arc::new(pod)
        });
        Box::pin(std::future::ready(result))
    }

    fn history(&self, key: &PodKey) -> Result<Vec<RunRecord>, RequestError> {
        self.pod(key)?;
        let run = json!({
            "time": "2026-09-01T12:00:00.123Z", "container": "c", "instance": 0, "kind": "liveness", "attempt": 1,
            "outcome": "success", "message": "", "wallMicros": 900, "fuel": 12_345, "memoryBytes": 65_536,
            "hostCalls": 2, "component": "exec", "digest": "sha256:00", "tries": 1,
        });
        Ok(vec![serde_json::from_value(run).expect("it has all fields")])
    }

    fn usage(&self, key: &PodKey) -> Result<Vec<CheckUsage>, RequestError> {
        self.pod(key)?;
        Ok(vec![CheckUsage {
            container: "c".to_owned(),
            runs: 7,
            ..CheckUsage::default()
        }])
    }

    fn check<'a>(&'a self, key: &'a PodKey, request: CheckRequest) -> BoxFuture<'a, Result<Value, RequestError>> {
        let answer = self
            .pod(key)
            .map(|_| json!({"outcome": "healthy", "message": request.kind}));
        Box::pin(std::future::ready(answer))
    }

    fn record<'a>(&'a self, key: &'a PodKey, options: RecordOptions) -> BoxFuture<'a, Result<String, RequestError>> {
        let case = format!("kind: {}, outcome: {:?}", options.kind, options.outcome);
        let answer = self.pod(key).map(|_| case);
        Box::pin(std::future::ready(answer))
    }

    fn journal(&self, key: &PodKey) -> Result<Journal, RequestError> {
        self.pod(key)?;
        let name = &key.name;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [{"name": "c", "image": "x"}]},
        });
        let pod = probelet_manifest::parse_json(pod).expect("it is a valid pod");
        let now = Now::default();
        let state = probelet_lifecycle::State::new(probelet_pod_config::pod_config(&pod, "uid"), now);
        Ok(Journal {
            since: now,
            until: now,
            state,
            told: Vec::new(),
        })
    }

    fn metrics(&self) -> String {
        "probelet_fake 1\n".to_owned()
    }

    fn probe_metrics(&self) -> String {
        "prober_fake 1\n".to_owned()
    }

    fn logs<'a>(&'a self, key: &'a PodKey, options: LogOptions) -> BoxFuture<'a, Result<LogStream, RequestError>> {
        let result = self.pod(key).and_then(|_| match options.container.as_deref() {
            Some("waiting") => Err(RequestError::Conflict(
                "container \"waiting\" is waiting to start".into(),
            )),
            _ => {
                self.lock().logs.push(options.clone());
                let pieces = stream::iter([Ok("one\n".into()), Ok("two\n".into())]);
                let log: LogStream = if options.follow {
                    Box::pin(pieces.chain(stream::pending()))
                } else {
                    Box::pin(pieces)
                };
                Ok(log)
            }
        });
        Box::pin(std::future::ready(result))
    }

    /// Writes its arguments, then its input, to stdout; each size of the terminal to stderr; ends with code 3.
    fn exec<'a>(&'a self, key: &'a PodKey, options: ExecOptions) -> BoxFuture<'a, Result<ExecSession, RequestError>> {
        let result = self.pod(key).map(|_| {
            let (stdin, mut input) = duplex(64);
            let (mut output, stdout) = duplex(64);
            let (errors, stderr) = duplex(64);
            let errors = Arc::new(tokio::sync::Mutex::new(errors));
            let (sender, exit) = oneshot::channel();
            let commands = self.commands.clone();
            commands.send_modify(|count| *count += 1);
            let errors_of_command = errors.clone();
            tokio::spawn(async move {
                let work = async {
                    output.write_all(options.command.join(" ").as_bytes()).await?;
                    let mut piece = [0; 64];
                    while let Ok(count @ 1..) = input.read(&mut piece).await {
                        output.write_all(&piece[..count]).await?;
                    }
                    std::io::Result::Ok(())
                };
                let ended = work.await;
                commands.send_modify(|count| *count -= 1);
                drop(output);
                errors_of_command.lock().await.shutdown().await.ok();
                if ended.is_ok() {
                    sender.send(Ok(3)).ok();
                }
            });
            ExecSession {
                stdin: options.stdin.then(|| Box::new(stdin) as Box<_>),
                stdout: Box::new(stdout),
                stderr: Some(Box::new(stderr)),
                resize: Box::new(move |width, height| {
                    let errors = errors.clone();
                    tokio::spawn(async move {
                        let text = format!("{width}x{height} ");
                        errors.lock().await.write_all(text.as_bytes()).await.ok();
                    });
                }),
                exit,
            }
        });
        Box::pin(std::future::ready(result))
    }
}

/// How long a test waits for what is to happen at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
