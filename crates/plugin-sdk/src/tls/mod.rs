//! Connections on which the host speaks TLS, from their first byte or once the two sides have agreed on it, and the
//! certificates that servers show (`probelet:tls/client`). They go where those of [`net`](crate::net) go, under the same
//! grant.
//!
//! ```
//! use std::net::TcpListener;
//! use probelet_plugin::{Failure, Verdict, net::Endpoint, now, testing::Host, tls::{Certificate, Options, Session}};
//!
//! fn check(endpoint: &Endpoint) -> Result<Verdict, Failure> {
//!     let (_, session) = endpoint.converse_by_tls(&Options::named("shop.example"))?;
//!     let days = session.certificate()?.days_left(now());
//!     Ok(Verdict::healthy().with("days-left", days as f64))
//! }
//!
//! // A native test has no TLS: it says itself what a server shows, and speaks to it in plain text.
//! let listener = TcpListener::bind("127.0.0.1:0").unwrap();
//! let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
//! let certificate = Certificate { not_after: 10 * 86_400, ..Certificate::default() };
//! let mut host = Host {
//!     now: Some(std::time::UNIX_EPOCH),
//!     tls: Some(Ok(Session { certificates: vec![certificate], ..Session::default() })),
//!     ..Host::default()
//! };
//! assert_eq!(host.run(|| check(&endpoint)), Ok(Verdict::healthy().with("days-left", 10.0)));
//! ```

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod wasi;

use std::{
    io,
    time::{SystemTime, UNIX_EPOCH},
};

#[cfg(not(target_family = "wasm"))]
use native as system;
#[cfg(target_family = "wasm")]
use wasi as system;

pub use crate::bindings::tls::probelet::tls::client::{Certificate, Error, Options, Session};
pub use system::Connection;

use crate::{Failure, lines::Conversation, net::Endpoint, timeout_text};

const SECONDS_OF_A_DAY: i64 = 86_400;

#[allow(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Options {
    /// The host's name, as it is connected to, for which one of the node's authorities has to vouch.
    fn default() -> Self {
        Self {
            server_name: None,
            authorities: None,
            unverified: false,
            alpn: Vec::new(),
        }
    }
}

impl Options {
    /// With another name for the server than the host that is connected to: a pod is connected to by its address.
    pub fn named(server_name: impl Into<String>) -> Self {
        Self {
            server_name: Some(server_name.into()),
            ..Self::default()
        }
    }

    /// With authorities other than the node's, in PEM.
    pub fn vouched_for_by(self, authorities: impl Into<String>) -> Self {
        Self {
            authorities: Some(authorities.into()),
            ..self
        }
    }

    /// Without anybody who has to vouch for the server: [`Session::untrusted`] says what speaks against it. Nothing that
    /// is secret may be sent to it.
    pub fn unverified(self) -> Self {
        Self {
            unverified: true,
            ..self
        }
    }
}

#[allow(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Certificate {
    /// Nobody's.
    fn default() -> Self {
        Self {
            subject: String::new(),
            issuer: String::new(),
            serial: String::new(),
            names: Vec::new(),
            not_before: 0,
            not_after: 0,
            der: Vec::new(),
        }
    }
}

impl Certificate {
    /// How many whole days it is still valid; negative once it has expired.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use probelet_plugin::tls::Certificate;
    ///
    /// let certificate = Certificate { not_after: 2 * 86_400, ..Certificate::default() };
    /// assert_eq!(certificate.days_left(UNIX_EPOCH), 2);
    /// assert_eq!(certificate.days_left(UNIX_EPOCH + Duration::from_secs(1)), 1);
    /// assert_eq!(certificate.days_left(UNIX_EPOCH + Duration::from_secs(2 * 86_400 + 1)), -1);
    /// ```
    pub fn days_left(&self, now: SystemTime) -> i64 {
        self.not_after
            .saturating_sub(seconds_since_epoch(now))
            .div_euclid(SECONDS_OF_A_DAY)
    }

    /// Whether its time has not come yet.
    pub fn is_early(&self, now: SystemTime) -> bool {
        seconds_since_epoch(now) < self.not_before
    }

    /// Whether its time is over.
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.not_after < seconds_since_epoch(now)
    }
}

fn seconds_since_epoch(time: SystemTime) -> i64 {
    let seconds = |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => seconds(since),
        Err(before) => -seconds(before.duration()),
    }
}

#[allow(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Session {
    /// One of which nothing is known.
    fn default() -> Self {
        Self {
            protocol: String::new(),
            cipher_suite: String::new(),
            alpn: None,
            certificates: Vec::new(),
            untrusted: None,
        }
    }
}

impl Session {
    /// The server's own certificate. A server that shows none is unhealthy.
    pub fn certificate(&self) -> Result<&Certificate, Failure> {
        let first = self.certificates.first();
        first.ok_or_else(|| Failure::Unhealthy("the server shows no certificate".to_owned()))
    }

    /// The certificate that expires first of all that count: one that leads to an authority does so as much as the
    /// server's own. A server may show more than that takes: where it is trusted, others than its own that have expired
    /// were not needed for it.
    pub fn first_to_expire(&self, now: SystemTime) -> Result<&Certificate, Failure> {
        let own = self.certificate()?;
        let is_trusted = self.untrusted.is_none();
        let counts = |one: &&Certificate| *one == own || !is_trusted || !one.has_expired(now);
        let counted = self.certificates.iter().filter(counts);
        Ok(counted.min_by_key(|one| one.not_after).unwrap_or(own))
    }
}

