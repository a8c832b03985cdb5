//! Signatures: what they say, whether a known key has made them, and how they are written down.
//!
//! Nothing here asks anybody: signatures are found by the registry's client, the store, or beside a file.

mod keys;
mod payload;

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
pub use keys::{MAX_PUBLIC_KEYS, PrivateKey, PublicKeys};
use serde::{Deserialize, Serialize};

use crate::{Digest, KeyError, Reference};

/// The most signatures of one component that are looked at. A component is signed by who built it and by who approved it.
pub(crate) const MAX_SIGNATURES: usize = 16;

/// The largest document that is signed. Most have 300 bytes; some people put remarks into it.
pub(crate) const MAX_PAYLOAD: usize = 16 << 10;

/// The longest signature: 72 bytes and fewer for the algorithms that are known here, and others are only to be refused.
pub(crate) const MAX_SIGNATURE: usize = 1 << 10;

/// What is to be done about components without a signature by a known key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignaturePolicy {
    /// Nothing: no signature is looked for.
    #[default]
    Ignore,
    /// They are run, and people are told.
    Warn,
    /// They are refused.
    Require,
}

/// A signature: of a document that names a component, or of the component's own bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signature {
    /// The document, if it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_base64")]
    pub(crate) payload: Option<Vec<u8>>,
    /// The signature itself.
    #[serde(with = "in_base64")]
    pub(crate) signature: Vec<u8>,
}

/// What a signature is to be of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    /// A component of a registry: its name, and the digest of its manifest.
    Manifest(&'a Reference, &'a Digest),
    /// The bytes of a component.
    Content(&'a [u8]),
}

/// A signature that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The file of the public key that has made it.
    pub key: PathBuf,
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Made with a key that is not among the known ones, or changed since.
    #[error("it was made with none of these keys")]
    UnknownKey,
    /// Of a document that cannot be understood.
    #[error("what it signs is no description of a component: {reason}")]
    Payload {
        /// What is wrong with it.
        reason: String,
    },
    /// Of another manifest.
    #[error("it is for another digest, {found}")]
    OtherDigest {
        /// Which.
        found: String,
    },
    /// Of another repository or tag, though of the same content.
    #[error("it is for another name, \"{found}\"")]
    OtherReference {
        /// Which.
        found: String,
    },
}

impl Signature {
    /// That a manifest is one of this repository's.
    pub(crate) fn of_manifest(reference: &Reference, manifest: &Digest, key: &PrivateKey) -> Result<Self, KeyError> {
        let payload = payload::write(reference, manifest);
        Ok(Self {
            signature: key.sign(&payload)?,
            payload: Some(payload),
        })
    }

    /// Of the content itself.
    pub(crate) fn of_content(content: &[u8], key: &PrivateKey) -> Result<Self, KeyError> {
        Ok(Self {
            payload: None,
            signature: key.sign(content)?,
        })
    }

    /// As it stands in a file of its own: base64 and a line's end, as `cosign sign-blob` writes it.
    pub(crate) fn to_text(&self) -> String {
        STANDARD.encode(&self.signature) + "\n"
    }

    /// Reads a signature of content as it stands in a file of its own.
    pub(crate) fn from_text(text: &[u8]) -> Option<Self> {
        let signature = decode(text.trim_ascii())?;
        Some(Self {
            payload: None,
            signature,
        })
    }

    /// Who has made it, if it counts. A document is not looked into before the signature of it was checked.
    pub(crate) fn verify(&self, subject: Subject<'_>, keys: &PublicKeys) -> Result<Verified, Rejection> {
        let signed = match (&self.payload, subject) {
            (Some(payload), Subject::Manifest(..)) => payload,
            (None, Subject::Content(bytes)) => bytes,
            _ => {
                return Err(Rejection::Payload {
                    reason: "it is of another kind".to_owned(),
                });
            }
        };
        let key = keys.signer(signed, &self.signature).ok_or(Rejection::UnknownKey)?;
        if let Subject::Manifest(reference, manifest) = subject {
            payload::check(signed, reference, manifest)?;
        }
        Ok(Verified { key: key.to_owned() })
    }
}

