//! A hook that tells somebody by HTTP: that the container has started, or why it is being stopped.

use std::{collections::BTreeMap, time::SystemTime};

use probelet_plugin::{
    Failure, context, environment,
    http::Request,
    now,
    serde_json::{self, Value, json},
};

use crate::text::quote;

/// What is read of the answer, for the message if it is no good.
const MAX_ANSWER: usize = 4 << 10;

/// Who is told, and what.
#[probelet_plugin::config]
pub struct Config {
    /// Where the request goes; `allow.network` has to grant the host.
    pub url: String,
    /// The method.
    #[serde(default = "post")]
    pub method: String,
    /// The request's headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The container's variable with a token, which goes into the header `Authorization: Bearer`. `allow.environment` has
    /// to grant it.
    pub token_variable: Option<String>,
    /// The request's body, any JSON; in its texts `{namespace}`, `{pod}`, `{container}`, `{reason}`, `{restarts}` and
    /// `{time}` are replaced. Unless it is given, it is an object with these as its fields.
    pub body: Option<Value>,
    /// Whether the hook succeeds even if nobody could be told.
    #[serde(default)]
    pub optional: bool,
}

fn post() -> String {
    "POST".to_owned()
}

/// Tells it.
pub fn run(config: &Config) -> Result<(), Failure> {
    match tell(config) {
        // What is missing in the manifest stays an error: it would never be told.
        Err(Failure::Unhealthy(reason)) if config.optional => {
            println!("{reason}");
            Ok(())
        }
        told => told,
    }
}

fn tell(config: &Config) -> Result<(), Failure> {
    let facts = facts();
    let body = match &config.body {
        Some(body) => filled(body, &facts),
        None => facts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect(),
    };
    let body = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
    let mut request = Request::new(&config.method, &config.url).body(body);
    for (name, value) in &config.headers {
        request = request.header(name, value);
    }
    if !config
        .headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case("content-type"))
    {
        request = request.header("content-type", "application/json");
    }
    if let Some(variable) = &config.token_variable {
        request = request.header("authorization", format!("Bearer {}", environment(variable)?));
    }
    let response = request.send(MAX_ANSWER)?;
    match response.status {
        200..300 => Ok(()),
        status => Err(Failure::Unhealthy(format!(
            "{} answers {status}: {}",
            config.url,
            quote(&response.text())
        ))),
    }
}

fn facts() -> Vec<(&'static str, String)> {
    let seconds = now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    vec![
        ("namespace", context::namespace()),
        ("pod", context::pod()),
        ("container", context::container()),
        ("reason", context::hook_reason().unwrap_or_default()),
        ("restarts", context::restart_count().to_string()),
        ("time", seconds.to_string()),
    ]
}

/// The body with the facts in their places. The manifest's texts are filled, and what is filled in is not filled again.
fn filled(body: &Value, facts: &[(&str, String)]) -> Value {
    match body {
        Value::String(text) => Value::String(fill(text, facts)),
        Value::Array(values) => values.iter().map(|value| filled(value, facts)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, facts)))
            .collect(),
        other => other.clone(),
    }
}

fn fill(text: &str, facts: &[(&str, String)]) -> String {
    let mut parts = text.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let fact = part.split_once('}').and_then(|(name, rest)| {
            let (_, value) = facts.iter().find(|(known, _)| *known == name)?;
            Some((value, rest))
        });
        match fact {
            Some((value, rest)) => filled.extend([value.as_str(), rest]),
            None => filled.extend(["{", part]),
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        time::Duration,
    };

    use probelet_plugin::testing::Host;

    use super::*;
    use crate::tests::config;

    #[test]
    fn facts_stand_in_the_texts() {
        let facts = [("pod", "a{reason}".to_owned()), ("reason", "delete".to_owned())];
        let body = json!({ "text": "{pod} is stopped: {reason}, {unknown} {", "list": [1, "{pod}"] });
        let expected = json!({ "text": "a{reason} is stopped: delete, {unknown} {", "list": [1, "a{reason}"] });
        assert_eq!(filled(&body, &facts), expected);
    }

    #[test]
    fn what_is_told_has_the_reason_in_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            client.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut part = [0; 512];
                let length = client.read(&mut part).expect("a request");
                request += &String::from_utf8_lossy(&part[..length]);
            }
            client
                .write_all(b"HTTP/1.1 500 Sick\r\nContent-Length: 4\r\n\r\nsick")
                .expect("written");
            request
        });
        let mut host = Host {
            hook_reason: Some("liveness".to_owned()),
            now: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(5)),
            timeout: Duration::from_secs(10),
            ..Host::default()
        };
        host.environment.insert("TOKEN".to_owned(), "secret".to_owned());
        let wanted = json!({ "url": url, "tokenVariable": "TOKEN" });
        let failure = host.run(|| run(&config(wanted))).expect_err("the server is sick");
        assert_eq!(failure, Failure::Unhealthy(format!("{url} answers 500: sick")));
        let request = server.join().expect("no panic");
        assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer secret\r\n"), "{request}");
        let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap_or_default()).expect("JSON");
        let expected = json!({
            "namespace": "default", "pod": "pod", "container": "container", "reason": "liveness", "restarts": "0",
            "time": "5"
        });
        assert_eq!(body, expected);
        // Now nobody listens.
        let wanted = json!({ "url": url, "optional": true });
        assert_eq!(host.run(|| run(&config(wanted))), Ok(()));
    }
}
