//! The answers of a case as they are used up, and what was asked that has none.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use crate::{
    conversation::Talk,
    host::{ExecAnswer, FileAnswer, Host, LogLine, Stats},
    http::{HeaderTexts, HttpExchange, HttpRequest},
    text::{diff, quoted},
};

/// Faults that are kept of one case: a plugin that goes wrong may go on doing so.
const MAX_FAULTS: usize = 20;

/// A host that answers from a case.
#[derive(Clone, Debug)]
pub struct Script {
    host: Host,
    /// Which entries are used up, by their lists' names and places.
    used: BTreeMap<(&'static str, usize), u64>,
    faults: Vec<String>,
}

/// An answer of a case to a connect or a request.
#[derive(Clone, Debug)]
pub enum Scripted<T> {
    /// This.
    Answer(T),
    /// The connection is refused.
    Refused,
    /// Nothing ever comes.
    Silent,
    /// Something else goes wrong, in words.
    Failed(String),
}

/// A request of the plugin's.
#[derive(Clone, Debug, Default)]
pub struct HttpCall {
    /// Its method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Its headers, names in small letters.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What of a file is asked for: words for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileQuestion {
    /// What it is.
    Metadata,
    /// Its content.
    Read,
    /// The names in it.
    List,
    /// How full its file system is.
    Space,
}

impl Script {
    /// Nothing of it is used yet.
    pub fn new(host: Host) -> Self {
        Self {
            host,
            used: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    /// A connect.
    pub fn connect(&mut self, destination: SocketAddr) -> Scripted<Talk> {
        let at = self.take_connection("tcp", destination, &format!("a connection to {destination}"));
        let Some(at) = at else {
            return Scripted::Failed("the case has no such connection".to_owned());
        };
        let entry = &self.host.tcp[at];
        match (entry.refused, entry.silent) {
            (true, _) => Scripted::Refused,
            (_, true) => Scripted::Silent,
            _ => Scripted::Answer(Talk::new(format!("host.tcp[{at}]"), entry.talk.clone())),
        }
    }

    /// A socket for datagrams.
    pub fn associate(&mut self, destination: SocketAddr) -> Scripted<Talk> {
        let at = self.take_connection("udp", destination, &format!("UDP to {destination}"));
        let Some(at) = at else {
            return Scripted::Failed("the case has no such destination".to_owned());
        };
        let entry = &self.host.udp[at];
        match (entry.refused, entry.silent) {
            (true, _) => Scripted::Refused,
            (_, true) => Scripted::Silent,
            _ => Scripted::Answer(Talk::new(format!("host.udp[{at}]"), entry.talk.clone())),
        }
    }

    fn take_connection(&mut self, list: &'static str, destination: SocketAddr, what: &str) -> Option<usize> {
        let same = |text: &str| text.parse::<SocketAddr>().is_ok_and(|address| address == destination);
        let entries = if list == "udp" { &self.host.udp } else { &self.host.tcp };
        let entries = entries.iter().enumerate();
        let of_address = entries.filter(|(_, entry)| same(&entry.address));
        let of_address: Vec<_> = of_address.map(|(at, entry)| (at, entry.repeat)).collect();
        self.take(list, &of_address, what)
    }

    /// A request.
    pub fn http(&mut self, call: &HttpCall) -> Scripted<crate::HttpResponse> {
        let method = |request: &HttpRequest| request.method.clone().unwrap_or_else(|| "GET".to_owned());
        let entries = self.host.http.iter().enumerate();
        let same = entries.filter(|(_, entry)| method(&entry.request) == call.method && entry.request.url == call.url);
        let same: Vec<_> = same.map(|(at, entry)| (at, entry.repeat)).collect();
        let Some(at) = self.take("http", &same, &format!("{} {}", call.method, call.url)) else {
            return Scripted::Failed("the case has no such request".to_owned());
        };
        let entry = self.host.http[at].clone();
        for what in request_faults(&entry, call) {
            self.fault(format!("host.http[{at}].request.{what}"));
        }
        match (entry.response, entry.refused, entry.silent) {
            (Some(response), ..) => Scripted::Answer(response),
            (_, true, _) => Scripted::Refused,
            (_, _, true) => Scripted::Silent,
            _ => Scripted::Failed(entry.error.unwrap_or_default()),
        }
    }

    /// A look-up; none if there is no such name.
    pub fn lookup(&mut self, name: &str) -> Option<Vec<IpAddr>> {
        match self.host.lookup.get(name) {
            Some(addresses) if addresses.is_empty() => None,
            Some(addresses) => Some(addresses.clone()),
            None => {
                self.missing("lookup", &format!("the name {name}"));
                None
            }
        }
    }

    /// A command; none if the case does not list it.
    pub fn exec(&mut self, command: &[String]) -> Option<ExecAnswer> {
        let entries = self.host.exec.iter().enumerate();
        let same = entries.filter(|(_, entry)| entry.command == command);
        let same: Vec<_> = same.map(|(at, entry)| (at, entry.repeat)).collect();
        let at = self.take("exec", &same, &format!("the command {}", serde_json::json!(command)))?;
        Some(self.host.exec[at].clone())
    }

    /// What the container uses; none if the case does not say.
    pub fn stats(&mut self) -> Option<Stats> {
        let stats = self.host.stats.clone();
        if stats.is_none() {
            self.missing("stats", "what the container uses");
        }
        stats
    }

    /// The last lines; none if the case does not list them.
    pub fn logs(&mut self, lines: usize) -> Option<Vec<LogLine>> {
        let Some(logs) = &self.host.logs else {
            self.missing("logs", "the container's output");
            return None;
        };
        Some(logs[logs.len().saturating_sub(lines)..].to_vec())
    }

    /// A file; none if the case does not list it, or not what is asked of it.
    pub fn file(&mut self, path: &str, question: FileQuestion) -> Option<FileAnswer> {
        let answer = self.host.files.get(path).cloned();
        let (is_told, what) = match (question, &answer) {
            (_, Some(answer)) if answer.missing || answer.error.is_some() => (true, ""),
            (FileQuestion::Metadata, answer) => (answer.is_some(), "what it is"),
            (FileQuestion::Read, answer) => (
                answer
                    .as_ref()
                    .is_some_and(|answer| answer.bytes().is_some() || answer.entries.is_some()),
                "its content",
            ),
            (FileQuestion::List, answer) => (answer.is_some(), "its entries"),
            (FileQuestion::Space, answer) => (
                answer.as_ref().is_some_and(|answer| answer.space.is_some()),
                "its space",
            ),
        };
        if !is_told {
            self.missing("files", &format!("the file {path}: {what}"));
            return None;
        }
        answer
    }

    /// The granted of the container's variables.
    pub fn environment(&self, granted: &[String]) -> Vec<(String, String)> {
        let known = self.host.environment.iter().filter(|(name, _)| granted.contains(name));
        known.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Something has gone wrong.
    pub fn fault(&mut self, what: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(what);
        }
    }

    /// All that has gone wrong, and what was listed but never asked for.
    pub fn finish(mut self) -> Vec<String> {
        let lists = [
            (
                "tcp",
                self.host.tcp.iter().map(|entry| entry.repeat).collect::<Vec<_>>(),
            ),
            ("udp", self.host.udp.iter().map(|entry| entry.repeat).collect()),
            ("http", self.host.http.iter().map(|entry| entry.repeat).collect()),
            ("exec", self.host.exec.iter().map(|entry| entry.repeat).collect()),
        ];
        for (list, repeats) in lists {
            for (at, repeat) in repeats.into_iter().enumerate() {
                if !repeat && !self.used.contains_key(&(list, at)) {
                    self.fault(format!("host.{list}[{at}]: the plugin never asked for it"));
                }
            }
        }
        self.faults
    }

    /// The first entry that is not used up, of those that fit.
    fn take(&mut self, list: &'static str, fitting: &[(usize, bool)], what: &str) -> Option<usize> {
        let free = fitting
            .iter()
            .find(|(at, repeat)| *repeat || !self.used.contains_key(&(list, *at)));
        let Some((at, _)) = free else {
            if fitting.is_empty() {
                self.missing(list, what);
            } else {
                self.fault(format!(
                    "host.{list}: {what} was asked for {} times, and the case lists {}; add it once more, or repeat: true",
                    fitting.len() + 1,
                    fitting.len()
                ));
            }
            return None;
        };
        *self.used.entry((list, *at)).or_default() += 1;
        Some(*at)
    }

    fn missing(&mut self, list: &str, what: &str) {
        self.fault(format!(
            "host.{list}: {what} was asked for, and the case does not list it"
        ));
    }
}

fn request_faults(entry: &HttpExchange, call: &HttpCall) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, HeaderTexts(expected)) in &entry.request.headers {
        let found = call
            .headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let found: Vec<&str> = found.map(|(_, value)| value.as_str()).collect();
        let fits = |(expected, found): (&String, &&str)| expected == "*" || expected == found;
        let all_fit = expected.len() == found.len() && expected.iter().zip(&found).all(fits);
        match found.is_empty() {
            true => faults.push(format!("headers.{name}: it was sent without")),
            false if !all_fit => faults.push(format!(
                "headers.{name}: expected {}, found {}",
                quoted(expected.join(", ").as_bytes()),
                quoted(found.join(", ").as_bytes())
            )),
            false => {}
        }
    }
    if let Some(expected) = entry.request.bytes().filter(|body| *body != call.body) {
        let difference = diff(&expected, &call.body);
        faults.push(format!("body: another one was sent\n{}", difference.join("\n")));
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn script(host: serde_json::Value) -> Script {
        Script::new(serde_json::from_value(host).expect("a host"))
    }

    #[test]
    fn entries_are_used_up_in_their_order_and_what_is_left_is_a_fault() {
        let mut script = script(json!({
            "tcp": [{"address": "10.0.0.1:1", "refused": true}, {"address": "10.0.0.1:1", "silent": true}],
            "exec": [{"command": ["true"], "repeat": true}, {"command": ["false"], "exitCode": 1}],
        }));
        let address: SocketAddr = "10.0.0.1:1".parse().expect("an address");
        assert!(matches!(script.connect(address), Scripted::Refused));
        assert!(matches!(script.connect(address), Scripted::Silent));
        assert!(matches!(script.connect(address), Scripted::Failed(_)));
        for _ in 0..2 {
            assert_eq!(
                script.exec(&["true".to_owned()]).map(|answer| answer.exit_code),
                Some(0)
            );
        }
        let faults = script.finish();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults[0].contains("a connection to 10.0.0.1:1 was asked for 3 times"),
            "{faults:?}"
        );
        assert_eq!(faults[1], "host.exec[1]: the plugin never asked for it");
    }

