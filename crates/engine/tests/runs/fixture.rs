//! What the tests share: an engine, the components, and requests.

use std::{
    fs,
    path::PathBuf,
    sync::LazyLock,
    time::{Duration, Instant},
};

use probelet_engine::{Check, Engine, EngineConfig, HookReason, Outcome, Plugin, RunRequest};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::requests;
pub(crate) use crate::requests::{on_loopback, with_network};

/// Long enough for anything that is not meant to time out, on the busiest machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// For what is meant to.
pub(crate) const SHORT: Duration = Duration::from_millis(400);

pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(new_engine);

/// An engine of a test's own.
pub(crate) fn new_engine() -> Engine {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("engine-test-cache");
    Engine::new(EngineConfig {
        cache_directory: Some(cache),
        ..EngineConfig::default()
    })
    .expect("an engine")
}

pub(crate) fn guest_bytes(file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/guests")
        .join(file);
    fs::read(&path).unwrap_or_else(|error| panic!("run `cargo xtask build` first: {}: {error}", path.display()))
}

macro_rules! guest {
    ($name:ident, $file:literal) => {
        guest!($name, $file, load);
    };
    ($name:ident, $file:literal, $load:ident) => {
        pub(crate) async fn $name() -> Plugin {
            static PLUGIN: OnceCell<Plugin> = OnceCell::const_new();
            let load = || async {
                ENGINE
                    .$load(stringify!($name), &guest_bytes($file))
                    .await
                    .expect("a plugin")
            };
            PLUGIN.get_or_init(load).await.clone()
        }
    };
}

guest!(exec, "exec.wasm");
guest!(http, "http.wasm", load_builtin);
guest!(tcp, "tcp.wasm", load_builtin);
guest!(grpc, "grpc.wasm", load_builtin);
guest!(sleep, "sleep.wasm");
guest!(unruly, "tests/unruly.wasm");
guest!(curious, "tests/curious.wasm");
guest!(secure, "tests/secure.wasm");
guest!(command, "tests/command.wasm");
guest!(cli_command, "tests/cli-command.wasm");
guest!(concurrent, "tests/concurrent.wasm");
guest!(concurrent_command, "tests/concurrent-command.wasm");

/// A liveness probe without grants.
pub(crate) fn probe(config: Value) -> RunRequest {
    requests::probe(config, LONG)
}

/// A postStart hook without grants.
pub(crate) fn hook(config: Value) -> RunRequest {
    RunRequest {
        check: Check::Hook(HookReason::Start),
        ..probe(config)
    }
}

/// With so much time.
pub(crate) fn within(timeout: Duration, request: RunRequest) -> RunRequest {
    RunRequest {
        timeout,
        deadline: Instant::now() + timeout,
        ..request
    }
}

/// Verdict and message in one, to compare at once.
pub(crate) fn said(outcome: &Outcome) -> String {
    format!("{:?}: {}", outcome.verdict, outcome.message)
}
