//! Every hostile component (`tests/hostile`) against an engine that has other work to do: each must end as its row says
//! and in time, its neighbours' runs must be neither late nor wrong, and nothing of it may be left.
//!
//! It prints what libtest prints. A word on its command line chooses the cases whose names hold it.

mod fakes;
mod machine;
mod neighbours;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use probelet_engine::{
    Check, CompilerProgram, Engine, EngineConfig, HookReason, Limits, ProbeKind, RunRequest, Subject, Verdict,
};
use probelet_hostile::{Case, Ending, Servers, cases};
use serde_json::Value;

use crate::{machine::Machine, neighbours::Neighbours};

/// What is promised: a run ends within its time and this much.
const PROMISED: Duration = Duration::from_millis(100);
/// What a machine of two processors, shared with others' builds and tests, may add to that.
const NOISE: Duration = Duration::from_millis(250);
/// How long it may take until a component is loaded or refused: what the compiler may take, and its start.
const LOADING: Duration = Duration::from_secs(40);
/// In place of the minutes that a user's component may compile for.
const COMPILING: Duration = Duration::from_secs(20);
/// By this word this program is started as its engine's compiler.
const COMPILE: &str = "--compile";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, flavour] = words.as_slice()
        && first == COMPILE
    {
        return probelet_engine::compiler_main(flavour);
    }
    let filter = words
        .into_iter()
        .find(|word| !word.starts_with('-'))
        .unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(suite(&filter))
}

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests")
}

async fn suite(filter: &str) -> ExitCode {
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
    let runs = neighbours.stop().await;
    servers.forget();
    let left = before.left().await;
    let result = if left.is_empty() { "ok" } else { "FAILED" };
    println!("test nothing_is_left_beside_{runs}_runs_of_neighbours ... {result}");
    match left.is_empty() {
        true => passed += 1,
        false => failures.push(format!("left: {}", left.join("\n    "))),
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
    let bytes = case.component();
    let begin = Instant::now();
    let loaded = engine.load(&case.name, &bytes).await;
    drop(bytes);
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
        subject: Subject::default(),
        attempt: 1,
        previous: None,
        config: servers.name_ports(&case.config),
        timeout: case.timeout,
        deadline: Instant::now() + case.timeout,
        limits: Limits {
            fuel: number("fuel").unwrap_or(usual.fuel),
            memory_bytes: number("memory").map_or(usual.memory_bytes, |bytes| bytes as usize),
            ..usual
        },
        grants: fakes::grants(&servers.name_ports(&case.allow)),
        grace_left: None,
        state: None,
    }
}
