//! Manifests of WebAssembly artifacts, as the CNCF's guidance for them has it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use wasmparser::{Parser, Payload};

use crate::{Digest, Reference};

/// What a manifest is called that a registry is asked for.
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// What a component is called in a manifest.
const LAYER_TYPE: &str = "application/wasm";

/// What it was called before.
const OLD_LAYER_TYPE: &str = "application/vnd.wasm.content.layer.v1+wasm";

/// What the description of a component is called. It is written and not read: what counts is in the component.
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";

/// The annotation by which oras calls the file that it makes of a layer. It makes none of a layer without it.
const TITLE: &str = "org.opencontainers.image.title";

/// When a component was made, as its description says, which has to say it: never, as with other tools whose builds are to
/// be repeated. So the same bytes have the same manifest at every push and for every tag, and what is signed of one counts
/// for all.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// The most imports and exports that a description lists: a plugin has some dozens.
const MAX_INTERFACES: usize = 1000;

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

/// What a component imports and exports, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Interfaces {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Reads them from a component, or tells why it is none.
pub(crate) fn interfaces(component: &[u8]) -> Result<Interfaces, String> {
    let unreadable = |error: wasmparser::BinaryReaderError| format!("it cannot be read: {error}");
    let mut found = Interfaces::default();
    // Components may have others inside, whose imports and exports are their own affair.
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(unreadable)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    found.imports.push(import.map_err(unreadable)?.name.name.to_owned());
                    found.check()?;
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    found.exports.push(export.map_err(unreadable)?.name.name.to_owned());
                    found.check()?;
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

impl Interfaces {
    fn check(&self) -> Result<(), String> {
        if self.imports.len() + self.exports.len() <= MAX_INTERFACES {
            return Ok(());
        }
        Err(format!("it has more than {MAX_INTERFACES} imports and exports"))
    }
}

/// The description of a component.
pub(crate) fn config(component: &Digest, interfaces: &Interfaces) -> Bytes {
    let config = json!({
        "created": CREATED,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [component],
        "component": { "exports": interfaces.exports, "imports": interfaces.imports },
    });
    Bytes::from(config.to_string())
}

/// The manifest of a component with this description, to be pushed by this name.
pub(crate) fn manifest(reference: &Reference, config: &[u8], component: &[u8]) -> Bytes {
    let mut layer = descriptor(LAYER_TYPE, component);
    let name = reference.repository().rsplit('/').next().unwrap_or_default();
    layer["annotations"] = json!({ TITLE: format!("{name}.wasm") });
    with_layers(&descriptor(CONFIG_TYPE, config), &json!([layer]))
}

/// How a manifest points to some content.
pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() })
}

/// A manifest.
pub(crate) fn with_layers(config: &serde_json::Value, layers: &serde_json::Value) -> Bytes {
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": layers });
    Bytes::from(manifest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_layers(layers: &serde_json::Value) -> Vec<u8> {
        super::with_layers(&json!({}), layers).to_vec()
    }

    #[test]
    fn what_is_written_can_be_read_and_so_can_the_old_type() {
        let content = b"content";
        let digest = Digest::of(content);
        let reference = "r.example/team/ping:1".parse().unwrap();
        let written = manifest(&reference, &config(&digest, &Interfaces::default()), content);
        assert_eq!(component(&written), Ok((digest, 7)));
        let read: serde_json::Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(read["layers"][0]["annotations"][TITLE], "ping.wasm");
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

    #[test]
    fn a_description_lists_what_the_component_itself_imports_and_exports() {
        let component = wat::parse_str(
            r#"(component
                (import "a:b/c@1.0.0" (instance))
                (component (import "inner" (func)))
                (core module (func (export "core")))
                (instance $i)
                (export "d:e/f@0.1.0" (instance $i)))"#,
        )
        .unwrap();
        let found = interfaces(&component).unwrap();
        let expected = Interfaces {
            imports: vec!["a:b/c@1.0.0".to_owned()],
            exports: vec!["d:e/f@0.1.0".to_owned()],
        };
        assert_eq!(found, expected);
        let read: serde_json::Value = serde_json::from_slice(&config(&Digest::of(b""), &found)).unwrap();
        let described = json!({ "exports": ["d:e/f@0.1.0"], "imports": ["a:b/c@1.0.0"] });
        assert_eq!((&read["component"], &read["os"]), (&described, &json!("wasip2")));

        let cut = interfaces(&component[..component.len() - 3]).unwrap_err();
        assert!(cut.contains("cannot be read"), "{cut}");
        let imports: String = (0..=MAX_INTERFACES)
            .map(|i| format!("(import \"i{i}\" (func))"))
            .collect();
        let many = wat::parse_str(format!("(component {imports})")).unwrap();
        assert!(interfaces(&many).unwrap_err().contains("more than 1000"));
    }
}
