//! How a client and a server agree on TLS in protocols that begin without it.

use std::io::{Read, Write};

use probelet_plugin::{Failure, lines::Conversation, serde::Deserialize};

use crate::text::quote;

/// Greetings and answers are shorter.
const MAX_LINE: usize = 1 << 10;
/// Lines of one answer: SMTP's servers list what they can do, a dozen of things.
const MAX_LINES: usize = 64;
/// PostgreSQL's request for TLS: its length, and a version that there is none of.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A protocol that begins without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, probelet_plugin::schemars::JsonSchema)]
#[serde(crate = "probelet_plugin::serde", rename_all = "lowercase")]
#[schemars(crate = "probelet_plugin::schemars")]
pub enum StartTls {
    /// Mail, by `STARTTLS`.
    Smtp,
    /// Mailboxes, by `STARTTLS`.
    Imap,
    /// Mailboxes, by `STLS`.
    Pop3,
    /// PostgreSQL, by its request for TLS.
    Postgres,
}

impl StartTls {
    /// The port where servers of the protocol listen.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Imap => 143,
            Self::Pop3 => 110,
            Self::Postgres => 5432,
        }
    }

    /// Says what the protocol wants to have said; what comes next is TLS. A server that does not agree is unhealthy.
    pub(crate) fn agree<C: Read + Write>(self, server: &mut Conversation<C>) -> Result<(), Failure> {
        match self {
            Self::Smtp => {
                smtp(server, "220", "greets with")?;
                server.send("EHLO probelet\r\n")?;
                smtp(server, "250", "answers EHLO with")?;
                server.send("STARTTLS\r\n")?;
                smtp(server, "220", "answers STARTTLS with")
            }
            Self::Imap => {
                begins(server, "* OK", "greets with")?;
                server.send("a STARTTLS\r\n")?;
                imap(server)
            }
            Self::Pop3 => {
                begins(server, "+OK", "greets with")?;
                server.send("STLS\r\n")?;
                begins(server, "+OK", "answers STLS with")
            }
            Self::Postgres => {
                server.send(SSL_REQUEST)?;
                match server.bytes(1)?.as_slice() {
                    b"S" => Ok(()),
                    b"N" => Err(server.broken("has no TLS")),
                    _ => Err(server.broken("does not speak PostgreSQL's protocol")),
                }
            }
        }
    }
}

fn begins<C: Read + Write>(server: &mut Conversation<C>, wanted: &str, does: &str) -> Result<(), Failure> {
    let line = server.line(MAX_LINE)?;
    if line.starts_with(wanted) {
        return Ok(());
    }
    Err(server.broken(format_args!("{does} `{}`", quote(&line))))
}

/// An answer of SMTP: its lines but for the last one have `-` behind the code.
fn smtp<C: Read + Write>(server: &mut Conversation<C>, code: &str, does: &str) -> Result<(), Failure> {
    for _ in 0..MAX_LINES {
        let line = server.line(MAX_LINE)?;
        match line.strip_prefix(code) {
            Some(rest) if rest.starts_with('-') => {}
            Some(rest) if rest.is_empty() || rest.starts_with(' ') => return Ok(()),
            _ => return Err(server.broken(format_args!("{does} `{}`", quote(&line)))),
        }
    }
    Err(server.broken("does not come to an end with its answer"))
}

/// The answer to `a STARTTLS`, before which the server may tell of something else.
fn imap<C: Read + Write>(server: &mut Conversation<C>) -> Result<(), Failure> {
    for _ in 0..MAX_LINES {
        let line = server.line(MAX_LINE)?;
        if line.starts_with("a OK") {
            return Ok(());
        }
        if !line.starts_with("* ") {
            return Err(server.broken(format_args!("answers STARTTLS with `{}`", quote(&line))));
        }
    }
    Err(server.broken("does not come to an end with its answer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Script;

    fn agreed(protocol: StartTls, says: &str) -> Result<(), String> {
        let agreed = protocol.agree(&mut Script::of(says));
        agreed.map_err(|failure| failure.to_string())
    }

    #[test]
    fn each_protocol_has_its_way() {
        let smtp = "220 mail\r\n250-mail\r\n250-SIZE 100\r\n250 STARTTLS\r\n220 go\r\n";
        assert_eq!(agreed(StartTls::Smtp, smtp), Ok(()));
        assert_eq!(agreed(StartTls::Imap, "* OK hi\r\n* NEWS\r\na OK go\r\n"), Ok(()));
        assert_eq!(agreed(StartTls::Pop3, "+OK hi\r\n+OK go\r\n"), Ok(()));
        assert_eq!(agreed(StartTls::Postgres, "S"), Ok(()));
    }

    #[test]
    fn a_server_that_does_not_agree_is_quoted() {
        let told = |protocol, says: &str| agreed(protocol, says).expect_err("no agreement");
        assert_eq!(
            told(StartTls::Smtp, "554 go away\r\n"),
            "peer greets with `554 go away`"
        );
        let without = "220 mail\r\n250 mail\r\n502 what?\r\n";
        assert_eq!(told(StartTls::Smtp, without), "peer answers STARTTLS with `502 what?`");
        assert_eq!(told(StartTls::Postgres, "N"), "peer has no TLS");
        assert_eq!(
            told(StartTls::Imap, "* OK\r\na NO\r\n"),
            "peer answers STARTTLS with `a NO`"
        );
    }

    #[test]
    fn no_answer_breaks_it() {
        let endless = [
            "220-a\r\n".repeat(1000),
            format!("* OK\r\n{}", "* a\r\n".repeat(1000)),
            "x".repeat(10_000),
        ];
        for protocol in [StartTls::Smtp, StartTls::Imap, StartTls::Pop3, StartTls::Postgres] {
            for says in ["", "\r\n", "2", "220", "\0\0\0", "HTTP/1.1 400 Bad Request\r\n"] {
                assert!(agreed(protocol, says).is_err(), "{protocol:?} {says}");
            }
            for says in &endless {
                assert!(agreed(protocol, says).is_err());
            }
        }
    }
}
