//! A PostgreSQL server: whether it takes connections, by asking for one as `pg_isready` does, and what a query comes to.

mod scram;

use std::io::{self, Read, Write};

use fallible_iterator::FallibleIterator;
use postgres_protocol::{
    authentication::{md5_hash, sasl::SCRAM_SHA_256},
    message::{
        backend::{DataRowBody, ErrorResponseBody, Message},
        frontend,
    },
};
use probelet_plugin::{
    Failure, Verdict, environment,
    lines::Conversation,
    net::{Endpoint, Port},
};

use crate::{secure::Tls, start_tls::StartTls, text::quote};
use scram::{Fault, Scram};

/// Type and length.
const HEADER: usize = 5;
/// What a check reads is one value, not a table.
const MAX_MESSAGE: usize = 1 << 20;
/// Between start and answer a server tells some dozens of parameters; a result has as many messages as rows.
const MAX_MESSAGES: usize = 1000;
/// What the message of a row begins with.
const DATA_ROW: u8 = b'D';
/// No user can have it: the server answers all the same.
const NOBODY: &str = "probelet";

/// What is checked.
#[probelet_plugin::config]
pub struct Config {
    /// An address or a name; the pod's own address unless it is given.
    pub host: Option<String>,
    /// A port's number or name; 5432 unless it is given.
    pub port: Option<Port>,
    /// Who to log in as. Without a user the check is whether the server takes connections.
    pub user: Option<String>,
    /// The container's variable with the password, which `allow.environment` has to grant.
    pub password_variable: Option<String>,
    /// The database; the one that is called like the user unless it is given.
    pub database: Option<String>,
    /// TLS, with which a server that has it is spoken to.
    pub tls: Option<Tls>,
    /// A query to run, as the user.
    pub query: Option<String>,
    /// What the first value of the query's first row has to be, as text.
    pub expect: Option<String>,
}

/// Checks the server once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    if config.user.is_none() && (config.query.is_some() || config.database.is_some()) {
        return Err(Failure::Errored("`query` and `database` need a `user`".to_owned()));
    }
    if config.query.is_none() && config.expect.is_some() {
        return Err(Failure::Errored("`expect` needs a `query`".to_owned()));
    }
    let endpoint = Endpoint::new(config.host.as_deref(), config.port.as_ref(), 5432)?;
    let password = config.password_variable.as_deref().map(environment).transpose()?;
    let Some(tls) = &config.tls else {
        return talk(&mut endpoint.converse()?, config, password.as_deref());
    };
    let mut server = endpoint.converse_before_tls()?;
    StartTls::Postgres.agree(&mut server)?;
    server.start_tls(&tls.options())?;
    talk(&mut server, config, password.as_deref())
}

fn talk<C: Read + Write>(
    server: &mut Conversation<C>,
    config: &Config,
    password: Option<&str>,
) -> Result<Verdict, Failure> {
    let user = config.user.as_deref().unwrap_or(NOBODY);
    let database = config.database.as_deref().unwrap_or(user);
    let parameters = [("user", user), ("database", database), ("application_name", "probelet")];
    send(server, |buffer| frontend::startup_message(parameters, buffer))?;
    let first = next(server)?;
    if config.user.is_none() {
        return match first {
            Message::ErrorResponse(error) => ready(server, &Told::by(&error)),
            _ => Ok(Verdict::healthy()),
        };
    }
    log_in(server, first, user, password)?;
    let verdict = Verdict::healthy();
    let Some(query) = &config.query else {
        return Ok(verdict);
    };
    send(server, |buffer| frontend::query(query, buffer))?;
    let value = first_value(server)?;
    Ok(match (&value, &config.expect) {
        (Some(value), Some(wanted)) if value != wanted => {
            Verdict::unhealthy(format!("the query's value is {}, not {}", quote(value), quote(wanted)))
        }
        (None, Some(_)) => Verdict::unhealthy("the query has no value"),
        _ => verdict,
    }
    .with("value", value.map(|value| quote(&value)).unwrap_or_default()))
}

/// A server that refuses this user takes connections all the same.
fn ready<C: Read + Write>(server: &Conversation<C>, told: &Told) -> Result<Verdict, Failure> {
    // Classes 57 (it starts up or shuts down), 53 (it has no connection left, which `pg_isready` lets pass), 08 and XX; 28
    // and 3D are about the user.
    match told.code.get(..2) {
        Some("28" | "3D") => Ok(Verdict::healthy()),
        _ => Err(server.broken(format_args!("takes no connections: {}", told.message))),
    }
}

