//! A DNS server: what it answers to a question, and how long that takes.

mod message;

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use probelet_plugin::{
    Failure, Verdict, context,
    lines::Conversation,
    net::{Endpoint, Port},
    serde::Deserialize,
    time_left, timeout_text,
};

use crate::text::quote;
pub use message::Record;
use message::{Answer, answers, question, read};

/// How often a question is sent by UDP, each time for the same part of the time that is left: one may get lost.
const TRIES: u32 = 3;
/// Messages that are no answer to the question, and passed over.
const MAX_STRANGERS: usize = 16;
/// Records that a message quotes.
const MAX_QUOTED: usize = 5;

/// What is asked, and what has to come back.
#[probelet_plugin::config]
pub struct Config {
    /// An address or a name; the pod's own address unless it is given.
    pub host: Option<String>,
    /// A port's number or name; 53 unless it is given.
    pub port: Option<Port>,
    /// The name that is asked for.
    pub name: String,
    /// The kind of records.
    #[serde(default)]
    pub record: Record,
    /// How it is asked; by UDP, an answer that does not fit is fetched by TCP.
    #[serde(default)]
    pub transport: Transport,
    /// Whether the server is to ask others if it does not know. A server of zones does not.
    #[serde(default = "yes")]
    pub recursive: bool,
    /// The code that has to come back, such as `NXDOMAIN`.
    #[serde(default = "no_error")]
    pub code: String,
    /// Records that have to be among those that come, as `dig +short` shows them, without the dot at a name's end.
    #[serde(default)]
    pub expect: Vec<String>,
    /// How many records have to come; one unless it is given, or none where another code is wanted.
    pub at_least: Option<u32>,
    /// An answer that takes longer is degraded, in milliseconds.
    pub slow_milliseconds: Option<u64>,
}

/// How a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, probelet_plugin::schemars::JsonSchema)]
#[serde(crate = "probelet_plugin::serde", rename_all = "UPPERCASE")]
#[schemars(crate = "probelet_plugin::schemars")]
pub enum Transport {
    /// A datagram.
    #[default]
    Udp,
    /// A connection.
    Tcp,
}

fn yes() -> bool {
    true
}

fn no_error() -> String {
    NO_ERROR.to_owned()
}

const NO_ERROR: &str = "NOERROR";

/// Checks the server once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let endpoint = Endpoint::new(config.host.as_deref(), config.port.as_ref(), 53)?;
    // Who could answer in the server's place sees the question, and a case can be replayed.
    let number = context::attempt() as u16;
    let question = question(number, &config.name, config.record, config.recursive)
        .ok_or_else(|| Failure::Errored(format!("`name` is `{}`, which is no name", quote(&config.name))))?;
    let begin = Instant::now();
    let (answer, transport) = ask(&endpoint, &question, config)?;
    let milliseconds = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    let verdict = match fault(config, &answer) {
        Some(message) => Verdict::unhealthy(message),
        None => match config.slow_milliseconds.filter(|slow| milliseconds > *slow) {
            Some(slow) => Verdict::degraded(format!("the answer took {milliseconds}ms, more than {slow}ms")),
            None => Verdict::healthy(),
        },
    };
    let transport = match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    };
    Ok(verdict
        .with("code", answer.code)
        .with("records", answer.records.len() as f64)
        .with("milliseconds", milliseconds)
        .with("transport", transport))
}

fn ask(endpoint: &Endpoint, question: &[u8], config: &Config) -> Result<(Answer, Transport), Failure> {
    if config.transport == Transport::Udp {
        let answer = by_udp(endpoint, question)?;
        let answer = understood(&endpoint.authority(), &answer, config.record)?;
        if !answer.truncated {
            return Ok((answer, Transport::Udp));
        }
    }
    let mut server = endpoint.converse()?;
    let answer = by_tcp(&mut server, question)?;
    Ok((understood(server.peer(), &answer, config.record)?, Transport::Tcp))
}

fn understood(peer: &str, message: &[u8], record: Record) -> Result<Answer, Failure> {
    read(message, record).ok_or_else(|| Failure::Unhealthy(format!("{peer} answers what is no message of DNS")))
}

fn by_udp(endpoint: &Endpoint, question: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut socket = endpoint.datagrams()?;
    let patience = time_left() / TRIES;
    let mut strangers = 0;
    for _ in 0..TRIES {
        socket.send(question)?;
        let end = Instant::now() + patience;
        while let Some(message) = socket.receive(end.saturating_duration_since(Instant::now()))? {
            if answers(&message, question) {
                return Ok(message);
            }
            strangers += 1;
            if strangers > MAX_STRANGERS {
                return Err(Failure::Unhealthy(format!(
                    "{} sends other things than the answer",
                    endpoint.authority()
                )));
            }
        }
        if time_left() == Duration::ZERO {
            break;
        }
    }
    Err(Failure::Unhealthy(format!(
        "{} did not answer within {}",
        endpoint.authority(),
        timeout_text()
    )))
}

/// By TCP each message has its length in front of it.
fn by_tcp<C: Read + Write>(server: &mut Conversation<C>, question: &[u8]) -> Result<Vec<u8>, Failure> {
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
    server.send([&length.to_be_bytes()[..], question].concat())?;
    let length = server.bytes(2)?;
    let message = server.bytes(usize::from(u16::from_be_bytes([length[0], length[1]])))?;
    if answers(&message, question) {
        return Ok(message);
    }
    Err(server.broken("answers another question"))
}

