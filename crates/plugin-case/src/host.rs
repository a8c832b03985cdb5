//! What the host answers, as it stands in a case file below `host`.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    bytes::{Base64, Content, either, one_spelling, spelled},
    http::HttpExchange,
    tls::TlsStep,
};

/// All answers of a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Host {
    /// TCP connections: for each connect the first one to its address that is not used up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tcp: Vec<Connection>,
    /// UDP: for each destination the first one to its address that is not used up. Each step is a datagram.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub udp: Vec<Connection>,
    /// HTTP exchanges: for each request the first one with its method and URL that is not used up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpExchange>,
    /// What names are found to be; an empty list is a name that there is none of.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lookup: BTreeMap<String, Vec<IpAddr>>,
    /// Commands: for each the first one that is not used up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exec: Vec<ExecAnswer>,
    /// What the container uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<Stats>,
    /// The container's last lines, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<Vec<LogLine>>,
    /// Files, by path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileAnswer>,
    /// The values of the variables that `allow.environment` grants.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

/// A TCP connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Connection {
    /// Where to, as `ADDRESS:PORT`.
    pub address: String,
    /// What is said; then whatever comes is too much.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub talk: Vec<Step>,
    /// Whether it is refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Whether nothing ever answers, not even the connect.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// Whether it can be used any number of times, or not at all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeat: bool,
}

impl Connection {
    /// Whether a step is the rest of the last one: what one side says in pieces is one step, so that a slow talker does
    /// not make a long conversation and no secret is cut in two.
    pub fn continues(&self, step: &Step) -> bool {
        matches!(
            (self.talk.last(), step),
            (Some(Step::Client(_)), Step::Client(_))
                | (Some(Step::Server(_)), Step::Server(_))
                | (Some(Step::Close), Step::Close)
        )
    }

    /// Adds a step to what is said, or to the last one what it continues.
    pub fn push(&mut self, step: Step) {
        match (self.talk.last_mut(), step) {
            (Some(Step::Client(last)), Step::Client(more)) | (Some(Step::Server(last)), Step::Server(more)) => {
                last.0.extend(more.0);
            }
            // A plugin may ask on after the end.
            (Some(Step::Close), Step::Close) => {}
            (_, step) => self.talk.push(step),
        }
    }

    /// The times of certificates that are none, each with the number of its step.
    pub(crate) fn bad_times(&self) -> Vec<(usize, &'static str)> {
        let steps = self.talk.iter().enumerate();
        let bad = steps.flat_map(|(at, step)| {
            let certificates = match step {
                Step::Tls(tls) => tls.certificates.as_slice(),
                _ => &[],
            };
            let bad = certificates.iter().flat_map(crate::CertificateAnswer::bad_times);
            bad.map(move |name| (at, name))
        });
        bad.collect()
    }
}

/// A step of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawStep", into = "RawStep")]
pub enum Step {
    /// What the plugin has to send.
    Client(Content),
    /// What it gets.
    Server(Content),
    /// TLS begins, spoken by the host.
    Tls(Box<TlsStep>),
    /// The other side closes the connection.
    Close,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawStep {
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_base64: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_base64: Option<Base64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Box<TlsStep>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    close: bool,
}

impl TryFrom<RawStep> for Step {
    type Error = String;

