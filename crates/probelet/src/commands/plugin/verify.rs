//! `probelet plugin verify`.

use std::path::Path;

use probelet_plugin_store::{Digest, PublicKeys, Reference, Resolver, Source, Store, Verified, verify_file};
use serde_json::json;

use super::{registries::Named, store};
use crate::{
    arguments::PluginVerify,
    output::{documents::print_document, print, progress::ProgressLine},
};

pub(super) async fn run(command: &PluginVerify, state_dir: &Path) -> anyhow::Result<()> {
    let keys = PublicKeys::read(&command.keys)?;
    let (name, digest, verified) = match Named::parse(&command.component)? {
        Named::File(path) => {
            let bytes = Store::read_file(&path)?;
            let verified = verify_file(&path, &bytes, &keys)?;
            (path.display().to_string(), Digest::of(&bytes), verified)
        }
        Named::Reference(reference) if reference.registry().is_none() => {
            let resolver = Resolver::new(store::open(state_dir)?, command.registries.client());
            let resolved = resolver.resolve(&reference).await?;
            let source = Source::Reference(&reference);
            let verified = resolver.verify(source, &resolved, &keys).await?;
            (reference.to_string(), resolved.digest, verified)
        }
        Named::Reference(reference) => in_registry(command, &reference, &keys).await?,
    };
    match command.output {
        Some(format) => print_document(
            &json!({ "component": name, "digest": digest, "key": verified.key }),
            format,
        ),
        None => Ok(print(&format!(
            "plugin {name} ({digest}) is whole, and signed with {}\n",
            verified.key.display()
        ))?),
    }
}

/// What is in the registry, whatever this machine has of it.
async fn in_registry(
    command: &PluginVerify,
    reference: &Reference,
    keys: &PublicKeys,
) -> anyhow::Result<(String, Digest, Verified)> {
    let registry = command.registries.client();
    let located = registry.locate(reference).await?;
    let verified = registry.verify(reference, &located.manifest_digest, keys).await?;
    let progress = ProgressLine::new(format!("checking {reference}"));
    registry.fetch(reference, &located, &progress.watch()).await?;
    let pinned = reference.pinned(located.manifest_digest);
    Ok((pinned.to_string(), located.digest, verified))
}