/// What is wrong with an answer, if anything is.
fn fault(config: &Config, answer: &Answer) -> Option<String> {
    let name = quote(&config.name);
    if !answer.code.eq_ignore_ascii_case(&config.code) {
        return Some(format!(
            "{name} is answered with {}, not {}",
            answer.code,
            quote(&config.code)
        ));
    }
    let least = config
        .at_least
        .unwrap_or_else(|| u32::from(config.code.eq_ignore_ascii_case(NO_ERROR)));
    let found = answer.records.len();
    if found < least as usize {
        return Some(format!("{name} has {found} records, fewer than {least}"));
    }
    let is_there = |wanted: &&String| answer.records.iter().any(|record| record.eq_ignore_ascii_case(wanted));
    let missing = config.expect.iter().find(|wanted| !is_there(wanted))?;
    Some(format!("{name} is {}, not {}", told(&answer.records), quote(missing)))
}

fn told(records: &[String]) -> String {
    let quoted: Vec<String> = records.iter().take(MAX_QUOTED).map(|record| quote(record)).collect();
    match records.len() {
        0 => "nothing".to_owned(),
        1..=MAX_QUOTED => quoted.join(", "),
        _ => format!("{} and more", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use probelet_plugin::{
        serde_json::{Value, json},
        testing::Host,
    };

    use super::{
        message::tests::{answer, ask as question_for},
        *,
    };
    use crate::tests::{Script, config};

    fn judged(wanted: Value, code: &str, records: &[&str]) -> Option<String> {
        let answer = Answer {
            code: code.to_owned(),
            truncated: false,
            records: records.iter().map(|record| (*record).to_owned()).collect(),
        };
        fault(&config(wanted), &answer)
    }

    #[test]
    fn the_answer_is_what_is_wanted_or_not() {
        let shop = || json!({ "name": "shop" });
        assert_eq!(judged(shop(), "NOERROR", &["10.1.2.3"]), None);
        let none = judged(shop(), "NOERROR", &[]);
        assert_eq!(none.as_deref(), Some("shop has 0 records, fewer than 1"));
        let code = judged(shop(), "SERVFAIL", &[]);
        assert_eq!(code.as_deref(), Some("shop is answered with SERVFAIL, not NOERROR"));
        assert_eq!(
            judged(json!({ "name": "no", "code": "NXDOMAIN" }), "NXDOMAIN", &[]),
            None
        );
        let wanted = json!({ "name": "shop", "expect": ["10 Mail.example"] });
        assert_eq!(judged(wanted.clone(), "NOERROR", &["5 a", "10 mail.example"]), None);
        let other = judged(wanted, "NOERROR", &["1", "2", "3", "4", "5", "6\n"]);
        assert_eq!(
            other.as_deref(),
            Some("shop is 1, 2, 3, 4, 5 and more, not 10 Mail.example")
        );
        let more = judged(json!({ "name": "shop", "atLeast": 2 }), "NOERROR", &["1"]);
        assert_eq!(more.as_deref(), Some("shop has 1 records, fewer than 2"));
    }

    /// What the check finds where a server answers a question by UDP with these messages.
    fn told_by_udp(messages: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Result<Verdict, Failure> {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = server.local_addr().expect("an address").port();
        let thread = std::thread::spawn(move || {
            let mut question = [0; 512];
            let (length, client) = server.recv_from(&mut question).expect("a question");
            for message in messages(&question[..length]) {
                server.send_to(&message, client).expect("sent");
            }
        });
        let wanted = config(json!({ "name": "shop.example", "port": port, "expect": ["10.1.2.3"] }));
        let mut host = Host {
            attempt: 7,
            timeout: Duration::from_secs(5),
            ..Host::default()
        };
        let told = host.run(|| check(&wanted));
        thread.join().expect("no panic");
        told
    }

    #[test]
    fn strangers_are_passed_over_and_many_of_them_are_a_fault() {
        let verdict = told_by_udp(|question| {
            assert_eq!(question, question_for(Record::A));
            vec![
                b"junk".to_vec(),
                question.to_vec(),
                answer(question, 0, &[(Record::A, &[10, 1, 2, 3])]),
            ]
        });
        assert_eq!(verdict.map(|verdict| verdict.message), Ok(String::new()));
        let flooded = told_by_udp(|_| vec![b"junk".to_vec(); 100]).expect_err("a flood");
        assert!(
            flooded.message().ends_with("sends other things than the answer"),
            "{flooded}"
        );
        let broken = told_by_udp(|question| vec![[&answer(question, 0, &[])[..6], &[0xff; 4]].concat()]);
        assert!(broken.is_err(), "{broken:?}");
    }

    #[test]
    fn no_answer_by_tcp_breaks_it() {
        let asked = question_for(Record::A);
        let good = answer(&asked, 0, &[(Record::A, &[10, 1, 2, 3])]);
        let framed = |message: &[u8]| [&(message.len() as u16).to_be_bytes()[..], message].concat();
        assert_eq!(by_tcp(&mut Script::of(framed(&good)), &asked), Ok(good.clone()));
        for says in [
            vec![],
            vec![0],
            vec![0, 0],
            vec![0xff, 0xff, 1],
            framed(b"junk"),
            framed(&asked),
        ] {
            assert!(by_tcp(&mut Script::of(&says), &asked).is_err(), "{says:?}");
        }
    }
}
