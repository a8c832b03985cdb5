//! An HTTP server, and what its answer has to be: status, headers, text, and values in JSON.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Instant};

use probelet_plugin::{
    Failure, Health, Verdict,
    http::{Request, Response},
    net::{Endpoint, Port},
    now,
    serde::{Deserialize, Deserializer},
    serde_json::Value,
};
use regex_lite::Regex;

use crate::{
    text::{pattern, quote},
    tls_expiry::{self, Days, two_weeks},
};

/// No more of a body is read: what is asserted stands in documents, not in downloads.
const MAX_BODY: usize = 1 << 20;

/// What is asked for, and what has to come back.
#[probelet_plugin::config]
pub struct Config {
    /// An address or a name; the pod's own address unless it is given.
    pub host: Option<String>,
    /// A port's number or name; 80 or 443 unless it is given.
    pub port: Option<Port>,
    /// `HTTP` or `HTTPS`. Certificates are checked.
    #[serde(default)]
    pub scheme: Scheme,
    /// Path and query.
    #[serde(default = "root")]
    pub path: String,
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// The request's headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The request's body.
    #[serde(default)]
    pub body: String,
    /// The statuses that are good, such as `200` or `"200-299"`; all from 200 to 399 unless some are given.
    #[serde(default)]
    pub status: Vec<Status>,
    /// Headers that the answer has to have, and a text that has to be in each.
    #[serde(default)]
    pub expect_headers: BTreeMap<String, String>,
    /// Texts that have to be in the body.
    #[serde(default)]
    pub contains: Vec<String>,
    /// A regular expression that the body has to match somewhere.
    pub matches: Option<String>,
    /// Values that the body has to have, which is JSON then.
    #[serde(default)]
    pub json: Vec<Assertion>,
    /// An answer that takes longer is degraded, in milliseconds.
    pub slow_milliseconds: Option<u64>,
    /// What the server's certificate has to be, beyond valid; by a second connection.
    pub certificate: Option<Validity>,
}

/// For how long a certificate has to be valid.
#[probelet_plugin::config]
#[derive(Debug)]
pub struct Validity {
    /// With fewer days left it is degraded.
    #[serde(default = "two_weeks")]
    pub warn_days: u32,
    /// With fewer days left it is unhealthy.
    #[serde(default)]
    pub fail_days: u32,
}

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, probelet_plugin::schemars::JsonSchema)]
#[serde(crate = "probelet_plugin::serde", rename_all = "UPPERCASE")]
#[schemars(crate = "probelet_plugin::schemars")]
pub enum Scheme {
    /// Without TLS.
    #[default]
    Http,
    /// With TLS.
    Https,
}

/// Statuses that are good.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, probelet_plugin::schemars::JsonSchema)]
#[serde(crate = "probelet_plugin::serde", untagged)]
#[schemars(crate = "probelet_plugin::schemars")]
pub enum Status {
    /// One.
    One(u16),
    /// All of a range, its ends included: `200-299`.
    Range(String),
}

/// A value in JSON and what it has to be.
#[probelet_plugin::config]
#[derive(Debug)]
pub struct Assertion {
    /// Where it stands, as a JSON pointer: `/checks/0/status`.
    pub pointer: String,
    /// What it has to be equal to, `null` included.
    #[serde(default, deserialize_with = "given")]
    pub equals: Option<Value>,
    /// A number that it must not be below.
    pub at_least: Option<f64>,
    /// A number that it must not be above.
    pub at_most: Option<f64>,
}

