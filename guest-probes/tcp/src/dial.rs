//! Opening a connection, with Go's words for what goes wrong (A2.22).

use std::net::{IpAddr, SocketAddr};

use probelet_plugin_sdk::{
    wait,
    wasip2::sockets::{
        instance_network::instance_network,
        ip_name_lookup::resolve_addresses,
        network::{
            ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, Network,
        },
        tcp_create_socket::create_tcp_socket,
    },
};

/// Why there is no connection.
pub(crate) enum DialError {
    /// The other side, or the time.
    Failed(String),
    /// It could not even be tried.
    Impossible(String),
}

/// Opens a connection and closes it. If a name has several addresses, one that answers is enough.
pub(crate) fn dial(host: &str, port: u16) -> Result<(), DialError> {
    if host.is_empty() {
        // Go would dial the local host (A2.31).
        return Err(DialError::Impossible("the pod has no address yet".to_owned()));
    }
    let network = instance_network();
    let mut result = Err(DialError::Failed(format!("dial tcp: lookup {host}: no such host")));
    for address in addresses(&network, host)? {
        result = connect(&network, SocketAddr::new(address, port));
        if result.is_ok() {
            break;
        }
    }
    result
}

fn addresses(network: &Network, host: &str) -> Result<Vec<IpAddr>, DialError> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let failed = |error: ErrorCode| match error {
        ErrorCode::AccessDenied => DialError::Impossible(format!("looking up {host} is not granted")),
        error => DialError::Failed(format!("dial tcp: lookup {host}: {}", lookup_text(error))),
    };
    let stream = resolve_addresses(network, host).map_err(failed)?;
    let mut addresses = Vec::new();
    loop {
        match stream.resolve_next_address() {
            Ok(Some(address)) => addresses.push(ip_address(address)),
            Ok(None) => return Ok(addresses),
            Err(ErrorCode::WouldBlock) if wait(&stream.subscribe()) => {}
            Err(ErrorCode::WouldBlock) => {
                return Err(DialError::Failed(format!("dial tcp: lookup {host}: i/o timeout")));
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

fn connect(network: &Network, address: SocketAddr) -> Result<(), DialError> {
    let failed = |error: ErrorCode| match error {
        ErrorCode::AccessDenied => DialError::Impossible(format!("connecting to {address} is not granted")),
        error => DialError::Failed(format!("dial tcp {address}: connect: {}", connect_text(error))),
    };
    let family = if address.is_ipv4() {
        IpAddressFamily::Ipv4
    } else {
        IpAddressFamily::Ipv6
    };
    let socket = create_tcp_socket(family).map_err(failed)?;
    socket.start_connect(network, socket_address(address)).map_err(failed)?;
    loop {
        match socket.finish_connect() {
            Ok(_streams) => return Ok(()),
            Err(ErrorCode::WouldBlock) if wait(&socket.subscribe()) => {}
            Err(ErrorCode::WouldBlock) => return Err(DialError::Failed(format!("dial tcp {address}: i/o timeout"))),
            Err(error) => return Err(failed(error)),
        }
    }
}

fn connect_text(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::ConnectionRefused => "connection refused",
        ErrorCode::ConnectionReset => "connection reset by peer",
        ErrorCode::ConnectionAborted => "software caused connection abort",
        ErrorCode::Timeout => "connection timed out",
        ErrorCode::RemoteUnreachable => "no route to host",
        ErrorCode::AddressNotBindable => "cannot assign requested address",
        ErrorCode::InvalidArgument => "invalid argument",
        ErrorCode::OutOfMemory => "cannot allocate memory",
        _ => "input/output error",
    }
}

fn lookup_text(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::TemporaryResolverFailure => "server misbehaving",
        ErrorCode::Timeout => "i/o timeout",
        _ => "no such host",
    }
}

fn ip_address(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}

fn socket_address(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(address) => {
            let [a, b, c, d] = address.ip().octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress {
                port: address.port(),
                address: (a, b, c, d),
            })
        }
        SocketAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.ip().segments();
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: address.port(),
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: 0,
            })
        }
    }
}
