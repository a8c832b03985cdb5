//! What a node lets in, by who has signed it; and the commands that push, sign, pull and verify.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use probelet_registry::Registry;
use probelet_tests::{
    agent::{Agent, Settings, plugin},
    finished::Finished,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{plugins::wait_until_ready, registries::pod};

/// A folder with a key, its two halves in files of their own, and a component.
struct Author {
    folder: TempDir,
}

impl Author {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("/tmp can be written");
        let author = Self { folder };
        // As docs/plugins/distributing.md has it.
        let (private, public) = (author.path("acme.key"), author.path("acme.pub"));
        let openssl = |arguments: &[&str]| Finished::run(Command::new("openssl").args(arguments)).success();
        openssl(&["genpkey", "-algorithm", "ed25519", "-out", text(&private)]);
        openssl(&["pkey", "-in", text(&private), "-pubout", "-out", text(&public)]);
        fs::copy(plugin("unruly"), author.path("unruly.wasm")).expect("a component");
        author
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An agent that knows the key.
    fn agent(&self, policy: &str) -> Arc<Agent> {
        let mut settings = Settings::unique();
        settings.environment = vec![
            ("PROBELET_PLUGIN_SIGNATURES", policy.into()),
            ("PROBELET_PLUGIN_KEYS", self.path("acme.pub").into()),
        ];
        Agent::start_with(settings)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the folder's name is text")
}

fn document(output: &str) -> Value {
    serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

#[test]
fn a_node_that_requires_signatures_refuses_what_has_none() {
    let (author, registry) = (Author::new(), Registry::start());
    let agent = author.agent("require");
    let namespace = agent.namespace("signed");
    let run = |arguments: &[&str]| Finished::run(&mut agent.client(arguments));
    let (file, private, public) = (
        author.path("unruly.wasm"),
        author.path("acme.key"),
        author.path("acme.pub"),
    );
    let (file, private, public) = (text(&file), text(&private), text(&public));
    let component = format!("localhost:{}/checks/unruly:1", registry.address().port());
    let field = "spec.containers[0].readinessProbe.wasm.component";

    let pushed = document(&run(&["plugin", "push", file, &component, "-o", "json"]).success());
    let (manifest, pinned) = (
        pushed["manifestDigest"].as_str().unwrap(),
        pushed["pinned"].as_str().unwrap(),
    );
    assert_eq!(
        (&pushed["uploaded"], &pushed["signed"]),
        (&"sent".into(), &false.into()),
        "{pushed}"
    );
    namespace.apply(&pod("unsigned", &component)).failure(
        1,
        &[
            ".yaml:12:",
            field,
            &format!("component \"{component}\" ({manifest}) is not signed"),
            public,
            &format!("sign it with `probelet plugin sign {component} --key FILE`"),
            "--plugin-signatures require",
        ],
    );
    assert!(!namespace.has("unsigned"));
    run(&["plugin", "verify", &component, "--key", public]).failure(1, &["is not signed"]);
    run(&["plugin", "pull", &component, "--key", public]).failure(1, &["is not signed"]);
    assert!(
        !run(&["plugin", "list"]).success().contains("checks/unruly"),
        "nothing was kept"
    );

    assert!(
        run(&["plugin", "sign", pinned, "--key", private])
            .success()
            .contains("signed")
    );
    let verified = run(&["plugin", "verify", &component, "--key", public]).success();
    assert!(verified.contains(pinned) && verified.contains(public), "{verified}");
    namespace.apply(&pod("by-tag", &component)).success();
    wait_until_ready(&namespace, "by-tag");

    // What was verified once is known without the registry, and a pod that was accepted goes on after a restart.
    drop(registry);
    agent.kill();
    agent.start_again();
    namespace.apply(&pod("by-digest", pinned)).success();
    wait_until_ready(&namespace, "by-digest");
    wait_until_ready(&namespace, "by-tag");

    // There is no way around it by a file or an import.
    namespace
        .apply(&pod("file", file))
        .failure(1, &[field, "is not signed", &format!("{file}.sig"), public]);
    let import = ["plugin", "import", file, "--name", "mine:1"];
    run(&import).success();
    run(&["plugin", "pull", "mine:1", "--key", public]).failure(1, &["was imported on this machine"]);
    namespace
        .apply(&pod("imported", "mine:1"))
        .failure(1, &[field, "\"mine:1\"", "is not signed", "import it again"]);
    run(&["plugin", "sign", file, "--key", private]).success();
    assert!(run(&import).success().contains("with its signature"));
    for (name, component) in [("file", file), ("imported", "mine:1")] {
        namespace.apply(&pod(name, component)).success();
        wait_until_ready(&namespace, name);
    }
}

#[test]
fn a_node_that_warns_runs_what_is_not_signed_and_tells() {
    let (author, registry) = (Author::new(), Registry::start());
    let agent = author.agent("warn");
    let namespace = agent.namespace("warned");
    let run = |arguments: &[&str]| Finished::run(&mut agent.client(arguments));
    let (file, private) = (author.path("unruly.wasm"), author.path("acme.key"));
    let port = registry.address().port();
    let (unsigned, signed) = (
        format!("localhost:{port}/a/unruly:1"),
        format!("localhost:{port}/b/unruly:1"),
    );
    run(&["plugin", "push", text(&file), &unsigned]).success();

    let applied = namespace.apply(&pod("unsigned", &unsigned));
    let said = "is not signed";
    assert!(
        applied.stderr.contains(said) && applied.stderr.contains("acme.pub"),
        "{applied:#?}"
    );
    applied.success();
    wait_until_ready(&namespace, "unsigned");
    let of_plugins = |pod: &str| {
        let mut events = namespace.events(pod);
        events.retain(|event| event["reason"] == "PluginUnsigned");
        events
    };
    let events = of_plugins("unsigned");
    assert_eq!(events.len(), 1, "{events:#?}");
    let message = events[0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("readiness check: ") && message.contains(said),
        "{message}"
    );
    assert_eq!(events[0]["type"], "Warning");

    // Pushed to another repository from the store, and signed at once.
    run(&["plugin", "pull", &unsigned]).success();
    let listed = document(&run(&["plugin", "list", "-o", "json"]).success());
    let name = listed[0]["reference"].as_str().unwrap();
    let push = ["plugin", "push", name, &signed, "--sign", text(&private), "-o", "json"];
    let pushed = document(&run(&push).success());
    assert_eq!(
        (&pushed["uploaded"], &pushed["signed"]),
        (&"mounted".into(), &true.into()),
        "{pushed}"
    );
    let applied = namespace.apply(&pod("signed", &signed));
    assert!(!applied.stderr.contains(said), "{applied:#?}");
    applied.success();
    wait_until_ready(&namespace, "signed");
    assert!(of_plugins("signed").is_empty());
}
