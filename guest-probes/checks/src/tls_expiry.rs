//! A server's certificate: for how long it is valid, and whether its clients will trust it.

use std::time::SystemTime;

use probelet_plugin::{
    Failure, Verdict,
    net::{Endpoint, Port},
    now,
    tls::{Certificate, Options, Session},
};

use crate::{
    start_tls::StartTls,
    text::{moment, quote},
};

/// What is checked.
#[probelet_plugin::config]
pub struct Config {
    /// An address or a name; the pod's own address unless it is given.
    pub host: Option<String>,
    /// A port's number or name; 443 unless it is given, or that of the protocol in `startTls`.
    pub port: Option<Port>,
    /// The name that the server is asked for, and that its certificate has to have; `host` unless it is given.
    pub server_name: Option<String>,
    /// The protocol whose clients begin without TLS.
    pub start_tls: Option<StartTls>,
    /// Whether somebody has to vouch for the certificate. Without it only the days count.
    #[serde(default = "yes")]
    pub verify: bool,
    /// Who may vouch for it: certificates in PEM. The node's own authorities unless they are given.
    pub authorities: Option<String>,
    /// With fewer days left it is degraded.
    #[serde(default = "two_weeks")]
    pub warn_days: u32,
    /// With fewer days left it is unhealthy, as it is once it has expired.
    #[serde(default)]
    pub fail_days: u32,
}

fn yes() -> bool {
    true
}

pub(crate) fn two_weeks() -> u32 {
    14
}

/// How many days there have to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Days {
    pub(crate) warn: u32,
    pub(crate) fail: u32,
}

/// Checks the server once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    let default = config.start_tls.map_or(443, StartTls::port);
    let endpoint = Endpoint::new(config.host.as_deref(), config.port.as_ref(), default)?;
    let options = options(config.server_name.as_deref(), config.authorities.as_deref());
    let mut server = endpoint.converse_before_tls()?;
    if let Some(protocol) = config.start_tls {
        protocol.agree(&mut server)?;
    }
    let session = server.start_tls(&options)?;
    let days = Days {
        warn: config.warn_days,
        fail: config.fail_days,
    };
    judge(&session, days, config.verify, now())
}

/// The certificate is judged here rather than by the host, so that what is wrong with it can be told. Nothing is sent to
/// the server once TLS stands.
pub(crate) fn options(server_name: Option<&str>, authorities: Option<&str>) -> Options {
    Options {
        server_name: server_name.map(str::to_owned),
        authorities: authorities.map(str::to_owned),
        unverified: true,
        ..Options::default()
    }
}

/// What a server has shown.
pub(crate) fn judge(session: &Session, days: Days, verify: bool, now: SystemTime) -> Result<Verdict, Failure> {
    let own = session.certificate()?;
    let first = session.first_to_expire(now)?;
    let left = first.days_left(now);
    let verdict = match (fault(own, first, left, days, now), &session.untrusted) {
        (Some(message), _) => Verdict::unhealthy(message),
        (None, Some(why)) if verify => Verdict::unhealthy(format!(
            "it is not to be trusted: {why}; it is for {}, and {} has signed it",
            names(own),
            shown(&own.issuer)
        )),
        _ if left < i64::from(days.warn) => Verdict::degraded(format!("{} {left} days", expires(own, first))),
        _ => Verdict::healthy(),
    };
    Ok(verdict
        .with("days-left", left as f64)
        .with("not-after", moment(first.not_after))
        .with("issuer", shown(&own.issuer))
        .with("subject", shown(&own.subject))
        .with("protocol", session.protocol.as_str()))
}

/// What is wrong with the times of the certificates, if anything is.
fn fault(own: &Certificate, first: &Certificate, left: i64, days: Days, now: SystemTime) -> Option<String> {
    if own.is_early(now) {
        return Some(format!(
            "the certificate is not valid before {}",
            moment(own.not_before)
        ));
    }
    if first.has_expired(now) {
        let whose = whose(own, first);
        return Some(format!("{whose} has expired at {}", moment(first.not_after)));
    }
    (left < i64::from(days.fail)).then(|| {
        let least = days.fail;
        format!("{} {left} days, fewer than {least}", expires(own, first))
    })
}

fn expires(own: &Certificate, first: &Certificate) -> String {
    format!("{} expires in", whose(own, first))
}

/// A certificate on the way to an authority counts as much as the server's own.
fn whose(own: &Certificate, first: &Certificate) -> String {
    if own == first {
        "the certificate".to_owned()
    } else {
        format!("the certificate of the authority {}", shown(&first.subject))
    }
}

/// Names of a certificate that a message has: it may have hundreds.
const MAX_NAMES: usize = 5;

