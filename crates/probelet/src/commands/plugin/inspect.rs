//! `probelet plugin inspect`.

use std::{fmt::Write, path::Path};

use probelet_engine::{Grant, Plugin};
use probelet_plugin_tools::requirements;
use serde_json::{Value, json};

use super::component::{Loaded, load};
use crate::{
    arguments::PluginInspect,
    output::{documents::print_document, print, printable, tabs::align},
};

/// The packages' name in front of the contract's version.
const CONTRACT: &str = "probelet:plugin/";

/// Tells what a component is.
pub(super) async fn run(command: &PluginInspect, state_dir: &Path) -> anyhow::Result<()> {
    let document = document(&load(&command.component, state_dir, &command.registries).await?);
    match command.output {
        Some(format) => print_document(&document, format),
        None => Ok(print(&printable(&text(&document)))?),
    }
}

fn document(loaded: &Loaded) -> Value {
    let plugin = &loaded.plugin;
    let (imports, exports) = (plugin.imports(), plugin.exports());
    let said = plugin.description().map(|said| {
        json!({
            "name": said.name,
            "version": said.version,
            "configSchema": said.config_schema,
            "grants": said.grants,
        })
    });
    json!({
        "component": plugin.name(),
        "digest": plugin.digest(),
        "sizeBytes": loaded.size,
        "roles": roles(plugin),
        "contract": contract(&exports).or_else(|| contract(&imports)),
        "exports": exports,
        "imports": imports,
        "description": said,
        "needs": requirements(plugin),
        "usesNetwork": plugin.needs().contains(&Grant::Network),
    })
}

fn roles(plugin: &Plugin) -> Vec<&'static str> {
    let roles = [("probe", plugin.exports_probe()), ("hook", plugin.exports_hook())];
    roles.iter().filter(|(_, can)| *can).map(|(name, _)| *name).collect()
}

/// The contract's version that a component was built against; none for a WASI command that knows nothing of it.
fn contract(names: &[String]) -> Option<&str> {
    let mut ours = names.iter().filter(|name| name.starts_with(CONTRACT));
    ours.find_map(|name| Some(name.split_once('@')?.1))
}

fn text(document: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let words = |value: &Value| value.as_array().into_iter().flatten().map(word).collect::<Vec<_>>();
    let said = &document["description"];
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}:\t{}", value.replace(['\n', '\t'], " "));
    };
    line("Component", word(&document["component"]));
    if said.is_object() {
        line("Name", word(&said["name"]));
        line("Version", word(&said["version"]));
    }
    line("Digest", word(&document["digest"]));
    let size = document["sizeBytes"].as_u64().unwrap_or_default();
    line("Size", format!("{}kB", size.div_ceil(1000)));
    line("Runs as", words(&document["roles"]).join(" and "));
    line("Contract", word(&document["contract"]));
    if document["usesNetwork"] == true {
        let note = "reaches the pod's own addresses; others need network: [\"HOST:PORT\"] below allow";
        line("Network", note.to_owned());
    }
    let mut text = align(&text);
    let sections = [
        ("Exports", &document["exports"]),
        ("Imports", &document["imports"]),
        ("Cannot run without, below allow", &document["needs"]),
        ("Asks for, below allow", &said["grants"]),
    ];
    for (heading, list) in sections {
        let list = words(list);
        if !list.is_empty() {
            let _ = writeln!(text, "{heading}:\n  {}", list.join("\n  "));
        }
    }
    if !said["configSchema"].is_null() {
        let schema = serde_json::to_string_pretty(&said["configSchema"]).unwrap_or_default();
        let _ = writeln!(text, "Schema of config:\n  {}", schema.replace('\n', "\n  "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_told_in_sections_that_have_something_to_say() {
        let document = json!({
            "component": "a.wasm", "digest": "sha256:00", "sizeBytes": 1001, "roles": ["probe"], "contract": "0.1.0",
            "exports": ["probelet:plugin/probe@0.1.0"], "imports": [],
            "description": {"name": "a", "version": "1", "configSchema": {"type": "object"}, "grants": ["exec: true"]},
            "needs": [], "usesNetwork": true,
        });
        assert_eq!(
            text(&document),
            "\
Component:  a.wasm
Name:       a
Version:    1
Digest:     sha256:00
Size:       2kB
Runs as:    probe
Contract:   0.1.0
Network:    reaches the pod's own addresses; others need network: [\"HOST:PORT\"] below allow
Exports:
  probelet:plugin/probe@0.1.0
Asks for, below allow:
  exec: true
Schema of config:
  {
    \"type\": \"object\"
  }
"
        );
        let names = ["wasi:cli/run@0.2.6", "probelet:plugin/hook@0.1.0"].map(str::to_owned);
        assert_eq!(contract(&names), Some("0.1.0"));
        assert_eq!(contract(&names[..1]), None);
    }
}
