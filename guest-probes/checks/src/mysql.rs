//! A MySQL or MariaDB server: whether it takes connections, and whether it lets a user in and answers.
//!
//! Without a user it asks as one that the server does not know, and a refusal is a good answer. To hang up on the greeting
//! would be less, but a server counts that against the client's address, and after `max_connect_errors` of them it takes
//! no more connections from there.

mod packet;

use std::io::{Read, Write};

use probelet_plugin::{
    Failure, Verdict, environment,
    lines::Conversation,
    net::{Endpoint, Port},
};

use crate::{secure::Tls, text::quote};
use packet::{Greeting, Login, Packets, response};

/// What an error's packet begins with, and what else the server may answer.
const ERROR: u8 = 0xff;
const OK: u8 = 0;
const OTHER_METHOD: u8 = 0xfe;
const MORE: u8 = 1;
/// What `caching_sha2_password` says of a password: it is known to be right, or it has to come as it is.
const KNOWN: u8 = 3;
const IN_FULL: u8 = 4;
/// The command `COM_PING`.
const PING: u8 = 0x0e;
/// Answers until the server has decided on a login.
const MAX_ANSWERS: usize = 4;
/// The errors of logins: no such user, a wrong password, a method that the server does not know, no such database.
const REFUSALS: [u16; 5] = [1044, 1045, 1049, 1251, 1698];

/// The errors that are about the client's address: it has hung up too often, or may not connect at all.
const ADDRESSES: [u16; 2] = [1129, 1130];
/// No user need have it: the server answers all the same.
const NOBODY: &str = "probelet";

/// What is checked.
#[probelet_plugin::config]
pub struct Config {
    /// An address or a name; the pod's own address unless it is given.
    pub host: Option<String>,
    /// A port's number or name; 3306 unless it is given.
    pub port: Option<Port>,
    /// Who to log in as. Without a user the check is whether the server takes connections.
    pub user: Option<String>,
    /// The container's variable with the password, which `allow.environment` has to grant.
    pub password_variable: Option<String>,
    /// The database; none unless it is given.
    pub database: Option<String>,
    /// TLS, with which a server that has it is spoken to.
    pub tls: Option<Tls>,
}

/// Checks the server once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let endpoint = Endpoint::new(config.host.as_deref(), config.port.as_ref(), 3306)?;
    let password = config.password_variable.as_deref().map(environment).transpose()?;
    let password = password.as_deref();
    let Some(tls) = &config.tls else {
        return talk(&mut endpoint.converse()?, config, password);
    };
    let mut server = endpoint.converse_before_tls()?;
    let mut packets = Packets::new(&mut server);
    let greeting = greeting(&mut packets)?;
    if !greeting.has_tls() {
        return Err(server.broken("has no TLS"));
    }
    packets.send(&packet::tls_request(config.database.is_some()))?;
    let next = packets.next_number();
    server.start_tls(&tls.options())?;
    let mut packets = Packets::going_on(&mut server, next);
    answered(&mut packets, &greeting, config, password, true)
}

fn talk<C: Read + Write>(
    server: &mut Conversation<C>,
    config: &Config,
    password: Option<&str>,
) -> Result<Verdict, Failure> {
    let mut packets = Packets::new(server);
    let greeting = greeting(&mut packets)?;
    answered(&mut packets, &greeting, config, password, false)
}

fn greeting<C: Read + Write>(packets: &mut Packets<'_, C>) -> Result<Greeting, Failure> {
    let packet = packets.next()?;
    match packet.first() {
        Some(&ERROR) => Err(refusal(packets, &packet, None)),
        _ => Greeting::read(&packet).ok_or_else(|| packets.server.broken("does not speak MySQL's protocol")),
    }
}

/// A server that refuses nobody in particular takes connections.
fn answered<C: Read + Write>(
    packets: &mut Packets<'_, C>,
    greeting: &Greeting,
    config: &Config,
    password: Option<&str>,
    is_secret: bool,
) -> Result<Verdict, Failure> {
    let verdict = || Verdict::healthy().with("version", quote(&greeting.version));
    match log_in(packets, greeting, config, password, is_secret) {
        Err(Failure::Errored(_)) if config.user.is_none() => Ok(verdict()),
        logged_in => logged_in.map(|()| verdict()),
    }
}

