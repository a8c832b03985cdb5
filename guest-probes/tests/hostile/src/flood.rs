//! Taking too much of what the host gives away one by one.

use std::io::{Write, stderr, stdout};

use probelet_plugin::{
    Verdict, state,
    wasip2::{
        clocks::monotonic_clock,
        http::types::{Fields, OutgoingRequest, RequestOptions},
        random::random::get_random_bytes,
        sockets::{
            instance_network::instance_network, ip_name_lookup::resolve_addresses, network::IpAddressFamily,
            tcp_create_socket::create_tcp_socket,
        },
    },
};
use serde::Deserialize;

use crate::network;

/// Of what there is to be too much.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Sockets that are connected to nothing.
    Sockets,
    /// Connections.
    Connections,
    /// The right to use the network.
    Networks,
    /// Names that are to be looked up.
    Names,
    /// Names that are being looked up.
    Lookups,
    /// Sets of headers.
    Fields,
    /// Values of one header.
    Headers,
    /// One header's value, longer and longer.
    HeaderBytes,
    /// Requests that are not sent.
    Requests,
    /// Requests that are sent.
    Responses,
    /// Options of requests.
    Options,
    /// Things that wait for one socket.
    Pollables,
    /// What is kept for the next run.
    State,
}

pub(crate) fn hoard(what: Kind, host: &str) -> Result<Verdict, String> {
    let mut number = 0_u64;
    let fields = Fields::new();
    let socket = matches!(what, Kind::Pollables).then(|| create_tcp_socket(IpAddressFamily::Ipv4));
    loop {
        number += 1;
        let refused =
            |error: &dyn std::fmt::Debug| Ok(Verdict::unhealthy(format!("refused the {number}th: {error:?}")));
        match what {
            Kind::Sockets => match create_tcp_socket(IpAddressFamily::Ipv6) {
                Ok(socket) => std::mem::forget(socket),
                Err(error) => return refused(&error),
            },
            Kind::Connections => match network::open(host) {
                Ok(connection) => std::mem::forget(connection),
                Err(error) => return refused(&error),
            },
            Kind::Networks => std::mem::forget(instance_network()),
            Kind::Names => match resolve_addresses(&instance_network(), host) {
                Ok(names) => std::mem::forget(names),
                Err(error) => return refused(&error),
            },
            Kind::Lookups => match resolve_addresses(&instance_network(), host) {
                Ok(names) => {
                    // To ask begins it.
                    let _ = names.resolve_next_address();
                    std::mem::forget(names);
                }
                Err(error) => return refused(&error),
            },
            Kind::Fields => std::mem::forget(Fields::new()),
            Kind::Headers => {
                if let Err(error) = fields.append("x-hostile", &[b'x'; 64]) {
                    return refused(&error);
                }
            }
            Kind::HeaderBytes => {
                if let Err(error) = fields.set("x-hostile", &[vec![b'x'; 1024 * number as usize]]) {
                    return refused(&error);
                }
            }
            Kind::Requests => std::mem::forget(OutgoingRequest::new(Fields::new())),
            Kind::Responses => match network::send(host, "/") {
                Ok(response) => std::mem::forget(response),
                Err(error) => return refused(&error),
            },
            Kind::Options => std::mem::forget(RequestOptions::new()),
            Kind::Pollables => match &socket {
                Some(Ok(socket)) => std::mem::forget(socket.subscribe()),
                _ => return Ok(Verdict::unhealthy("no socket")),
            },
            Kind::State => state::set(&vec![7; 64 << 10])?,
        }
    }
}

pub(crate) fn write(lines: u64, bytes: usize, to_error: bool) -> Result<Verdict, String> {
    let line = "x".repeat(bytes) + "\n";
    for _ in 0..lines {
        let written = if to_error {
            stderr().write_all(line.as_bytes())
        } else {
            stdout().write_all(line.as_bytes())
        };
        written.map_err(|error| error.to_string())?;
    }
    Ok(Verdict::healthy())
}

pub(crate) fn random(bytes: u64) -> Result<Verdict, String> {
    let begin = monotonic_clock::now();
    loop {
        let got = get_random_bytes(bytes);
        if monotonic_clock::now() < begin || got.is_empty() {
            return Ok(Verdict::unhealthy("no random bytes"));
        }
    }
}
