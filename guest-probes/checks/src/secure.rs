//! TLS in the checks of servers that speak with and without it.

use probelet_plugin::tls::Options;

/// How the server is made sure of.
#[probelet_plugin::config]
#[derive(Clone, Debug)]
pub struct Tls {
    /// The name that its certificate has to have; `host` unless it is given.
    pub server_name: Option<String>,
    /// Who may vouch for it: certificates in PEM. The node's own authorities unless they are given.
    pub authorities: Option<String>,
    /// Whether somebody has to vouch for it. Without that a password may go to whoever answers.
    #[serde(default = "yes")]
    pub verify: bool,
}

fn yes() -> bool {
    true
}

impl Tls {
    pub(crate) fn options(&self) -> Options {
        Options {
            server_name: self.server_name.clone(),
            authorities: self.authorities.clone(),
            unverified: !self.verify,
            ..Options::default()
        }
    }
}