fn root() -> String {
    "/".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

/// A value that is there, though it be null.
fn given<'a, D: Deserializer<'a>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// Checks the server once.
pub fn check(config: &Config) -> Result<Verdict, Failure> {
    // A fault of the configuration is told whatever the server says.
    let wanted = Wanted::of(config)?;
    let begin = Instant::now();
    let response = request(config)?.send(MAX_BODY)?;
    let milliseconds = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    let verdict = match wanted.broken_by(&response)? {
        Some(message) => Verdict::unhealthy(message),
        None => match config.slow_milliseconds.filter(|slow| milliseconds > *slow) {
            Some(slow) => Verdict::degraded(format!("the answer took {milliseconds}ms, more than {slow}ms")),
            None => Verdict::healthy(),
        },
    };
    let verdict = match &config.certificate {
        Some(validity) => with_certificate(verdict, certificate(config, validity)?),
        None => verdict,
    };
    Ok(verdict
        .with("status", u32::from(response.status))
        .with("milliseconds", milliseconds))
}

/// What the server shows. The request has found it trusted, so that only its days are looked at.
fn certificate(config: &Config, validity: &Validity) -> Result<Verdict, Failure> {
    if config.scheme != Scheme::Https {
        return Err(Failure::Errored(
            "`certificate` goes with `scheme: HTTPS` only".to_owned(),
        ));
    }
    let (_, session) = endpoint(config)?.converse_by_tls(&tls_expiry::options(None, None))?;
    let days = Days {
        warn: validity.warn_days,
        fail: validity.fail_days,
    };
    tls_expiry::judge(&session, days, false, now())
}

/// The worse of the two, with the fields that say of the certificate what matters.
fn with_certificate(answer: Verdict, certificate: Verdict) -> Verdict {
    let badness = |verdict: &Verdict| match verdict.health {
        Health::Healthy => 0,
        Health::Degraded => 1,
        Health::Unhealthy => 2,
    };
    let (mut worse, fields) = if badness(&certificate) > badness(&answer) {
        let fields = certificate.fields.clone();
        (certificate, fields)
    } else {
        (answer, certificate.fields)
    };
    worse.fields = fields;
    worse
        .fields
        .retain(|field| ["days-left", "not-after"].contains(&field.name.as_str()));
    worse
}

fn endpoint(config: &Config) -> Result<Endpoint, Failure> {
    let default = match config.scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    Endpoint::new(config.host.as_deref(), config.port.as_ref(), default)
}

fn request(config: &Config) -> Result<Request, Failure> {
    let scheme = match config.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let endpoint = endpoint(config)?;
    let slash = if config.path.starts_with('/') { "" } else { "/" };
    let url = format!("{scheme}://{}{slash}{}", endpoint.authority(), config.path);
    let mut request = Request::new(&config.method, url).body(config.body.as_bytes());
    for (name, value) in &config.headers {
        request = request.header(name, value);
    }
    Ok(request)
}

/// What has to come back, in the form that it is checked in.
struct Wanted<'a> {
    config: &'a Config,
    /// The ranges of good statuses.
    status: Vec<RangeInclusive<u16>>,
    matches: Option<Regex>,
}

impl<'a> Wanted<'a> {
    fn of(config: &'a Config) -> Result<Self, Failure> {
        let range = |status: &Status| match status {
            Status::One(one) => Ok(*one..=*one),
            Status::Range(text) => range(text)
                .ok_or_else(|| Failure::Errored(format!("`status` has `{text}`, which is no range such as 200-299"))),
        };
        let status = if config.status.is_empty() {
            vec![200..=399]
        } else {
            config.status.iter().map(range).collect::<Result<_, _>>()?
        };
        let matches = config
            .matches
            .as_deref()
            .map(|text| pattern("matches", text))
            .transpose()?;
        Ok(Self {
            config,
            status,
            matches,
        })
    }

    /// What is wrong with a response, if anything is.
    fn broken_by(&self, response: &Response) -> Result<Option<String>, Failure> {
        let config = self.config;
        let text = response.text();
        if !self.status.iter().any(|range| range.contains(&response.status)) {
            return Ok(Some(format!("the status is {}: {}", response.status, quote(&text))));
        }
        let mut headers = config.expect_headers.iter();
        if let Some(fault) = headers.find_map(|(name, wanted)| broken_header(response, name, wanted)) {
            return Ok(Some(fault));
        }
        let fault = self.broken_body(&text);
        let fault = fault.map_or_else(|| self.broken_json(response), |fault| Ok(Some(fault)))?;
        if fault.is_some() && response.truncated {
            let read = MAX_BODY >> 20;
            return Err(Failure::Errored(format!(
                "the body is longer than {read} MiB, of which no more is read"
            )));
        }
        Ok(fault)
    }

