//! `wasm.allow.network`: hosts and ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::NetworkAllow;
use crate::names;

/// Reads an entry, or says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<NetworkAllow, String> {
    if text.contains('*') {
        return Err("there are no wildcards; name each host, or a range of addresses such as 10.0.0.0/8".to_owned());
    }
    if text.contains("://") {
        return Err("a URL is no host; write host or host:port".to_owned());
    }
    let (host, port) = split(text)?;
    let port = port.map(number).transpose()?;
    let host = match host.split_once('/') {
        Some((address, length)) => range(address, length)?,
        None => self::host(host)?,
    };
    Ok(NetworkAllow { host, port })
}

/// Host and port. An IPv6 address has brackets around it, unless it stands alone.
fn split(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
        if !host.contains(':') {
            return Err("brackets stand around IPv6 addresses only".to_owned());
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err("only :port may follow the bracket".to_owned()),
        };
    }
    Ok(match text.split_once(':') {
        // More than one colon: an address.
        Some((_, rest)) if rest.contains(':') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    })
}

fn number(text: &str) -> Result<u16, String> {
    let plain = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|port| *port > 0 && plain)
        .ok_or_else(|| "a port is a number from 1 to 65535".to_owned())
}

/// A name or an address.
fn host(text: &str) -> Result<String, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    // What ends in a number is an address to most programs, as 127.1 is.
    let numeric = |label: &str| label.bytes().all(|digit| digit.is_ascii_digit());
    if text.rsplit('.').next().is_some_and(numeric) || text.contains(':') || !names::is_subdomain(text) {
        return Err("a host is a name in lower case, an address, or a range such as 10.0.0.0/8".to_owned());
    }
    Ok(text.to_owned())
}

/// A range of addresses.
fn range(address: &str, length: &str) -> Result<String, String> {
    let wrong = || "a range is an address and the length of its prefix, such as 10.0.0.0/8 or fd00::/8".to_owned();
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let plain = length.bytes().all(|digit| digit.is_ascii_digit());
    let length: u32 = length.parse().map_err(|_| wrong())?;
    if length > most || !plain {
        return Err(wrong());
    }
    let first = first_address(address, length);
    if first != address {
        // One of the two was not meant.
        return Err(format!(
            "the range begins at another address; write {first}/{length}, or the address alone"
        ));
    }
    Ok(format!("{address}/{length}"))
}

/// The address with all bits cleared that come after the prefix.
fn first_address(address: IpAddr, length: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        for (text, host, port) in [
            ("db", "db", None),
            ("db.internal:5432", "db.internal", Some(5432)),
            ("10.0.0.1", "10.0.0.1", None),
            ("10.0.0.0/8", "10.0.0.0/8", None),
            ("10.0.0.0/8:443", "10.0.0.0/8", Some(443)),
            ("0.0.0.0/0", "0.0.0.0/0", None),
            ("[::1]:80", "::1", Some(80)),
            ("[::1]", "::1", None),
            ("::1", "::1", None),
            ("FD00:0::1", "fd00::1", None),
            ("fd00::/8", "fd00::/8", None),
            ("[fd00::/8]:443", "fd00::/8", Some(443)),
            ("::/0", "::/0", None),
            ("1.2.3.4/32", "1.2.3.4/32", None),
        ] {
            let host = host.to_owned();
            assert_eq!(parse(text), Ok(NetworkAllow { host, port }), "{text}");
        }
        for wrong in [
            "",
            ":80",
            "db:",
            "db:0",
            "db:65536",
            "db:+1",
            "db:http",
            "*.internal",
            "*",
            "http://db",
            "DB",
            "a_b",
            "-a",
            "127.1",
            "5432",
            "10.0.0.256",
            "[db]:80",
            "[::1",
            "[::1]80",
            "::1/129",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.1.2.3/8",
            "db/8",
            "a b",
            "::1::2",
            "[]:80",
            "[10.0.0.1]:80",
            "db:5432/tcp",
            "1:2:3",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
