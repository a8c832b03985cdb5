//! What a manifest grants of the network.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

/// Hosts that may be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Which hosts.
    pub host: Host,
    /// Which port; none is all of them.
    pub port: Option<u16>,
    /// Whether a name may stand for a private, loopback or link-local address. As a rule such an address must be named
    /// itself: whoever answers for a name could else point it at what is near the node.
    pub private: bool,
}

/// Which hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Those of a range; one address is a range of its own.
    Range(IpNet),
    /// The addresses that a name stands for, looked up by the host for each run.
    Name(String),
}

impl Destination {
    /// `host` is a name, an address or a range such as `10.0.0.0/8`.
    pub fn new(host: &str, port: Option<u16>) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = match (bare.parse::<IpNet>(), bare.parse::<IpAddr>()) {
            (Ok(range), _) => Host::Range(range),
            (_, Ok(address)) => Host::Range(address.into()),
            _ => Host::Name(host.to_owned()),
        };
        Self {
            host,
            port,
            private: false,
        }
    }

    /// The same, where a name may stand for a private address.
    pub fn with_private(self) -> Self {
        Self { private: true, ..self }
    }

    /// Whether it holds the port.
    pub(super) fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|granted| granted == port)
    }

    /// Whether it names the address.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        matches!(&self.host, Host::Range(range) if range.contains(&address))
    }

    /// Whether it is this name.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        matches!(&self.host, Host::Name(granted) if granted.strip_suffix('.').unwrap_or(granted).eq_ignore_ascii_case(name))
    }
}

/// Whether an address is near the node rather than on the internet (RFC 6890): loopback, link-local, private, shared and
/// the like.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address == Ipv4Addr::BROADCAST
                || a == 0
                || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(address) => {
            let first = address.segments()[0];
            address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unicast_link_local()
                || address.is_unique_local()
                // NAT64 reaches IPv4's private addresses, and 6to4 and Teredo other networks' inside.
                || first == 0x64
                || first == 0x2002
                || (first == 0x2001 && address.segments()[1] == 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_the_node_is_private() {
        for address in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.1.2.3",
            "224.0.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
        ] {
            assert!(is_private(address.parse().expect("an address")), "{address}");
        }
        for address in ["192.0.2.1", "8.8.8.8", "172.32.0.1", "2600::1"] {
            assert!(!is_private(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn a_destination_is_a_range_or_a_name() {
        let range = Destination::new("10.0.0.0/8", Some(80));
        assert!(range.has_address(IpAddr::from([10, 1, 2, 3])) && range.has_port(80) && !range.has_port(81));
        let address = Destination::new("[fd00::7]", None);
        assert!(address.has_address("fd00::7".parse().expect("an address")) && address.has_port(1));
        assert!(!address.has_address("fd00::8".parse().expect("an address")));
        let name = Destination::new("db.Internal", None);
        assert!(name.has_name("DB.internal.") && !name.has_name("db"));
    }
}
