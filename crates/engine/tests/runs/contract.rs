//! Every interface of the contract, driven by one plugin that uses all of them.

use std::sync::Arc;

use probelet_engine::{
    ExecGrant, Field, FieldValue, Grant, GrantUse, Grants, LoadError, LogLine, Outcome, RunRequest, Verdict,
};
use serde_json::{Value, json};

use crate::{
    container::{Double, with_all},
    fixture::{ENGINE, curious, hook, probe, said},
};

async fn look(config: Value) -> Outcome {
    curious().await.run(with_all(probe(config))).await
}

/// What the run said of the files, stats and the rest, in one line.
async fn told(config: Value) -> String {
    said(&look(config).await)
}

fn number(name: &str, value: f64) -> Field {
    Field {
        name: name.to_owned(),
        value: FieldValue::Number(value),
    }
}

#[tokio::test]
async fn state_is_kept_from_run_to_run() {
    let mut kept: Option<Arc<[u8]>> = None;
    for run in 1..=3 {
        let request = RunRequest {
            state: kept.clone(),
            ..with_all(probe(json!({"look": "state"})))
        };
        let outcome = curious().await.run(request).await;
        assert_eq!(said(&outcome), "Warning: counted");
        assert_eq!(outcome.fields, [number("runs", f64::from(run))]);
        kept = outcome.state.map(Arc::from);
        assert_eq!(kept.as_deref(), Some(&[run as u8][..]));
    }
}

#[tokio::test]
async fn state_has_a_bound_and_does_not_outlive_a_trap() {
    let outcome = look(json!({"look": "keep", "bytes": 65536})).await;
    assert_eq!(said(&outcome), "Success: ");
    assert_eq!(outcome.state.map(|kept| kept.len()), Some(65536));
    let outcome = look(json!({"look": "keep", "bytes": 65537})).await;
    assert_eq!(
        said(&outcome),
        "Errored: 65537 bytes are too many: 65536 are kept from run to run"
    );
    assert_eq!(outcome.state, None);
    let outcome = look(json!({"look": "keep_and_trap"})).await;
    assert_eq!(outcome.verdict, Verdict::Errored);
    assert_eq!(outcome.state, None);
}

#[tokio::test]
async fn a_run_that_keeps_nothing_leaves_nothing_new() {
    let request = RunRequest {
        state: Some(Arc::from(&[1_u8][..])),
        ..with_all(probe(json!({"look": "stats"})))
    };
    assert_eq!(curious().await.run(request).await.state, None);
}

#[tokio::test]
async fn the_environment_holds_what_is_granted_and_nothing_else() {
    let config = json!({"look": "variable", "name": "PATH"});
    assert_eq!(told(config.clone()).await, "Failure: PATH is not set");
    let request = with_all(probe(config));
    let request = RunRequest {
        grants: Grants {
            environment: vec![("PATH".to_owned(), "/app/bin".to_owned())],
            ..request.grants
        },
        ..request
    };
    let outcome = curious().await.run(request).await;
    assert_eq!(said(&outcome), "Warning: /app/bin");
    let used = outcome.grants.iter().find(|used| used.grant == Grant::Environment);
    assert_eq!(used.map(|used| used.detail.as_str()), Some("PATH"));
}

