//! A Redis or Valkey server: whether it answers `PING`, is what it should be, and follows its master.

use std::{
    collections::HashMap,
    io::{Read, Write},
};

use probelet_plugin::{
    Failure, Verdict, environment,
    lines::Conversation,
    net::{Endpoint, Port},
    serde::Deserialize,
};

use crate::{secure::Tls, text::quote};

/// A status, an error and the lines of `INFO` are shorter.
const MAX_LINE: usize = 4 << 10;
/// The section `replication` of `INFO` has one line for each replica.
const MAX_INFO: usize = 64 << 10;

/// What is checked.
#[probelet_plugin::config]
pub struct Config {
    /// An address or a name; the pod's own address unless it is given.
    pub host: Option<String>,
    /// A port's number or name; 6379 unless it is given.
    pub port: Option<Port>,
    /// Who to log in as; needed only if the server has users.
    pub user: Option<String>,
    /// The container's variable with the password, which `allow.environment` has to grant.
    pub password_variable: Option<String>,
    /// TLS, for a server that speaks nothing else at its port.
    pub tls: Option<Tls>,
    /// What the server has to be.
    pub role: Option<Role>,
    /// For how long a replica may have heard nothing of its master, in seconds. Without a link to the master it is
    /// degraded, or unhealthy if this is given.
    pub max_lag_seconds: Option<u64>,
}

/// What a server is in a replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, probelet_plugin::schemars::JsonSchema)]
#[serde(crate = "probelet_plugin::serde", rename_all = "camelCase")]
#[schemars(crate = "probelet_plugin::schemars")]
pub enum Role {
    /// It takes writes.
    Master,
    /// It follows a master.
    Replica,
}

/// Checks the server once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let endpoint = Endpoint::new(config.host.as_deref(), config.port.as_ref(), 6379)?;
    let password = config.password_variable.as_deref().map(environment).transpose()?;
    match &config.tls {
        None => talk(&mut endpoint.converse()?, config, password.as_deref()),
        Some(tls) => {
            let (mut server, _) = endpoint.converse_by_tls(&tls.options())?;
            talk(&mut server, config, password.as_deref())
        }
    }
}

fn talk<C: Read + Write>(
    server: &mut Conversation<C>,
    config: &Config,
    password: Option<&str>,
) -> Result<Verdict, Failure> {
    let login = match (&config.user, password) {
        (None, None) => None,
        // A user without a password is let in with any.
        (Some(user), password) => Some(command(server, &["AUTH", user, password.unwrap_or_default()])?),
        (None, Some(password)) => Some(command(server, &["AUTH", password])?),
    };
    if let Some(login) = login.filter(|login| login != "OK") {
        return Err(server.broken(format_args!("answers AUTH with {}", quote(&login))));
    }
    let pong = command(server, &["PING"])?;
    if pong != "PONG" {
        return Err(server.broken(format_args!("answers PING with {}", quote(&pong))));
    }
    if config.role.is_none() && config.max_lag_seconds.is_none() {
        return Ok(Verdict::healthy());
    }
    let info = command(server, &["INFO", "replication"])?;
    let info = parse_info(&info);
    if !info.contains_key("role") {
        return Err(server.broken("answers INFO without a role"));
    }
    Ok(judge(&info, config))
}

fn judge(info: &HashMap<&str, &str>, config: &Config) -> Verdict {
    let is_replica = info.get("role").is_some_and(|role| *role == "slave");
    let role = if is_replica { Role::Replica } else { Role::Master };
    let mut verdict = Verdict::healthy();
    if is_replica {
        let is_up = info.get("master_link_status").is_some_and(|status| *status == "up");
        let number = |name| info.get(name).and_then(|value: &&str| value.parse::<u64>().ok());
        let lag = number("master_last_io_seconds_ago");
        let down = number("master_link_down_since_seconds");
        let limit = config.max_lag_seconds;
        verdict = match (is_up, lag, limit) {
            (false, _, _) => {
                let since = down.map(|seconds| format!(" for {seconds}s")).unwrap_or_default();
                let message = format!("no link to the master{since}");
                match limit {
                    Some(_) => Verdict::unhealthy(message),
                    None => Verdict::degraded(message),
                }
            }
            (true, Some(lag), Some(limit)) if lag > limit => {
                Verdict::unhealthy(format!("nothing heard of the master for {lag}s, more than {limit}s"))
            }
            _ => verdict,
        };
        if let Some(lag) = lag {
            verdict = verdict.with("replication-lag", lag);
        }
    } else if let Some(replicas) = info.get("connected_slaves").and_then(|count| count.parse::<u64>().ok()) {
        verdict = verdict.with("replicas", replicas);
    }
    let (is, name) = match role {
        Role::Master => ("a master", "master"),
        Role::Replica => ("a replica", "replica"),
    };
    if let Some(wanted) = config.role.filter(|wanted| *wanted != role) {
        let wanted = if wanted == Role::Master {
            "a master"
        } else {
            "a replica"
        };
        let fields = verdict.fields;
        verdict = Verdict::unhealthy(format!("it is {is}, not {wanted}"));
        verdict.fields = fields;
    }
    verdict.with("role", name)
}

