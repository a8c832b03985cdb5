//! Names and passwords for registries, as docker's `config.json` has them.

use std::{collections::HashMap, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::{
    RegistryError,
    file::{self, Links},
    reference::is_same_host,
};

/// The largest file of credentials: thousands of registries.
const MAX_BYTES: usize = 1 << 20;

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Credentials {
    /// The value of an `Authorization` header.
    pub(crate) fn header(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

// Passwords get into no log.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: HashMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// A registry's credentials, if the file has any. Blocks.
pub(crate) fn find(path: &Path, registry: &str) -> Result<Option<Credentials>, RegistryError> {
    let unreadable = |reason: String| RegistryError::Credentials {
        path: path.to_owned(),
        reason,
    };
    let bytes = file::read(path, Links::Follow, MAX_BYTES).map_err(|error| match error {
        crate::StoreError::File { source, .. } => unreadable(source.to_string()),
        other => unreadable(other.to_string()),
    })?;
    let bytes = bytes.ok_or_else(|| unreadable(format!("it is larger than {MAX_BYTES} bytes")))?;
    // A parser's message may quote what it read; its position is enough.
    let config: Config = serde_json::from_slice(&bytes).map_err(|error| {
        unreadable(format!(
            "it is no docker config.json: line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    let found = config.auths.iter().find(|(key, _)| is_of(key, registry));
    let Some((key, auth)) = found else { return Ok(None) };
    credentials(auth).map_err(|reason| unreadable(format!("auths[\"{key}\"]: {reason}")))
}

/// Keys are hosts, or URLs of them as docker wrote in earlier times.
fn is_of(key: &str, registry: &str) -> bool {
    let host = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default().to_ascii_lowercase();
    is_same_host(&host, registry)
}

fn credentials(auth: &Auth) -> Result<Option<Credentials>, &'static str> {
    if let Some(encoded) = auth.auth.as_deref().filter(|encoded| !encoded.is_empty()) {
        let decoded = STANDARD
            .decode(encoded)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or("`auth` is no base64")?;
        let (user, password) = decoded.split_once(':').ok_or("`auth` is not NAME:PASSWORD in base64")?;
        return Ok(Some(Credentials {
            user: user.to_owned(),
            password: password.to_owned(),
        }));
    }
    match (&auth.username, &auth.password) {
        (Some(user), Some(password)) => Ok(Some(Credentials {
            user: user.clone(),
            password: password.clone(),
        })),
        // As docker leaves it where a credential helper has the password.
        (None, None) => Ok(None),
        _ => Err("`username` and `password` go together"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(text: &str, registry: &str) -> Result<Option<Credentials>, RegistryError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        find(&path, registry)
    }

    #[test]
    fn a_registry_gets_its_own_password_and_no_other() {
        // `anna:se:cret`, as passwords may have colons.
        let text = r#"{
            "auths": {
                "registry.example:5000": { "auth": "YW5uYTpzZTpjcmV0" },
                "https://index.docker.io/v1/": { "username": "hub", "password": "whale" },
                "helped.example": {}
            },
            "credsStore": "desktop"
        }"#;
        let found = find_in(text, "registry.example:5000").unwrap().unwrap();
        assert_eq!((found.user.as_str(), found.password.as_str()), ("anna", "se:cret"));
        assert_eq!(found.header(), "Basic YW5uYTpzZTpjcmV0");
        assert!(!format!("{found:?}").contains("cret"));
        assert_eq!(find_in(text, "docker.io").unwrap().unwrap().user, "hub");
        for other in ["registry.example", "registry.example:5001", "helped.example", "example"] {
            assert_eq!(find_in(text, other).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn a_broken_file_is_an_error_that_tells_no_secrets() {
        for text in [
            "secret",
            r#"{"auths": {"r.example": {"auth": "secret!"}}}"#,
            r#"{"auths": {"r.example": {"auth": "c2VjcmV0"}}}"#,
            r#"{"auths": {"r.example": {"password": "secret"}}}"#,
            r#"{"auths": {"r.example": "secret"}}"#,
        ] {
            let error = find_in(text, "r.example").unwrap_err().to_string();
            assert!(error.contains("config.json") && !error.contains("secret"), "{error}");
        }
        let absent = find(Path::new("/nonexistent/config.json"), "r.example");
        assert!(matches!(absent, Err(RegistryError::Credentials { .. })));
    }
}
