//! A connection on which the host speaks TLS, played from a case: what goes over it stands there as it is.

use std::io;

use futures::future::{BoxFuture, pending, ready};
use probelet_engine::{ClientConnection, PeerCertificate, TlsFailure, TlsOptions, TlsSession};
use probelet_plugin_case::{CertificateAnswer, Reply, Talk, TlsStep};

use crate::player::Player;

/// A plugin's end of a conversation of a case.
pub(crate) struct PlayedConnection {
    player: Player,
    talk: Talk,
    /// What the server has said and the plugin has not read yet.
    said: Vec<u8>,
    closed: bool,
}

impl PlayedConnection {
    pub(crate) fn new(player: Player, mut talk: Talk) -> Self {
        let first = talk.begin();
        let mut played = Self {
            player,
            talk,
            said: Vec::new(),
            closed: false,
        };
        played.hear(first);
        played
    }

    fn hear(&mut self, reply: Reply) {
        self.said.extend(reply.send);
        self.closed |= reply.close;
        if let Some(fault) = reply.fault {
            self.player.script().fault(fault);
        }
    }

    fn begin(&mut self, options: &TlsOptions) -> Result<TlsSession, TlsFailure> {
        let (step, reply) = match self.talk.start_tls(&options.server_name) {
            Ok(begun) => begun,
            Err(fault) => {
                self.closed = true;
                self.player.script().fault(fault);
                return Err(TlsFailure::Disagreed("the case does not list this call".to_owned()));
            }
        };
        let failure = match (&step.error, &step.untrusted) {
            (Some(why), _) => Some(TlsFailure::Disagreed(why.clone())),
            (None, Some(why)) if !options.unverified => Some(TlsFailure::Untrusted(why.clone())),
            _ => None,
        };
        if let Some(failure) = failure {
            self.closed = true;
            // Nothing comes after it.
            self.talk.end();
            return Err(failure);
        }
        self.hear(reply);
        Ok(session(step, options.unverified))
    }
}

impl ClientConnection for PlayedConnection {
    fn read(&mut self, limit: usize) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        if self.said.is_empty() && !self.closed {
            // Nothing more comes until the plugin says something, which it cannot do while it waits.
            return Box::pin(pending());
        }
        let rest = self.said.split_off(self.said.len().min(limit.max(1)));
        Box::pin(ready(Ok(std::mem::replace(&mut self.said, rest))))
    }

    fn write(&mut self, content: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        if self.closed {
            return Box::pin(ready(Err(io::ErrorKind::BrokenPipe.into())));
        }
        let reply = self.talk.receive(&content);
        self.hear(reply);
        Box::pin(ready(Ok(())))
    }

    fn start_tls(&mut self, options: TlsOptions) -> BoxFuture<'_, Result<TlsSession, TlsFailure>> {
        Box::pin(ready(self.begin(&options)))
    }
}

impl Drop for PlayedConnection {
    fn drop(&mut self) {
        if let Some(fault) = self.talk.end() {
            self.player.script().fault(fault);
        }
    }
}

fn session(step: TlsStep, unverified: bool) -> TlsSession {
    TlsSession {
        protocol: step.protocol(),
        cipher_suite: step.cipher_suite(),
        alpn: step.alpn,
        certificates: step.certificates.iter().map(certificate).collect(),
        untrusted: step.untrusted.filter(|_| unverified),
    }
}

fn certificate(answer: &CertificateAnswer) -> PeerCertificate {
    PeerCertificate {
        subject: answer.subject.clone(),
        issuer: answer.issuer.clone(),
        serial: answer.serial.clone(),
        names: answer.names.clone(),
        not_before: answer.not_before_seconds(),
        not_after: answer.not_after_seconds(),
        der: answer.der(),
    }
}
