//! What images are called, in full (Kubernetes' and docker's defaults).

use crate::ImageError;

/// The registry of names without one.
const DEFAULT_REGISTRY: &str = "docker.io";

/// The longest name, as registries have it.
const MAX_NAME: usize = 255;

/// The longest tag.
const MAX_TAG: usize = 128;

/// The full name: `busybox` is `docker.io/library/busybox:latest`. A name with a digest loses its tag.
///
/// # Errors
///
/// [`ImageError::InvalidName`] says which part cannot be.
pub fn normalize(name: &str) -> Result<String, ImageError> {
    let invalid = |reason: &str| ImageError::InvalidName {
        name: name.to_owned(),
        reason: reason.to_owned(),
    };
    let (rest, digest) = match name.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (name, None),
    };
    // A colon before the last slash belongs to the registry's port.
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (rest, None),
    };
    let (registry, repository) = match path.split_once('/') {
        Some((first, others)) if first.contains(['.', ':']) || first == "localhost" => (first, others.to_owned()),
        Some(_) => (DEFAULT_REGISTRY, path.to_owned()),
        None => (DEFAULT_REGISTRY, format!("library/{path}")),
    };
    let registry = if registry == "index.docker.io" {
        DEFAULT_REGISTRY
    } else {
        registry
    };
    if path.is_empty() {
        return Err(invalid("there is no name"));
    }
    if path.len() > MAX_NAME {
        return Err(invalid("it is longer than 255 characters"));
    }
    if !repository.split('/').all(is_component) {
        return Err(invalid(
            "its parts are lower-case letters and digits, with '.', '_' or '-' between them",
        ));
    }
    let host = |letter: char| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter);
    if !registry.chars().all(host) || registry.starts_with(['.', '-', ':']) {
        return Err(invalid("the registry is no host name"));
    }
    match (digest, tag) {
        (Some(digest), _) if is_digest(digest) => Ok(format!("{registry}/{repository}@{digest}")),
        (Some(_), _) => Err(invalid("the digest is not `sha256:` and 64 hexadecimal digits")),
        (None, Some(tag)) if !is_tag(tag) => Err(invalid(
            "the tag is not of letters, digits, '_', '.' and '-', at most 128",
        )),
        (None, tag) => Ok(format!("{registry}/{repository}:{}", tag.unwrap_or("latest"))),
    }
}

fn is_component(part: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-".contains(letter);
    let outer =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    part.chars().all(inner) && outer(part.chars().next()) && outer(part.chars().last())
}

fn is_tag(tag: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    tag.len() <= MAX_TAG
        && tag.chars().next().is_some_and(word)
        && tag.chars().all(|letter| word(letter) || ".-".contains(letter))
}

pub(crate) fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .chars()
                .all(|letter| letter.is_ascii_digit() || ('a'..='f').contains(&letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_completed_as_docker_completes_them() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (name, full) in [
            ("busybox", "docker.io/library/busybox:latest".to_owned()),
            ("ikubernetes/myapp:v1", "docker.io/ikubernetes/myapp:v1".to_owned()),
            (
                "index.docker.io/library/nginx",
                "docker.io/library/nginx:latest".to_owned(),
            ),
            ("localhost/app", "localhost/app:latest".to_owned()),
            ("localhost:5000/app:2", "localhost:5000/app:2".to_owned()),
            ("quay.io/a/b/c:x", "quay.io/a/b/c:x".to_owned()),
            (
                &format!("redis:7@{digest}"),
                format!("docker.io/library/redis@{digest}"),
            ),
        ] {
            assert_eq!(normalize(name).unwrap(), full);
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        for name in [
            "",
            ":tag",
            "Upper",
            "a//b",
            "a b",
            "-a",
            "a:",
            "a:b c",
            "a@sha256:12",
            "../a",
            "a/../b",
        ] {
            assert!(matches!(normalize(name), Err(ImageError::InvalidName { .. })), "{name}");
        }
    }
}
