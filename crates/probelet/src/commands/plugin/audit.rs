//! `probelet plugin audit`: from what the last runs reached for to the lines that would grant just that.

use std::collections::{BTreeMap, BTreeSet};

use probelet_api::client::{self, Client, OBJECTS};
use probelet_node::handle::RunRecord;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    arguments::{DataFormat, PluginAudit},
    commands::what::pod_name,
    output::{documents::print_document, print},
};

/// A check of a container.
type Check = (String, String);

/// Prints the least set of grants.
pub(super) async fn run(command: &PluginAudit, client: &Client) -> anyhow::Result<()> {
    let (namespace, name) = (&command.namespace.namespace, pod_name(&command.pod)?);
    let pod: Value = client.get(&client::pod(namespace, name), OBJECTS).await?;
    let history: Value = client.get(&client::history(namespace, name), OBJECTS).await?;
    let runs = Vec::<RunRecord>::deserialize(&history["items"])?;
    let checks = checks(&pod);
    if checks.is_empty() {
        eprintln!("No probe or hook of the pod is a plugin");
        return Ok(());
    }
    let document = document(&checks, &runs);
    if command.output == Some(DataFormat::Json) {
        return print_document(&document, DataFormat::Json);
    }
    for check in &checks {
        print(&format!("{}\n", comment(check, &runs)))?;
    }
    print_document(&document, DataFormat::Yaml)
}

/// The checks of a pod that are plugins.
fn checks(pod: &Value) -> Vec<Check> {
    let components = pod["status"]["components"].as_array();
    let name = |component: &Value, field: &str| component[field].as_str().unwrap_or_default().to_owned();
    let components = components.into_iter().flatten();
    components
        .map(|component| (name(component, "container"), name(component, "check")))
        .collect()
}

fn of<'a>(check: &'a Check, runs: &'a [RunRecord]) -> impl Iterator<Item = &'a RunRecord> {
    runs.iter()
        .filter(|run| run.container == check.0 && run.kind == check.1)
}

fn comment(check: &Check, runs: &[RunRecord]) -> String {
    let count = of(check, runs).count();
    let refused = of(check, runs)
        .filter(|run| run.grants.iter().any(|grant| grant.refused > 0))
        .count();
    format!(
        "# {} of container {}: {count} runs, {refused} of them refused something",
        check.1, check.0
    )
}

/// `containers: {NAME: {livenessProbe: {wasm: {allow: …}}}}`, to be copied from.
fn document(checks: &[Check], runs: &[RunRecord]) -> Value {
    let mut containers: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for check in checks {
        let allow = json!({ "wasm": { "allow": least(of(check, runs)) } });
        let container = containers.entry(&check.0).or_default();
        match check.1.as_str() {
            hook @ ("postStart" | "preStop") => {
                let lifecycle = container.entry("lifecycle").or_insert_with(|| json!({}));
                lifecycle[hook] = allow;
            }
            probe => drop(container.insert(format!("{probe}Probe"), allow)),
        }
    }
    json!({ "containers": containers })
}

/// The least that these runs needed.
fn least<'a>(runs: impl Iterator<Item = &'a RunRecord>) -> Value {
    let mut used: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for grant in runs.flat_map(|run| &run.grants) {
        used.entry(&grant.grant).or_default().insert(&grant.detail);
    }
    let mut allow = Map::new();
    for (grant, details) in used {
        // A plugin that was not even run for want of a grant has not said what of it it needs.
        let known: Vec<&str> = details.into_iter().filter(|detail| !detail.is_empty()).collect();
        let value = match grant {
            "exec" if !known.is_empty() => known
                .iter()
                .filter_map(|command| serde_json::from_str::<Value>(command).ok())
                .collect(),
            "network" | "files" | "environment" => json!(known),
            _ => json!(true),
        };
        allow.insert(grant.to_owned(), value);
    }
    Value::Object(allow)
}

#[cfg(test)]
mod tests {
    use probelet_node::handle::GrantRecord;

    use super::*;

    fn run(kind: &str, grants: &[(&str, &str, bool)]) -> RunRecord {
        let grants = grants.iter().map(|&(grant, detail, granted)| GrantRecord {
            grant: grant.into(),
            detail: detail.into(),
            granted: granted.into(),
            refused: (!granted).into(),
        });
        RunRecord {
            container: "web".into(),
            kind: kind.into(),
            grants: grants.collect(),
            ..RunRecord::default()
        }
    }

    #[test]
    fn the_least_set_is_what_was_used_or_asked_for() {
        let runs = [
            run(
                "liveness",
                &[("network", "db:5432", true), ("exec", r#"["cat","/f"]"#, false)],
            ),
            run("liveness", &[("network", "db:5432", true), ("stats", "", true)]),
            run("preStop", &[("exec", "", false)]),
        ];
        let checks = [
            ("web".to_owned(), "liveness".to_owned()),
            ("web".to_owned(), "preStop".to_owned()),
        ];
        let expected = json!({"containers": {"web": {
            "livenessProbe": {"wasm": {"allow": {"exec": [["cat", "/f"]], "network": ["db:5432"], "stats": true}}},
            "lifecycle": {"preStop": {"wasm": {"allow": {"exec": true}}}},
        }}});
        assert_eq!(document(&checks, &runs), expected);
        assert_eq!(
            comment(&checks[0], &runs),
            "# liveness of container web: 2 runs, 1 of them refused something"
        );
    }
}
