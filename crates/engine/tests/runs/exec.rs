//! The handler `exec`: A2.29 to A2.34, B1.5. Commands in real containers are the end-to-end suites' business.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures::{FutureExt, future::BoxFuture};
use probelet_engine::{ContainerExec, ExecError, ExecGrant, ExecOutput, Grants, RunRequest, Verdict};
use serde_json::json;

use crate::fixture::{SHORT, exec, hook, probe, said, within};

/// A container that ends every command as told.
struct Fake {
    result: Result<ExecOutput, ExecError>,
    asked: Mutex<Vec<(Vec<String>, Instant, usize)>>,
}

impl Fake {
    fn new(result: Result<ExecOutput, ExecError>) -> Arc<Self> {
        Arc::new(Self {
            result,
            asked: Mutex::default(),
        })
    }

    fn exits(exit_code: i32, stdout: &str, stderr: &str) -> Arc<Self> {
        Self::new(Ok(ExecOutput {
            exit_code,
            stdout: stdout.into(),
            stderr: stderr.into(),
            truncated: false,
        }))
    }
}

impl ContainerExec for Fake {
    fn exec(
        &self,
        command: Vec<String>,
        deadline: Instant,
        max_output: usize,
    ) -> BoxFuture<'static, Result<ExecOutput, ExecError>> {
        self.asked
            .lock()
            .expect("not poisoned")
            .push((command, deadline, max_output));
        std::future::ready(self.result.clone()).boxed()
    }
}

/// A container whose commands ignore their deadline, and a note of whether they were dropped.
#[derive(Default)]
struct Stuck(Arc<AtomicBool>);

impl ContainerExec for Stuck {
    fn exec(&self, _: Vec<String>, _: Instant, _: usize) -> BoxFuture<'static, Result<ExecOutput, ExecError>> {
        struct Dropped(Arc<AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let dropped = Dropped(Arc::clone(&self.0));
        async move {
            std::future::pending::<()>().await;
            drop(dropped);
            Err(ExecError::NotRunning)
        }
        .boxed()
    }
}

fn grant(container: Arc<dyn ContainerExec>, request: RunRequest) -> RunRequest {
    RunRequest {
        grants: Grants {
            exec: Some(ExecGrant {
                container,
                prefixes: None,
            }),
            ..Grants::default()
        },
        ..request
    }
}

fn cat() -> RunRequest {
    within(SHORT, probe(json!({"command": ["cat", "/tmp/health"]})))
}

#[tokio::test]
async fn the_exit_code_decides() {
    let container = Fake::exits(0, "ignored\n", "");
    let outcome = exec().await.run(grant(container.clone(), cat())).await;
    assert_eq!(said(&outcome), "Success: ");
    let asked = container.asked.lock().expect("not poisoned");
    let (command, deadline, max_output) = &asked[0];
    assert_eq!(command, &["cat", "/tmp/health"]);
    assert_eq!(*max_output, 10240);
    assert!(*deadline < Instant::now() + SHORT);
}

#[tokio::test]
async fn a_failure_says_what_the_command_said() {
    let said_by = async |container| said(&exec().await.run(grant(container, cat())).await);
    let container = Fake::exits(1, "", "cat: can't open '/tmp/health': No such file or directory\n");
    assert_eq!(
        said_by(container).await,
        "Failure: cat: can't open '/tmp/health': No such file or directory"
    );
    assert_eq!(said_by(Fake::exits(2, "out", "err")).await, "Failure: outerr");
    assert_eq!(
        said_by(Fake::exits(3, "", "")).await,
        "Failure: command 'cat /tmp/health' exited with 3"
    );
    let missing = Fake::exits(127, "", "exec: \"cat\": executable file not found in $PATH");
    assert_eq!(
        said_by(missing).await,
        "Failure: exec: \"cat\": executable file not found in $PATH"
    );
}

#[tokio::test]
async fn output_is_cut_as_the_kubelet_cuts_it() {
    let container = Fake::exits(1, &"o".repeat(10_000), &"e".repeat(10_000));
    let outcome = exec().await.run(grant(container, cat())).await;
    assert_eq!(outcome.message, "o".repeat(10_000) + &"e".repeat(240));
}

#[tokio::test]
async fn a_deadline_is_a_failure_in_the_kubelets_words() {
    let expected = "Failure: command timed out: \"cat /tmp/health\" timed out after 400ms";
    let container = Fake::new(Err(ExecError::DeadlineExceeded));
    assert_eq!(said(&exec().await.run(grant(container.clone(), cat())).await), expected);
    let outcome = exec()
        .await
        .run(grant(
            container,
            within(SHORT, hook(json!({"command": ["cat", "/tmp/health"]}))),
        ))
        .await;
    assert_eq!(said(&outcome), expected);
}

#[tokio::test]
async fn what_is_not_the_commands_fault_is_errored() {
    let outcome = exec()
        .await
        .run(grant(Fake::new(Err(ExecError::NotRunning)), cat()))
        .await;
    assert_eq!(said(&outcome), "Errored: the container is not running");
    let container = Fake::new(Err(ExecError::Host {
        reason: "no cgroup left".to_owned(),
    }));
    assert_eq!(
        said(&exec().await.run(grant(container, cat())).await),
        "Errored: no cgroup left"
    );
}

#[tokio::test]
async fn a_command_that_ignores_its_deadline_is_dropped() {
    let container = Arc::new(Stuck::default());
    let outcome = exec().await.run(grant(container.clone(), cat())).await;
    assert_eq!(outcome.verdict, Verdict::Failure);
    assert!(
        outcome
            .message
            .starts_with("timed out after 400ms: the plugin `exec` was still at work"),
        "{outcome:?}"
    );
    assert!(container.0.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_hook_fails_with_the_kubelets_words() {
    let request = || hook(json!({"command": ["false"]}));
    let outcome = exec().await.run(grant(Fake::exits(1, "", "no"), request())).await;
    assert_eq!(said(&outcome), "Failure: command 'false' exited with 1: no");
    let outcome = exec().await.run(grant(Fake::exits(0, "", ""), request())).await;
    assert_eq!(said(&outcome), "Success: ");
}

#[tokio::test]
async fn without_the_grant_it_is_not_linked_and_the_error_names_the_lines() {
    let outcome = exec().await.run(cat()).await;
    assert_eq!(
        said(&outcome),
        "Errored: the plugin `exec` needs commands in the container (probelet:plugin/container-exec), which it is not \
         granted; to grant it, add to the handler: wasm: { allow: { exec: true } }"
    );
}

#[tokio::test]
async fn a_wrong_configuration_is_errored() {
    let outcome = exec()
        .await
        .run(grant(Fake::exits(0, "", ""), probe(json!({"command": "cat"}))))
        .await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    assert!(outcome.message.starts_with("invalid configuration: "), "{outcome:?}");
}
