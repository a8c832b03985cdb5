//! TLS: without a check of the server's certificate, as Kubernetes' probes go (A2.13), or with one against the machine's
//! own authorities.

use std::{
    io,
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Which versions of HTTP a server is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocols {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 where TLS agrees on it, else HTTP/1.1.
    Negotiated,
    /// HTTP/2, without TLS too.
    Http2,
}

impl Protocols {
    /// Their names, as TLS agrees on one.
    fn names(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Http1 => &[b"http/1.1"],
            Self::Negotiated => &[b"h2", b"http/1.1"],
            Self::Http2 => &[b"h2"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}

/// The same for all runs, since building one takes longer than a handshake: one that checks nothing, and one that does.
static UNCHECKED: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| Arc::new(config(false)));
static VERIFIED: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| Arc::new(config(true)));

fn config(verify: bool) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3");
    let builder = if verify {
        let mut authorities = RootCertStore::empty();
        // A certificate that cannot be read vouches for nobody.
        authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        builder.with_root_certificates(authorities)
    } else {
        let verifier = Arc::new(AnyCertificate(provider));
        builder.dangerous().with_custom_certificate_verifier(verifier)
    };
    let mut config = builder.with_no_client_auth();
    // Each run is as if it were the first.
    config.resumption = Resumption::disabled();
    config
}

/// Opens TLS over a connection. The server's name follows the URL's host.
pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    host: &str,
    stream: S,
    protocols: Protocols,
    verify: bool,
) -> io::Result<TlsStream<S>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let config = if verify { &VERIFIED } else { &UNCHECKED };
    let connector = TlsConnector::from(Arc::clone(config));
    connector.with_alpn(protocols.names()).connect(name, stream).await
}

/// Whether HTTP/2 was agreed on.
pub(super) fn is_http2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

/// Whether TLS failed because the server does not speak it.
pub(super) fn is_not_tls(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(rustls::Error::InvalidMessage(_)))
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
