//! One TCP connection of a case: what comes is compared as it comes, and what is due goes out.

use crate::{
    host::Step,
    text::{diff, quoted},
    tls::TlsStep,
};

/// A connection at work.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Where it stands in the case file, such as `host.tcp[0]`.
    path: String,
    steps: Vec<Step>,
    at: usize,
    /// What has come of the present step.
    received: Vec<u8>,
    over: bool,
}

/// What the other side does next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// It sends this.
    pub send: Vec<u8>,
    /// Where the steps that this was made of end: with datagrams each is one.
    pub ends: Vec<usize>,
    /// And then closes the connection.
    pub close: bool,
    /// What the plugin did wrong, if it did.
    pub fault: Option<String>,
}

impl Talk {
    /// A conversation at its beginning.
    pub(crate) fn new(path: String, steps: Vec<Step>) -> Self {
        Self {
            path,
            steps,
            at: 0,
            received: Vec::new(),
            over: false,
        }
    }

    /// What is said before the plugin has sent anything.
    pub fn begin(&mut self) -> Reply {
        let mut reply = Reply::default();
        self.advance(&mut reply);
        reply
    }

    /// Some bytes have come from the plugin.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Reply {
        let mut reply = Reply::default();
        while !bytes.is_empty() && !self.over {
            let expected = match self.steps.get(self.at) {
                Some(Step::Client(expected)) => expected,
                Some(Step::Tls(_)) => {
                    let fault = format!("{}: sent before TLS was begun: {}", self.tls_step(), quoted(bytes));
                    return self.fail(reply, fault);
                }
                _ => {
                    let fault = format!("{}: sent more than the case expects: {}", self.path, quoted(bytes));
                    return self.fail(reply, fault);
                }
            };
            let missing = expected.0.len() - self.received.len();
            let (now, later) = bytes.split_at(bytes.len().min(missing));
            self.received.extend_from_slice(now);
            if !expected.0.starts_with(&self.received) {
                let (expected, mut found) = (expected.0.clone(), std::mem::take(&mut self.received));
                found.extend_from_slice(later);
                return self.differs(reply, &expected, &found);
            }
            bytes = later;
            if self.received.len() == expected.0.len() {
                self.at += 1;
                self.received.clear();
                self.advance(&mut reply);
            }
        }
        reply
    }

    /// The plugin has the host begin TLS with a server of such a name. What the server shows, and what it says then.
    ///
    /// # Errors
    ///
    /// The case does not expect it here, or with another name.
    pub fn start_tls(&mut self, server_name: &str) -> Result<(TlsStep, Reply), String> {
        let Some(Step::Tls(step)) = self.steps.get(self.at).filter(|_| !self.over) else {
            self.over = true;
            return Err(format!(
                "{}: TLS was begun where the case does not expect it",
                self.path
            ));
        };
        let step = TlsStep::clone(step);
        if let Some(expected) = step.server_name.as_deref().filter(|name| *name != server_name) {
            self.over = true;
            let path = self.tls_step();
            return Err(format!("{path}.serverName: expected {expected}, found {server_name}"));
        }
        self.at += 1;
        let mut reply = Reply::default();
        self.advance(&mut reply);
        Ok((step, reply))
    }

    /// The plugin has closed its side, or the run is over.
    pub fn end(&mut self) -> Option<String> {
        if std::mem::replace(&mut self.over, true) {
            return None;
        }
        if let Some(Step::Tls(_)) = self.steps.get(self.at) {
            return Some(format!("{}: TLS was never begun", self.tls_step()));
        }
        let Some(Step::Client(expected)) = self.steps.get(self.at) else {
            return None;
        };
        let what = if self.received.is_empty() {
            format!(
                "{}: nothing was sent where {} is expected",
                self.step(),
                quoted(&expected.0)
            )
        } else {
            let difference = diff(&expected.0, &self.received);
            format!(
                "{}: less was sent than is expected\n{}",
                self.step(),
                difference.join("\n")
            )
        };
        Some(what)
    }

    /// Takes the steps of the other side, up to one of the plugin's.
    fn advance(&mut self, reply: &mut Reply) {
        while let Some(step) = self.steps.get(self.at) {
            match step {
                Step::Client(expected) if expected.0.is_empty() => {}
                Step::Client(_) | Step::Tls(_) => return,
                Step::Server(content) => {
                    reply.send.extend_from_slice(&content.0);
                    reply.ends.push(reply.send.len());
                }
                Step::Close => {
                    reply.close = true;
                    self.over = true;
                    return;
                }
            }
            self.at += 1;
        }
    }

    fn step(&self) -> String {
        format!("{}.talk[{}].client", self.path, self.at)
    }

    fn tls_step(&self) -> String {
        format!("{}.talk[{}].tls", self.path, self.at)
    }

    fn differs(&mut self, reply: Reply, expected: &[u8], found: &[u8]) -> Reply {
        let what = format!(
            "{}: something else was sent than is expected\n{}",
            self.step(),
            diff(expected, found).join("\n")
        );
        self.fail(reply, what)
    }

    fn fail(&mut self, reply: Reply, fault: String) -> Reply {
        self.over = true;
        Reply {
            close: true,
            fault: Some(fault),
            ..reply
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;

    fn talk(steps: &[(bool, &str)]) -> Talk {
        let steps = steps.iter().map(|(is_client, text)| {
            let content = Content(text.as_bytes().to_vec());
            if *is_client {
                Step::Client(content)
            } else {
                Step::Server(content)
            }
        });
        Talk::new("host.tcp[0]".to_owned(), steps.collect())
    }

    #[test]
    fn bytes_may_come_in_any_pieces() {
        let mut talk = talk(&[
            (false, "hello\n"),
            (true, "PING\n"),
            (false, "PONG\n"),
            (true, "QUIT\n"),
        ]);
        assert_eq!(talk.begin().send, b"hello\n");
        assert_eq!(talk.receive(b"PI"), Reply::default());
        assert_eq!(talk.receive(b"NG\nQU").send, b"PONG\n");
        assert_eq!(talk.receive(b"IT\n"), Reply::default());
        assert_eq!(talk.end(), None);
    }

    #[test]
    fn something_else_shows_as_a_difference_and_ends_it() {
        let mut talk = talk(&[(true, "PING\r\n"), (false, "PONG")]);
        assert_eq!(talk.begin(), Reply::default());
        let reply = talk.receive(b"INFO\r\n");
        assert!(reply.close && reply.send.is_empty());
        let fault = reply.fault.expect("a fault");
        assert!(
            fault.starts_with("host.tcp[0].talk[0].client: something else"),
            "{fault}"
        );
        assert!(fault.ends_with("\n- PING\\r\\n\n+ INFO\\r\\n"), "{fault}");
        assert_eq!(talk.end(), None);
    }

    #[test]
    fn too_much_and_too_little_are_told() {
        let mut more = talk(&[(true, "a")]);
        let fault = more.receive(b"ab").fault.expect("a fault");
        assert!(fault.contains("more than the case expects: \"b\""), "{fault}");
        let mut less = talk(&[(true, "abc")]);
        less.receive(b"ab");
        assert!(less.end().expect("a fault").contains("less was sent"));
        let mut none = talk(&[(true, "abc")]);
        assert!(none.end().expect("a fault").contains("nothing was sent"));
    }

    #[test]
    fn tls_begins_where_the_case_says_so() {
        let steps = || {
            let tls = TlsStep {
                server_name: Some("shop.example".to_owned()),
                ..TlsStep::default()
            };
            let said = |text: &str| Content(text.as_bytes().to_vec());
            vec![
                Step::Client(said("STARTTLS")),
                Step::Server(said("go")),
                Step::Tls(Box::new(tls)),
                Step::Server(said("secret")),
                Step::Client(said("QUIT")),
            ]
        };
        let talk = || Talk::new("host.tcp[0]".to_owned(), steps());
        let mut good = talk();
        assert_eq!(good.receive(b"STARTTLS").send, b"go");
        let (step, reply) = good.start_tls("shop.example").expect("TLS");
        assert_eq!(
            (step.protocol().as_str(), reply.send.as_slice()),
            ("TLSv1.3", &b"secret"[..])
        );
        assert_eq!(good.receive(b"QUIT").fault, None);
        assert_eq!(good.end(), None);

        let mut early = talk();
        assert!(
            early
                .start_tls("shop.example")
                .expect_err("early")
                .contains("does not expect it")
        );
        let mut other = talk();
        other.receive(b"STARTTLS");
        let fault = other.start_tls("other").expect_err("another name");
        assert_eq!(
            fault,
            "host.tcp[0].talk[2].tls.serverName: expected shop.example, found other"
        );
        let mut plain = talk();
        let fault = plain.receive(b"STARTTLSQUIT").fault.expect("a fault");
        assert!(fault.contains("talk[2].tls: sent before TLS was begun"), "{fault}");
        let mut never = talk();
        never.receive(b"STARTTLS");
        assert!(never.end().expect("a fault").contains("TLS was never begun"));
    }

    #[test]
    fn a_close_is_an_end() {
        let mut talk = Talk::new(String::new(), vec![Step::Close, Step::Client(Content(b"a".to_vec()))]);
        assert!(talk.begin().close);
        assert_eq!(talk.receive(b"a").fault, None);
        assert_eq!(talk.end(), None);
    }
}
