//! Several checks as one: all of them have to be well, or some of them.
//!
//! They run one after the other, each in its part of the time that is left, so that one that hangs leaves the others
//! theirs. Those that keep a state or take a grant of their own are not
//! among them: a plugin has to be granted all that it could use.

use probelet_plugin::{
    Failure, Health, Verdict,
    serde::{Deserialize, de::DeserializeOwned},
    serde_json::{self, Value},
    time_left, within,
};

use crate::{dns, http_assert, mysql, nats, postgres, redis, tcp_expect, tls_expiry};

/// More checks than this are more than a run has time for.
const MAX_CHECKS: usize = 16;

/// What is checked.
#[probelet_plugin::config]
pub struct Config {
    /// The checks, at most 16.
    #[schemars(length(min = 1, max = 16))]
    pub checks: Vec<Part>,
    /// How many have to be well; all of them unless it is given. 1 is any of them.
    #[schemars(range(min = 1))]
    pub at_least: Option<usize>,
}

/// One of the checks.
#[probelet_plugin::config]
pub struct Part {
    /// What it is called in messages; the check's own name unless it is given.
    pub name: Option<String>,
    /// Which one.
    pub check: Check,
    /// Its own configuration.
    #[serde(default)]
    pub config: serde_json::Map<String, Value>,
}

/// The checks that can be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, probelet_plugin::schemars::JsonSchema)]
#[serde(crate = "probelet_plugin::serde", rename_all = "kebab-case")]
#[schemars(crate = "probelet_plugin::schemars")]
pub enum Check {
    /// A DNS server.
    Dns,
    /// An HTTP server's answer.
    HttpAssert,
    /// A MySQL or MariaDB server.
    Mysql,
    /// A NATS server.
    Nats,
    /// A PostgreSQL server.
    Postgres,
    /// A Redis or Valkey server.
    Redis,
    /// Texts that a server says.
    TcpExpect,
    /// A server's certificate.
    TlsExpiry,
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::HttpAssert => "http-assert",
            Self::Mysql => "mysql",
            Self::Nats => "nats",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::TcpExpect => "tcp-expect",
            Self::TlsExpiry => "tls-expiry",
        }
    }

    fn run(self, config: &Value) -> Result<Verdict, Failure> {
        match self {
            Self::Dns => by(dns::check, config),
            Self::HttpAssert => by(http_assert::check, config),
            Self::Mysql => by(mysql::check, config),
            Self::Nats => by(nats::check, config),
            Self::Postgres => by(postgres::check, config),
            Self::Redis => by(redis::check, config),
            Self::TcpExpect => by(tcp_expect::check, config),
            Self::TlsExpiry => by(tls_expiry::check, config),
        }
    }
}

fn by<T: DeserializeOwned>(check: fn(&T) -> Result<Verdict, Failure>, config: &Value) -> Result<Verdict, Failure> {
    let config = T::deserialize(config).map_err(|error| Failure::Errored(format!("invalid configuration: {error}")))?;
    check(&config)
}

/// Runs the checks.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let count = config.checks.len();
    let needed = config.at_least.unwrap_or(count);
    if count > MAX_CHECKS || needed == 0 || needed > count {
        return Err(Failure::Errored(format!(
            "{needed} of {count} checks cannot be well; at most {MAX_CHECKS} run"
        )));
    }
    let results = config.checks.iter().enumerate().map(|(at, part)| {
        let name = part.name.clone().unwrap_or_else(|| part.check.name().to_owned());
        let others = u32::try_from(count - at).unwrap_or(u32::MAX);
        let run = || part.check.run(&Value::Object(part.config.clone()));
        (name, within(time_left() / others, run))
    });
    judge(results.collect(), needed)
}

