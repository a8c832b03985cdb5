//! Test cases of plugins as YAML: what a run is told, what the host answers to each of its calls, and what has to come
//! of it.
//!
//! Invariants:
//! - Everything here is pure: text in, data or text out. What asks the host, and when, is the business of those who use
//!   it.
//! - A case file is hostile until proven otherwise: it is bounded before it is parsed, an unknown field is refused, and a
//!   fault is told with its line and its path.
//! - A call that a case does not list is never answered; it fails the case, by its name.
//! - What is recorded holds no secret that can be known for one ([`Redaction`]), and it can be replayed all the same.
//!
//! It does not do: running components (`probelet-plugin-tools` does), files, networks.

mod bytes;
mod compare;
mod conversation;
mod file;
mod host;
mod http;
mod junit;
mod parse;
mod record;
mod redact;
mod report;
mod script;
mod text;
mod tls;

pub use bytes::{Base64, Content};
pub use compare::{Difference, Seen, differences};
pub use conversation::{Reply, Talk};
pub use file::{Case, Context, Expectation, Message, Most};
pub use host::{Connection, ExecAnswer, FileAnswer, FileKind, Host, LogLine, Space, Stats, Step};
pub use http::{HeaderTexts, Headers, HttpExchange, HttpRequest, HttpResponse, headers_of};
pub use junit::junit;
pub use parse::parse;
pub use record::{Recorded, case_file};
pub use redact::Redaction;
pub use report::{CaseResult, report};
pub use script::{FileQuestion, HttpCall, Script, Scripted};
pub use tls::{CertificateAnswer, TlsStep};