/// Opens a connection, without TLS yet.
///
/// A server that does not answer is unhealthy. A connection that is not granted is an error of the check.
pub fn connect(host: &str, port: u16) -> Result<Connection, Failure> {
    let endpoint = Endpoint {
        host: host.to_owned(),
        port,
    };
    system::connect(host, port).map_err(|error| failure(&endpoint.authority(), error))
}

impl Endpoint {
    /// Opens a connection for a conversation that may begin TLS later ([`Conversation::start_tls`]).
    pub fn converse_before_tls(&self) -> Result<Conversation<Connection>, Failure> {
        Ok(Conversation::new(connect(&self.host, self.port)?, self.authority()))
    }

    /// Opens a connection with TLS from the first byte on.
    pub fn converse_by_tls(&self, options: &Options) -> Result<(Conversation<Connection>, Session), Failure> {
        let mut conversation = self.converse_before_tls()?;
        let session = conversation.start_tls(options)?;
        Ok((conversation, session))
    }
}

impl Conversation<Connection> {
    /// Begins TLS, once the two sides have agreed on it. A server that cannot is unhealthy, and so is one that has said
    /// something beyond its consent: whoever is in between could have put that there, to be taken for said in secret.
    pub fn start_tls(&mut self, options: &Options) -> Result<Session, Failure> {
        if self.has_unread() {
            return Err(self.broken("says more before TLS has begun than it may"));
        }
        let peer = self.peer().to_owned();
        let begun = self.connection_mut().start_tls(options);
        begun.map_err(|error| failure(&peer, error))
    }
}

/// What goes wrong, as a check says it.
fn failure(peer: &str, error: Error) -> Failure {
    Failure::Unhealthy(match error {
        Error::NotGranted => return Failure::Errored(format!("connecting to {peer} is not granted")),
        Error::NoSuchHost => format!("cannot connect to {peer}: no such host"),
        Error::Refused => format!("cannot connect to {peer}: connection refused"),
        Error::TimedOut => format!("{peer} did not answer within {}", timeout_text()),
        Error::Untrusted(why) => format!("{peer} is not to be trusted: {why}"),
        Error::Tls(why) => format!("no TLS with {peer}: {why}"),
        Error::Failed(reason) => format!("{peer}: {reason}"),
    })
}

/// The same for those that read and write.
#[cfg_attr(
    not(target_family = "wasm"),
    allow(dead_code, reason = "the standard library has its own")
)]
fn io_error(error: Error) -> io::Error {
    match error {
        Error::TimedOut => io::ErrorKind::TimedOut.into(),
        Error::Failed(reason) => io::Error::other(reason),
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener};

    use super::*;
    use crate::testing::Host;

    fn greeting(says: &'static [u8]) -> (Endpoint, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            client.write_all(says).expect("written");
        });
        let host = "127.0.0.1".to_owned();
        (Endpoint { host, port }, server)
    }

    #[test]
    fn what_was_said_too_early_is_not_taken_for_secret() {
        for (says, is_good) in [
            (&b"220 go ahead\r\n"[..], true),
            (b"220 go ahead\r\n250 injected\r\n", false),
        ] {
            let (endpoint, server) = greeting(says);
            let mut host = Host {
                tls: Some(Ok(Session::default())),
                ..Host::default()
            };
            let begun = host.run(|| {
                let mut conversation = endpoint.converse_before_tls()?;
                assert_eq!(conversation.line(100)?, "220 go ahead");
                conversation.start_tls(&Options::default())
            });
            assert_eq!(begun.is_ok(), is_good, "{begun:?}");
            server.join().expect("no panic");
        }
    }

    #[test]
    fn each_error_has_its_words() {
        let errored = failure("db:5432", Error::NotGranted);
        assert_eq!(
            errored,
            Failure::Errored("connecting to db:5432 is not granted".to_owned())
        );
        let cases = [
            (Error::Refused, "cannot connect to db:5432: connection refused"),
            (Error::TimedOut, "db:5432 did not answer within 1s"),
            (
                Error::Untrusted("it has expired".to_owned()),
                "db:5432 is not to be trusted: it has expired",
            ),
            (Error::Tls("no".to_owned()), "no TLS with db:5432: no"),
        ];
        for (error, text) in cases {
            let failure = Host::default().run(|| failure("db:5432", error));
            assert_eq!(failure, Failure::Unhealthy(text.to_owned()));
        }
    }

    #[test]
    fn the_certificate_that_expires_first_counts() {
        let until = |not_after| Certificate {
            not_after,
            ..Certificate::default()
        };
        let session = Session {
            certificates: vec![until(30), until(10), until(20)],
            ..Session::default()
        };
        assert_eq!(session.certificate().map(|own| own.not_after), Ok(30));
        assert_eq!(session.first_to_expire(UNIX_EPOCH).map(|first| first.not_after), Ok(10));
        assert!(Session::default().first_to_expire(UNIX_EPOCH).is_err());
        assert!(until(5).days_left(UNIX_EPOCH) == 0 && !until(5).is_early(UNIX_EPOCH));
    }
}
