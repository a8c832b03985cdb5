//! SCRAM-SHA-256 (RFC 5802 and 7677), the client's side.
//!
//! That of postgres-protocol begins each of thousands of rounds with the password anew, which takes more than all the fuel
//! that a check has by default. Here a round is two blocks of SHA-256.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Servers want 4096 as a rule. More than that many take more fuel than a check has by default.
const MAX_ROUNDS: u32 = 15_000;
/// Random bytes of the client's part of the nonce.
const NONCE: usize = 18;
/// What a client without channel binding begins with, and the same in base64.
const NO_BINDING: &str = "n,,";
const NO_BINDING_BASE64: &str = "biws";

/// A login at work.
pub(super) struct Scram {
    password: String,
    nonce: String,
    first: String,
    /// What the server has to say in the end, once that is known.
    expected: Option<Vec<u8>>,
}

/// Why a login does not go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server does not keep to the protocol, or does not know the password itself.
    Server(&'static str),
    /// The server wants more rounds than a check can do.
    Rounds(u32),
}

impl Scram {
    /// Begins, with an unpredictable nonce.
    pub(super) fn new(password: &str) -> Result<Self, String> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| format!("there are no random numbers: {error}"))?;
        Ok(Self::with_nonce(password, STANDARD.encode(nonce)))
    }

    fn with_nonce(password: &str, nonce: String) -> Self {
        let prepared = stringprep::saslprep(password);
        Self {
            // One that cannot be prepared is taken as it is, as the server does.
            password: prepared.map_or_else(|_| password.to_owned(), |prepared| prepared.into_owned()),
            // The user is the one of the connection.
            first: format!("n=,r={nonce}"),
            nonce,
            expected: None,
        }
    }

    /// The client's first message.
    pub(super) fn first(&self) -> Vec<u8> {
        format!("{NO_BINDING}{}", self.first).into_bytes()
    }

    /// The client's last message, as the answer to the server's first.
    pub(super) fn last(&mut self, server_first: &[u8]) -> Result<Vec<u8>, Fault> {
        let server = std::str::from_utf8(server_first).map_err(|_| Fault::Server("sends no SCRAM"))?;
        let mut parts = server.split(',');
        let mut part = |name: &str| parts.next().and_then(|part| part.strip_prefix(name));
        let (nonce, salt, rounds) = (part("r="), part("s="), part("i="));
        let nonce = nonce.filter(|nonce| nonce.starts_with(&self.nonce) && nonce.len() > self.nonce.len());
        let nonce = nonce.ok_or(Fault::Server("answers another login"))?;
        let salt = salt.and_then(|salt| STANDARD.decode(salt).ok());
        let salt = salt.ok_or(Fault::Server("sends no salt"))?;
        let rounds = rounds
            .and_then(|rounds| rounds.parse::<u32>().ok())
            .filter(|rounds| *rounds > 0);
        let rounds = rounds.ok_or(Fault::Server("sends no number of rounds"))?;
        if rounds > MAX_ROUNDS {
            return Err(Fault::Rounds(rounds));
        }
        let salted = salted(self.password.as_bytes(), &salt, rounds);
        let client_key = sign(&salted, b"Client Key");
        let without_proof = format!("c={NO_BINDING_BASE64},r={nonce}");
        let all = format!("{},{server},{without_proof}", self.first);
        let signature = sign(&Sha256::digest(client_key), all.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(signature)
            .map(|(key, signature)| key ^ signature)
            .collect();
        let server_key = sign(&salted, b"Server Key");
        self.expected = Some(sign(&server_key, all.as_bytes()).to_vec());
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes())
    }

    /// Whether the server knows the password as well.
    pub(super) fn finish(&self, server_last: &[u8]) -> Result<(), Fault> {
        let signature = server_last
            .strip_prefix(b"v=")
            .and_then(|text| STANDARD.decode(text).ok());
        if signature.is_some() && signature == self.expected {
            return Ok(());
        }
        Err(Fault::Server("does not prove that it knows the password"))
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key may have any length")
}

fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
    keyed(key).chain_update(message).finalize().into_bytes().into()
}

/// PBKDF2, of one block.
fn salted(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    // What has taken in the password is copied for each round.
    let keyed = keyed(password);
    let begin = keyed.clone().chain_update(salt).chain_update([0, 0, 0, 1]);
    let mut last: [u8; 32] = begin.finalize().into_bytes().into();
    let mut sum = last;
    for _ in 1..rounds {
        last = keyed.clone().chain_update(last).finalize().into_bytes().into();
        sum.iter_mut().zip(last).for_each(|(sum, last)| *sum ^= last);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn login() -> Scram {
        let mut scram = Scram::with_nonce("pencil", NONCE.to_owned());
        // The example has a name where PostgreSQL has none.
        scram.first = format!("n=user,r={NONCE}");
        scram
    }

    #[test]
    fn the_example_of_rfc_7677_comes_out() {
        let mut scram = login();
        let last = scram.last(SERVER.as_bytes()).expect("an answer");
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(String::from_utf8(last).as_deref(), Ok(expected));
        assert_eq!(scram.finish(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        for wrong in [
            &b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="[..],
            b"v=",
            b"e=no",
            b"",
        ] {
            assert!(scram.finish(wrong).is_err());
        }
        assert!(login().finish(b"v=").is_err(), "nothing is expected yet");
        assert_ne!(
            Scram::new("a").map(|scram| scram.nonce),
            Scram::new("a").map(|scram| scram.nonce)
        );
    }

    #[test]
    fn no_server_breaks_it() {
        for server in [
            "",
            "r=",
            "r=other,s=AAAA,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=0",
            "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=-1",
            "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA",
            "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1",
        ] {
            assert!(
                matches!(login().last(server.as_bytes()), Err(Fault::Server(_))),
                "{server}"
            );
        }
        assert!(login().last(b"\xff").is_err());
        let many = login().last(b"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4000000000");
        assert_eq!(many, Err(Fault::Rounds(4_000_000_000)));
    }
}
