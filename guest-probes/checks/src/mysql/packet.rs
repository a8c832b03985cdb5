//! The packets of a login.

use std::io::{Read, Write};

use probelet_plugin::{Failure, lines::Conversation};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Length and number of a packet.
const HEADER: usize = 4;
/// A greeting, an answer and an error are shorter.
const MAX_PACKET: usize = 4 << 10;
/// The version of the protocol that every server of this century speaks.
const PROTOCOL: u8 = 10;
/// Random bytes that an answer to a password is made with.
const SALT: usize = 20;

/// What the two sides can do, as far as it matters here.
const LONG_PASSWORD: u32 = 1;
const WITH_DATABASE: u32 = 1 << 3;
const PROTOCOL_41: u32 = 1 << 9;
const TLS: u32 = 1 << 11;
const SECURE_CONNECTION: u32 = 1 << 15;
const PLUGIN_AUTH: u32 = 1 << 19;
/// The longest packet that a client takes.
const CLIENT_MAX_PACKET: u32 = 1 << 24;
/// The character set utf8mb4.
const UTF8: u8 = 45;

/// Packets over a conversation, each with its number.
pub(super) struct Packets<'a, C> {
    pub(super) server: &'a mut Conversation<C>,
    number: u8,
}

impl<'a, C: Read + Write> Packets<'a, C> {
    pub(super) fn new(server: &'a mut Conversation<C>) -> Self {
        Self::going_on(server, 0)
    }

    /// With packets before it.
    pub(super) fn going_on(server: &'a mut Conversation<C>, number: u8) -> Self {
        Self { server, number }
    }

    /// The number of the next one.
    pub(super) fn next_number(&self) -> u8 {
        self.number
    }

    pub(super) fn next(&mut self) -> Result<Vec<u8>, Failure> {
        let header = self.server.bytes(HEADER)?;
        let length = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
        if length > MAX_PACKET {
            return Err(self.server.broken("does not speak MySQL's protocol"));
        }
        self.number = header[3].wrapping_add(1);
        self.server.bytes(length)
    }

    pub(super) fn send(&mut self, content: &[u8]) -> Result<(), Failure> {
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes();
        let header = [length[0], length[1], length[2], self.number];
        self.number = self.number.wrapping_add(1);
        self.server.send([&header[..], content].concat())
    }

    /// Sends a command, with which numbers begin anew.
    pub(super) fn begin(&mut self, command: &[u8]) -> Result<(), Failure> {
        self.number = 0;
        self.send(command)
    }
}

/// What a server says first.
pub(super) struct Greeting {
    pub(super) version: String,
    pub(super) salt: Vec<u8>,
    pub(super) method: String,
    capabilities: u32,
}

impl Greeting {
    /// None if it is none. One that ends early is an old server's, which knows one way to log in.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let rest = packet.strip_prefix(&[PROTOCOL])?;
        let (version, rest) = text(rest);
        let part = |from: usize, length: usize| rest.get(from..from + length).unwrap_or_default();
        // The number of the connection, eight bytes of salt, a zero, what the server can do, its character set and its
        // state, more of what it can do, the salt's length, ten bytes for nothing, and the rest of the salt.
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |number, byte| number << 8 | u32::from(*byte))
        };
        let capabilities = number(part(13, 2)) | number(part(18, 2)) << 16;
        let salt = [part(4, 8), part(31, SALT - 8)].concat();
        let method = rest
            .get(44..)
            .map(|rest| text(rest).0)
            .filter(|method| !method.is_empty());
        Some(Self {
            version,
            salt,
            method: method.unwrap_or_else(|| NATIVE.to_owned()),
            capabilities,
        })
    }

    pub(super) fn has_tls(&self) -> bool {
        self.capabilities & TLS != 0
    }
}

/// A text up to a zero, and what is behind that.
fn text(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let rest = bytes.get(end + 1..).unwrap_or_default();
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), rest)
}

/// Another way to log in, that the server names, and its salt.
pub(super) fn method(packet: &[u8]) -> (String, Vec<u8>) {
    let (method, salt) = text(packet);
    (method, salt.strip_suffix(b"\0").unwrap_or(salt).to_vec())
}

fn beginning(capabilities: u32) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(capabilities.to_le_bytes());
    packet.extend(CLIENT_MAX_PACKET.to_le_bytes());
    packet.push(UTF8);
    packet.extend([0; 23]);
    packet
}

const CAPABILITIES: u32 = LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;

/// What a client says before TLS. Of what it can do a server believes what it says here, and not what it repeats later.
pub(super) fn tls_request(with_database: bool) -> Vec<u8> {
    let database = if with_database { WITH_DATABASE } else { 0 };
    beginning(CAPABILITIES | database | TLS)
}

/// What a client says of itself.
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) database: Option<&'a str>,
    pub(super) method: &'a str,
    pub(super) answer: Vec<u8>,
    pub(super) tls: bool,
}

impl Login<'_> {
    pub(super) fn packet(&self) -> Vec<u8> {
        let database = if self.database.is_some() { WITH_DATABASE } else { 0 };
        let tls = if self.tls { TLS } else { 0 };
        let mut packet = beginning(CAPABILITIES | database | tls);
        packet.extend(self.user.bytes().chain([0]));
        // Answers have 20 or 32 bytes.
        packet.push(u8::try_from(self.answer.len()).unwrap_or_default());
        packet.extend_from_slice(&self.answer);
        if let Some(database) = self.database {
            packet.extend(database.bytes().chain([0]));
        }
        packet.extend(self.method.bytes().chain([0]));
        packet
    }
}

const NATIVE: &str = "mysql_native_password";
const CACHING_SHA2: &str = "caching_sha2_password";

/// What proves that somebody knows a password; none by a method that is not known. Without a password it is empty.
pub(super) fn response(method: &str, password: &str, salt: &[u8]) -> Option<Vec<u8>> {
    let salt = salt.get(..SALT).unwrap_or(salt);
    let xor = |one: &[u8], other: &[u8]| {
        one.iter()
            .zip(other)
            .map(|(one, other)| one ^ other)
            .collect::<Vec<u8>>()
    };
    match method {
        NATIVE | CACHING_SHA2 if password.is_empty() => Some(Vec::new()),
        NATIVE => {
            let once = Sha1::digest(password);
            let twice = Sha1::digest(once);
            let salted = Sha1::new().chain_update(salt).chain_update(twice).finalize();
            Some(xor(&once, &salted))
        }
        CACHING_SHA2 => {
            let once = Sha256::digest(password);
            let twice = Sha256::digest(once);
            let salted = Sha256::new().chain_update(twice).chain_update(salt).finalize();
            Some(xor(&once, &salted))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hexadecimal(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_password_is_proved_as_the_servers_want_it() {
        let salt: Vec<u8> = (1..=20).collect();
        let native = response(NATIVE, "secret", &salt).expect("an answer");
        let caching = response(CACHING_SHA2, "secret", &salt).expect("an answer");
        assert_eq!(hexadecimal(&native), "b32bb3a583e1340c0a1108d58b1be49781ad8c2f");
        assert_eq!(
            hexadecimal(&caching),
            "746ebe205d56a0707acb3e796e834e0dd7b1d61743b26bd5202c7a623230c7c9"
        );
        assert_eq!(response(NATIVE, "", &salt), Some(Vec::new()));
        assert_eq!(response("client_ed25519", "secret", &salt), None);
    }
}
