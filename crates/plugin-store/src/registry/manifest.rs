//! Manifests of WebAssembly artifacts, as the CNCF's guidance for them has it.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::Digest;

/// What a manifest is called that a registry is asked for.
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// What a component is called in a manifest.
const LAYER_TYPE: &str = "application/wasm";

/// What it was called before.
const OLD_LAYER_TYPE: &str = "application/vnd.wasm.content.layer.v1+wasm";

/// What the description of a component is called. It is written and not read: what counts is in the component.
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u64,
    layers: Option<Vec<Layer>>,
    /// Of an index only.
    manifests: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
}

/// The digest and size of the only component of a manifest, or why there is none.
pub(crate) fn component(manifest: &[u8]) -> Result<(Digest, u64), String> {
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|error| format!("its manifest cannot be read: {error}"))?;
    if manifest.manifests.is_some() {
        return Err("it is an index of several; name one of them by its digest".to_owned());
    }
    if manifest.schema_version != 2 {
        return Err(format!("its manifest is of version {}, not 2", manifest.schema_version));
    }
    let layers = manifest.layers.unwrap_or_default();
    let [layer] = layers.as_slice() else {
        return Err(format!("it has {} layers, and a component is one", layers.len()));
    };
    if ![LAYER_TYPE, OLD_LAYER_TYPE].contains(&layer.media_type.as_str()) {
        return Err(format!(
            "its layer is of type {:.100}, not {LAYER_TYPE}; push it with a tool for WebAssembly, such as wkg or oras",
            layer.media_type.escape_debug().to_string()
        ));
    }
    let digest = layer
        .digest
        .parse()
        .map_err(|_| "its layer has no sha256 digest".to_owned())?;
    Ok((digest, layer.size))
}

/// The description of a component.
pub(crate) fn config(component: &Digest) -> Bytes {
    let config = json!({
        "created": Timestamp::now(),
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [component],
    });
    Bytes::from(config.to_string())
}

/// The manifest of a component with this description.
pub(crate) fn manifest(config: &[u8], component: &[u8]) -> Bytes {
    let descriptor = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(CONFIG_TYPE, config),
        "layers": [descriptor(LAYER_TYPE, component)],
    });
    Bytes::from(manifest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_layers(layers: &serde_json::Value) -> Vec<u8> {
        json!({ "schemaVersion": 2, "layers": layers }).to_string().into_bytes()
    }

    #[test]
    fn what_is_written_can_be_read_and_so_can_the_old_type() {
        let content = b"content";
        let digest = Digest::of(content);
        let written = manifest(&config(&digest), content);
        assert_eq!(component(&written), Ok((digest, 7)));
        let old = json!([{ "mediaType": OLD_LAYER_TYPE, "digest": digest, "size": 9 }]);
        assert_eq!(component(&with_layers(&old)), Ok((digest, 9)));
    }

    #[test]
    fn what_is_no_component_says_what_it_is() {
        let layer = json!({ "mediaType": LAYER_TYPE, "digest": Digest::of(b""), "size": 1 });
        let image =
            json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": Digest::of(b""), "size": 1 });
        let foreign = json!({ "mediaType": LAYER_TYPE, "digest": "sha512:00", "size": 1 });
        for (manifest, hint) in [
            (b"<html>".to_vec(), "cannot be read"),
            (br#"{"schemaVersion": 2, "manifests": []}"#.to_vec(), "index"),
            (br#"{"schemaVersion": 1, "layers": []}"#.to_vec(), "version 1"),
            (br#"{"schemaVersion": 2}"#.to_vec(), "0 layers"),
            (with_layers(&json!([layer, layer])), "2 layers"),
            (with_layers(&json!([image])), "application/vnd.oci.image.layer.v1.tar"),
            (with_layers(&json!([foreign])), "no sha256"),
        ] {
            let reason = component(&manifest).unwrap_err();
            assert!(reason.contains(hint), "{reason}");
        }
    }
}
