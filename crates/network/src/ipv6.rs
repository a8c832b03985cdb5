//! IPv6 of this machine and of its interfaces: whether there is any, and the few settings that it depends on. Everything is
//! about the network namespace of the thread that asks.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use ipnet::Ipv6Net;

use crate::NetworkError;

/// Which addresses of IPv6 pods get beside those of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6Range {
    /// Those of a range that is made for the bridge (RFC 4193). None, with a warning, where the machine has no IPv6 or
    /// something else uses the range.
    Automatic,
    /// Those of this range; that there are none is an error.
    Given(Ipv6Net),
    /// None.
    None,
}

/// How they are written.
const AUTOMATIC: &str = "auto";
const NONE: &str = "none";

impl FromStr for Ipv6Range {
    type Err = ipnet::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            AUTOMATIC => Ok(Self::Automatic),
            NONE => Ok(Self::None),
            range => range.parse().map(Self::Given),
        }
    }
}

impl fmt::Display for Ipv6Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Automatic => formatter.write_str(AUTOMATIC),
            Self::Given(range) => range.fmt(formatter),
            Self::None => formatter.write_str(NONE),
        }
    }
}

/// Where the kernel lists addresses of IPv6. A kernel without IPv6 has no such file.
const ADDRESSES: &str = "/proc/thread-self/net/if_inet6";

/// The setting that is 1 on an interface that may have no addresses.
const DISABLE: &str = "disable_ipv6";

/// Whether the kernel speaks it at all.
pub(crate) fn is_there() -> bool {
    Path::new(ADDRESSES).exists()
}

/// Whether an interface may have addresses: an administrator may have switched them off for all that are made.
pub(crate) fn is_enabled(interface: &str) -> Result<bool, NetworkError> {
    Ok(get(&place(interface, DISABLE))?.trim() == "0")
}

/// Lets an interface have addresses, or all of a namespace with `all`.
pub(crate) fn enable(interface: &str) -> Result<(), NetworkError> {
    set(interface, DISABLE, "0")
}

/// Has an interface believe nobody who says to be a router: it is pods who could (CVE-2020-10749).
pub(crate) fn distrust_routers(interface: &str) -> Result<(), NetworkError> {
    set(interface, "accept_ra", "0")
}

/// What is so already is not written: the settings may be readable only.
fn set(interface: &str, name: &str, value: &str) -> Result<(), NetworkError> {
    let path = place(interface, name);
    if get(&path)?.trim() == value {
        return Ok(());
    }
    fs::write(&path, value).map_err(NetworkError::file(&path))
}

fn get(path: &Path) -> Result<String, NetworkError> {
    fs::read_to_string(path).map_err(NetworkError::file(path))
}

fn place(interface: &str, name: &str) -> PathBuf {
    Path::new("/proc/sys/net/ipv6/conf").join(interface).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_given_made_or_left_out() {
        for text in ["auto", "none", "fd12:3456::/64"] {
            assert_eq!(text.parse::<Ipv6Range>().unwrap().to_string(), text);
        }
        for text in ["", "10.88.0.0/16", "fd12::", "Auto"] {
            assert!(text.parse::<Ipv6Range>().is_err(), "{text}");
        }
    }
}