fn log_in<C: Read + Write>(
    server: &mut Conversation<C>,
    mut message: Message,
    user: &str,
    password: Option<&str>,
) -> Result<(), Failure> {
    let password = || {
        password.ok_or_else(|| Failure::Errored("the server wants a password: give its `passwordVariable`".to_owned()))
    };
    let mut scram: Option<Scram> = None;
    for _ in 0..MAX_MESSAGES {
        match message {
            Message::ReadyForQuery(_) => return Ok(()),
            Message::ErrorResponse(error) => {
                let told = Told::by(&error);
                return Err(match told.code.get(..2) {
                    Some("28" | "3D" | "42") => {
                        Failure::Errored(format!("{} lets `{user}` not in: {}", server.peer(), told.message))
                    }
                    _ => server.broken(format_args!("takes no connections: {}", told.message)),
                });
            }
            Message::AuthenticationCleartextPassword => {
                let password = password()?.as_bytes();
                send(server, |buffer| frontend::password_message(password, buffer))?;
            }
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(user.as_bytes(), password()?.as_bytes(), body.salt());
                send(server, |buffer| frontend::password_message(hash.as_bytes(), buffer))?;
            }
            Message::AuthenticationSasl(_) => {
                let begun = Scram::new(password()?)?;
                send(server, |buffer| {
                    frontend::sasl_initial_response(SCRAM_SHA_256, &begun.first(), buffer)
                })?;
                scram = Some(begun);
            }
            Message::AuthenticationSaslContinue(body) => {
                let scram = scram
                    .as_mut()
                    .ok_or_else(|| server.broken("goes on with what was not begun"))?;
                let last = scram.last(body.data()).map_err(|fault| distrusted(server, &fault))?;
                send(server, |buffer| frontend::sasl_response(&last, buffer))?;
            }
            Message::AuthenticationSaslFinal(body) => {
                let scram = scram.as_mut().ok_or_else(|| server.broken("ends what was not begun"))?;
                scram.finish(body.data()).map_err(|fault| distrusted(server, &fault))?;
            }
            Message::AuthenticationOk
            | Message::BackendKeyData(_)
            | Message::ParameterStatus(_)
            | Message::NoticeResponse(_) => {}
            _ => {
                let reason = "wants a way to log in that this check does not know; it knows trust, password, md5 and scram-sha-256";
                return Err(Failure::Errored(format!("{} {reason}", server.peer())));
            }
        }
        message = next(server)?;
    }
    Err(server.broken("does not come to an end with the login"))
}

fn distrusted<C: Read + Write>(server: &Conversation<C>, fault: &Fault) -> Failure {
    match fault {
        Fault::Server(what) => server.broken(what),
        Fault::Rounds(rounds) => Failure::Errored(format!(
            "{} wants {rounds} rounds of SHA-256 (scram_iterations), which are more than a check can do",
            server.peer()
        )),
    }
}

/// The first value of the first row, if there is one and it is not null.
fn first_value<C: Read + Write>(server: &mut Conversation<C>) -> Result<Option<String>, Failure> {
    let mut value = None;
    let mut is_first = true;
    for _ in 0..MAX_MESSAGES {
        match next(server)? {
            Message::ReadyForQuery(_) => return Ok(value),
            Message::ErrorResponse(error) => {
                let told = Told::by(&error);
                // Class 42: the query is wrong, or this user may not ask it.
                return Err(match told.code.get(..2) {
                    Some("42") => Failure::Errored(format!("{} refuses the query: {}", server.peer(), told.message)),
                    _ => server.broken(format_args!("answers the query with: {}", told.message)),
                });
            }
            Message::DataRow(row) if is_first => {
                value = first_of(&row).map_err(|error| server.broken(error))?;
                is_first = false;
            }
            _ => {}
        }
    }
    let reason = "has more rows for the query than a check reads; add a LIMIT to it";
    Err(Failure::Errored(format!("{} {reason}", server.peer())))
}

fn first_of(row: &DataRowBody) -> io::Result<Option<String>> {
    let range = row.ranges().next()?.flatten();
    let bytes = range.and_then(|range| row.buffer().get(range));
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// What a server's error says.
struct Told {
    code: String,
    message: String,
}

impl Told {
    fn by(error: &ErrorResponseBody) -> Self {
        let mut told = Self {
            code: String::new(),
            message: "an error without a message".to_owned(),
        };
        let mut fields = error.fields();
        while let Ok(Some(field)) = fields.next() {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => told.code = value,
                b'M' => told.message = quote(&value),
                _ => {}
            }
        }
        told
    }
}

fn send<C: Read + Write>(
    server: &mut Conversation<C>,
    write: impl FnOnce(&mut bytes::BytesMut) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut buffer = bytes::BytesMut::new();
    write(&mut buffer).map_err(|error| Failure::Errored(format!("the configuration cannot be sent: {error}")))?;
    server.send(&buffer)
}

