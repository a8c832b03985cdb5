//! Files that are no plugins, and the cache.

use std::{fs, os::unix::fs::PermissionsExt};

use probelet_engine::{Engine, EngineConfig, LoadError};
use serde_json::json;

use crate::fixture::{ENGINE, guest_bytes, probe, said};

async fn error(bytes: &[u8]) -> LoadError {
    ENGINE.load("broken", bytes).await.err().expect("an error")
}

#[tokio::test]
async fn what_is_no_component_is_named() {
    assert!(matches!(error(b"").await, LoadError::NotWebAssembly { .. }));
    assert!(matches!(error(b"#!/bin/sh\n").await, LoadError::NotWebAssembly { .. }));
    let module = wat::parse_str("(module)").expect("a module");
    let message = error(&module).await.to_string();
    assert!(
        message.starts_with("plugin `broken` is a core WebAssembly module, not a component: "),
        "{message}"
    );
}

#[tokio::test]
async fn a_damaged_component_is_named() {
    let mut bytes = guest_bytes("tcp.wasm");
    bytes.truncate(bytes.len() / 2);
    assert!(matches!(error(&bytes).await, LoadError::Invalid { .. }));
}

#[tokio::test]
async fn a_component_that_is_too_large_is_not_compiled() {
    let mut bytes = guest_bytes("tcp.wasm");
    bytes.resize((64 << 20) + 1, 0);
    assert!(matches!(
        error(&bytes).await,
        LoadError::TooLarge { limit: 0x400_0000, .. }
    ));
}

#[tokio::test]
async fn a_component_of_another_kind_is_named_with_its_exports() {
    let bytes =
        wat::parse_str(r#"(component (core module $m) (export "other" (core module $m)))"#).expect("a component");
    let message = error(&bytes).await.to_string();
    assert!(
        message.contains("exports neither `probelet:plugin/probe` nor"),
        "{message}"
    );
    assert!(message.ends_with("it exports other"), "{message}");
}

#[tokio::test]
async fn an_import_that_nobody_offers_is_named() {
    let text = r#"(component (import "acme:db/query@1.0.0" (instance (export "run" (func)))))"#;
    let message = error(&wat::parse_str(text).expect("a component")).await.to_string();
    assert!(message.contains("acme:db/query@1.0.0"), "{message}");
}

#[tokio::test]
async fn a_plugin_knows_its_name_digest_and_exports() {
    let sleep = ENGINE
        .load("sleep", &guest_bytes("sleep.wasm"))
        .await
        .expect("a plugin");
    assert_eq!(sleep.name(), "sleep");
    assert!(
        sleep.digest().starts_with("sha256:") && sleep.digest().len() == 71,
        "{}",
        sleep.digest()
    );
    assert_eq!((sleep.exports_probe(), sleep.exports_hook()), (false, true));
    let tcp = ENGINE.load_builtin("tcp", &guest_bytes("tcp.wasm")).await;
    let tcp = tcp.expect("a plugin");
    assert_eq!((tcp.exports_probe(), tcp.exports_hook()), (true, true));
}

#[tokio::test]
async fn what_the_built_in_components_import_is_not_for_others() {
    let error = ENGINE.load("copy", &guest_bytes("tcp.wasm")).await.err();
    let text = error.expect("an error").to_string();
    assert!(
        text.contains("probelet:builtin/exchange") && text.contains("use wasi:sockets"),
        "{text}"
    );
}

#[tokio::test]
async fn a_cached_component_runs_and_an_unsafe_cache_is_not_used() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = folder.path().join("deep/cache");
    let bytes = guest_bytes("tests/unruly.wasm");
    let entries = || fs::read_dir(&cache).expect("the cache").count();
    for _ in 0..2 {
        let engine = Engine::new(EngineConfig {
            cache_directory: Some(cache.clone()),
            ..EngineConfig::default()
        })
        .expect("an engine");
        let plugin = engine.load("unruly", &bytes).await.expect("a plugin");
        assert_eq!(said(&plugin.run(probe(json!({"do": "nothing"}))).await), "Success: ");
        assert_eq!(entries(), 1);
    }
    let entry = fs::read_dir(&cache)
        .expect("the cache")
        .next()
        .expect("an entry")
        .expect("an entry")
        .path();
    fs::remove_file(entry).expect("remove");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).expect("chmod");
    let engine = Engine::new(EngineConfig {
        cache_directory: Some(cache.clone()),
        ..EngineConfig::default()
    })
    .expect("an engine");
    let plugin = engine.load("unruly", &bytes).await.expect("a plugin");
    assert_eq!(said(&plugin.run(probe(json!({"do": "nothing"}))).await), "Success: ");
    assert_eq!(entries(), 0);
}
