//! What can be done with the sockets of WASI 0.3, and what should not be.

use std::net::SocketAddr;

use futures::{join, poll};
use serde::Deserialize;
use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};

use crate::bindings::{
    wasi::{
        cli::stdout::write_via_stream,
        sockets::{
            ip_name_lookup::resolve_addresses,
            types::{
                ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
                TcpSocket, UdpSocket,
            },
        },
    },
    wit_stream,
};

/// What to do with a connection.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    /// Hang up.
    Leave,
    /// Send a line and read to the end of what comes back.
    Exchange,
    /// The same, with the socket given back before its streams.
    DropFirst,
    /// Read something and nothing more, then send a line.
    StopReading,
    /// Take its streams twice.
    Again,
    /// Send so many bytes and say how many came back.
    Much(usize),
    /// Read until there is nothing more.
    Read,
    /// Write until nobody takes more.
    Write,
    /// Send back what comes, by joining the streams.
    Echo,
    /// Write what comes into the log, by handing the stream over.
    Log,
}

/// What to take without end.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Sockets without a connection.
    Sockets,
    /// Connections of which only a stream is kept.
    Streams,
    /// Attempts to connect.
    Attempts,
    /// Connections that are made and given back.
    Connections,
    /// Connections that are refused.
    Refusals,
    /// Look-ups.
    Names,
    /// Look-ups that are given up as soon as they have begun.
    GivenUp,
}

type Said = Result<String, String>;

