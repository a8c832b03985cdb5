//! Connections on which the host speaks TLS, recorded above it: where it began, what the server has shown, and what was
//! said then.

use std::{io, sync::Arc};

use futures::future::BoxFuture;
use probelet_engine::{ClientConnection, PeerCertificate, TlsFailure, TlsOptions, TlsSession};
use probelet_plugin_case::{CertificateAnswer, Content, Step, TlsStep};

use super::recorder::Record;

/// A connection that is written down as it is used.
pub(super) struct RecordedConnection {
    real: Box<dyn ClientConnection>,
    record: Arc<Record>,
    at: usize,
}

impl RecordedConnection {
    pub(super) fn new(real: Box<dyn ClientConnection>, record: Arc<Record>, at: usize) -> Self {
        Self { real, record, at }
    }
}

impl ClientConnection for RecordedConnection {
    fn read(&mut self, limit: usize) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        Box::pin(async move {
            let read = self.real.read(limit).await;
            // A connection that breaks off is closed in a replay.
            let step = match &read {
                Ok(bytes) if !bytes.is_empty() => Step::Server(Content(bytes.clone())),
                _ => Step::Close,
            };
            self.record.step(self.at, step);
            read
        })
    }

    fn write(&mut self, content: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        self.record.step(self.at, Step::Client(Content(content.clone())));
        self.real.write(content)
    }

    fn start_tls(&mut self, options: TlsOptions) -> BoxFuture<'_, Result<TlsSession, TlsFailure>> {
        Box::pin(async move {
            let server_name = Some(options.server_name.clone());
            let begun = self.real.start_tls(options).await;
            let step = TlsStep {
                server_name,
                ..answer(&begun)
            };
            self.record.step(self.at, Step::Tls(Box::new(step)));
            begun
        })
    }
}

fn answer(begun: &Result<TlsSession, TlsFailure>) -> TlsStep {
    match begun {
        Ok(session) => TlsStep {
            protocol: Some(session.protocol.clone()),
            cipher_suite: Some(session.cipher_suite.clone()),
            alpn: session.alpn.clone(),
            certificates: session.certificates.iter().map(certificate).collect(),
            untrusted: session.untrusted.clone(),
            ..TlsStep::default()
        },
        Err(TlsFailure::Untrusted(why)) => TlsStep {
            untrusted: Some(why.clone()),
            ..TlsStep::default()
        },
        Err(TlsFailure::Disagreed(why) | TlsFailure::Impossible(why)) => failed(why),
        Err(TlsFailure::Io(error)) => failed(&error.to_string()),
    }
}

fn failed(why: &str) -> TlsStep {
    TlsStep {
        error: Some(why.to_owned()),
        ..TlsStep::default()
    }
}

fn certificate(shown: &PeerCertificate) -> CertificateAnswer {
    let mut answer = CertificateAnswer::default();
    answer.subject.clone_from(&shown.subject);
    answer.issuer.clone_from(&shown.issuer);
    answer.serial.clone_from(&shown.serial);
    answer.names.clone_from(&shown.names);
    answer.set_times(shown.not_before, shown.not_after);
    answer.set_der(&shown.der);
    answer
}
