//! What components are called: `[registry/]repository[:tag][@sha256:…]`.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Digest, DigestError};

/// The longest registry and repository together, as registries have it.
const MAX_NAME: usize = 255;

/// The longest tag, as registries have it.
const MAX_TAG: usize = 128;

/// The names of docker's own registry: tools write any of them.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Whether two hosts, in lower case, are one registry.
pub(crate) fn is_same_host(one: &str, other: &str) -> bool {
    one == other || (DOCKER_HUB.contains(&one) && DOCKER_HUB.contains(&other))
}

/// The tag of a name that has neither tag nor digest.
const DEFAULT_TAG: &str = "latest";

/// A component's name in full. There is no default registry: a name without one is of this machine.
///
/// Written with a tag or with a digest, never both: a digest says more, so a tag beside it is dropped. Two texts that
/// mean the same are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    registry: Option<String>,
    repository: String,
    version: Version,
}

/// Which of a repository's components.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// The one that this tag is on at the time.
    Tag(String),
    /// This one: the digest of its manifest, or for one imported by hand, which has none, of its bytes.
    Digest(Digest),
}

/// A text that is no component's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid component reference \"{text}\": {reason}")]
pub struct ReferenceError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Reference {
    /// The registry's host and perhaps port; none for a name of this machine.
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// The repository: the path without the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag or the digest.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The same repository's component with this manifest digest.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self {
            version: Version::Digest(digest),
            ..self.clone()
        }
    }

    /// The registry and the repository, without a tag or digest.
    #[must_use]
    pub fn name(&self) -> String {
        let registry = self.registry.iter().map(|registry| format!("{registry}/"));
        registry.chain([self.repository.clone()]).collect()
    }

    /// The same repository's component with another tag, which must be a valid one.
    pub(crate) fn tagged(&self, tag: String) -> Self {
        Self {
            version: Version::Tag(tag),
            ..self.clone()
        }
    }

    /// Whether both are of one repository of one registry.
    pub(crate) fn is_same_repository(&self, other: &Self) -> bool {
        self.repository == other.repository && self.is_same_registry(other)
    }

    /// Whether both are of one registry, by whichever of its names, or both of this machine.
    pub(crate) fn is_same_registry(&self, other: &Self) -> bool {
        match (&self.registry, &other.registry) {
            (Some(one), Some(other)) => is_same_host(one, other),
            (one, other) => one == other,
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|reason| ReferenceError {
            text: text.to_owned(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            let digest = digest
                .parse::<Digest>()
                .map_err(|error: DigestError| error.to_string())?;
            (rest, Some(digest))
        }
        None => (text, None),
    };
    // A colon before the last slash belongs to the registry's port.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    if name.is_empty() {
        return Err("there is no name".to_owned());
    }
    if name.len() > MAX_NAME {
        return Err(format!("the name is longer than {MAX_NAME} characters"));
    }
    let (registry, repository) = match name.split_once('/') {
        Some((first, others)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), others),
        _ => (None, name),
    };
    if !repository.split('/').all(is_component) {
        return Err("its parts are lower-case letters and digits, with '.', '_' or '-' between them".to_owned());
    }
    if !registry.is_none_or(is_host) {
        return Err("the registry is no host name or address, with or without a port".to_owned());
    }
    if !tag.is_none_or(is_tag) {
        return Err(format!(
            "the tag is not of letters, digits, '_', '.' and '-', at most {MAX_TAG}"
        ));
    }
    Ok(Reference {
        registry: registry.map(str::to_ascii_lowercase),
        repository: repository.to_owned(),
        version: digest.map_or_else(|| Version::Tag(tag.unwrap_or(DEFAULT_TAG).to_owned()), Version::Digest),
    })
}

fn is_component(part: &str) -> bool {
    let outer = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let inner = |letter: u8| outer(letter) || b"._-".contains(&letter);
    let letters = part.as_bytes();
    letters.iter().copied().all(inner)
        && letters.first().copied().is_some_and(outer)
        && letters.last().copied().is_some_and(outer)
}

fn is_tag(tag: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    tag.len() <= MAX_TAG && tag.starts_with(word) && tag.chars().all(|letter| word(letter) || ".-".contains(letter))
}

/// A name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.
fn is_host(text: &str) -> bool {
    let (is_host, rest) = match text.strip_prefix('[') {
        Some(text) => match text.split_once(']') {
            Some((address, rest)) => (address.parse::<Ipv6Addr>().is_ok(), rest),
            None => return false,
        },
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (host.split('.').all(is_label), rest)
        }
    };
    is_host && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

fn is_label(label: &str) -> bool {
    let inner = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
    !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(formatter, "{registry}/")?;
        }
        match &self.version {
            Version::Tag(tag) => write!(formatter, "{}:{tag}", self.repository),
            Version::Digest(digest) => write!(formatter, "{}@{digest}", self.repository),
        }
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> String {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_registry_only_if_its_first_part_looks_like_one() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, registry, full) in [
            ("redis-ping", None, "redis-ping:latest".to_owned()),
            ("redis-ping:1", None, "redis-ping:1".to_owned()),
            ("team/redis-ping:1", None, "team/redis-ping:1".to_owned()),
            ("redis.ping:1", None, "redis.ping:1".to_owned()),
            ("ghcr.io/a/b", Some("ghcr.io"), "ghcr.io/a/b:latest".to_owned()),
            ("GHCR.io/a/b", Some("ghcr.io"), "ghcr.io/a/b:latest".to_owned()),
            ("localhost/a:2", Some("localhost"), "localhost/a:2".to_owned()),
            ("host:5000/a", Some("host:5000"), "host:5000/a:latest".to_owned()),
            ("[::1]:5000/a:2", Some("[::1]:5000"), "[::1]:5000/a:2".to_owned()),
            ("[::1]/a", Some("[::1]"), "[::1]/a:latest".to_owned()),
            (&format!("a@{digest}"), None, format!("a@{digest}")),
            (&format!("x.y/a:1@{digest}"), Some("x.y"), format!("x.y/a@{digest}")),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.registry(), registry, "{text}");
            assert_eq!(reference.to_string(), full);
            assert_eq!(full.parse(), Ok(reference), "what is written can be read");
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let long = format!("a/{}", "b".repeat(254));
        for text in [
            "",
            ":1",
            "Upper",
            "a//b",
            "a b",
            "-a",
            "a:",
            "a:b c",
            "a@sha256:12",
            "a@",
            "../a",
            "a/../b",
            "/a",
            "./a",
            "x.y/",
            ".x/a",
            "x..y/a",
            "-x.y/a",
            "x.y:/a",
            "x.y:65536/a",
            "x.y:+1/a",
            "x:1:2/a",
            "[::1/a",
            "[::1]x/a",
            "[v6]/a",
            "a\n",
            "user@x.y/a",
            "builtin:http/x",
            &long,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