fn log_in<C: Read + Write>(
    packets: &mut Packets<'_, C>,
    greeting: &Greeting,
    config: &Config,
    password: Option<&str>,
    is_secret: bool,
) -> Result<(), Failure> {
    let user = config.user.as_deref().unwrap_or(NOBODY);
    let password = password.unwrap_or_default();
    let (mut method, mut salt) = (greeting.method.clone(), greeting.salt.clone());
    let login = Login {
        user,
        database: config.database.as_deref(),
        method: &method,
        // A server may begin with a method that this user has not; then it names another one.
        answer: response(&method, password, &salt).unwrap_or_default(),
        tls: is_secret,
    };
    packets.send(&login.packet())?;
    for _ in 0..MAX_ANSWERS {
        let packet = packets.next()?;
        match packet.split_first() {
            Some((&OK, _)) => {
                packets.begin(&[PING])?;
                let packet = packets.next()?;
                return match packet.first() {
                    Some(&OK) => Ok(()),
                    Some(&ERROR) => Err(refusal(packets, &packet, None)),
                    _ => Err(packets.server.broken("does not answer PING")),
                };
            }
            Some((&ERROR, _)) => return Err(refusal(packets, &packet, Some(user))),
            Some((&OTHER_METHOD, rest)) => {
                (method, salt) = packet::method(rest);
                let answer = response(&method, password, &salt).ok_or_else(|| unknown(packets, &method))?;
                packets.send(&answer)?;
            }
            Some((&MORE, &[KNOWN])) => {}
            Some((&MORE, &[IN_FULL])) if is_secret => packets.send(&[password.as_bytes(), b"\0"].concat())?,
            Some((&MORE, &[IN_FULL])) => {
                return Err(Failure::Errored(format!(
                    "{} wants the password itself, which goes by TLS only: give `tls`",
                    packets.server.peer()
                )));
            }
            _ => return Err(packets.server.broken("does not speak MySQL's protocol")),
        }
    }
    Err(packets.server.broken("does not come to an end with the login"))
}

fn unknown<C: Read + Write>(packets: &Packets<'_, C>, method: &str) -> Failure {
    Failure::Errored(format!(
        "{} wants a way to log in that this check does not know, {}; it knows mysql_native_password and \
         caching_sha2_password",
        packets.server.peer(),
        quote(method)
    ))
}

/// What a server says that does not want to go on. A user who is not let in says nothing of its health.
fn refusal<C: Read + Write>(packets: &Packets<'_, C>, packet: &[u8], user: Option<&str>) -> Failure {
    let [_, low, high, reason @ ..] = packet else {
        return packets.server.broken("does not speak MySQL's protocol");
    };
    let code = u16::from_le_bytes([*low, *high]);
    // Once it knows who is there, a server puts a state of SQL before the words.
    let reason = match reason {
        [b'#', _, _, _, _, _, words @ ..] => words,
        words => words,
    };
    let reason = quote(&String::from_utf8_lossy(reason));
    match user {
        _ if ADDRESSES.contains(&code) => Failure::Errored(format!(
            "{} takes no connections from here: {reason} (error {code})",
            packets.server.peer()
        )),
        Some(user) if REFUSALS.contains(&code) => {
            Failure::Errored(format!("{} lets `{user}` not in: {reason}", packets.server.peer()))
        }
        _ => packets
            .server
            .broken(format_args!("takes no connections: {reason} (error {code})")),
    }
}

#[cfg(test)]
mod tests {
    use probelet_plugin::serde_json::{Value, json};

    use super::*;
    use crate::tests::{Script, config, hostile};

    fn packet(content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("a short packet");
        [&[length, 0, 0, 0][..], content].concat()
    }

    fn hello(method: &str) -> Vec<u8> {
        let mut content = b"\x0a11.4.2-MariaDB\0\x01\0\0\0saltsalt\0\xff\xff\x2d\x02\0\xff\xff\x15".to_vec();
        content.extend(b"\0\0\0\0\0\0\0\0\0\0saltsaltsalt\0");
        content.extend(method.bytes().chain([0]));
        packet(&content)
    }