fn parse_info(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.trim().split_once(':')).collect()
}

/// Sends a command and reads its answer, a status or a text. The server's errors are failures.
fn command<C: Read + Write>(server: &mut Conversation<C>, words: &[&str]) -> Result<String, Failure> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    server.send(request)?;
    let line = server.line(MAX_LINE)?;
    let name = words[0];
    let (Some(kind), rest) = (line.chars().next(), line.get(1..).unwrap_or_default()) else {
        return Err(server.broken(format_args!("answers {name} with an empty line")));
    };
    match kind {
        '+' => Ok(rest.to_owned()),
        '-' => Err(refusal(server, name, rest)),
        '$' => {
            let length = rest.parse::<usize>().ok().filter(|length| *length <= MAX_INFO);
            let length =
                length.ok_or_else(|| server.broken(format_args!("answers {name} with a text without bounds")))?;
            let text = server.bytes(length + 2)?;
            Ok(String::from_utf8_lossy(&text[..length]).into_owned())
        }
        _ => Err(server.broken(format_args!("does not speak Redis' protocol: {}", quote(&line)))),
    }
}

/// A server that loads its data is not ready; one that wants a password says nothing of its health.
fn refusal<C: Read + Write>(server: &Conversation<C>, name: &str, error: &str) -> Failure {
    let code = error.split(' ').next().unwrap_or_default();
    match code {
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "ERR" if name == "AUTH" || code != "ERR" => Failure::Errored(format!(
            "{} refuses {name}: {}; `user` and `passwordVariable` say who to log in as",
            server.peer(),
            quote(error)
        )),
        _ => server.broken(format_args!("answers {name} with {}", quote(error))),
    }
}

#[cfg(test)]
mod tests {
    use probelet_plugin::serde_json::{from_value, json};

    use super::*;
    use crate::tests::{Script, config, hostile};

    fn told(answers: &str, config: &Config) -> Result<Verdict, Failure> {
        talk(&mut Script::of(answers), config, None)
    }

    #[test]
    fn pong_is_enough() {
        assert_eq!(told("+PONG\r\n", &config(json!({}))), Ok(Verdict::healthy()));
        let loading = told(
            "-LOADING Redis is loading the dataset in memory\r\n",
            &config(json!({})),
        );
        let message = "peer answers PING with LOADING Redis is loading the dataset in memory";
        assert_eq!(loading, Err(Failure::Unhealthy(message.to_owned())));
        let refused = told("-NOAUTH Authentication required.\r\n", &config(json!({}))).expect_err("no verdict");
        assert!(
            matches!(&refused, Failure::Errored(text) if text.contains("passwordVariable")),
            "{refused}"
        );
    }

    #[test]
    fn roles_and_lags_are_told_apart() {
        let info = |text: &str| format!("+PONG\r\n${}\r\n{text}\r\n", text.len());
        let master = info("# Replication\r\nrole:master\r\nconnected_slaves:2\r\n");
        let wants_replica = config(json!({ "role": "replica" }));
        let verdict = told(&master, &wants_replica).expect("a verdict");
        assert_eq!(verdict.message, "it is a master, not a replica");
        let expected = Verdict::healthy().with("replicas", 2_u64).with("role", "master");
        assert_eq!(told(&master, &config(json!({ "role": "master" }))), Ok(expected));

        let replica = info("role:slave\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:12\r\n");
        let strict = config(json!({ "maxLagSeconds": 10 }));
        let verdict = told(&replica, &strict).expect("a verdict");
        assert_eq!(verdict.message, "nothing heard of the master for 12s, more than 10s");
        let down = info("role:slave\r\nmaster_link_status:down\r\nmaster_link_down_since_seconds:7\r\n");
        let verdict = told(&down, &strict).expect("a verdict");
        assert_eq!(verdict.message, "no link to the master for 7s");
        assert_eq!(
            told(&down, &wants_replica).expect("a verdict").health,
            probelet_plugin::Health::Degraded
        );
    }

    #[test]
    fn no_answer_breaks_it() {
        hostile(
            &[
                "",
                "\r\n",
                "+\r\n",
                "$-1\r\n",
                "$99999999999\r\n",
                "$5\r\nab",
                "é\r\n",
                "+PONG\r\n$3\r\n\u{0}\u{0}\u{0}\r\n",
            ],
            |answers| told(answers, &config(json!({ "role": "master" }))),
        );
        assert!(from_value::<Config>(json!({ "prot": 1 })).is_err());
    }
}
