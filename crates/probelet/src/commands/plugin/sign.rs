//! `probelet plugin sign`.

use probelet_plugin_store::{PrivateKey, sign_file};
use serde_json::json;

use super::registries::Named;
use crate::{
    arguments::PluginSign,
    output::{documents::print_document, print},
};

pub(super) async fn run(command: &PluginSign) -> anyhow::Result<()> {
    let key = PrivateKey::read(&command.key)?;
    let (document, line) = match Named::parse(&command.component)? {
        Named::File(path) => {
            let signature = sign_file(&path, &key)?;
            let line = format!("plugin {} signed ({})\n", path.display(), signature.display());
            (json!({ "file": path, "signature": signature }), line)
        }
        Named::Reference(reference) => {
            let (manifest, is_new) = command.registries.client().sign(&reference, &key).await?;
            let pinned = reference.pinned(manifest);
            let done = if is_new {
                "signed"
            } else {
                "was signed with this key already"
            };
            let line = format!("plugin {pinned} {done}\n");
            (
                json!({ "pinned": pinned, "manifestDigest": manifest, "new": is_new }),
                line,
            )
        }
    };
    match command.output {
        Some(format) => print_document(&document, format),
        None => Ok(print(&line)?),
    }
}
