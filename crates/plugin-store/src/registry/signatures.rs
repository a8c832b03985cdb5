//! Signatures beside a component: a manifest with the tag `sha256-….sig`, as cosign puts it there, with a layer for each
//! signature.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Digest, PrivateKey, Reference, Registry, RegistryError, SignatureError,
    registry::{locate, manifest, push::small, session::Session, silent},
    signature::{self, MAX_PAYLOAD, MAX_SIGNATURES, Signature, Subject},
};

/// What a signed document is called in a manifest.
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// What the description of a manifest of signatures is called: it has to have one.
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// The annotation that holds a signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: Digest,
    size: usize,
    #[serde(default)]
    annotations: HashMap<String, Value>,
}

/// Where the signatures of a manifest are.
pub(crate) fn place(reference: &Reference, manifest: &Digest) -> Reference {
    reference.tagged(tag(manifest))
}

/// The signed documents of a manifest, and the signatures of them; or what is wrong with it.
fn layers(manifest: &[u8]) -> Result<Vec<(Digest, usize, Vec<u8>)>, String> {
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|error| format!("their manifest cannot be read: {error}"))?;
    if manifest.layers.len() > MAX_SIGNATURES {
        return Err(format!(
            "there are {}, and no more than {MAX_SIGNATURES} are looked at",
            manifest.layers.len()
        ));
    }
    let mut found = Vec::new();
    for layer in manifest.layers {
        // Others may be added one day; they are none of ours.
        if layer.media_type != PAYLOAD_TYPE {
            continue;
        }
        if layer.size > MAX_PAYLOAD {
            return Err(format!(
                "one signs a document of {} bytes, and {MAX_PAYLOAD} are the most",
                layer.size
            ));
        }
        let text = layer.annotations.get(SIGNATURE).and_then(Value::as_str);
        let signature = text.and_then(|text| signature::decode(text.as_bytes()));
        let signature = signature.ok_or_else(|| format!("one has no annotation {SIGNATURE} with base64 in it"))?;
        found.push((layer.digest, layer.size, signature));
    }
    Ok(found)
}

/// A manifest of signatures with one more. The others stay as they are.
fn with_one_more(before: Option<&[u8]>, signature: &Signature) -> Result<(Bytes, Bytes), String> {
    let payload = signature.payload.as_deref().unwrap_or_default();
    let mut layers = match before {
        Some(manifest) => {
            let manifest: Value = serde_json::from_slice(manifest).map_err(|error| error.to_string())?;
            manifest["layers"].as_array().cloned().unwrap_or_default()
        }
        None => Vec::new(),
    };
    if layers.len() >= MAX_SIGNATURES {
        return Err(format!(
            "there are {MAX_SIGNATURES} already, the most that are looked at"
        ));
    }
    let mut layer = manifest::descriptor(PAYLOAD_TYPE, payload);
    layer["annotations"] = json!({ SIGNATURE: signature.to_text().trim_end() });
    layers.push(layer);
    let digests: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
    let config = json!({
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": digests },
    });
    let config = Bytes::from(config.to_string());
    let manifest = manifest::with_layers(&manifest::descriptor(CONFIG_TYPE, &config), &layers.into());
    Ok((config, manifest))
}

impl Registry {
    /// All signatures of a component of the reference's repository, none of them checked.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Signatures`] if they are none, or too many or too large; else what the registry says.
    pub(crate) async fn signatures(
        &self,
        reference: &Reference,
        manifest: &Digest,
    ) -> Result<Vec<Signature>, RegistryError> {
        self.in_time(reference, async {
            let mut session = self.session(reference).await?;
            match present(&mut session, reference, manifest).await? {
                Some(manifest) => read(&mut session, reference, &manifest).await,
                None => Ok(Vec::new()),
            }
        })
        .await
    }

