//! Any server that speaks in texts: sends some, and expects others.

use std::io::{Read, Write};

use probelet_plugin::{
    Failure, Verdict,
    lines::Conversation,
    net::{Endpoint, Port},
};
use regex_lite::Regex;

use crate::text::{pattern, quote};

/// What is expected has to come within so many bytes.
const MAX_ANSWER: usize = 64 << 10;

/// What is said and expected.
#[probelet_plugin::config]
pub struct Config {
    /// An address or a name; the pod's own address unless it is given.
    pub host: Option<String>,
    /// A port's number or name.
    pub port: Port,
    /// What is done, in this order.
    pub steps: Vec<Step>,
}

/// One step: a text is sent, or one is expected.
#[probelet_plugin::config]
pub struct Step {
    /// A text to send. Line ends are part of it: `"QUIT\r\n"`.
    pub send: Option<String>,
    /// A text that has to come.
    pub expect: Option<String>,
    /// A regular expression that what comes has to match somewhere.
    pub matches: Option<String>,
}

/// A step in the form that it is taken in.
enum Deed<'a> {
    Send(&'a str),
    Expect(&'a str),
    Match(Regex),
}

/// Checks the server once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let deeds = config.steps.iter().map(deed).collect::<Result<Vec<_>, _>>()?;
    let endpoint = Endpoint::new(config.host.as_deref(), Some(&config.port), 0)?;
    talk(&mut endpoint.converse()?, &deeds)
}

fn deed(step: &Step) -> Result<Deed<'_>, Failure> {
    match (&step.send, &step.expect, &step.matches) {
        (Some(text), None, None) => Ok(Deed::Send(text)),
        (None, Some(text), None) => Ok(Deed::Expect(text)),
        (None, None, Some(text)) => pattern("matches", text).map(Deed::Match),
        _ => Err(Failure::Errored(
            "a step has one of `send`, `expect` and `matches`".to_owned(),
        )),
    }
}

/// What was expected by one step and found is gone for the next.
fn talk<C: Read + Write>(server: &mut Conversation<C>, deeds: &[Deed<'_>]) -> Result<Verdict, Failure> {
    let mut last = None;
    for deed in deeds {
        let end = |read: &[u8]| match deed {
            Deed::Send(_) => None,
            Deed::Expect(text) => read
                .windows(text.len().max(1))
                .position(|at| at == text.as_bytes())
                .map(|at| at + text.len()),
            Deed::Match(pattern) => {
                let text = String::from_utf8_lossy(read);
                pattern.find(&text).map(|found| in_bytes(read, found.end()))
            }
        };
        if let Deed::Send(text) = deed {
            server.send(text)?;
            continue;
        }
        let read = server.peek_until(MAX_ANSWER, |read| end(read).is_some())?;
        let Some(end) = end(read) else {
            let (wanted, said) = (deed.wanted(), quote(&String::from_utf8_lossy(read)));
            return Err(server.broken(format_args!("says `{said}`, without {wanted}")));
        };
        last = Some(String::from_utf8_lossy(&server.bytes(end)?).into_owned());
    }
    let verdict = Verdict::healthy();
    Ok(match last {
        Some(said) => verdict.with("answer", quote(&said)),
        None => verdict,
    })
}

/// Where a place in the text of some bytes is in the bytes: what is no UTF-8 stands in the text as U+FFFD, which has
/// another length.
fn in_bytes(bytes: &[u8], place: usize) -> usize {
    let (mut text_length, mut length) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().len();
        if place <= text_length + valid {
            return length + (place - text_length);
        }
        text_length += valid;
        length += valid;
        if !chunk.invalid().is_empty() {
            text_length += char::REPLACEMENT_CHARACTER.len_utf8();
            length += chunk.invalid().len();
        }
    }
    length
}

impl Deed<'_> {
    fn wanted(&self) -> String {
        match self {
            Deed::Send(text) | Deed::Expect(text) => format!("`{}`", quote(text)),
            Deed::Match(pattern) => format!("a match of `{pattern}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use probelet_plugin::serde_json::{Value, json};

    use super::*;
    use crate::tests::{Script, config, hostile};

    fn told(answers: &str, steps: Value) -> Result<Verdict, Failure> {
        let config: Config = config(json!({ "port": 1, "steps": steps }));
        let deeds = config.steps.iter().map(deed).collect::<Result<Vec<_>, _>>()?;
        talk(&mut Script::of(answers), &deeds)
    }

    #[test]
    fn steps_follow_each_other() {
        let smtp = "220 mail ESMTP ready\r\n250 hello\r\n";
        let steps = json!([{ "expect": "220 " }, { "send": "HELO x\r\n" }, { "matches": "(?m)^250 .*\r\n" }]);
        assert_eq!(
            told(smtp, steps),
            Ok(Verdict::healthy().with("answer", "mail ESMTP ready  250 hello"))
        );
        let twice = told("one", json!([{ "expect": "one" }, { "expect": "one" }])).expect_err("only one");
        assert_eq!(twice.message(), "peer closed the connection");
    }

    #[test]
    fn what_is_no_utf8_takes_no_more_than_its_own_bytes() {
        let steps = json!([{ "matches": "OK" }, { "expect": " MORE" }]);
        let config: Config = config(json!({ "port": 1, "steps": steps }));
        let deeds: Vec<_> = config.steps.iter().map(|step| deed(step).expect("a step")).collect();
        let said = talk(&mut Script::of(b"\xff\xc3OK MORE"), &deeds);
        assert_eq!(said, Ok(Verdict::healthy().with("answer", "MORE")));
        assert_eq!(in_bytes(b"a\xffb", 4), 2);
        assert_eq!(in_bytes(b"a\xffb", 5), 3);
        assert_eq!(in_bytes("aé".as_bytes(), 3), 3);
    }

    #[test]
    fn what_came_instead_is_shown() {
        let failure = told("500 sick\r\n", json!([{ "expect": "220" }])).expect_err("not that");
        assert_eq!(failure.message(), "peer says `500 sick`, without `220`");
        let failure = told("500 sick\r\n", json!([{ "matches": "^2" }])).expect_err("not that");
        assert_eq!(failure.message(), "peer says `500 sick`, without a match of `^2`");
        let failure = told("", json!([{ "send": "a", "expect": "b" }])).expect_err("two at once");
        assert!(matches!(failure, Failure::Errored(_)), "{failure}");
    }

    #[test]
    fn no_answer_breaks_it() {
        let endless = "x".repeat(200 << 10);
        hostile(&["", "é", "\u{0}", &endless], |answers| {
            told(answers, json!([{ "expect": "220" }, { "matches": "\u{fffd}+$" }]))
        });
        assert!(told("", json!([{ "expect": "" }])).is_err());
    }
}
