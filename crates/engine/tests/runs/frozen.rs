//! What has been released stays: the contract's text, and components that were built against it and never again.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use probelet_engine::{
    Check, FieldValue, Grant, Grants, HookReason, LogLine, NetworkGrant, Plugin, ProbeKind, RunRequest,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    container::Double,
    fixture::{ENGINE, on_loopback, probe, said},
};

/// The digests of the frozen versions' texts.
///
/// If the test below says that one has changed: undo the change. Nothing may be added either, not even a comment, since
/// components out there were built against just this. An addition makes a version of its own, such as `wit/0.2.0`, which
/// holds all of this one's and gets a line here when it is released (docs/adr/0008-contract-versions.md).
const FROZEN: &[(&str, &str)] = &[(
    "0.1.0",
    "ffbd2e5f8e96d8bee4847db14867e5a5c00a24c5e55496975e6f0e7e9b836781",
)];

/// The same of packages beside the contract, by their folders.
const FROZEN_BESIDE: &[(&str, &str, &str)] = &[(
    "tls/0.1.0",
    "tls.wit",
    "69663d0ce4e50a7fe1fc01197063a36823d630fbb725a89bce5ae0d4f8105287",
)];

/// A run of `runs.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    component: String,
    kind: Kind,
    config: Value,
    /// Verdict and message.
    said: String,
    #[serde(default)]
    fields: Map<String, Value>,
    #[serde(default)]
    state: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Probe,
    Hook,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn folder(version: &str) -> PathBuf {
    root().join("tests/data/contract").join(version)
}

fn names(folder: PathBuf) -> BTreeSet<String> {
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    entries.map(|entry| name(entry).into_string().expect("UTF-8")).collect()
}

#[test]
fn released_versions_of_the_contract_do_not_change() {
    for (version, digest) in FROZEN {
        let folder = root().join("wit").join(version);
        assert_eq!(names(folder.clone()), BTreeSet::from(["plugin.wit".to_owned()]));
        let text = fs::read(folder.join("plugin.wit")).expect("the contract");
        let found: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            &found, digest,
            "wit/{version}/plugin.wit is frozen: see the comment above `FROZEN`"
        );
    }
}

#[test]
fn released_packages_beside_the_contract_do_not_change_either() {
    for (folder, file, digest) in FROZEN_BESIDE {
        let folder = root().join("wit").join(folder);
        assert_eq!(names(folder.clone()), BTreeSet::from([(*file).to_owned()]));
        let text = fs::read(folder.join(file)).expect("a package");
        let found: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(&found, digest, "{file} is frozen: see the comment above `FROZEN`");
    }
}

#[test]
fn every_released_version_has_components_and_each_is_run() {
    let frozen: BTreeSet<String> = FROZEN.iter().map(|(version, _)| (*version).to_owned()).collect();
    assert_eq!(names(root().join("tests/data/contract")), frozen);
    for (version, _) in FROZEN {
        let runs = runs(version);
        let run: BTreeSet<&str> = runs.iter().map(|run| run.component.as_str()).collect();
        let kept = names(folder(version));
        let kept = kept
            .iter()
            .filter(|name| name.ends_with(".wasm") || name.ends_with(".wat"));
        assert_eq!(run, kept.map(String::as_str).collect());
    }
}

fn runs(version: &str) -> Vec<Run> {
    let text = fs::read_to_string(folder(version).join("runs.json")).expect("the runs");
    serde_json::from_str(&text).expect("runs")
}

async fn load(version: &str, component: &str) -> Plugin {
    let bytes = fs::read(folder(version).join(component)).expect("a component");
    let bytes = wat::parse_bytes(&bytes).expect("a component");
    ENGINE.load(component, &bytes).await.expect("a plugin")
}

/// A run with everything granted that a container has.
fn request(run: &Run) -> RunRequest {
    let line = |time, stderr, text: &str| LogLine {
        time,
        stderr,
        text: text.to_owned(),
    };
    let container = Arc::new(Double {
        lines: Ok(vec![line(1, false, "begun"), line(2, true, "lost")]),
        ..Double::default()
    });
    let check = match run.kind {
        Kind::Probe => Check::Probe(ProbeKind::Liveness),
        Kind::Hook => Check::Hook(HookReason::Start),
    };
    let grants = Grants {
        environment: vec![("ROLE".to_owned(), "primary".to_owned())],
        network: Some(NetworkGrant::default()),
        ..container.grants()
    };
    RunRequest {
        check,
        grants,
        ..probe(run.config.clone())
    }
}

#[tokio::test]
async fn components_of_released_versions_run_as_they_did() {
    for (version, _) in FROZEN {
        for run in runs(version) {
            let plugin = load(version, &run.component).await;
            let outcome = plugin.run(on_loopback(request(&run))).await;
            let what = format!("{version}/{} {}", run.component, run.config);
            assert_eq!(said(&outcome), run.said, "{what}");
            let fields = outcome.fields.into_iter().map(|field| {
                let value = match field.value {
                    FieldValue::Text(text) => json!(text),
                    FieldValue::Number(number) => json!(number),
                    FieldValue::Flag(flag) => json!(flag),
                };
                (field.name, value)
            });
            assert_eq!(fields.collect::<Map<_, _>>(), run.fields, "{what}");
            assert_eq!(outcome.state, run.state, "{what}");
        }
    }
}

#[tokio::test]
async fn components_of_0_1_0_describe_themselves_and_need_what_they_did() {
    let curious = load("0.1.0", "curious.wasm").await;
    let description = curious.description().expect("a description");
    assert_eq!(
        (description.name.as_str(), description.version.as_str()),
        ("curious", "0.1.0")
    );
    assert_eq!(description.grants, ["stats: true", "logs: true"]);
    assert_eq!(
        description.config_schema.as_ref().map(|schema| &schema["required"]),
        Some(&json!(["look"]))
    );
    let mut needs = curious.needs();
    needs.sort();
    assert_eq!(needs, [Grant::Exec, Grant::Stats, Grant::Logs, Grant::Files]);

    let plain = load("0.1.0", "plain.wat").await;
    let description = plain.description().expect("a description");
    assert_eq!(
        (description.name.as_str(), description.version.as_str()),
        ("plain", "1")
    );
    assert_eq!(description.config_schema, Some(json!({"type": "object"})));
    assert_eq!(plain.needs(), []);

    let concurrent = load("0.1.0", "concurrent.wasm").await;
    assert_eq!(concurrent.description(), None);
    assert_eq!(concurrent.needs(), [Grant::Network]);
}
