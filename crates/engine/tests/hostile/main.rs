//! Every hostile component (`tests/hostile`) against an engine that has other work to do: each must end as its row says
//! and in time, its neighbours' runs must be neither late nor wrong, and nothing of it may be left.
//!
//! It prints what libtest prints. A word on its command line chooses the cases whose names hold it.

mod fakes;
mod machine;
mod neighbours;
#[path = "../requests/mod.rs"]
mod requests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Mutex,
    time::{Duration, Instant},
};

use probelet_engine::{
    Check, CompilerProgram, Engine, EngineConfig, HookReason, Limits, LoadError, Plugin, ProbeKind, RunRequest, Verdict,
};
use probelet_hostile::{Case, Ending, Resolver, Servers, Source, cases};
use serde_json::Value;

use crate::{machine::Machine, neighbours::Neighbours, requests::probe};

/// What is promised: a run ends within its time and this much.
const PROMISED: Duration = Duration::from_millis(100);
/// What a machine of two processors, shared with others' builds and tests, may add to that.
const NOISE: Duration = Duration::from_millis(250);
/// How long it may take until a component is loaded or refused: what the compiler may take, and its start.
const LOADING: Duration = Duration::from_secs(40);
/// In place of the minutes that a user's component may compile for.
const COMPILING: Duration = Duration::from_secs(20);
/// The case that keeps a compiler busy for the longest time.
const SLOW: &str = "slow-by-many-functions";
/// By this word this program is started as its engine's compiler.
const COMPILE: &str = "--compile";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, flavour] = words.as_slice()
        && first == COMPILE
    {
        return probelet_engine::compiler_main(flavour);
    }
    let Some(resolver) = Resolver::of_this_process() else {
        return again(&words);
    };
    let filter = words
        .into_iter()
        .find(|word| !word.starts_with('-'))
        .unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(suite(&filter, &resolver))
}

/// Runs this program with a resolver of names that never answers: such a one is a whole process's.
fn again(words: &[String]) -> ExitCode {
    let folder = tempfile::tempdir().expect("/tmp can be written");
    let resolver = Resolver::make(folder.path());
    let program = std::env::current_exe().expect("this program has a file");
    let mut suite = Command::new(program);
    let ended = suite.args(words).envs(resolver.environment()).status();
    ExitCode::from(u8::from(!ended.expect("this program can be run").success()))
}

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests")
}

async fn suite(filter: &str, resolver: &Resolver) -> ExitCode {
    let begin = Instant::now();
    let chosen: Vec<Case> = cases(&guests())
        .into_iter()
        .filter(|case| case.name.contains(filter))
        .collect();
    println!("\nrunning {} tests", chosen.len());
    let engine = Engine::new(EngineConfig {
        cache_directory: None,
        compiler: Some(CompilerProgram {
            program: std::env::current_exe().expect("this program has a file"),
            arguments: vec![COMPILE.into()],
        }),
        compile_timeout: COMPILING,
    })
    .expect("an engine");
    let servers = Servers::start();
    let neighbours = Neighbours::start(&engine).await;
    // The first run makes what stays: threads, the engine's second half.
    warm_up(&engine, &servers).await;
    let before = Machine::now();

    let (mut passed, mut failures) = (0, Vec::new());
    for case in &chosen {
        neighbours.reset();
        let mut faults = attack(&engine, &servers, case).await;
        faults.extend(neighbours.faults());
        let result = if faults.is_empty() { "ok" } else { "FAILED" };
        println!("test {}::{} ... {result}", case.family, case.name);
        match faults.is_empty() {
            true => passed += 1,
            false => failures.push(format!("{}: {}", case.name, faults.join("\n    "))),
        }
    }
    let late = compile_beside_a_slow_one(&engine).await;
    let runs = neighbours.stop().await;
    servers.forget();
    resolver.release();
    let left = before.left().await;
    for (name, faults) in [
        ("a_slow_component_holds_up_no_other".to_owned(), late),
        (format!("nothing_is_left_beside_{runs}_runs_of_neighbours"), left),
    ] {
        let result = if faults.is_empty() { "ok" } else { "FAILED" };
        println!("test {name} ... {result}");
        match faults.is_empty() {
            true => passed += 1,
            false => failures.push(format!("{name}: {}", faults.join("\n    "))),
        }
    }
    if !failures.is_empty() {
        println!("\nfailures:\n\n{}", failures.join("\n"));
    }
    let word = if failures.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out; finished in {:.2}s\n",
        failures.len(),
        begin.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(!failures.is_empty()))
}

