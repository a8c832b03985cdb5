//! Which address a pod gets.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

/// The bridge's own address: the first of the range. `None` if there is no room for a pod beside it.
pub(crate) fn gateway(range: Ipv4Net) -> Option<Ipv4Addr> {
    // /29 has six hosts; anything smaller is not worth a bridge.
    const LARGEST_PREFIX: u8 = 29;
    if range.prefix_len() > LARGEST_PREFIX {
        None
    } else {
        range.hosts().next()
    }
}

/// The lowest free address behind the bridge's.
pub(crate) fn free(range: Ipv4Net, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    range.hosts().skip(1).find(|address| !taken.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bridge_has_the_first_address_and_pods_the_lowest_free_one() {
        let range: Ipv4Net = "10.9.8.0/29".parse().unwrap();
        assert_eq!(gateway(range), Some(Ipv4Addr::new(10, 9, 8, 1)));
        let mut taken = BTreeSet::new();
        let mut got = Vec::new();
        while let Some(address) = free(range, &taken) {
            taken.insert(address);
            got.push(address.octets()[3]);
        }
        assert_eq!(got, [2, 3, 4, 5, 6]);
        taken.remove(&Ipv4Addr::new(10, 9, 8, 4));
        assert_eq!(free(range, &taken), Some(Ipv4Addr::new(10, 9, 8, 4)));
        assert_eq!(gateway("10.9.8.0/30".parse().unwrap()), None);
    }
}
