//! What a run costs, beside the same check done natively in the same process: `cargo xtask bench plugin`.
//!
//! The servers are processes of their own and sleep between two runs, as in production. Machines are noisy: the ratios
//! count.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/requests/mod.rs"]
mod requests;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use probelet_engine::{Engine, EngineConfig, Plugin, Verdict};
use rustix::{
    net::sockopt::set_socket_linger,
    time::{ClockId, clock_gettime},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::requests::{on_loopback, probe};

/// Runs of each kind: a steady median in a second.
const SAMPLES: usize = 4000;
/// Time between two runs. A server of a container sleeps when a probe comes, and waking it up is a part of the cost; one
/// that is still busy with the run before would do its work beside what is measured.
const PAUSE: Duration = Duration::from_micros(200);
/// Runs of one kind in a row.
const BATCH: usize = 200;
/// What is run before each batch and not measured.
const WARM_UP: usize = 20;
/// Live instances whose memory is measured.
const LIVE: usize = 500;
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// The least that a plugin can be: it says that the container is well.
const TRIVIAL: &str = r#"(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "check") (result i32) (i32.const 16)))
  (core instance $i (instantiate $m))
  (type $health (enum "healthy" "degraded" "unhealthy"))
  (type $value (variant (case "text" string) (case "number" f64) (case "flag" bool)))
  (export $health_exported "health" (type $health))
  (export $value_exported "value" (type $value))
  (type $field (record (field "name" string) (field "value" $value_exported)))
  (export $field_exported "field" (type $field))
  (type $verdict
    (record (field "health" $health_exported) (field "message" string) (field "fields" (list $field_exported))))
  (export $verdict_exported "verdict" (type $verdict))
  (func $check (result (result $verdict_exported (error string)))
    (canon lift (core func $i "check") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (instance $probe
    (export "health" (type $health_exported)) (export "value" (type $value_exported))
    (export "field" (type $field_exported)) (export "verdict" (type $verdict_exported))
    (export "check" (func $check)))
  (export "probelet:plugin/probe@0.1.0" (instance $probe)))"#;

struct Measured {
    wall: Duration,
    processor: Duration,
}

/// The first argument of this program as a server.
const SERVE: &str = "serve";

fn main() {
    let mut arguments = std::env::args().skip(1);
    if let (Some(SERVE), Some(kind)) = (arguments.next().as_deref(), arguments.next()) {
        return serve(&kind);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    // As on a node: a run is a part of a task, on one of the runtime's own threads.
    runtime.block_on(async { tokio::spawn(bench()).await.expect("the measurements") });
}

async fn bench() {
    let engine = Engine::new(EngineConfig::default()).expect("an engine");
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let guest = |file: &str| std::fs::read(guests.join(file)).expect("run `cargo xtask build` first");
    let load = async |name: &str, bytes: &[u8]| engine.load(name, bytes).await.expect("a plugin");
    let builtin = async |name: &str, bytes: &[u8]| engine.load_builtin(name, bytes).await.expect("a plugin");
    let trivial = load("trivial", &wat::parse_str(TRIVIAL).expect("a component")).await;
    let (tcp, http) = (
        builtin("tcp", &guest("tcp.wasm")).await,
        builtin("http", &guest("http.wasm")).await,
    );
    let servers = (Server::start("tcp"), Server::start("http"));
    let (tcp_server, http_server) = (servers.0.address, servers.1.address);

    println!("median of {SAMPLES} runs, {PAUSE:?} apart; processor time of this process alone\n");
    println!(
        "{:<28} {:>10} {:>10} {:>8} {:>8}",
        "", "wall", "processor", "ratio", "ratio"
    );
    let nothing = measure(|| run(&trivial, json!({}))).await;
    row("trivial plugin", &nothing, None);
    let config = json!({"host": "127.0.0.1", "port": tcp_server.port()});
    let (native, ours) = compare(|| native_tcp(tcp_server), || run(&tcp, config.clone())).await;
    row("tcp, native tokio", &native, None);
    row("tcp, built-in plugin", &ours, Some(&native));
    let config = json!({"scheme": "HTTP", "host": "127.0.0.1", "port": http_server.port(), "path": "/", "headers": []});
    let (native, ours) = compare(|| native_http(http_server), || run(&http, config.clone())).await;
    row("http, native hyper", &native, None);
    row("http, built-in plugin", &ours, Some(&native));

    throughput(&trivial).await;
    memory(&engine, &guest("tests/unruly.wasm")).await;
}

fn row(name: &str, measured: &Measured, native: Option<&Measured>) {
    let micros = |duration: Duration| format!("{:.1} µs", duration.as_secs_f64() * 1e6);
    let ratio = |ours: Duration, native: Duration| format!("{:.2}", ours.as_secs_f64() / native.as_secs_f64());
    let (wall, processor) = native.map_or_else(Default::default, |native| {
        (
            ratio(measured.wall, native.wall),
            ratio(measured.processor, native.processor),
        )
    });
    println!(
        "{name:<28} {:>10} {:>10} {wall:>8} {processor:>8}",
        micros(measured.wall),
        micros(measured.processor)
    );
}

/// Measures two things in turns, so that whatever else the machine does is the same for both.
async fn compare<First: Future<Output = ()>, Second: Future<Output = ()>>(
    first: impl Fn() -> First,
    second: impl Fn() -> Second,
) -> (Measured, Measured) {
    let mut samples = (Samples::default(), Samples::default());
    for _ in 0..SAMPLES / BATCH {
        samples.0.take(&first).await;
        samples.1.take(&second).await;
    }
    (samples.0.measured(), samples.1.measured())
}

async fn measure<Once: Future<Output = ()>>(once: impl Fn() -> Once) -> Measured {
    let mut samples = Samples::default();
    for _ in 0..SAMPLES / BATCH {
        samples.take(&once).await;
    }
    samples.measured()
}

#[derive(Default)]
struct Samples {
    walls: Vec<Duration>,
    processor: Duration,
}

impl Samples {
    /// Takes one batch, after a few runs that do not count.
    async fn take<Once: Future<Output = ()>>(&mut self, once: impl Fn() -> Once) {
        for _ in 0..WARM_UP {
            once().await;
        }
        for _ in 0..BATCH {
            let pause = Instant::now();
            while pause.elapsed() < PAUSE {}
            let (begin, before) = (Instant::now(), processor_time());
            once().await;
            self.processor += processor_time() - before;
            self.walls.push(begin.elapsed());
        }
    }

    fn measured(mut self) -> Measured {
        self.walls.sort();
        Measured {
            wall: self.walls[self.walls.len() / 2],
            processor: self.processor / self.walls.len() as u32,
        }
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

async fn run(plugin: &Plugin, config: Value) {
    let outcome = plugin.run(on_loopback(probe(config, Duration::from_secs(5)))).await;
    assert_eq!(outcome.verdict, Verdict::Success, "{outcome:?}");
}

async fn native_tcp(server: SocketAddr) {
    drop(TcpStream::connect(server).await.expect("a connection"));
}

async fn native_http(server: SocketAddr) {
    let stream = TcpStream::connect(server).await.expect("a connection");
    let stream = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .expect("a handshake");
    let request = http::Request::get("/")
        .header("Host", server.to_string())
        .header("User-Agent", "kube-probe/1.36")
        .header("Accept", "*/*")
        .header("Connection", "close")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .expect("a request");
    let exchange = async {
        let response = sender.send_request(request).await.expect("a response");
        assert!(response.status().is_success());
        http_body_util::BodyExt::collect(response.into_body())
            .await
            .expect("a body");
    };
    let (_, ended) = tokio::join!(exchange, connection);
    ended.expect("an orderly end");
}

/// A server in a process of its own, as a container's is. It ends with this one.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(kind: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args([SERVE, kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program again");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().parse().expect("the server's address");
        Self { process, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers requests, or just waits for clients to go.
fn serve(kind: &str) {
    std::thread::spawn(|| {
        // Its end is that of the process that has started this one.
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::exit(0);
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    println!("{}", listener.local_addr().expect("an address"));
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        // It resets the connection after the client has closed it: else the ports of those before would be used up within
        // a second, and what is measured would be the kernel's search for a free one.
        set_socket_linger(&stream, Some(Duration::ZERO)).expect("an option of sockets");
        let mut request = [0; 1024];
        while stream.read(&mut request).is_ok_and(|length| length > 0) {
            if kind == "http" {
                let _ = stream.write_all(RESPONSE);
            }
        }
    }
}

/// How many runs a second both processors do.
async fn throughput(plugin: &Plugin) {
    const TASKS: usize = 8;
    const RUNS: usize = 5000;
    let begin = Instant::now();
    let tasks = (0..TASKS).map(|_| {
        let plugin = plugin.clone();
        tokio::spawn(async move {
            for _ in 0..RUNS {
                run(&plugin, json!({})).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("the runs");
    }
    let rate = (TASKS * RUNS) as f64 / begin.elapsed().as_secs_f64();
    println!("\n{rate:.0} runs a second of the trivial plugin on two threads");
}

/// What a live instance takes, and what is left of it.
async fn memory(engine: &Engine, bytes: &[u8]) {
    let plugin = Arc::new(engine.load("unruly", bytes).await.expect("a plugin"));
    let round = async || {
        let runs: Vec<_> = (0..LIVE)
            .map(|_| {
                let plugin = Arc::clone(&plugin);
                tokio::spawn(async move {
                    plugin
                        .run(on_loopback(probe(
                            json!({"do": "wait_for_ever"}),
                            Duration::from_secs(2),
                        )))
                        .await
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let live = resident();
        for run in runs {
            run.await.expect("a run");
        }
        live
    };
    let before = resident();
    let live = round().await;
    let after = resident();
    println!(
        "{:.0} KiB resident for each of {LIVE} live instances, {:.1} KiB kept for the next in their places",
        live.saturating_sub(before) as f64 / LIVE as f64,
        after.saturating_sub(before) as f64 / LIVE as f64
    );
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