/// Runs a command with these prefixes granted.
async fn exec(command: &[&str], prefixes: &[&[&str]]) -> (Outcome, Arc<Double>) {
    let container = Arc::new(Double::default());
    let words = |words: &&[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let grants = Grants {
        exec: Some(ExecGrant {
            container: container.clone(),
            prefixes: Some(prefixes.iter().map(words).collect()),
        }),
        ..container.grants()
    };
    let request = RunRequest {
        grants,
        ..probe(json!({"look": "exec", "command": command}))
    };
    (curious().await.run(request).await, container)
}

#[tokio::test]
async fn a_command_with_a_granted_prefix_runs() {
    for prefixes in [
        &[&["redis-cli"][..]][..],
        &[&["cat"], &["redis-cli", "ping"]],
        &[&["redis-cli", "ping", "now"]],
    ] {
        let (outcome, container) = exec(&["redis-cli", "ping", "now"], prefixes).await;
        assert_eq!(said(&outcome), "Warning: redis-cli ping now");
        assert_eq!(outcome.fields, [number("exit-code", 3.0)]);
        assert_eq!(
            *container.commands.lock().expect("not poisoned"),
            [["redis-cli", "ping", "now"]]
        );
        let used = GrantUse {
            grant: Grant::Exec,
            detail: r#"["redis-cli","ping","now"]"#.to_owned(),
            granted: 1,
            refused: 0,
        };
        assert_eq!(outcome.grants, [used]);
    }
}

#[tokio::test]
async fn a_near_miss_is_refused_with_the_lines_that_grant_it() {
    for prefixes in [
        &[][..],
        &[&[][..]],
        &[&["redis-cli", "pin"]],
        &[&["redis-cli", "ping", "now"]],
        &[&["redis"]],
        &[&["ping"]],
    ] {
        let (outcome, container) = exec(&["redis-cli", "ping"], prefixes).await;
        // The plugin calls the container unhealthy; after a refusal that is not believed.
        assert_eq!(outcome.verdict, Verdict::Errored, "{prefixes:?}");
        let lines = "the command [\"redis-cli\",\"ping\"] is not granted; to grant it, add to the handler: \
                     wasm: { allow: { exec: [[\"redis-cli\",\"ping\"]] } }";
        assert!(outcome.message.ends_with(lines), "{outcome:?}");
        assert!(container.commands.lock().expect("not poisoned").is_empty());
        let refused = GrantUse {
            grant: Grant::Exec,
            detail: r#"["redis-cli","ping"]"#.to_owned(),
            granted: 0,
            refused: 1,
        };
        assert_eq!(outcome.grants, [refused]);
    }
}

#[tokio::test]
async fn a_command_without_an_exit_code_says_why() {
    let exec = async |word: &str| told(json!({"look": "exec", "command": [word]})).await;
    assert_eq!(exec("slow").await, "Failure: Error::TimedOut");
    assert_eq!(exec("stopped").await, "Failure: Error::NotRunning");
    assert_eq!(exec("broken").await, "Failure: Error::Host(\"no cgroup left\")");
}

#[tokio::test]
async fn stats_become_fields() {
    let outcome = look(json!({"look": "stats"})).await;
    assert_eq!(said(&outcome), "Success: ");
    let limited = Field {
        name: "limited".to_owned(),
        value: FieldValue::Flag(true),
    };
    let expected = [
        number("memory", 3000.0),
        number("working-set", 2000.0),
        limited,
        number("oom-kills", 1.0),
        number("cpu", 5e6),
        number("throttled", 4.0),
        number("processes", 7.0),
    ];
    assert_eq!(outcome.fields, expected);
    let used = GrantUse {
        grant: Grant::Stats,
        detail: String::new(),
        granted: 3,
        refused: 0,
    };
    assert_eq!(outcome.grants, [used]);
}

#[tokio::test]
async fn what_the_host_does_not_know_is_the_plugins_to_say() {
    let container = Arc::new(Double {
        stats: Err("the container is not running".to_owned()),
        lines: Err("the log is gone".to_owned()),
        ..Double::default()
    });
    let run = async |config| {
        let request = RunRequest {
            grants: container.grants(),
            ..probe(config)
        };
        said(&curious().await.run(request).await)
    };
    assert_eq!(
        run(json!({"look": "stats"})).await,
        "Errored: the container is not running"
    );
    assert_eq!(
        run(json!({"look": "logs", "lines": 1})).await,
        "Errored: the log is gone"
    );
}

#[tokio::test]
async fn log_lines_have_time_stream_and_text() {
    let line = |time, stderr, text: &str| LogLine {
        time,
        stderr,
        text: text.to_owned(),
    };
    let container = Arc::new(Double {
        lines: Ok(vec![line(1, false, "begun"), line(2, true, "lost: ü")]),
        ..Double::default()
    });
    let logs = async |lines: u32| {
        let request = RunRequest {
            grants: container.grants(),
            ..probe(json!({"look": "logs", "lines": lines}))
        };
        curious().await.run(request).await
    };
    let outcome = logs(5).await;
    assert_eq!(
        said(&outcome),
        "Warning: 1 Stream::Stdout begun\n2 Stream::Stderr lost: ü"
    );
    assert_eq!((outcome.grants[0].grant, outcome.grants[0].granted), (Grant::Logs, 1));
    logs(u32::MAX).await;
    assert_eq!(*container.tails.lock().expect("not poisoned"), [5, 1000]);
}

#[tokio::test]
async fn files_are_looked_at() {
    let metadata = async |path: &str| told(json!({"look": "metadata", "path": path})).await;
    for (path, kind) in [
        ("/file", "File"),
        ("/folder", "Directory"),
        ("/link", "SymbolicLink"),
        ("/pipe", "Other"),
    ] {
        let expected = format!("Warning: FileMetadata {{ kind: Kind::{kind}, size: 12, modified: 34 }}");
        assert_eq!(metadata(path).await, expected);
    }
    let read = async |offset: u64, length: u32| {
        told(json!({"look": "read", "path": "/file", "offset": offset, "length": length})).await
    };
    assert_eq!(read(2, 3).await, "Warning: 234");
    assert_eq!(read(8, 100).await, "Warning: 89");
    assert_eq!(read(100, 1).await, "Warning: ");
    assert_eq!(
        told(json!({"look": "space", "path": "/data"})).await,
        "Warning: 40 of 100"
    );
    assert_eq!(told(json!({"look": "list", "path": "/folder"})).await, "Warning: n0 n1");
}

#[tokio::test]
async fn no_file_is_given_whole_and_no_folder_without_end() {
    let container = Arc::new(Double::default());
    let run = async |config| {
        let request = RunRequest {
            grants: container.grants(),
            ..probe(config)
        };
        curious().await.run(request).await
    };
    run(json!({"look": "read", "path": "/file", "offset": 0, "length": u32::MAX})).await;
    assert_eq!(*container.reads.lock().expect("not poisoned"), [1 << 20]);
    let outcome = run(json!({"look": "list", "path": "/many"})).await;
    assert_eq!(outcome.message.split(' ').count(), 1000);
}

#[tokio::test]
async fn a_file_that_cannot_be_looked_at_says_why() {
    for look in ["read", "metadata", "list", "space"] {
        let at = async |path: &str| told(json!({"look": look, "path": path, "offset": 0, "length": 1})).await;
        assert_eq!(at("/missing").await, "Failure: Error::NotFound");
        assert_eq!(at("/device").await, "Failure: Error::WrongKind");
        assert_eq!(at("/stopped").await, "Failure: Error::NotRunning");
        assert_eq!(at("/broken").await, "Failure: Error::Host(\"input/output error\")");
        let lines = "the path /elsewhere is not granted; to grant it, add to the handler: \
                     wasm: { allow: { files: [\"/elsewhere\"] } }";
        let refused = at("/elsewhere").await;
        assert!(
            refused.starts_with("Errored: ") && refused.ends_with(lines),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn what_a_run_reached_for_is_counted() {
    let outcome = look(json!({"look": "read", "path": "/elsewhere", "offset": 0, "length": 1})).await;
    let used = |detail: &str, granted, refused| GrantUse {
        grant: Grant::Files,
        detail: detail.to_owned(),
        granted,
        refused,
    };
    assert_eq!(outcome.grants, [used("/elsewhere", 0, 1)]);
    let outcome = look(json!({"look": "read", "path": "/missing", "offset": 0, "length": 1})).await;
    assert_eq!(outcome.grants, [used("/missing", 1, 0)]);
    assert_eq!(look(json!({"look": "state"})).await.grants, []);
}

#[tokio::test]
async fn a_missing_grant_names_its_line() {
    let all = || Arc::new(Double::default()).grants();
    let cases = [
        (Grant::Exec, Grants { exec: None, ..all() }, "exec: true"),
        (Grant::Stats, Grants { stats: None, ..all() }, "stats: true"),
        (Grant::Logs, Grants { logs: None, ..all() }, "logs: true"),
        (Grant::Files, Grants { files: None, ..all() }, "files: [\"/PATH\"]"),
    ];
    for (grant, grants, line) in cases {
        let request = RunRequest {
            grants,
            ..probe(json!({"look": "state"}))
        };
        let outcome = curious().await.run(request).await;
        assert_eq!(outcome.verdict, Verdict::Errored);
        let lines =
            format!("which it is not granted; to grant it, add to the handler: wasm: {{ allow: {{ {line} }} }}");
        assert!(outcome.message.ends_with(&lines), "{outcome:?}");
        assert_eq!(
            (outcome.grants.len(), outcome.grants[0].grant, outcome.grants[0].refused),
            (1, grant, 1)
        );
    }
}

#[tokio::test]
async fn hooks_have_the_same_at_hand() {
    let run = async |config| curious().await.run(with_all(hook(config))).await;
    assert_eq!(said(&run(json!({"look": "stats"})).await), "Success: ");
    let outcome = run(json!({"look": "exec", "command": ["drain"]})).await;
    assert_eq!(said(&outcome), "Failure: start: drain");
    let outcome = run(json!({"look": "state"})).await;
    assert_eq!(outcome.state.as_deref(), Some(&[1_u8][..]));
}

#[tokio::test]
async fn a_plugin_describes_itself() {
    let curious = curious().await;
    let description = curious.description().expect("a description");
    assert_eq!(
        (description.name.as_str(), description.version.as_str()),
        ("curious", "0.1.0")
    );
    assert_eq!(description.grants, ["stats: true", "logs: true"]);
    let schema = description.config_schema.as_ref().expect("a schema");
    assert_eq!(schema["required"], json!(["look"]));
    let mut needs = curious.needs();
    needs.sort();
    assert_eq!(needs, [Grant::Exec, Grant::Stats, Grant::Logs, Grant::Files]);
    assert_eq!(crate::fixture::unruly().await.needs(), []);
}

/// A probe in the text format whose schema is this text.
fn described(schema: &str) -> Vec<u8> {
    let text = include_str!("described.wat").replace("SCHEMA", &schema.replace('"', "\\\""));
    let length = format!("\\{:02x}\\00\\00\\00", schema.len());
    wat::parse_str(text.replace("LENGTH", &length)).expect("a component")
}

#[tokio::test]
async fn a_schema_that_is_no_json_is_refused() {
    let plugin = ENGINE
        .load("plain", &described(r#"{"type":"object"}"#))
        .await
        .expect("a plugin");
    let schema = plugin
        .description()
        .and_then(|description| description.config_schema.clone());
    assert_eq!(schema, Some(json!({"type": "object"})));
    assert_eq!(said(&plugin.run(probe(json!({}))).await), "Failure: tired");

    let error = ENGINE
        .load("plain", &described("{type: object}"))
        .await
        .err()
        .expect("an error");
    assert!(matches!(error, LoadError::Description { .. }));
    let message = error.to_string();
    assert!(
        message.starts_with(
            "plugin `plain` cannot be asked what it is (probelet:plugin/describe): its config-schema is no JSON: "
        ),
        "{message}"
    );
}
