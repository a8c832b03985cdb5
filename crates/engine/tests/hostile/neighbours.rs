//! Probes of others, which run all the time.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use probelet_engine::{Check, Engine, Grants, Limits, NetworkGrant, Plugin, ProbeKind, RunRequest, Subject, Verdict};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time};

/// How often each of them runs.
const PERIOD: Duration = Duration::from_millis(10);
/// What each may take, as for users.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How late a run may begin or end: an attacker computes for 10 ms before it yields, there are two threads, and the
/// machine's two processors are shared with the compiler's process and with strangers.
const LATE: Duration = Duration::from_millis(300);
/// Faults that are shown.
const SHOWN: usize = 3;

/// The running neighbours.
pub(crate) struct Neighbours {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    runs: AtomicU64,
    faults: Mutex<Vec<String>>,
}

impl Neighbours {
    pub(crate) async fn start(engine: &Engine) -> Self {
        let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
        let load = async |file: &str| {
            let bytes = std::fs::read(guests.join(file)).expect("run `cargo xtask build` first");
            engine.load_builtin(file, &bytes).await.expect("a plugin")
        };
        let (trivial, tcp) = (load("tests/unruly.wasm").await, load("tcp.wasm").await);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let shared = Arc::new(Shared::default());
        let run = |plugin: Plugin, config: Value| tokio::spawn(neighbour(shared.clone(), plugin, config));
        let tasks = vec![
            server,
            run(trivial, json!({"do": "nothing"})),
            run(tcp, json!({"host": "127.0.0.1", "port": port})),
        ];
        Self { shared, tasks }
    }

    /// From now on faults are the next case's.
    pub(crate) fn reset(&self) {
        self.shared.faults.lock().expect("not poisoned").clear();
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        let faults = self.shared.faults.lock().expect("not poisoned");
        faults.iter().take(SHOWN).cloned().collect()
    }

    /// Ends them, and says how often they have run.
    pub(crate) async fn stop(self) -> u64 {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut tasks = self.tasks.into_iter();
        let server = tasks.next();
        for task in tasks {
            task.await.expect("a neighbour");
        }
        if let Some(server) = server {
            server.abort();
        }
        self.shared.runs.load(Ordering::Relaxed)
    }
}

async fn neighbour(shared: Arc<Shared>, plugin: Plugin, config: Value) {
    while !shared.is_over.load(Ordering::Relaxed) {
        let due = Instant::now() + PERIOD;
        time::sleep_until(due.into()).await;
        let outcome = plugin.run(request(config.clone())).await;
        let late = due.elapsed();
        shared.runs.fetch_add(1, Ordering::Relaxed);
        let fault = if outcome.verdict != Verdict::Success {
            format!("a neighbour's run of {} is {outcome:?}", plugin.name())
        } else if late > LATE {
            format!("a neighbour's run of {} is {late:?} late", plugin.name())
        } else {
            continue;
        };
        shared.faults.lock().expect("not poisoned").push(fault);
    }
}

fn request(config: Value) -> RunRequest {
    RunRequest {
        check: Check::Probe(ProbeKind::Liveness),
        subject: Subject::default(),
        attempt: 1,
        previous: None,
        config,
        timeout: TIMEOUT,
        deadline: Instant::now() + TIMEOUT,
        limits: Limits::default(),
        grants: Grants {
            network: Some(NetworkGrant {
                pod_addresses: vec![IpAddr::from(Ipv4Addr::LOCALHOST)],
                ..NetworkGrant::default()
            }),
            ..Grants::default()
        },
        grace_left: None,
        state: None,
    }
}