    fn told(answers: &[Vec<u8>], wanted: Value) -> Result<Verdict, Failure> {
        talk(&mut Script::of(answers.concat()), &config(wanted), Some("secret"))
    }

    #[test]
    fn a_server_that_asks_who_is_there_takes_connections() {
        let expected = || Verdict::healthy().with("version", "11.4.2-MariaDB");
        let refused = packet(b"\xff\x15\x04#28000Access denied");
        let hello = || hello("mysql_native_password");
        assert_eq!(told(&[hello(), refused.clone()], json!({})), Ok(expected()));
        let odd = packet(b"\xfeclient_ed25519\0salt\0");
        assert_eq!(told(&[hello(), odd], json!({})), Ok(expected()));
        let short = packet(b"\x0a11.4.2-MariaDB\0\x01\0\0\0salt");
        assert_eq!(told(&[short, refused], json!({})), Ok(expected()));
        assert!(matches!(told(&[hello()], json!({})), Err(Failure::Unhealthy(_))));
        for code in [b"\xff\x69\x04Host is blocked", b"\xff\x6a\x04Host not allow."] {
            let blocked = told(&[packet(code)], json!({})).expect_err("not from here");
            assert!(
                matches!(&blocked, Failure::Errored(text) if text.contains("from here")),
                "{blocked}"
            );
        }
        let full = packet(b"\xff\x10\x04Too many connections");
        let message = "peer takes no connections: Too many connections (error 1040)";
        assert_eq!(told(&[full], json!({})), Err(Failure::Unhealthy(message.to_owned())));
    }

    #[test]
    fn a_user_is_let_in_or_not() {
        let shop = || json!({ "user": "shop" });
        let (hello, ok) = (hello("mysql_native_password"), packet(b"\0\0\0\x02\0\0\0"));
        assert!(told(&[hello.clone(), ok.clone(), ok.clone()], shop()).is_ok());
        let other = packet(b"\xfecaching_sha2_password\0saltsaltsaltsaltsalt\0");
        let known = [
            hello.clone(),
            other.clone(),
            packet(&[MORE, KNOWN]),
            ok.clone(),
            ok.clone(),
        ];
        assert!(told(&known, shop()).is_ok());
        let refused = told(&[hello.clone(), packet(b"\xff\x15\x04#28000Access denied")], shop());
        assert_eq!(
            refused,
            Err(Failure::Errored("peer lets `shop` not in: Access denied".to_owned()))
        );
        let in_full = told(&[hello.clone(), other, packet(&[MORE, IN_FULL])], shop()).expect_err("no TLS");
        assert!(
            matches!(&in_full, Failure::Errored(text) if text.contains("give `tls`")),
            "{in_full}"
        );
        let odd = told(&[hello.clone(), packet(b"\xfeclient_ed25519\0salt\0")], shop()).expect_err("unknown");
        assert!(
            matches!(&odd, Failure::Errored(text) if text.contains("client_ed25519")),
            "{odd}"
        );
        let dying = told(&[hello, ok, packet(b"\xff\x1d\x04#08S01Server shutdown")], shop());
        let message = "peer takes no connections: Server shutdown (error 1053)";
        assert_eq!(dying, Err(Failure::Unhealthy(message.to_owned())));
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
        hostile(&answers, |answer| told(std::slice::from_ref(answer), json!({})));
        let hello = hello("mysql_native_password");
        let more = [
            packet(b"\xfe"),
            packet(b"\x01"),
            packet(b"\xfe\0").repeat(100),
            packet(&[MORE, KNOWN]).repeat(100),
        ];
        for answer in answers.iter().chain(&more) {
            let answer = told(&[hello.clone(), answer.clone()], json!({ "user": "shop" }));
            assert!(answer.is_err(), "{answer:?}");
        }
        for length in 0..hello.len() {
            let _ = told(&[hello[..length].to_vec()], json!({ "user": "shop" }));
        }
    }
}
