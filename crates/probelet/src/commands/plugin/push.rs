//! `probelet plugin push`.

use std::{path::Path, sync::Arc};

use probelet_plugin_store::{PrivateKey, Pushed, Reference, Resolver, Store, StoreError, Uploaded};
use serde_json::json;

use super::{registries::Named, store};
use crate::{
    arguments::PluginPush,
    output::{documents::print_document, print, progress::ProgressLine},
};

pub(super) async fn run(command: &PluginPush, state_dir: &Path) -> anyhow::Result<()> {
    let target: Reference = command.reference.parse()?;
    // Nothing is pushed that cannot be signed then.
    let key = command.sign.as_deref().map(PrivateKey::read).transpose()?;
    let progress = ProgressLine::new(format!("pushing {target}"));
    let watch = progress.watch();
    let registry = Arc::new(command.registries.client());
    let pushed = match Named::parse(&command.component)? {
        // The author of a component need not be who runs the agent: no store is touched.
        Named::File(path) => registry.push(&target, Store::read_file(&path)?, None, &watch).await?,
        Named::Reference(name) => {
            let store = store::open(state_dir)?;
            let found = store.find(&name)?.ok_or(StoreError::NotFound { reference: name })?;
            let bytes = store.get(&found.digest)?;
            Resolver::new(store, Arc::clone(&registry))
                .push(&target, bytes, &watch)
                .await?
        }
    };
    drop(watch);
    drop(progress);
    let pinned = target.pinned(pushed.manifest_digest);
    if let Some(key) = &key {
        // What was pushed, and not what somebody may have pushed since.
        registry.sign(&pinned, key).await?;
    }
    match command.output {
        Some(format) => print_document(
            &json!({
                "reference": target,
                "pinned": pinned,
                "digest": pushed.digest,
                "manifestDigest": pushed.manifest_digest,
                "uploaded": word(&pushed),
                "signed": key.is_some(),
            }),
            format,
        ),
        None => {
            let signed = if key.is_some() { ", and signed" } else { "" };
            let how = match pushed.uploaded {
                Uploaded::Sent => "pushed",
                Uploaded::Mounted => "pushed, from another repository of the registry",
                Uploaded::Present => "pushed: the registry had it",
            };
            Ok(print(&format!("plugin {target} {how}{signed}\npinned: {pinned}\n"))?)
        }
    }
}

fn word(pushed: &Pushed) -> &'static str {
    match pushed.uploaded {
        Uploaded::Sent => "sent",
        Uploaded::Mounted => "mounted",
        Uploaded::Present => "present",
    }
}