    #[test]
    fn what_is_not_listed_is_never_answered_and_told_by_name() {
        let mut script = script(json!({"files": {"/gone": {"missing": true}, "/a": {"content": "x"}}}));
        assert!(script.exec(&["rm".to_owned()]).is_none());
        assert!(script.lookup("db").is_none());
        assert!(script.stats().is_none() && script.logs(1).is_none());
        assert!(script.file("/etc/passwd", FileQuestion::Read).is_none());
        assert!(
            script
                .file("/gone", FileQuestion::Read)
                .is_some_and(|answer| answer.missing)
        );
        assert!(script.file("/a", FileQuestion::Space).is_none());
        let faults = script.finish().join("\n");
        for part in [
            r#"the command ["rm"]"#,
            "the name db",
            "host.stats",
            "host.logs",
            "the file /etc/passwd: its content",
            "the file /a: its space",
        ] {
            assert!(faults.contains(part), "{part} in\n{faults}");
        }
    }

    #[test]
    fn a_request_has_to_have_what_is_listed_and_may_have_more() {
        let mut script = script(json!({"http": [{
            "request": {"method": "POST", "url": "http://a/", "headers": {"authorization": "*", "accept": "*/*"}, "body": "x"},
            "response": {"status": 200, "body": "ok"},
        }]}));
        let call = HttpCall {
            method: "POST".to_owned(),
            url: "http://a/".to_owned(),
            headers: vec![
                ("authorization".to_owned(), "Bearer 1".to_owned()),
                ("accept".to_owned(), "text".to_owned()),
            ],
            body: b"y".to_vec(),
        };
        assert!(matches!(script.http(&call), Scripted::Answer(response) if response.bytes() == b"ok"));
        let faults = script.finish();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(
            faults[0],
            "host.http[0].request.headers.accept: expected \"*/*\", found \"text\""
        );
        assert!(faults[1].ends_with("- x\n+ y"), "{faults:?}");
    }
}