fn names(certificate: &Certificate) -> String {
    let named: Vec<String> = certificate
        .names
        .iter()
        .take(MAX_NAMES)
        .map(|name| quote(name))
        .collect();
    match (named.is_empty(), certificate.names.len() > MAX_NAMES) {
        (true, _) => "no name".to_owned(),
        (false, true) => format!("{} and more", named.join(", ")),
        (false, false) => named.join(", "),
    }
}

fn shown(name: &str) -> String {
    let name = quote(name);
    if name.is_empty() { "nobody".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use probelet_plugin::{Health, Value};

    use super::*;

    const DAY: i64 = 86_400;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000 * DAY as u64)
    }

    fn until(day: i64) -> Certificate {
        Certificate {
            subject: "CN=shop".to_owned(),
            issuer: "CN=authority".to_owned(),
            names: vec!["shop.example".to_owned()],
            not_after: day * DAY,
            ..Certificate::default()
        }
    }

    fn judged(certificates: Vec<Certificate>, untrusted: Option<&str>, verify: bool) -> Verdict {
        let session = Session {
            certificates,
            untrusted: untrusted.map(str::to_owned),
            ..Session::default()
        };
        judge(&session, Days { warn: 14, fail: 3 }, verify, now()).expect("a verdict")
    }

    #[test]
    fn the_days_that_are_left_decide() {
        for (day, health, text) in [
            (1_100, Health::Healthy, ""),
            (1_014, Health::Healthy, ""),
            (1_013, Health::Degraded, "the certificate expires in 13 days"),
            (
                1_002,
                Health::Unhealthy,
                "the certificate expires in 2 days, fewer than 3",
            ),
            (
                999,
                Health::Unhealthy,
                "the certificate has expired at 1972-09-26T00:00:00Z",
            ),
        ] {
            let verdict = judged(vec![until(day)], None, true);
            assert_eq!((verdict.health, verdict.message.as_str()), (health, text));
            let left = &verdict.fields[0];
            assert_eq!(
                (left.name.as_str(), &left.value),
                ("days-left", &Value::Number((day - 1_000) as f64))
            );
        }
        let early = Certificate {
            not_before: 1_001 * DAY,
            ..until(2_000)
        };
        assert!(
            judged(vec![early], None, true)
                .message
                .contains("not valid before 1972-09-28")
        );
    }

    #[test]
    fn an_authority_on_the_way_counts_as_much() {
        let authority = Certificate {
            subject: "CN=between\n".to_owned(),
            ..until(1_001)
        };
        let verdict = judged(vec![until(2_000), authority], None, true);
        let expected = "the certificate of the authority CN=between expires in 1 days, fewer than 3";
        assert_eq!(
            (verdict.health, verdict.message.as_str()),
            (Health::Unhealthy, expected)
        );
    }

    #[test]
    fn one_that_has_expired_and_is_not_needed_does_not_count() {
        let surplus = Certificate {
            subject: "CN=old".to_owned(),
            ..until(900)
        };
        let shown = || vec![until(2_000), surplus.clone()];
        assert_eq!(judged(shown(), None, true).health, Health::Healthy);
        let needed = judged(shown(), Some("it has expired"), true);
        assert!(
            needed
                .message
                .starts_with("the certificate of the authority CN=old has expired")
        );
    }

    #[test]
    fn trust_counts_unless_it_does_not_matter() {
        let why = Some("no trusted authority has signed its certificate");
        let verdict = judged(vec![until(2_000)], why, true);
        assert_eq!(verdict.health, Health::Unhealthy);
        let expected = "it is for shop.example, and CN=authority has signed it";
        assert!(verdict.message.ends_with(expected), "{}", verdict.message);
        assert_eq!(judged(vec![until(2_000)], why, false).health, Health::Healthy);
        // What it is distrusted for is told in its own words.
        let expired = judged(vec![until(999)], Some("its certificate has expired"), true);
        assert!(
            expired.message.starts_with("the certificate has expired at"),
            "{}",
            expired.message
        );
    }

    #[test]
    fn what_no_server_should_show_is_judged_all_the_same() {
        let session = Session::default();
        assert!(judge(&session, Days { warn: 1, fail: 1 }, true, now()).is_err());
        let odd = Certificate {
            subject: "\u{1b}[31m".repeat(1000),
            names: vec!["a".repeat(10_000); 1000],
            not_before: i64::MIN,
            not_after: i64::MAX,
            ..Certificate::default()
        };
        let verdict = judged(vec![odd], Some("odd"), true);
        assert!(verdict.message.len() < 5_000 && !verdict.message.contains('\u{1b}'));
        let gone = Certificate {
            not_after: i64::MIN,
            ..until(0)
        };
        assert_eq!(judged(vec![gone], None, true).health, Health::Unhealthy);
    }
}
