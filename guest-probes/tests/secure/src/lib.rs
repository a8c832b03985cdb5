//! A plugin that has the host speak TLS, and one that sends datagrams, as its configuration says: the engine's tests are
//! driven with it.

use std::{io::Read, io::Write, time::Duration};

use probelet_plugin::{
    Failure, Probe, Verdict, config, export_probe,
    net::Endpoint,
    tls::{self, Options},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
enum Deed {
    /// Begin TLS, send a text, and say what comes back.
    Tls {
        host: String,
        port: u16,
        server_name: Option<String>,
        authorities: Option<String>,
        #[serde(default)]
        unverified: bool,
        #[serde(default)]
        alpn: Vec<String>,
        /// What is sent before TLS, after a line has come.
        before: Option<String>,
        #[serde(default)]
        send: String,
    },
    /// Go on with a connection after TLS has failed on it.
    AfterFailure { host: String, port: u16 },
    /// Begin TLS twice.
    Twice { host: String, port: u16 },
    /// Open so many connections.
    Hoard { host: String, port: u16, count: usize },
    /// Send a datagram, and say what comes back.
    Datagram { host: String, port: u16, send: String },
    /// Send so many.
    Flood { host: String, port: u16, count: usize },
}

struct Secure;

impl Probe for Secure {
    fn check() -> Result<Verdict, String> {
        run(config()?).or_else(Failure::into_result)
    }
}

fn run(deed: Deed) -> Result<Verdict, Failure> {
    match deed {
        Deed::Tls {
            host,
            port,
            server_name,
            authorities,
            unverified,
            alpn,
            before,
            send,
        } => {
            let options = Options {
                server_name,
                authorities,
                unverified,
                alpn,
            };
            let mut server = Endpoint { host, port }.converse_before_tls()?;
            if let Some(before) = before {
                server.line(100)?;
                server.send(before)?;
            }
            let session = server.start_tls(&options)?;
            let certificate = session.certificate()?;
            server.send(&send)?;
            let answer = server.peek_until(1 << 20, |_| false).map(<[u8]>::to_vec);
            let answer = answer.map_or_else(
                |failure| failure.to_string(),
                |bytes| String::from_utf8_lossy(&bytes).into(),
            );
            Ok(Verdict::degraded(answer)
                .with("protocol", session.protocol.as_str())
                .with("suite", session.cipher_suite.as_str())
                .with("alpn", session.alpn.clone().unwrap_or_default())
                .with("names", certificate.names.join(" "))
                .with("subject", certificate.subject.as_str())
                .with("not-after", certificate.not_after as f64)
                .with("shown", session.certificates.len() as f64)
                .with("untrusted", session.untrusted.clone().unwrap_or_default()))
        }
        Deed::AfterFailure { host, port } => {
            let mut connection = tls::connect(&host, port)?;
            let begun = connection.start_tls(&Options::default()).map(drop);
            let again = connection.start_tls(&Options::default()).map(drop);
            let written = connection.write(b"x").map_err(|error| error.to_string());
            let read = connection.read(&mut [0; 10]).map_err(|error| error.to_string());
            Ok(Verdict::degraded(format!("{begun:?} {again:?} {written:?} {read:?}")))
        }
        Deed::Twice { host, port } => {
            let mut connection = tls::connect(&host, port)?;
            let options = Options::default().unverified();
            let begun = connection.start_tls(&options).map(drop);
            let again = connection.start_tls(&options).map(drop);
            Ok(Verdict::degraded(format!("{begun:?} {again:?}")))
        }
        Deed::Hoard { host, port, count } => {
            let kept = (0..count)
                .map(|_| tls::connect(&host, port))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Verdict::degraded(kept.len().to_string()))
        }
        Deed::Datagram { host, port, send } => {
            let mut socket = Endpoint { host, port }.datagrams()?;
            socket.send(send.as_bytes())?;
            let answer = socket.receive(Duration::from_secs(60))?;
            Ok(match answer {
                Some(answer) => Verdict::degraded(String::from_utf8_lossy(&answer)),
                None => Verdict::unhealthy("silence"),
            })
        }
        Deed::Flood { host, port, count } => {
            let mut socket = Endpoint { host, port }.datagrams()?;
            for _ in 0..count {
                socket.send(b"x")?;
            }
            Ok(Verdict::healthy())
        }
    }
}

export_probe!(Secure);