/// Well are those that are healthy or degraded. One that could not be done counts as neither well nor sick: it decides
/// nothing if the others do, else the whole could not be done.
fn judge(results: Vec<(String, Result<Verdict, Failure>)>, needed: usize) -> Result<Verdict, Failure> {
    let (mut well, mut errored) = (0, 0);
    let (mut messages, mut fields) = (Vec::new(), Vec::new());
    for (name, result) in results {
        let health = match result {
            Ok(verdict) => {
                if !verdict.message.is_empty() {
                    messages.push(format!("{name}: {}", verdict.message));
                }
                Some(verdict.health)
            }
            Err(failure) => {
                messages.push(format!("{name}: {failure}"));
                matches!(failure, Failure::Unhealthy(_)).then_some(Health::Unhealthy)
            }
        };
        let is_well = health.is_some_and(|health| health != Health::Unhealthy);
        well += usize::from(is_well);
        errored += usize::from(health.is_none());
        fields.push((name, is_well));
    }
    let message = messages.join("; ");
    let verdict = if well >= needed {
        if message.is_empty() {
            Verdict::healthy()
        } else {
            Verdict::degraded(message)
        }
    } else if well + errored >= needed {
        return Err(Failure::Errored(message));
    } else {
        Verdict::unhealthy(message)
    };
    Ok(fields
        .into_iter()
        .fold(verdict, |verdict, (name, is_well)| verdict.with(name, is_well)))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        time::Duration,
    };

    use probelet_plugin::{serde_json::json, testing::Host};

    use super::*;
    use crate::tests::config;

    fn judged(results: &[&str], needed: usize) -> Result<Health, Failure> {
        let result = |what: &&str| match *what {
            "well" => Ok(Verdict::healthy()),
            "so-so" => Ok(Verdict::degraded("so-so")),
            "sick" => Ok(Verdict::unhealthy("sick")),
            "gone" => Err(Failure::Unhealthy("gone".to_owned())),
            _ => Err(Failure::Errored("refused".to_owned())),
        };
        let results = results.iter().map(|what| ((*what).to_owned(), result(what))).collect();
        judge(results, needed).map(|verdict| verdict.health)
    }

    #[test]
    fn as_many_as_are_needed_have_to_be_well() {
        assert_eq!(judged(&["well", "well"], 2), Ok(Health::Healthy));
        assert_eq!(judged(&["well", "so-so"], 2), Ok(Health::Degraded));
        assert_eq!(judged(&["well", "sick"], 2), Ok(Health::Unhealthy));
        assert_eq!(judged(&["well", "sick", "gone"], 1), Ok(Health::Degraded));
        assert_eq!(judged(&["sick", "gone"], 1), Ok(Health::Unhealthy));
    }

    #[test]
    fn what_could_not_be_done_decides_only_where_it_matters() {
        assert_eq!(judged(&["well", "refused"], 1), Ok(Health::Degraded));
        assert!(matches!(judged(&["well", "refused"], 2), Err(Failure::Errored(_))));
        assert_eq!(judged(&["sick", "refused"], 2), Ok(Health::Unhealthy));
    }

    #[test]
    fn one_that_hangs_leaves_the_others_their_time() {
        let (silent, well) = (listener(), listener());
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let (silent_port, well_port) = (port(&silent), port(&well));
        let server = std::thread::spawn(move || {
            let (mut client, _) = well.accept().expect("a client");
            let _ = client.read(&mut [0; 64]);
            client.write_all(b"+PONG\r\n").expect("written");
        });
        let part = |name: &str, port: u16| json!({ "name": name, "check": "redis", "config": { "host": "127.0.0.1", "port": port } });
        let parts = json!({ "atLeast": 1, "checks": [part("near", silent_port), part("far", well_port)] });
        let mut host = Host {
            timeout: Duration::from_millis(300),
            ..Host::default()
        };
        let verdict = host.run(|| check(&config(parts))).expect("a verdict");
        server.join().expect("no panic");
        assert_eq!(verdict.health, Health::Degraded, "{}", verdict.message);
        assert!(verdict.message.starts_with("near: "), "{}", verdict.message);
    }

    fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").expect("a port")
    }

    #[test]
    fn a_configuration_is_checked_where_it_is_used() {
        let wrong = json!({ "checks": [{ "check": "redis", "config": { "prot": 1 } }] });
        let failure = check(&config(wrong)).expect_err("a wrong configuration");
        assert!(
            matches!(&failure, Failure::Errored(text) if text.starts_with("redis: invalid configuration")),
            "{failure}"
        );
        for wrong in [
            json!({ "checks": [] , "atLeast": 1 }),
            json!({ "checks": [{ "check": "nats" }], "atLeast": 2 }),
        ] {
            assert!(matches!(check(&config(wrong)), Err(Failure::Errored(_))));
        }
    }
}
