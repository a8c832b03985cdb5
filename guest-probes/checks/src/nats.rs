//! A NATS server: whether it takes a client and answers `PING`.

use std::io::{Read, Write};

use probelet_plugin::{
    Failure, Verdict, environment,
    lines::Conversation,
    net::{Endpoint, Port},
    serde_json::{self, Value, json},
};

use crate::{secure::Tls, text::quote};

/// `INFO` lists the servers of a cluster, which may be many.
const MAX_LINE: usize = 64 << 10;
/// Before its `PONG` a server may send news of its cluster, and its own `PING`.
const MAX_LINES: usize = 16;

/// What is checked.
#[probelet_plugin::config]
pub struct Config {
    /// An address or a name; the pod's own address unless it is given.
    pub host: Option<String>,
    /// A port's number or name; 4222 unless it is given.
    pub port: Option<Port>,
    /// Who to log in as; needed only if the server has users.
    pub user: Option<String>,
    /// The container's variable with the password, which `allow.environment` has to grant.
    pub password_variable: Option<String>,
    /// The container's variable with a token in place of user and password, which `allow.environment` has to grant.
    pub token_variable: Option<String>,
    /// TLS, which a server that has it begins once it has told of itself.
    pub tls: Option<Tls>,
    /// Whether the server has to have JetStream.
    #[serde(default)]
    pub jetstream: bool,
}

/// Checks the server once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let endpoint = Endpoint::new(config.host.as_deref(), config.port.as_ref(), 4222)?;
    let mut hello = json!({ "verbose": false, "pedantic": false, "name": "probelet", "lang": "rust", "version": "0" });
    if let Some(user) = &config.user {
        hello["user"] = json!(user);
    }
    for (field, variable) in [
        ("pass", &config.password_variable),
        ("auth_token", &config.token_variable),
    ] {
        if let Some(variable) = variable {
            hello[field] = json!(environment(variable)?);
        }
    }
    let Some(tls) = &config.tls else {
        return talk(&mut endpoint.converse()?, config, &hello);
    };
    let mut server = endpoint.converse_before_tls()?;
    let info = info(&mut server)?;
    server.start_tls(&tls.options())?;
    log_in(&mut server, config, &hello, &info)
}

fn talk<C: Read + Write>(server: &mut Conversation<C>, config: &Config, hello: &Value) -> Result<Verdict, Failure> {
    let info = info(server)?;
    if info["tls_required"] == true {
        let reason = "wants TLS: give `tls`, an empty one where its certificate is good";
        return Err(Failure::Errored(format!("{} {reason}", server.peer())));
    }
    log_in(server, config, hello, &info)
}

/// What a server tells of itself, before anything is said.
fn info<C: Read + Write>(server: &mut Conversation<C>) -> Result<Value, Failure> {
    let line = server.line(MAX_LINE)?;
    let info = line
        .strip_prefix("INFO ")
        .and_then(|info| serde_json::from_str::<Value>(info).ok());
    info.ok_or_else(|| server.broken(format_args!("does not speak NATS: {}", quote(&line))))
}

fn log_in<C: Read + Write>(
    server: &mut Conversation<C>,
    config: &Config,
    hello: &Value,
    info: &Value,
) -> Result<Verdict, Failure> {
    server.send(format!("CONNECT {hello}\r\nPING\r\n"))?;
    for _ in 0..MAX_LINES {
        let line = server.line(MAX_LINE)?;
        if let Some(error) = line.strip_prefix("-ERR") {
            return Err(refusal(server, error));
        }
        if line == "PONG" {
            return Ok(judge(config, info));
        }
        if line == "PING" {
            server.send("PONG\r\n")?;
        }
    }
    Err(server.broken("does not answer PING"))
}

/// A server that wants somebody else says nothing of its health.
fn refusal<C: Read + Write>(server: &Conversation<C>, error: &str) -> Failure {
    let error = quote(error);
    if error.contains("Authorization") || error.contains("Authentication") {
        let way_out = "`user` with `passwordVariable`, or `tokenVariable`, say who to log in as";
        return Failure::Errored(format!("{} refuses the login: {error}; {way_out}", server.peer()));
    }
    server.broken(format_args!("answers {error}"))
}

fn judge(config: &Config, info: &Value) -> Verdict {
    let is = |name: &str| info[name].as_bool().unwrap_or_default();
    let verdict = if config.jetstream && !is("jetstream") {
        Verdict::unhealthy("it has no JetStream")
    } else if is("ldm") {
        Verdict::degraded("it is in lame duck mode: it sends its clients away")
    } else {
        Verdict::healthy()
    };
    verdict.with("version", quote(info["version"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Script, config, hostile};

    fn told(answers: &str, wanted: Value) -> Result<Verdict, Failure> {
        talk(&mut Script::of(answers), &config(wanted), &json!({}))
    }

    #[test]
    fn pong_is_enough_unless_more_is_wanted() {
        let well = "INFO {\"version\":\"2.9\"}\r\nPING\r\nINFO {}\r\nPONG\r\n";
        assert_eq!(told(well, json!({})), Ok(Verdict::healthy().with("version", "2.9")));
        assert_eq!(
            told(well, json!({ "jetstream": true })).expect("a verdict").message,
            "it has no JetStream"
        );
        let leaving = "INFO {\"ldm\":true}\r\nPONG\r\n";
        let degraded = told(leaving, json!({})).expect("a verdict");
        assert_eq!(degraded.health, probelet_plugin::Health::Degraded);
    }

    #[test]
    fn a_refused_login_is_an_error_of_the_check() {
        let refused = told("INFO {}\r\n-ERR 'Authorization Violation'\r\n", json!({})).expect_err("no verdict");
        assert!(
            matches!(&refused, Failure::Errored(text) if text.contains("tokenVariable")),
            "{refused}"
        );
        let tls = told("INFO {\"tls_required\":true}\r\n", json!({})).expect_err("no verdict");
        assert!(
            matches!(&tls, Failure::Errored(text) if text.starts_with("peer wants TLS: give `tls`")),
            "{tls}"
        );
        let full = told("INFO {}\r\n-ERR 'maximum connections exceeded'\r\n", json!({})).expect_err("no verdict");
        assert_eq!(
            full,
            Failure::Unhealthy("peer answers 'maximum connections exceeded'".to_owned())
        );
    }

    #[test]
    fn no_answer_breaks_it() {
        let endless = format!("INFO {{}}\r\n{}", "PING\r\n".repeat(100));
        hostile(
            &["", "\r\n", "INFO\r\n", "INFO [\r\n", "INFO 1\r\n", "+OK\r\n", &endless],
            |answers| told(answers, json!({})),
        );
    }
}