async fn warm_up(engine: &Engine, servers: &Servers) {
    let all = cases(&guests());
    for name in [
        "concurrent-yields-after-its-verdict",
        "names-hoarded",
        "wait-in-short-naps",
    ] {
        let case = all.iter().find(|case| case.name == name).expect("a case of that name");
        attack(engine, servers, case).await;
    }
}

/// Runs a case, and says what was not as it must be.
async fn attack(engine: &Engine, servers: &Servers, case: &Case) -> Vec<String> {
    let begin = Instant::now();
    let loaded = load(engine, case).await;
    if begin.elapsed() > LOADING {
        return vec![format!("loading took {:?}", begin.elapsed())];
    }
    let plugin = match loaded {
        Ok(plugin) => plugin,
        Err(error) => return check(case, Ending::Refused, &error.to_string()),
    };
    let begin = Instant::now();
    let outcome = plugin.run(request(servers, case)).await;
    let (took, most) = (begin.elapsed(), case.timeout + PROMISED + NOISE);
    let ending = match outcome.verdict {
        Verdict::Success => Ending::Success,
        Verdict::Warning => Ending::Warning,
        Verdict::Failure => Ending::Failure,
        Verdict::Errored => Ending::Errored,
    };
    let mut faults = check(case, ending, &outcome.message);
    if took > most {
        faults.push(format!("took {took:?}, at most {most:?} are allowed"));
    }
    let hanging = fakes::hanging();
    if hanging > 0 {
        faults.push(format!("{hanging} calls to the host are left"));
    }
    let kept = request(servers, case).limits.output_bytes + "… (cut)".len();
    if outcome.message.len() > kept || outcome.log.len() > kept {
        faults.push(format!(
            "says {} bytes and logs {}",
            outcome.message.len(),
            outcome.log.len()
        ));
    }
    faults
}

/// While one component compiles for as long as it may, another one is made ready.
async fn compile_beside_a_slow_one(engine: &Engine) -> Vec<String> {
    let all = cases(&guests());
    let slow = all.iter().find(|case| case.name == SLOW).expect("a case of that name");
    let (slow, quick) = (slow.component(), std::fs::read(guests().join("sleep.wasm")));
    let quick = quick.expect("run `cargo xtask build` first");
    let second = async {
        machine::until_a_process_is_started().await;
        engine.load("quick", &quick).await
    };
    tokio::select! {
        biased;
        slow = engine.load(SLOW, &slow) => vec![format!("the slow one was done first: {:?}", slow.err())],
        quick = second => quick.err().iter().map(ToString::to_string).collect(),
    }
}

/// The component in Rust serves many cases, and is loaded once.
async fn load(engine: &Engine, case: &Case) -> Result<Plugin, LoadError> {
    static BUILT: Mutex<BTreeMap<PathBuf, Plugin>> = Mutex::new(BTreeMap::new());
    let Source::File(path) = &case.source else {
        return engine.load(&case.name, &case.component()).await;
    };
    if let Some(plugin) = BUILT.lock().expect("not poisoned").get(path) {
        return Ok(plugin.clone());
    }
    let plugin = engine.load(&case.name, &case.component()).await?;
    BUILT.lock().expect("not poisoned").insert(path.clone(), plugin.clone());
    Ok(plugin)
}

fn check(case: &Case, ending: Ending, message: &str) -> Vec<String> {
    let expected = match (case.end.ending, ending) {
        (Ending::RefusedOrSuccess, Ending::Success) => return Vec::new(),
        (Ending::RefusedOrSuccess, _) => Ending::Refused,
        (expected, _) => expected,
    };
    if expected == ending && case.end.is_said_in(message) {
        return Vec::new();
    }
    let message: String = message.chars().take(400).collect();
    vec![format!(
        "must be {expected:?} with {:?}, is {ending:?}: {message}",
        case.end.words
    )]
}

/// The case as a manifest would have it run.
fn request(servers: &Servers, case: &Case) -> RunRequest {
    let number = |name: &str| case.limits.get(name).and_then(Value::as_u64);
    let usual = Limits::default();
    RunRequest {
        check: match case.is_hook {
            true => Check::Hook(HookReason::Start),
            false => Check::Probe(ProbeKind::Readiness),
        },
        limits: Limits {
            fuel: number("fuel").unwrap_or(usual.fuel),
            memory_bytes: number("memory").map_or(usual.memory_bytes, |bytes| bytes as usize),
            ..usual
        },
        grants: fakes::grants(&servers.name_ports(&case.allow), case.host_hangs),
        ..probe(servers.name_ports(&case.config), case.timeout)
    }
}