/// The first of some signatures that counts, and its place; or why none does, each reason once.
pub(crate) fn first_good(
    signatures: &[Signature],
    subject: Subject<'_>,
    keys: &PublicKeys,
) -> Result<(usize, Verified), Vec<Rejection>> {
    let mut rejections = Vec::new();
    for (index, signature) in signatures.iter().enumerate() {
        match signature.verify(subject, keys) {
            Ok(verified) => return Ok((index, verified)),
            Err(rejection) if !rejections.contains(&rejection) => rejections.push(rejection),
            Err(_) => {}
        }
    }
    Err(rejections)
}

/// Base64 of a signature that is not too long to be one.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // Four characters for three bytes.
    let decoded = (text.len() <= MAX_SIGNATURE * 4 / 3 + 4).then(|| STANDARD.decode(text).ok());
    decoded.flatten().filter(|bytes| !bytes.is_empty())
}

/// Bytes as base64 in JSON.
mod in_base64 {
    use super::{Deserialize, Engine, STANDARD};

    pub(super) fn serialize<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

/// The same where there may be none.
mod optional_base64 {
    use super::in_base64;

    // The signature that serde asks for.
    #[allow(clippy::ref_option)]
    pub(super) fn serialize<S: serde::Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => in_base64::serialize(bytes, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        in_base64::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(folder: &std::path::Path, name: &str) -> (PrivateKey, PublicKeys) {
        let (private, public) = keys::tests::pair(folder, name, &rcgen::PKCS_ECDSA_P256_SHA256);
        (
            PrivateKey::read(&private).unwrap(),
            PublicKeys::read(&[public]).unwrap(),
        )
    }

    #[test]
    fn the_first_signature_that_counts_decides_and_else_all_reasons_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let ((ours, known), (theirs, _)) = (key(folder.path(), "ours"), key(folder.path(), "theirs"));
        let reference: Reference = "r.example/ping:1".parse().unwrap();
        let other: Reference = "r.example/pong:1".parse().unwrap();
        let (digest, other_digest) = (Digest::of(b"manifest"), Digest::of(b"other"));
        let subject = Subject::Manifest(&reference, &digest);
        let by_a_stranger = Signature::of_manifest(&reference, &digest, &theirs).unwrap();
        let for_another_name = Signature::of_manifest(&other, &digest, &ours).unwrap();
        let for_another_digest = Signature::of_manifest(&reference, &other_digest, &ours).unwrap();
        let of_bytes = Signature::of_content(b"bytes", &ours).unwrap();
        let good = Signature::of_manifest(&reference, &digest, &ours).unwrap();

        let mut all = vec![
            by_a_stranger.clone(),
            for_another_name,
            by_a_stranger,
            for_another_digest,
            of_bytes,
        ];
        let reasons = first_good(&all, subject, &known).unwrap_err();
        let [
            Rejection::UnknownKey,
            Rejection::OtherReference { .. },
            Rejection::OtherDigest { .. },
            Rejection::Payload { .. },
        ] = &reasons[..]
        else {
            panic!("{reasons:?}")
        };
        all.push(good.clone());
        let (index, verified) = first_good(&all, subject, &known).unwrap();
        assert_eq!((index, verified.key), (5, folder.path().join("ours.pub")));

        // A document that was changed after it was signed.
        let changed = Signature {
            payload: Some(payload::write(&other, &digest)),
            ..good
        };
        assert_eq!(
            changed.verify(Subject::Manifest(&other, &digest), &known),
            Err(Rejection::UnknownKey)
        );
        assert_eq!(first_good(&[], subject, &known), Err(Vec::new()));
    }

    #[test]
    fn a_signature_of_bytes_is_a_line_of_base64() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, known) = key(folder.path(), "ours");
        let text = Signature::of_content(b"bytes", &ours).unwrap().to_text();
        let read = Signature::from_text(text.as_bytes()).unwrap();
        assert!(read.verify(Subject::Content(b"bytes"), &known).is_ok());
        assert_eq!(
            read.verify(Subject::Content(b"other"), &known),
            Err(Rejection::UnknownKey)
        );
        for wrong in ["", "\n", "!", &"A".repeat(4 * MAX_SIGNATURE)] {
            assert_eq!(Signature::from_text(wrong.as_bytes()), None, "{wrong:.10}");
        }
        // As it is kept in the store.
        let kept = serde_json::to_string(&read).unwrap();
        assert!(!kept.contains("payload"), "{kept}");
        assert_eq!(serde_json::from_str::<Signature>(&kept).unwrap(), read);
    }
}