    /// Signs what the reference leads to now, and puts the signature beside it. Whether it is new: a component that this
    /// key has signed already is left as it is.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Registry`] or [`SignatureError::Key`].
    pub async fn sign(&self, reference: &Reference, key: &PrivateKey) -> Result<(Digest, bool), SignatureError> {
        self.in_time(reference, async {
            // One session: it is signed in once.
            let mut session = self.session(reference).await?;
            let digest = locate(&mut session, reference).await?.manifest_digest;
            let before = present(&mut session, reference, &digest).await?;
            let known = match &before {
                Some(manifest) => read(&mut session, reference, manifest).await?,
                None => Vec::new(),
            };
            let subject = Subject::Manifest(reference, &digest);
            if signature::first_good(&known, subject, &key.public()).is_ok() {
                return Ok((digest, false));
            }
            let signature = Signature::of_manifest(reference, &digest, key)?;
            let (config, manifest) =
                with_one_more(before.as_deref(), &signature).map_err(|reason| unusable(reference, reason))?;
            let payload = signature.payload.unwrap_or_default();
            session.upload(small(payload.into())).await?;
            session.upload(small(config)).await?;
            session.tag(&tag(&digest), &manifest).await?;
            Ok((digest, true))
        })
        .await
    }
}

/// The tag of the signatures of a manifest.
fn tag(manifest: &Digest) -> String {
    format!("sha256-{}.sig", manifest.hex())
}

/// The manifest of the signatures, if there are any.
async fn present(
    session: &mut Session<'_>,
    reference: &Reference,
    manifest: &Digest,
) -> Result<Option<Vec<u8>>, RegistryError> {
    match session.manifest(&place(reference, manifest)).await {
        Ok(manifest) => Ok(Some(manifest)),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn read(
    session: &mut Session<'_>,
    reference: &Reference,
    manifest: &[u8],
) -> Result<Vec<Signature>, RegistryError> {
    let layers = layers(manifest).map_err(|reason| unusable(reference, reason))?;
    // Several keys sign the same document.
    let mut payloads: HashMap<Digest, Vec<u8>> = HashMap::new();
    let mut signatures = Vec::new();
    for (digest, size, signature) in layers {
        let payload = match payloads.get(&digest) {
            Some(payload) => payload.clone(),
            None => session.blob(reference, "signature", &digest, size, &silent).await?,
        };
        payloads.insert(digest, payload.clone());
        signatures.push(Signature {
            payload: Some(payload),
            signature,
        });
    }
    Ok(signatures)
}

fn unusable(reference: &Reference, reason: String) -> RegistryError {
    RegistryError::Signatures {
        reference: reference.to_string(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_added_to_those_that_are_there_and_bounded() {
        let signature = |text: &str| Signature {
            payload: Some(text.as_bytes().to_vec()),
            signature: text.as_bytes().to_vec(),
        };
        let (_, mut manifest) = with_one_more(None, &signature("one")).unwrap();
        for number in 1..MAX_SIGNATURES {
            manifest = with_one_more(Some(&manifest), &signature(&number.to_string()))
                .unwrap()
                .1;
        }
        let found = layers(&manifest).unwrap();
        assert_eq!(found.len(), MAX_SIGNATURES);
        assert_eq!(found[0], (Digest::of(b"one"), 3, b"one".to_vec()));
        assert!(with_one_more(Some(&manifest), &signature("more")).is_err());

        let mut read: Value = serde_json::from_slice(&manifest).unwrap();
        let one = read["layers"][0].clone();
        read["layers"].as_array_mut().unwrap().push(one);
        let error = layers(read.to_string().as_bytes()).unwrap_err();
        assert!(error.contains("there are 17"), "{error}");
    }

    #[test]
    fn a_manifest_that_has_no_usable_signatures_says_so() {
        let layer = json!({ "mediaType": PAYLOAD_TYPE, "digest": Digest::of(b""), "size": 1,
            "annotations": { SIGNATURE: "AAAA" } });
        let with = |field: &str, value: Value| {
            let mut layer = layer.clone();
            layer[field] = value;
            layers(json!({ "layers": [layer] }).to_string().as_bytes())
        };
        assert_eq!(with("size", 2.into()).unwrap().len(), 1);
        assert_eq!(with("mediaType", "text/plain".into()).unwrap().len(), 0);
        for (field, value, hint) in [
            ("size", json!(MAX_PAYLOAD + 1), "16384 are the most"),
            ("size", json!(-1), "cannot be read"),
            ("digest", json!("sha512:00"), "cannot be read"),
            ("annotations", json!({}), SIGNATURE),
            ("annotations", json!({ SIGNATURE: 1 }), SIGNATURE),
            ("annotations", json!({ SIGNATURE: "!" }), SIGNATURE),
            ("annotations", json!({ SIGNATURE: "A".repeat(4096) }), SIGNATURE),
        ] {
            let error = with(field, value).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
        assert!(layers(b"<html>").is_err());
    }
}