    fn broken_body(&self, text: &str) -> Option<String> {
        if let Some(missing) = self.config.contains.iter().find(|wanted| !text.contains(*wanted)) {
            return Some(format!("the body has no `{missing}` in it: {}", quote(text)));
        }
        let wanted = self.matches.as_ref().filter(|wanted| !wanted.is_match(text))?;
        Some(format!("the body does not match `{wanted}`: {}", quote(text)))
    }

    fn broken_json(&self, response: &Response) -> Result<Option<String>, Failure> {
        let assertions = &self.config.json;
        if assertions.is_empty() {
            return Ok(None);
        }
        match response.json() {
            Ok(body) => Ok(assertions.iter().find_map(|assertion| assertion.broken_by(&body))),
            Err(Failure::Unhealthy(fault)) => Ok(Some(fault)),
            Err(failure) => Err(failure),
        }
    }
}

fn broken_header(response: &Response, name: &str, wanted: &str) -> Option<String> {
    let Some(value) = response.header(name) else {
        return Some(format!("there is no header `{name}`"));
    };
    let fault = || format!("the header `{name}` is `{}`, without `{wanted}`", quote(value));
    (!value.contains(wanted)).then(fault)
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let range = from.trim().parse().ok()?..=to.trim().parse().ok()?;
    (!range.is_empty()).then_some(range)
}

/// Whether they are the same value: 1 and 1.0 are.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one_number), Some(other_number)) => one == other || one_number == other_number,
        _ => one == other,
    }
}

impl Assertion {
    /// What is wrong, if anything is.
    fn broken_by(&self, body: &Value) -> Option<String> {
        let pointer = &self.pointer;
        let Some(value) = body.pointer(pointer) else {
            return Some(format!("the body has nothing at `{pointer}`"));
        };
        let is = || quote(&value.to_string());
        if let Some(wanted) = self.equals.as_ref().filter(|wanted| !is_same(wanted, value)) {
            return Some(format!("`{pointer}` is {}, not {}", is(), quote(&wanted.to_string())));
        }
        if self.at_least.is_none() && self.at_most.is_none() {
            return None;
        }
        let Some(number) = value.as_f64() else {
            return Some(format!("`{pointer}` is {}, which is no number", is()));
        };
        if let Some(least) = self.at_least.filter(|least| number < *least) {
            return Some(format!("`{pointer}` is {number}, below {least}"));
        }
        let most = self.at_most.filter(|most| number > *most)?;
        Some(format!("`{pointer}` is {number}, above {most}"))
    }
}

#[cfg(test)]
mod tests {
    use probelet_plugin::serde_json::json;

    use super::*;
    use crate::tests::config;

