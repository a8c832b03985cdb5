//! `probelet plugin pull`.

use std::path::Path;

use anyhow::bail;
use probelet_plugin_store::{PublicKeys, Reference, Resolver, Source};
use serde_json::json;

use super::store;
use crate::{
    arguments::PluginPull,
    output::{documents::print_document, print, progress::ProgressLine},
};

pub(super) async fn run(command: &PluginPull, state_dir: &Path) -> anyhow::Result<()> {
    let reference: Reference = command.reference.parse()?;
    let keys = PublicKeys::read(&command.keys)?;
    let resolver = Resolver::new(store::open(state_dir)?, command.registries.client());
    let resolved = resolver.locate(&reference).await?;
    let Some(manifest) = resolved.manifest_digest else {
        bail!(
            "{reference} was imported on this machine by this name; `probelet plugin remove {reference}` lets it be pulled"
        )
    };
    let verified = if command.keys.is_empty() {
        None
    } else {
        // Before it is downloaded: without a signature that counts, nothing of it is kept here.
        let source = Source::Reference(&reference);
        Some(resolver.verify(source, &resolved, &keys).await?)
    };
    let pinned = reference.pinned(manifest);
    let progress = ProgressLine::new(format!("pulling {reference}"));
    resolver.fetch(&reference, &resolved, &progress.watch()).await?;
    drop(progress);
    match command.output {
        Some(format) => print_document(
            &json!({
                "reference": reference,
                "pinned": pinned,
                "digest": resolved.digest,
                "manifestDigest": manifest,
                "sizeBytes": resolved.size,
                "key": verified.map(|verified| verified.key),
            }),
            format,
        ),
        None => {
            let signed = verified.map(|verified| format!(", signed with {}", verified.key.display()));
            let signed = signed.unwrap_or_default();
            Ok(print(&format!(
                "plugin {reference} pulled{signed}\npinned: {pinned}\n"
            ))?)
        }
    }
}