fn words(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

async fn open(address: SocketAddr) -> Result<TcpSocket, ErrorCode> {
    let socket = TcpSocket::create(family(address))?;
    socket.connect(socket_address(address)).await?;
    Ok(socket)
}

fn parse(host: &str) -> Result<SocketAddr, String> {
    host.parse().map_err(|_| format!("{host} is no address with a port"))
}

pub(crate) async fn connect(host: &str, then: Then) -> Said {
    let address = parse(host)?;
    let socket = open(address).await.map_err(words)?;
    match then {
        Then::Leave => {
            let remote = socket.get_remote_address().map(name).map_err(words)?;
            let local = socket.get_local_address().map(name).map_err(words)?;
            let family = socket.get_address_family();
            let has_own_port = local != remote;
            Ok(format!(
                "{remote} {family:?} {has_own_port} {}",
                socket.get_is_listening()
            ))
        }
        Then::Exchange => Streams::of(&socket).exchange().await,
        Then::DropFirst => {
            let streams = Streams::of(&socket);
            drop(socket);
            streams.exchange().await
        }
        Then::StopReading => stop_reading(&socket).await,
        Then::Again => again(&socket).await,
        Then::Much(bytes) => much(&socket, bytes).await,
        Then::Read => {
            let (mut data, received) = socket.receive();
            let mut bytes = 0_usize;
            loop {
                let (result, buffer) = data.read(Vec::with_capacity(1 << 20)).await;
                bytes += buffer.len();
                if !matches!(result, StreamResult::Complete(_)) {
                    return Ok(format!("read {bytes} bytes: {:?}", received.await));
                }
            }
        }
        Then::Write => {
            let (mut writer, reader) = wit_stream::new::<u8>();
            let sent = socket.send(reader);
            while writer.write_all(vec![b'x'; 1 << 20]).await.is_empty() {}
            Err(words(sent.await))
        }
        Then::Echo => {
            let (data, received) = socket.receive();
            let sent = socket.send(data);
            let (received, sent) = join!(received.into_future(), sent.into_future());
            Ok(format!("{received:?} {sent:?}"))
        }
        Then::Log => {
            let (data, received) = socket.receive();
            let written = write_via_stream(data).await;
            Ok(format!("{written:?} {:?}", received.await))
        }
    }
}

/// A connection's two directions, each with how it ends.
struct Streams {
    writer: StreamWriter<u8>,
    sent: FutureReader<Result<(), ErrorCode>>,
    data: StreamReader<u8>,
    received: FutureReader<Result<(), ErrorCode>>,
}

impl Streams {
    fn of(socket: &TcpSocket) -> Self {
        let (writer, reader) = wit_stream::new::<u8>();
        let sent = socket.send(reader);
        let (data, received) = socket.receive();
        Self {
            writer,
            sent,
            data,
            received,
        }
    }

    async fn exchange(mut self) -> Said {
        let left = self.writer.write_all(b"hello\r\n\r\n".to_vec()).await;
        drop(self.writer);
        self.sent.await.map_err(words)?;
        let answer = self.data.collect().await;
        self.received.await.map_err(words)?;
        Ok(format!(
            "{} bytes left: {}",
            left.len(),
            String::from_utf8_lossy(&answer)
        ))
    }
}

async fn stop_reading(socket: &TcpSocket) -> Said {
    let (mut data, received) = socket.receive();
    let first = data.next().await;
    drop(data);
    let received = received.await;
    let (mut writer, reader) = wit_stream::new::<u8>();
    let sent = socket.send(reader);
    let left = writer.write_all(b"enough\r\n\r\n".to_vec()).await;
    drop(writer);
    Ok(format!("{first:?} {received:?} {} {:?}", left.len(), sent.await))
}

async fn again(socket: &TcpSocket) -> Said {
    let mut said = Vec::new();
    let remote = socket.get_remote_address().map_err(words)?;
    said.push(words(socket.connect(remote).await));
    let _first = socket.receive();
    let (data, received) = socket.receive();
    said.push(format!("{} {:?}", data.collect().await.len(), received.await));
    let (_writer, reader) = wit_stream::new::<u8>();
    let _first = socket.send(reader);
    let (mut writer, reader) = wit_stream::new::<u8>();
    let sent = socket.send(reader);
    let left = writer.write_all(vec![1, 2, 3]).await;
    said.push(format!("{} {:?}", left.len(), sent.await));
    Ok(said.join(", "))
}

async fn much(socket: &TcpSocket, bytes: usize) -> Said {
    let Streams {
        mut writer,
        sent,
        data,
        received,
    } = Streams::of(socket);
    let write = async {
        let left = writer.write_all(vec![b'x'; bytes]).await.len();
        drop(writer);
        left
    };
    let (left, answer) = join!(write, data.collect());
    Ok(format!("{left} {} {:?} {:?}", answer.len(), sent.await, received.await))
}

pub(crate) async fn connect_by_name(name: String, port: u16) -> Said {
    let addresses = resolve_addresses(name).await.map_err(words)?;
    let mut last = Err("no address".to_owned());
    for address in addresses {
        match open(SocketAddr::new(ip(address), port)).await {
            Ok(socket) => return Streams::of(&socket).exchange().await,
            Err(error) => last = Err(words(error)),
        }
    }
    last
}

pub(crate) async fn misuse(host: &str) -> Said {
    let address = parse(host)?;
    let other = match address {
        SocketAddr::V4(_) => IpAddressFamily::Ipv6,
        SocketAddr::V6(_) => IpAddressFamily::Ipv4,
    };
    let socket = TcpSocket::create(other).map_err(words)?;
    let mut said = vec![
        words(socket.get_local_address().map(name)),
        words(socket.get_remote_address().map(name)),
        words(socket.get_hop_limit()),
        words(socket.set_keep_alive_idle_time(1)),
    ];
    let (data, received) = socket.receive();
    said.push(format!("{} {:?}", data.collect().await.len(), received.await));
    said.push(words(socket.connect(socket_address(address)).await));
    said.push(words(socket.connect(socket_address(address)).await));
    Ok(said.join(", "))
}

pub(crate) fn listen() -> Said {
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(words)?;
    let bound = socket.bind(socket_address(SocketAddr::from(([127, 0, 0, 1], 0))));
    let listens = socket.listen().map(drop);
    Err(format!("{bound:?} {listens:?}"))
}

pub(crate) fn datagram() -> Said {
    UdpSocket::create(IpAddressFamily::Ipv4)
        .map(|_| "made".to_owned())
        .map_err(words)
}

pub(crate) async fn hoard(what: Kind, host: &str) -> Said {
    let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
    loop {
        match what {
            Kind::Sockets => kept.push(Box::new(TcpSocket::create(IpAddressFamily::Ipv4).map_err(words)?)),
            Kind::Connections => drop(open(parse(host)?).await.map_err(words)?),
            Kind::Refusals => drop(open(parse(host)?).await),
            Kind::Streams => {
                let socket = open(parse(host)?).await.map_err(words)?;
                kept.push(Box::new(socket.receive()));
            }
            Kind::Attempts => {
                let mut attempt = Box::pin(open(parse(host)?));
                let _ = poll!(attempt.as_mut());
                std::mem::forget(attempt);
            }
            Kind::Names | Kind::GivenUp => {
                let mut lookup = Box::pin(resolve_addresses(host.to_owned()));
                let _ = poll!(lookup.as_mut());
                if let Kind::Names = what {
                    std::mem::forget(lookup);
                }
            }
        }
    }
}

fn family(address: SocketAddr) -> IpAddressFamily {
    match address {
        SocketAddr::V4(_) => IpAddressFamily::Ipv4,
        SocketAddr::V6(_) => IpAddressFamily::Ipv6,
    }
}

fn ip(address: IpAddress) -> std::net::IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => [a, b, c, d].into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => [a, b, c, d, e, f, g, h].into(),
    }
}

fn socket_address(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(address) => IpSocketAddress::Ipv4(Ipv4SocketAddress {
            port: address.port(),
            address: address.ip().octets().into(),
        }),
        SocketAddr::V6(address) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
            port: address.port(),
            flow_info: 0,
            address: address.ip().segments().into(),
            scope_id: 0,
        }),
    }
}

fn name(address: IpSocketAddress) -> String {
    let (address, port) = match address {
        IpSocketAddress::Ipv4(address) => (ip(IpAddress::Ipv4(address.address)), address.port),
        IpSocketAddress::Ipv6(address) => (ip(IpAddress::Ipv6(address.address)), address.port),
    };
    SocketAddr::new(address, port).to_string()
}