fn next<C: Read + Write>(server: &mut Conversation<C>) -> Result<Message, Failure> {
    let header = server.bytes(HEADER)?;
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
    if header[0] == DATA_ROW && length > MAX_MESSAGE {
        let reason = "has a longer row for the query than a check reads; ask for less";
        return Err(Failure::Errored(format!("{} {reason}", server.peer())));
    }
    if !(4..=MAX_MESSAGE).contains(&length) {
        return Err(server.broken("does not speak PostgreSQL's protocol"));
    }
    let mut message = bytes::BytesMut::from(&header[..]);
    message.extend_from_slice(&server.bytes(length - 4)?);
    match Message::parse(&mut message) {
        Ok(Some(message)) => Ok(message),
        _ => Err(server.broken("does not speak PostgreSQL's protocol")),
    }
}

#[cfg(test)]
mod tests {
    use probelet_plugin::serde_json::{Value, json};

    use super::*;
    use crate::tests::{Script, config, hostile};

    fn told(answers: &[u8], wanted: Value) -> Result<Verdict, Failure> {
        talk(&mut Script::of(answers), &config(wanted), Some("secret"))
    }

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 4).expect("a short message");
        [&[kind][..], &length.to_be_bytes(), content].concat()
    }

    fn error(code: &str) -> Vec<u8> {
        message(b'E', format!("SFATAL\0C{code}\0Mthe reason\0\0").as_bytes())
    }

    #[test]
    fn a_server_that_asks_who_is_there_is_ready() {
        assert_eq!(told(&message(b'R', &[0, 0, 0, 3]), json!({})), Ok(Verdict::healthy()));
        for (code, is_ready) in [("28000", true), ("3D000", true), ("57P03", false), ("53300", false)] {
            let answer = told(&error(code), json!({}));
            assert_eq!(answer.is_ok(), is_ready, "{code}: {answer:?}");
        }
        let starting = told(&error("57P03"), json!({})).expect_err("not ready");
        assert_eq!(starting.message(), "peer takes no connections: the reason");
    }

    #[test]
    fn a_wrong_password_is_not_the_servers_fault() {
        let answer = told(&error("28P01"), json!({ "user": "shop" })).expect_err("not let in");
        assert_eq!(
            answer,
            Failure::Errored("peer lets `shop` not in: the reason".to_owned())
        );
    }

    #[test]
    fn the_first_value_counts() {
        let row = |value: &[u8]| {
            message(
                b'D',
                &[&[0, 1][..], &(value.len() as u32).to_be_bytes(), value].concat(),
            )
        };
        let ready = message(b'Z', b"I");
        let login = [
            message(b'R', &[0, 0, 0, 3]),
            message(b'R', &[0, 0, 0, 0]),
            ready.clone(),
        ]
        .concat();
        let wanted = json!({ "user": "shop", "query": "SELECT 1", "expect": "1" });
        let good = [login.clone(), row(b"1"), row(b"2"), ready.clone()].concat();
        assert_eq!(told(&good, wanted.clone()), Ok(Verdict::healthy().with("value", "1")));
        let other = [login.clone(), row(b"2"), ready.clone()].concat();
        assert_eq!(
            told(&other, wanted.clone()).expect("a verdict").message,
            "the query's value is 2, not 1"
        );
        let none = [login.clone(), ready].concat();
        assert_eq!(
            told(&none, wanted.clone()).expect("a verdict").message,
            "the query has no value"
        );
        let endless = [login.clone(), row(b"1").repeat(2000)].concat();
        let is_errored = |answer: &[u8], word: &str| match told(answer, wanted.clone()) {
            Err(Failure::Errored(text)) => assert!(text.contains(word), "{text}"),
            other => panic!("{other:?}"),
        };
        is_errored(&endless, "LIMIT");
        is_errored(&[login.clone(), vec![b'D', 0x7f, 0, 0, 0]].concat(), "ask for less");
        is_errored(
            &[login.clone(), error("42P01")].concat(),
            "refuses the query: the reason",
        );
        let full = told(&[login, error("53100")].concat(), wanted).expect_err("a full disk");
        assert_eq!(full.message(), "peer answers the query with: the reason");
    }

    #[test]
    fn no_answer_breaks_it() {
        let answers = [
            vec![],
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            message(b'R', &[]),
            message(b'R', &[0, 0, 0, 11]),
            message(b'D', &[0, 9, 0xff, 0xff, 0xff, 0xfe]),
            message(b'E', b"C"),
            vec![b'R', 0, 0, 0, 0],
            vec![b'R', 0xff, 0xff, 0xff, 0xff],
        ];
        hostile(&answers, |answer| {
            told(answer, json!({ "user": "shop", "query": "SELECT 1" }))
        });
        let after_login = answers.map(|answer| [message(b'Z', b"I"), answer].concat());
        hostile(&after_login, |answer| {
            told(answer, json!({ "user": "shop", "query": "SELECT 1" }))
        });
    }
}
