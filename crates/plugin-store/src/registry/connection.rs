//! Connections to registries: HTTPS, or plain HTTP to this machine's own addresses.

use std::{error::Error, net::IpAddr, path::Path, sync::Arc, time::Duration};

use reqwest::{Client, ClientBuilder, Url, redirect};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::RegistryError;

/// How long a connection may take to be made: far away and with TLS it takes one second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a registry may say nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a registry may send on. They do once, to where their content lies.
const MAX_REDIRECTS: usize = 5;

/// Certificates in the file of extra authorities. A company has a few.
const MAX_AUTHORITIES: usize = 1000;

/// Two clients, since the one for plain HTTP must never be led to another machine.
#[derive(Debug)]
pub(crate) struct Connections {
    secure: Client,
    loopback: Client,
}

impl Connections {
    /// Reads the certificate authorities. Blocks.
    pub(crate) fn new(authorities: Option<&Path>) -> Result<Self, RegistryError> {
        let tls = tls(authorities)?;
        let follow_loopback = redirect::Policy::custom(|attempt| {
            if attempt.previous().len() > MAX_REDIRECTS {
                attempt.error("too many redirects")
            } else if is_loopback(attempt.url()) {
                attempt.follow()
            } else {
                attempt.error("a registry on this machine sends on to another machine")
            }
        });
        let secure = client(&tls)
            .https_only(true)
            .redirect(redirect::Policy::limited(MAX_REDIRECTS));
        let loopback = client(&tls).no_proxy().redirect(follow_loopback);
        let built = |client: ClientBuilder| client.build().map_err(|error| failed(reason(&error)));
        Ok(Self {
            secure: built(secure)?,
            loopback: built(loopback)?,
        })
    }

    /// The client for a URL, or nothing if it would be plain HTTP over a network.
    pub(crate) fn client(&self, url: &Url) -> Option<&Client> {
        match url.scheme() {
            "https" => Some(&self.secure),
            "http" if is_loopback(url) => Some(&self.loopback),
            _ => None,
        }
    }
}

/// The root of a registry's API.
pub(crate) fn base(registry: &str) -> Option<Url> {
    // Docker's own registry answers by another name than images are called by.
    let host = if registry == "docker.io" {
        "registry-1.docker.io"
    } else {
        registry
    };
    let plain = Url::parse(&format!("http://{host}/v2/")).ok()?;
    if is_loopback(&plain) {
        return Some(plain);
    }
    // Parsed anew: the port that goes without saying is another one.
    Url::parse(&format!("https://{host}/v2/")).ok()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn client(tls: &ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(concat!("probelet/", env!("CARGO_PKG_VERSION")))
}

fn tls(authorities: Option<&Path>) -> Result<ClientConfig, RegistryError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if let Some(path) = authorities {
        let unreadable = |error: &dyn Error| failed(format!("{}: {}", path.display(), reason(error)));
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
        for certificate in certificates.take(MAX_AUTHORITIES) {
            let certificate = certificate.map_err(|error| unreadable(&error))?;
            roots.add(certificate).map_err(|error| unreadable(&error))?;
        }
    }
    if roots.is_empty() {
        tracing::warn!(
            "this machine has no certificate authorities: no registry can be trusted; install ca-certificates"
        );
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn failed(reason: String) -> RegistryError {
    RegistryError::Tls { reason }
}

/// What an error and those beneath it say, without the repetitions.
pub(crate) fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        inner = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_plain() {
        for (registry, url) in [
            ("ghcr.io", "https://ghcr.io/v2/"),
            ("docker.io", "https://registry-1.docker.io/v2/"),
            ("registry.example:80", "https://registry.example:80/v2/"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000/v2/"),
            ("0.0.0.0:5000", "https://0.0.0.0:5000/v2/"),
            ("localhost.example", "https://localhost.example/v2/"),
            ("127.0.0.1.example", "https://127.0.0.1.example/v2/"),
            ("localhost", "http://localhost/v2/"),
            ("localhost:5000", "http://localhost:5000/v2/"),
            ("127.1.2.3:443", "http://127.1.2.3:443/v2/"),
            ("[::1]:5000", "http://[::1]:5000/v2/"),
        ] {
            assert_eq!(base(registry).unwrap().as_str(), url);
        }
        let connections = Connections::new(None).unwrap();
        let has_client = |url: &str| connections.client(&Url::parse(url).unwrap()).is_some();
        assert!(has_client("https://x.example/") && has_client("http://[::1]:5000/"));
        assert!(!has_client("http://x.example/") && !has_client("ftp://localhost/"));
    }

    #[test]
    fn a_file_that_holds_no_certificates_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(tls(Some(&path)), Err(RegistryError::Tls { .. })));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(tls(Some(&path)), Err(RegistryError::Tls { .. })));
    }
}
