//! `probelet plugin import`, `list` and `remove`.

use std::path::Path;

use anyhow::Context;
use probelet_plugin_store::{Entry, Imported, Reference, Store};
use serde_json::{Value, json};

use crate::{
    arguments::{PluginImport, PluginList, PluginRemove},
    output::{columns::Columns, documents::print_document, print},
};

/// The plugin store of the agent on this folder.
pub(super) fn open(state_dir: &Path) -> anyhow::Result<Store> {
    let folder = state_dir.join("plugins");
    Store::open(&folder).with_context(|| format!("cannot open the plugin store {}", folder.display()))
}

pub(super) fn import(command: &PluginImport, state_dir: &Path) -> anyhow::Result<()> {
    let name = match &command.name {
        Some(name) => name.clone(),
        None => default_name(&command.file)?,
    };
    let reference: Reference = name.parse()?;
    let imported = open(state_dir)?.import_file(&reference, &command.file)?;
    let Imported { digest, has_signature } = imported;
    match command.output {
        Some(format) => print_document(
            &json!({"reference": reference, "digest": digest, "signature": has_signature}),
            format,
        ),
        None => {
            let signature = if has_signature { ", with its signature" } else { "" };
            Ok(print(&format!("plugin {reference} imported{signature} ({digest})\n"))?)
        }
    }
}

/// `redis_ping.wasm` is called `redis-ping`.
fn default_name(file: &Path) -> anyhow::Result<String> {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let stem = stem.with_context(|| {
        format!(
            "{} has no name to call the plugin by; give it one with --name",
            file.display()
        )
    })?;
    Ok(stem.to_lowercase().replace('_', "-"))
}

pub(super) fn list(command: &PluginList, state_dir: &Path) -> anyhow::Result<()> {
    let entries = open(state_dir)?.list()?;
    match command.output {
        Some(format) => print_document(&entries.iter().map(document).collect::<Vec<_>>(), format),
        None => Ok(print(&table(&entries))?),
    }
}

pub(super) fn remove(command: &PluginRemove, state_dir: &Path) -> anyhow::Result<()> {
    let store = open(state_dir)?;
    for name in &command.names {
        let reference: Reference = name.parse()?;
        store.remove(&reference)?;
        print(&format!("plugin {reference} removed\n"))?;
    }
    Ok(())
}

fn document(entry: &Entry) -> Value {
    json!({
        "reference": entry.reference,
        "digest": entry.digest,
        "manifestDigest": entry.manifest_digest,
        "sizeBytes": entry.size,
        "created": entry.created.to_string(),
    })
}

fn table(entries: &[Entry]) -> String {
    let heading = ["PLUGIN", "DIGEST", "SIZE"].map(str::to_owned).to_vec();
    let rows = entries.iter().map(|entry| {
        vec![
            entry.reference.to_string(),
            format!("sha256:{:.12}", entry.digest.hex()),
            format!("{}kB", entry.size.div_ceil(1000)),
        ]
    });
    Columns::default().lines(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_plugin_a_name() {
        assert_eq!(default_name(Path::new("/a/Redis_Ping.wasm")).unwrap(), "redis-ping");
        assert!(default_name(Path::new("/")).is_err());
    }
}
