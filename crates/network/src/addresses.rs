//! Which addresses the bridge and the pods get.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sha2::{Digest, Sha256};

/// The bridge's own address: the first of the range. `None` if there is no room for a pod beside it.
pub(crate) fn gateway(range: IpNet) -> Option<IpAddr> {
    // Eight addresses, of which six or seven are hosts'; anything smaller is not worth a bridge.
    const LEAST_BITS: u8 = 3;
    if range.max_prefix_len() - range.prefix_len() < LEAST_BITS {
        None
    } else {
        hosts(range).next()
    }
}

/// The lowest free address behind the bridge's.
pub(crate) fn free(range: IpNet, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    hosts(range).skip(1).find(|address| !taken.contains(address))
}

fn hosts(range: IpNet) -> impl Iterator<Item = IpAddr> {
    // IPv6's first address is that of any router of the range (RFC 4291, 2.6.1); IPv4's is left out already.
    range.hosts().skip(usize::from(matches!(range, IpNet::V6(_))))
}

/// The range of IPv6 of pods for whom none was chosen: one of those that everybody may make for themselves (RFC 4193). It is
/// the same whenever an agent starts with the same bridge, and another one for another bridge.
pub(crate) fn automatic(bridge: &str, subnet: Ipv4Net) -> Ipv6Net {
    const PREFIX: u8 = 64;
    const LOCAL: u8 = 0xfd;
    // "Global ID", random as it is meant to be: whoever joins two such networks has no range twice.
    const RANDOM_BYTES: usize = 5;
    let mut hash = Sha256::new();
    hash.update(bridge.as_bytes());
    hash.update([0]);
    hash.update(subnet.to_string().as_bytes());
    let mut octets = [0; 16];
    octets[0] = LOCAL;
    octets[1..=RANDOM_BYTES].copy_from_slice(&hash.finalize()[..RANDOM_BYTES]);
    Ipv6Net::new_assert(octets.into(), PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_bridge_has_the_first_address_and_pods_the_lowest_free_one() {
        let range = range("10.9.8.0/29");
        assert_eq!(gateway(range), Some(address("10.9.8.1")));
        let mut taken = BTreeSet::new();
        let mut got = Vec::new();
        while let Some(address) = free(range, &taken) {
            taken.insert(address);
            got.push(address.to_string());
        }
        assert_eq!(got, ["10.9.8.2", "10.9.8.3", "10.9.8.4", "10.9.8.5", "10.9.8.6"]);
        taken.remove(&address("10.9.8.4"));
        assert_eq!(free(range, &taken), Some(address("10.9.8.4")));
    }

    #[test]
    fn of_ipv6_too_and_the_address_of_any_router_is_nobodys() {
        let range = range("fd12:3456::/125");
        assert_eq!(gateway(range), Some(address("fd12:3456::1")));
        let mut taken = BTreeSet::new();
        while let Some(address) = free(range, &taken) {
            taken.insert(address);
        }
        assert_eq!(taken.len(), 6);
        assert_eq!(taken.first(), Some(&address("fd12:3456::2")));
        let large = "fd12:3456::/64".parse().unwrap();
        assert_eq!(free(large, &taken), Some(address("fd12:3456::8")));
    }

    #[test]
    fn a_range_without_room_has_no_bridge() {
        for small in ["10.9.8.0/30", "fd12:3456::/126"] {
            assert_eq!(gateway(range(small)), None, "{small}");
        }
    }

    #[test]
    fn a_range_that_nobody_chose_is_local_the_same_every_time_and_another_one_for_another_bridge() {
        let subnet = "10.88.0.0/16".parse().unwrap();
        let made = automatic("probelet0", subnet);
        assert_eq!(made, automatic("probelet0", subnet));
        assert!(made.network().is_unique_local() && made.prefix_len() == 64, "{made}");
        assert_eq!(made.network(), made.addr(), "no bit behind the prefix");
        for other in [
            automatic("probelet1", subnet),
            automatic("probelet0", "10.89.0.0/16".parse().unwrap()),
        ] {
            assert_ne!(made, other);
        }
    }
}
