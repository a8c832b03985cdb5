//! The beginning of TLS on a connection, and who is trusted then.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use rustls::{
    CertificateError, ClientConfig, ClientConnection as Session, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{TlsFailure, TlsOptions, TlsSession, certificate};
use crate::network::{connection::Connection, tls::is_not_tls};

/// Authorities that a plugin names: twice as much as a browser's whole collection of them, since reading them is paid by
/// the host.
const MAX_AUTHORITIES_BYTES: usize = 512 << 10;
/// Protocols that are offered: servers know three or four.
const MAX_PROTOCOLS: usize = 16;
/// Certificates of one server that are read: a chain has three or four.
const MAX_CERTIFICATES: usize = 16;

type Verifier = Arc<WebPkiServerVerifier>;

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
/// The node's own authorities, read once; none if it has none.
static NODE: LazyLock<Option<Verifier>> = LazyLock::new(|| verifier(rustls_native_certs::load_native_certs().certs));

fn verifier(certificates: Vec<CertificateDer<'static>>) -> Option<Verifier> {
    let mut authorities = RootCertStore::empty();
    // A certificate that cannot be read vouches for nobody.
    authorities.add_parsable_certificates(certificates);
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&PROVIDER));
    builder.build().ok()
}

/// Begins to speak TLS.
pub(super) async fn begin(
    stream: Connection,
    options: TlsOptions,
) -> Result<(TlsStream<Connection>, TlsSession), TlsFailure> {
    let name = ServerName::try_from(options.server_name).map_err(|error| {
        TlsFailure::Impossible(format!("the server's name is neither a name nor an address: {error}"))
    })?;
    let judge = Arc::new(Judge::new(options.authorities.as_deref(), options.unverified)?);
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Judge>::clone(&judge))
        .with_no_client_auth();
    // Each run is as if it were the first.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocols(options.alpn)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream = stream.map_err(|error| failure(error, &judge))?;
    let session = session(stream.get_ref().1, &judge)?;
    Ok((stream, session))
}

fn protocols(names: Vec<String>) -> Result<Vec<Vec<u8>>, TlsFailure> {
    // As the protocol has it: their lengths are bytes, and none of them is empty.
    let fits = |name: &String| (1..=255).contains(&name.len());
    if names.len() > MAX_PROTOCOLS || !names.iter().all(fits) {
        return Err(TlsFailure::Impossible(format!(
            "ALPN takes at most {MAX_PROTOCOLS} protocols, with names of 1 to 255 bytes"
        )));
    }
    Ok(names.into_iter().map(String::into_bytes).collect())
}

fn session(session: &Session, judge: &Judge) -> Result<TlsSession, TlsFailure> {
    let shown = session.peer_certificates().unwrap_or_default().iter();
    let mut certificates = Vec::new();
    for (at, der) in shown.take(MAX_CERTIFICATES).enumerate() {
        match certificate::read(der) {
            Ok(certificate) => certificates.push(certificate),
            Err(error) if at == 0 => {
                return Err(TlsFailure::Disagreed(format!(
                    "the server's certificate cannot be read: {error}"
                )));
            }
            Err(_) => {}
        }
    }
    let text = |name: Option<&str>| name.unwrap_or("unknown").replace("_", ".");
    Ok(TlsSession {
        protocol: text(session.protocol_version().and_then(|version| version.as_str())),
        cipher_suite: session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown")
            .to_owned(),
        alpn: session
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
        certificates,
        untrusted: judge.fault(),
    })
}

fn failure(error: io::Error, judge: &Judge) -> TlsFailure {
    let told = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match told {
        Some(rustls::Error::InvalidCertificate(_)) if judge.is_strict => {
            TlsFailure::Untrusted(judge.fault().unwrap_or_else(|| error.to_string()))
        }
        _ if is_not_tls(&error) => TlsFailure::Disagreed("the server does not speak TLS".to_owned()),
        Some(rustls::Error::AlertReceived(alert)) => {
            let name = alert.as_str().map_or_else(|| format!("{alert:?}"), str::to_owned);
            TlsFailure::Disagreed(format!("the server refuses: {name}"))
        }
        Some(error) => TlsFailure::Disagreed(error.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            TlsFailure::Disagreed("the server closed the connection in place of answering".to_owned())
        }
        None => TlsFailure::Io(error),
    }
}

/// Looks at a server's certificate, and remembers what is wrong with it.
#[derive(Debug)]
struct Judge {
    /// None: there are no authorities, and so nobody is trusted.
    authorities: Option<Verifier>,
    is_strict: bool,
    fault: Mutex<Option<String>>,
}

impl Judge {
    fn new(authorities: Option<&str>, unverified: bool) -> Result<Self, TlsFailure> {
        let authorities = match authorities {
            None => NODE.clone(),
            Some(text) => Some(named(text)?),
        };
        Ok(Self {
            authorities,
            is_strict: !unverified,
            fault: Mutex::default(),
        })
    }

    fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The authorities that a plugin names itself.
fn named(text: &str) -> Result<Verifier, TlsFailure> {
    let impossible = |reason: String| TlsFailure::Impossible(format!("the authorities are of no use: {reason}"));
    if text.len() > MAX_AUTHORITIES_BYTES {
        return Err(impossible(format!("they have more than {MAX_AUTHORITIES_BYTES} bytes")));
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let certificates = certificates.map_err(|error| impossible(error.to_string()))?;
    verifier(certificates).ok_or_else(|| impossible("there is no certificate in PEM among them".to_owned()))
}

/// Why a certificate is not trusted.
fn words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(fault) = error else {
        return error.to_string();
    };
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for other names".to_owned()
        }
        CertificateError::UnknownIssuer => "no trusted authority has signed its certificate".to_owned(),
        // As `openssl req -x509` makes them.
        CertificateError::Other(fault) if is_authority(fault) => {
            "its certificate is an authority's own, signed by itself".to_owned()
        }
        other => format!("its certificate is not valid: {other}"),
    }
}

fn is_authority(fault: &OtherError) -> bool {
    matches!(fault.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = match &self.authorities {
            Some(authorities) => {
                authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let Err(error) = judged else { return judged };
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(words(&error));
        if self.is_strict {
            return Err(error);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_in_words() {
        let own = CertificateError::Other(OtherError(Arc::new(webpki::Error::CaUsedAsEndEntity)));
        for (fault, text) in [
            (CertificateError::Expired, "its certificate has expired"),
            (CertificateError::NotValidYet, "its certificate is not valid yet"),
            (CertificateError::NotValidForName, "its certificate is for other names"),
            (own, "its certificate is an authority's own, signed by itself"),
        ] {
            assert_eq!(words(&fault.into()), text);
        }
        let other = words(&CertificateError::Revoked.into());
        assert!(other.starts_with("its certificate is not valid: "), "{other}");
    }
}