    fn try_from(raw: RawStep) -> Result<Self, String> {
        one_spelling("client", &raw.client, &raw.client_base64)?;
        one_spelling("server", &raw.server, &raw.server_base64)?;
        let client = either(raw.client, raw.client_base64).map(Self::Client);
        let server = either(raw.server, raw.server_base64).map(Self::Server);
        let tls = raw.tls.map(Self::Tls);
        let close = raw.close.then_some(Self::Close);
        match [client, server, tls, close]
            .map(|step| step.into_iter().collect::<Vec<_>>())
            .concat()
            .as_slice()
        {
            [step] => Ok(step.clone()),
            _ => Err("a step is one of client, clientBase64, server, serverBase64, tls and close: true".to_owned()),
        }
    }
}

impl From<Step> for RawStep {
    fn from(step: Step) -> Self {
        let mut raw = Self::default();
        match step {
            Step::Client(content) => (raw.client, raw.client_base64) = spelled(&content.0),
            Step::Server(content) => (raw.server, raw.server_base64) = spelled(&content.0),
            Step::Tls(tls) => raw.tls = Some(tls),
            Step::Close => raw.close = true,
        }
        raw
    }
}

/// A command and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExecAnswer {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Its exit code.
    #[serde(skip_serializing_if = "is_zero")]
    pub exit_code: i32,
    /// What it wrote to its standard output.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// What it wrote to its standard error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// Why it could not be run: `timed out`, `not running`, or the host's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether it can be used any number of times, or not at all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeat: bool,
}

fn is_zero(code: &i32) -> bool {
    *code == 0
}

/// What a container uses: the contract's numbers, those that are left out 0 or without a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Stats {
    /// Memory in use, in bytes.
    pub memory_bytes: u64,
    /// The same without the page cache that can be dropped; if it is left out, `memoryBytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_working_set_bytes: Option<u64>,
    /// The limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// Processes that were killed for want of memory.
    pub oom_kills: u64,
    /// Processor time in nanoseconds.
    pub cpu_nanoseconds: u64,
    /// How often the container was held back.
    pub throttled_periods: u64,
    /// How long, in nanoseconds.
    pub throttled_nanoseconds: u64,
    /// Processes and threads.
    pub processes: u64,
    /// How many there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes_limit: Option<u64>,
    /// Why the host does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A line of the container's output: its text, or an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RawLine", into = "RawLine")]
pub struct LogLine {
    /// Its text.
    pub text: String,
    /// Whether to standard error.
    pub stderr: bool,
    /// When, in nanoseconds since the Unix epoch.
    pub time: u64,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a line is a text, or an object of text, stderr and time"
)]
enum RawLine {
    Text(String),
    Full {
        text: String,
        #[serde(default)]
        stderr: bool,
        #[serde(default)]
        time: u64,
    },
}

impl From<RawLine> for LogLine {
    fn from(raw: RawLine) -> Self {
        match raw {
            RawLine::Text(text) => Self {
                text,
                ..Self::default()
            },
            RawLine::Full { text, stderr, time } => Self { text, stderr, time },
        }
    }
}

impl From<LogLine> for RawLine {
    fn from(line: LogLine) -> Self {
        let LogLine { text, stderr, time } = line;
        if !stderr && time == 0 {
            return Self::Text(text);
        }
        Self::Full { text, stderr, time }
    }
}

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FileAnswer {
    /// What it is: a folder if it has `entries`, else a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<FileKind>,
    /// Its content as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_base64: Option<Base64>,
    /// Its size, if that is not its content's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When it was changed last, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// The names in the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<String>>,
    /// How full the file system is that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
    /// Whether there is nothing at that path.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// Why the host cannot look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl FileAnswer {
    /// Gives it a content.
    pub fn set_bytes(&mut self, content: &[u8]) {
        (self.content, self.content_base64) = spelled(content);
    }

    /// When it was changed last, in nanoseconds since the Unix epoch; 0 if that is not told.
    pub fn modified_nanoseconds(&self) -> u64 {
        self.modified
            .as_deref()
            .and_then(crate::file::moment)
            .unwrap_or_default()
    }

    /// What is wrong with how it is written.
    pub(crate) fn fault(&self) -> Option<String> {
        one_spelling("content", &self.content, &self.content_base64).err()
    }

    /// Its content, if it is one with content.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        either(self.content.clone(), self.content_base64.clone()).map(|content| content.0)
    }
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A link that leads nowhere.
    SymbolicLink,
    /// Something else.
    Other,
}

/// How full a file system is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Space {
    /// Its size.
    pub total: u64,
    /// What can still be written.
    pub available: u64,
}
