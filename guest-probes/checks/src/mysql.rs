//! A MySQL or MariaDB server: whether it takes connections, by the greeting that it sends first.
//!
//! It does not log in, so it needs no user; the server counts each run among its `Aborted_connects`.

use std::io::{Read, Write};

use probelet_plugin::{
    Failure, Verdict,
    lines::Conversation,
    net::{Endpoint, Port},
};

use crate::text::quote;

/// Length and number of a packet.
const HEADER: usize = 4;
/// A greeting and an error are shorter.
const MAX_PACKET: usize = 4 << 10;
/// The version of the protocol that every server of this century speaks.
const PROTOCOL: u8 = 10;
/// What an error's packet begins with.
const ERROR: u8 = 0xff;

/// What is checked.
#[probelet_plugin::config]
pub struct Config {
    /// An address or a name; the pod's own address unless it is given.
    pub host: Option<String>,
    /// A port's number or name; 3306 unless it is given.
    pub port: Option<Port>,
}

/// Checks the server once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let endpoint = Endpoint::new(config.host.as_deref(), config.port.as_ref(), 3306)?;
    talk(&mut endpoint.converse()?)
}

fn talk<C: Read + Write>(server: &mut Conversation<C>) -> Result<Verdict, Failure> {
    let header = server.bytes(HEADER)?;
    let length = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
    if length > MAX_PACKET {
        return Err(server.broken("does not speak MySQL's protocol"));
    }
    let packet = server.bytes(length)?;
    match packet.split_first() {
        Some((&PROTOCOL, rest)) => {
            let version = rest.split(|byte| *byte == 0).next().unwrap_or_default();
            Ok(Verdict::healthy().with("version", quote(&String::from_utf8_lossy(version))))
        }
        Some((&ERROR, [low, high, reason @ ..])) => {
            let code = u16::from_le_bytes([*low, *high]);
            let reason = quote(&String::from_utf8_lossy(reason));
            Err(server.broken(format_args!("takes no connections: {reason} (error {code})")))
        }
        _ => Err(server.broken("does not speak MySQL's protocol")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Script, hostile};

    fn packet(content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("a short packet");
        [&[length, 0, 0, 0][..], content].concat()
    }

    #[test]
    fn a_greeting_is_enough() {
        let greeting = packet(b"\x0a11.4.2-MariaDB\0\x01\0\0\0salt");
        let verdict = talk(&mut Script::of(greeting));
        assert_eq!(verdict, Ok(Verdict::healthy().with("version", "11.4.2-MariaDB")));
        let full = packet(b"\xff\x10\x04Too many connections");
        let message = "peer takes no connections: Too many connections (error 1040)";
        assert_eq!(talk(&mut Script::of(full)), Err(Failure::Unhealthy(message.to_owned())));
    }

    #[test]
    fn no_answer_breaks_it() {
        let answers = [
            vec![],
            vec![0, 0, 0, 0],
            vec![0xff; 8],
            packet(b"\xff"),
            packet(b"\xff\x01"),
            packet(b"\x09"),
        ];
        hostile(&answers, |answer| talk(&mut Script::of(answer)));
    }
}
