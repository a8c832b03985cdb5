//! `wasm.component`: a path, a built-in component's name, or an OCI reference.

use std::path::{Path, PathBuf};

use super::ComponentReference;
use crate::names;

/// The longest path, as in Linux.
const MAX_PATH: usize = 4096;

/// The longest registry and repository, and the longest tag, as registries have it.
const MAX_REPOSITORY: usize = 255;
const MAX_TAG: usize = 128;

/// Reads a reference, or says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<ComponentReference, String> {
    if ["/", "./", "../"].iter().any(|start| text.starts_with(start)) {
        return path(text);
    }
    if let Some(name) = text.strip_prefix("builtin:") {
        if !names::is_label(name) {
            return Err("a built-in component is named in lower-case letters, digits and '-'".to_owned());
        }
        return Ok(ComponentReference::Builtin(name.to_owned()));
    }
    match oci(text) {
        Ok(()) => Ok(ComponentReference::Oci(text.to_owned())),
        Err(_) if ["~", "file:", "\\"].iter().any(|start| text.starts_with(start)) || text.starts_with('.') => {
            Err("a file's path begins with /, ./ or ../".to_owned())
        }
        Err(_) if text.contains("://") => Err(
            "a component is not fetched from a URL; write its OCI reference, or fetch it and write its path".to_owned(),
        ),
        Err(reason) => Err(format!(
            "{reason} in [registry/]repository[:tag][@sha256:…]; a file's path begins with /, ./ or ../"
        )),
    }
}

/// Whether a reference is likelier meant as a path.
pub(super) fn looks_like_a_file(reference: &ComponentReference) -> bool {
    let ComponentReference::Oci(text) = reference else {
        return false;
    };
    let has_extension = |extension| {
        Path::new(text)
            .extension()
            .is_some_and(|found| found.eq_ignore_ascii_case(extension))
    };
    has_extension("wasm") || has_extension("wat")
}

fn path(text: &str) -> Result<ComponentReference, String> {
    let path = PathBuf::from(text);
    if text.contains('\0') || text.len() > MAX_PATH {
        return Err(format!("a path has no NUL character and at most {MAX_PATH} bytes"));
    }
    if text.ends_with('/') || path.file_name().is_none() {
        return Err("it is the path of a directory, not of a file".to_owned());
    }
    Ok(ComponentReference::Path(path))
}

/// Checks an OCI reference, or says which part of it is wrong.
fn oci(text: &str) -> Result<(), &'static str> {
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, at)| (rest, Some(at)));
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err("a digest is sha256: and 64 lower-case hexadecimal digits");
    }
    // A colon before a slash is that of the registry's port.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("a tag has letters, digits, '_', '.' and '-', at most 128");
    }
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, name),
    };
    if registry.is_some_and(|registry| !is_registry(registry)) {
        return Err("a registry is a host's name and perhaps a port");
    }
    if name.len() > MAX_REPOSITORY || !repository.split('/').all(is_component) {
        return Err("a repository has lower-case letters and digits, with single '.', '_' or '-' between them,");
    }
    Ok(())
}

fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_tag(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    !text.is_empty() && text.len() <= MAX_TAG && !text.starts_with(['.', '-']) && text.chars().all(inner)
}

fn is_registry(text: &str) -> bool {
    let (host, port) = text
        .split_once(':')
        .map_or((text, None), |(host, port)| (host, Some(port)));
    names::is_subdomain(&host.to_ascii_lowercase())
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// One part of a repository's name.
fn is_component(text: &str) -> bool {
    let alphanumeric = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let separator = |text: &str| matches!(text, "" | "." | "_" | "__") || text.chars().all(|letter| letter == '-');
    text.starts_with(alphanumeric) && text.ends_with(alphanumeric) && text.split(alphanumeric).all(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds_are_told_apart() {
        for path in ["/a.wasm", "./a.wasm", "../a/b.wasm", "./@:"] {
            assert_eq!(parse(path), Ok(ComponentReference::Path(path.into())));
        }
        assert_eq!(parse("builtin:exec"), Ok(ComponentReference::Builtin("exec".into())));
        let digest = format!("sha256:{}", "0a".repeat(32));
        for oci in [
            "redis-ping",
            "redis-ping.wasm",
            "a/b__c/d---e:v1.2_3",
            "ghcr.io/a/b",
            "localhost:5000/a",
            "localhost/a:1",
            "127.0.0.1:5000/a/b:1",
            &format!("ghcr.io/a/b@{digest}"),
            &format!("a:1@{digest}"),
        ] {
            assert_eq!(parse(oci), Ok(ComponentReference::Oci(oci.into())), "{oci}");
            assert_eq!(parse(oci).map(|found| found.to_string()), Ok(oci.to_owned()));
        }
        for wrong in [
            "",
            "A",
            "a:",
            "a:b:c",
            "a@sha256:00",
            "a@md5:00",
            "a..b",
            "a/",
            "-a",
            "a_",
            "ho st/a",
            "ghcr.io:0/a",
            "é",
            "builtin:",
            "builtin:a/b",
            "./",
            "/",
            "./..",
            "./a/",
            "/a\0",
            "~/a.wasm",
            "https://a/b.wasm",
            ".a",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
