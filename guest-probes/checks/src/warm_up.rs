//! A hook after the start: asks for pages until they come as they should, so that the first user does not wait for
//! caches to fill.
//!
//! A page that does not come is asked for again until time is over; then the hook fails, and the container is started
//! anew. It counts as started only when the hook is done.

use std::time::{Duration, Instant};

use probelet_plugin::{
    Failure,
    http::Request,
    net::{Endpoint, Port},
    sleep, time_left,
};

/// How long to wait before a page is asked for again.
const PAUSE: Duration = Duration::from_millis(200);
/// What is read of a page, so that it is made to its end.
const MAX_BODY: usize = 4 << 20;

/// What is asked for.
#[probelet_plugin::config]
pub struct Config {
    /// A port's number or name; 80 unless it is given.
    pub port: Option<Port>,
    /// The pages, one after the other.
    #[schemars(length(min = 1))]
    pub paths: Vec<String>,
    /// How often each has to come.
    #[serde(default = "once")]
    #[schemars(range(min = 1))]
    pub times: u32,
    /// How fast it has to come, in milliseconds; a slower answer does not count.
    pub within_milliseconds: Option<u64>,
}

fn once() -> u32 {
    1
}

/// Asks for the pages.
pub fn run(config: &Config) -> Result<(), Failure> {
    let endpoint = Endpoint::new(None, config.port.as_ref(), 80)?;
    for path in &config.paths {
        let slash = if path.starts_with('/') { "" } else { "/" };
        let url = format!("http://{}{slash}{path}", endpoint.authority());
        let mut came = 0;
        while came < config.times {
            let Some(trouble) = ask(&url, config.within_milliseconds)? else {
                came += 1;
                continue;
            };
            if time_left() <= PAUSE {
                return Err(Failure::Unhealthy(trouble));
            }
            sleep(PAUSE);
        }
    }
    Ok(())
}

/// What is wrong with a page, if anything is.
fn ask(url: &str, within_milliseconds: Option<u64>) -> Result<Option<String>, Failure> {
    let begin = Instant::now();
    let response = match Request::get(url).send(MAX_BODY) {
        Ok(response) => response,
        Err(Failure::Unhealthy(trouble)) => return Ok(Some(trouble)),
        Err(errored) => return Err(errored),
    };
    if !(200..400).contains(&response.status) {
        return Ok(Some(format!("{url} has the status {}", response.status)));
    }
    let took = begin.elapsed().as_millis();
    let limit = within_milliseconds.filter(|limit| took > u128::from(*limit));
    Ok(limit.map(|limit| format!("{url} took {took}ms, more than {limit}ms")))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use probelet_plugin::{serde_json::json, testing::Host};

    use super::*;
    use crate::tests::config;

    #[test]
    fn a_page_is_asked_for_until_it_has_come_often_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for status in [
                "503 Not yet",
                "200 OK",
                "200 OK",
                "301 Elsewhere",
                "404 Not found",
                "200 OK",
            ] {
                let (mut client, _) = listener.accept().expect("a client");
                let mut request = [0; 512];
                let length = client.read(&mut request).expect("a request");
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                asked.push(request.lines().next().unwrap_or_default().to_owned());
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                client.write_all(answer.as_bytes()).expect("written");
            }
            asked
        });
        let mut host = Host {
            timeout: Duration::from_secs(60),
            ..Host::default()
        };
        let wanted = json!({ "port": port, "paths": ["/a", "b"], "times": 2 });
        assert_eq!(host.run(|| run(&config(wanted))), Ok(()));
        let expected = ["/a", "/a", "/a", "/b", "/b", "/b"].map(|path| format!("GET {path} HTTP/1.1"));
        assert_eq!(server.join().expect("no panic"), expected);
    }

    #[test]
    fn what_is_wrong_is_told_when_time_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let mut host = Host {
            timeout: Duration::from_millis(100),
            ..Host::default()
        };
        let failure = host.run(|| run(&config(json!({ "port": port, "paths": ["/"] }))));
        let message = format!("cannot connect to 127.0.0.1:{port}: connection refused");
        assert!(
            failure
                .as_ref()
                .is_err_and(|failure| failure.message().ends_with(&message)),
            "{failure:?}"
        );
        let unknown = host.run(|| run(&config(json!({ "port": "none", "paths": ["/"] }))));
        assert!(matches!(unknown, Err(Failure::Errored(_))), "{unknown:?}");
    }
}