    fn fault(wanted: Value, status: u16, body: &str) -> Option<String> {
        let response = Response {
            status,
            headers: vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())],
            body: body.as_bytes().to_vec(),
            truncated: false,
        };
        let config = config(wanted);
        let wanted = Wanted::of(&config);
        let fault = wanted.and_then(|wanted| wanted.broken_by(&response));
        fault.unwrap_or_else(|failure| Some(failure.to_string()))
    }

    #[test]
    fn statuses_are_good_by_themselves_or_in_ranges() {
        assert_eq!(fault(json!({}), 204, ""), None);
        assert_eq!(
            fault(json!({}), 503, "sick\n").as_deref(),
            Some("the status is 503: sick")
        );
        let some = json!({ "status": [404, "200-299"] });
        assert_eq!(fault(some.clone(), 404, ""), None);
        assert_eq!(fault(some.clone(), 299, ""), None);
        assert_eq!(fault(some, 301, "").as_deref(), Some("the status is 301: "));
        for wrong in ["2xx", "299-200"] {
            // Also where another one is met.
            let wrong = fault(json!({ "status": [200, wrong] }), 200, "").expect("a fault");
            assert!(wrong.contains("no range such as"), "{wrong}");
        }
    }

    #[test]
    fn each_assertion_tells_what_it_has_found() {
        let body = r#"{"status": "up", "queue": {"depth": 12}, "error": null}"#;
        let cases = [
            (json!({ "contains": ["up"] }), None),
            (
                json!({ "contains": ["down"] }),
                Some("the body has no `down` in it: {\"status\": \"up\""),
            ),
            (json!({ "matches": "\"depth\": [0-9]{2}\\b" }), None),
            (json!({ "matches": "^up" }), Some("the body does not match `^up`")),
            (json!({ "expectHeaders": { "content-type": "application/json" } }), None),
            (
                json!({ "expectHeaders": { "content-type": "text/html" } }),
                Some("the header `content-type` is"),
            ),
            (
                json!({ "expectHeaders": { "etag": "" } }),
                Some("there is no header `etag`"),
            ),
            (json!({ "json": [{ "pointer": "/status", "equals": "up" }] }), None),
            (
                json!({ "json": [{ "pointer": "/status", "equals": "down" }] }),
                Some("`/status` is \"up\", not \"down\""),
            ),
            (
                json!({ "json": [{ "pointer": "/queue/depth", "atMost": 10 }] }),
                Some("`/queue/depth` is 12, above 10"),
            ),
            (
                json!({ "json": [{ "pointer": "/queue/depth", "atLeast": 13 }] }),
                Some("`/queue/depth` is 12, below 13"),
            ),
            (
                json!({ "json": [{ "pointer": "/status", "atLeast": 1 }] }),
                Some("`/status` is \"up\", which is no number"),
            ),
            (
                json!({ "json": [{ "pointer": "/nothing" }] }),
                Some("the body has nothing at `/nothing`"),
            ),
            (json!({ "json": [{ "pointer": "/error", "equals": null }] }), None),
            (
                json!({ "json": [{ "pointer": "/status", "equals": null }] }),
                Some("`/status` is \"up\", not null"),
            ),
            (json!({ "json": [{ "pointer": "/queue/depth", "equals": 12.0 }] }), None),
        ];
        for (wanted, expected) in cases {
            let fault = fault(wanted.clone(), 200, body);
            assert_eq!(fault.is_some(), expected.is_some(), "{wanted}: {fault:?}");
            let begins = fault
                .as_deref()
                .unwrap_or_default()
                .starts_with(expected.unwrap_or_default());
            assert!(begins, "{wanted}: {fault:?}");
        }
    }

    #[test]
    fn what_is_missing_in_a_part_of_a_body_may_be_in_the_rest() {
        let response = Response {
            status: 200,
            headers: Vec::new(),
            body: b"{\"a\": 1".to_vec(),
            truncated: true,
        };
        let told = |wanted: Value| Wanted::of(&config(wanted)).and_then(|wanted| wanted.broken_by(&response));
        assert_eq!(told(json!({ "contains": ["a"] })), Ok(None));
        for wanted in [json!({ "contains": ["b"] }), json!({ "json": [{ "pointer": "/a" }] })] {
            assert!(matches!(told(wanted.clone()), Err(Failure::Errored(_))), "{wanted}");
        }
    }

    #[test]
    fn the_worse_of_answer_and_certificate_is_told() {
        let certificate = || {
            Verdict::degraded("the certificate expires in 3 days")
                .with("days-left", 3.0)
                .with("issuer", "a")
        };
        let good = with_certificate(Verdict::healthy(), certificate());
        assert_eq!(
            good,
            Verdict::degraded("the certificate expires in 3 days").with("days-left", 3.0)
        );
        let bad = with_certificate(Verdict::unhealthy("the status is 503"), certificate());
        assert_eq!(bad, Verdict::unhealthy("the status is 503").with("days-left", 3.0));
        let plain = certificate_of(json!({ "certificate": {} })).expect_err("no TLS");
        assert!(matches!(plain, Failure::Errored(_)), "{plain}");
    }

    fn certificate_of(wanted: Value) -> Result<Verdict, Failure> {
        let config: Config = config(wanted);
        certificate(&config, config.certificate.as_ref().expect("a certificate"))
    }

    #[test]
    fn a_body_that_is_no_json_is_unhealthy() {
        let wanted = json!({ "json": [{ "pointer": "/a" }] });
        let fault = fault(wanted, 200, "<html>").expect("a fault");
        assert!(fault.starts_with("the body is no JSON"), "{fault}");
    }
}
