//! What is signed of a component in a registry: a document that names it, in the "simple signing" form that cosign uses.

use serde::Deserialize;
use serde_json::json;

use crate::{Digest, Reference, Rejection, Version};

/// What such a document says it is.
const KIND: &str = "cosign container image signature";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize)]
struct Image {
    // Both are found in the wild: Go reads names of fields without regard to case.
    #[serde(rename = "docker-manifest-digest", alias = "Docker-manifest-digest")]
    digest: String,
}

/// The document that says: this manifest is one of this repository's.
pub(crate) fn write(reference: &Reference, manifest: &Digest) -> Vec<u8> {
    let document = json!({
        "critical": {
            "identity": { "docker-reference": reference.name() },
            "image": { "docker-manifest-digest": manifest },
            "type": KIND,
        },
        "optional": null,
    });
    document.to_string().into_bytes()
}

/// Whether a document, whose signature was checked, speaks of this manifest under this name.
pub(crate) fn check(payload: &[u8], reference: &Reference, manifest: &Digest) -> Result<(), Rejection> {
    let payload: Payload = serde_json::from_slice(payload).map_err(|error| Rejection::Payload {
        reason: format!("it cannot be read (column {} of line {})", error.column(), error.line()),
    })?;
    let Critical { identity, image, kind } = payload.critical;
    if kind != KIND {
        return Err(Rejection::Payload {
            reason: format!("it is of type \"{}\", not \"{KIND}\"", shown(&kind)),
        });
    }
    if image.digest.parse() != Ok(*manifest) {
        return Err(Rejection::OtherDigest {
            found: shown(&image.digest),
        });
    }
    if is_of(&identity.reference, reference, manifest) {
        Ok(())
    } else {
        Err(Rejection::OtherReference {
            found: shown(&identity.reference),
        })
    }
}

/// Whether a name in a signature is that of the reference. The repository is always there and must be the same; a tag or
/// digest, if it is there, too.
fn is_of(claimed: &str, reference: &Reference, manifest: &Digest) -> bool {
    let Ok(parsed) = claimed.parse::<Reference>() else {
        return false;
    };
    let has_tag = matches!(parsed.version(), Version::Tag(tag) if claimed.ends_with(&format!(":{tag}")));
    let fits = match (parsed.version(), reference.version()) {
        (Version::Digest(digest), _) => digest == manifest,
        (Version::Tag(claimed), Version::Tag(tag)) => !has_tag || claimed == tag,
        // Who asks by digest has no tag that could be another.
        (Version::Tag(_), Version::Digest(_)) => true,
    };
    fits && parsed.is_same_repository(reference)
}

/// How long a text of a stranger may be in an error of ours.
const MAX_SHOWN: usize = 300;

fn shown(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(MAX_SHOWN)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::of(b"manifest")
    }

    fn payload(reference: &str, digest: &str, kind: &str) -> Vec<u8> {
        json!({ "critical": {
            "identity": { "docker-reference": reference },
            "image": { "docker-manifest-digest": digest },
            "type": kind,
        }, "optional": { "creator": "Bob" } })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_document_is_of_one_repository_and_one_manifest() {
        let reference: Reference = "r.example:5000/team/ping:1".parse().unwrap();
        let pinned = reference.pinned(digest());
        assert_eq!(check(&write(&reference, &digest()), &reference, &digest()), Ok(()));
        assert_eq!(check(&write(&reference, &digest()), &pinned, &digest()), Ok(()));
        let exact = format!("r.example:5000/team/ping@{}", digest());
        for claimed in ["r.example:5000/team/ping", "r.example:5000/team/ping:1", &exact] {
            let payload = payload(claimed, &digest().to_string(), KIND);
            assert_eq!(check(&payload, &reference, &digest()), Ok(()), "{claimed}");
        }
        let other = format!("r.example:5000/team/ping@{}", Digest::of(b"other"));
        for claimed in [
            "",
            "r.example:5000/team/pong",
            "r.example/team/ping",
            "other.example:5000/team/ping",
            "team/ping",
            "r.example:5000/team/ping:2",
            "r.example:5000/team/ping:latest",
            &other,
        ] {
            let payload = payload(claimed, &digest().to_string(), KIND);
            let refused = check(&payload, &reference, &digest());
            assert_eq!(
                refused,
                Err(Rejection::OtherReference {
                    found: claimed.to_owned()
                })
            );
        }
        let hub: Reference = "docker.io/library/ping:1".parse().unwrap();
        let of_cosign = payload("index.docker.io/library/ping", &digest().to_string(), KIND);
        assert_eq!(check(&of_cosign, &hub, &digest()), Ok(()));
    }

    #[test]
    fn another_manifest_or_another_kind_of_document_counts_for_nothing() {
        let reference: Reference = "r.example/ping:1".parse().unwrap();
        let name = "r.example/ping";
        let other = Digest::of(b"other").to_string();
        let refused = check(&payload(name, &other, KIND), &reference, &digest());
        assert_eq!(refused, Err(Rejection::OtherDigest { found: other }));
        let text = digest().to_string();
        let twice = format!(r#"{{"critical": {{}}, "critical": {}}}"#, "{}");
        for bytes in [
            payload(name, &text, "atomic container signature"),
            b"{}".to_vec(),
            b"[".repeat(10_000),
            b"\xff".to_vec(),
            twice.into_bytes(),
        ] {
            let refused = check(&bytes, &reference, &digest());
            assert!(matches!(refused, Err(Rejection::Payload { .. })), "{refused:?}");
        }
        let loud = check(&payload("r.example/\u{1b}[31m", &text, KIND), &reference, &digest());
        assert!(!format!("{}", loud.unwrap_err()).contains('\u{1b}'));
    }
}
