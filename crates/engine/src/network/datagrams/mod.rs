//! wasi:sockets for UDP clients, over our own sockets, for the reason that [`sockets`](super::sockets) has: the destination
//! decides which namespace a socket is made in.
//!
//! Questions and answers are all there is. A socket speaks with one other side, which its stream is opened for or its first
//! datagram goes to, and hears of no other. Binding to a port or an address is denied, and socket options are not supported.

mod link;

use std::{
    future::pending,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::net::SocketType;
use wasmtime::{component::Resource, format_err};
use wasmtime_wasi::p2::{
    Pollable,
    bindings::sockets::{
        network::{ErrorCode, IpAddressFamily},
        udp::{IncomingDatagram, OutgoingDatagram},
    },
};

use super::{
    DialError, Network,
    connection::Half,
    sockets::{error_code, network},
    stream::CHUNK,
};
use crate::state::RunState;

pub(super) use link::add_to_linker;

type Reply<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;
type Streams = (Resource<Incoming>, Resource<Outgoing>);

/// Sent or received in one call.
const AT_ONCE: usize = 16;
/// Sent by one run: an honest check asks a few questions. Nothing else holds datagrams back, as a full window does with TCP.
const MAX_SENT: usize = 1000;

/// Counts what a run has sent.
#[derive(Default)]
pub(super) struct Sent(AtomicUsize);

impl Sent {
    fn one_more(&self) -> wasmtime::Result<()> {
        if self.0.fetch_add(1, Ordering::Relaxed) < MAX_SENT {
            return Ok(());
        }
        Err(format_err!(
            "it sent more than the {MAX_SENT} datagrams that a run may send"
        ))
    }
}

impl Network {
    /// A socket that sends datagrams to a destination, and gets those that come from there: one that reads and writes as a
    /// connection does.
    fn datagrams(&self, destination: SocketAddr) -> Result<TcpStream, DialError> {
        let socket = self.kernel_socket(SocketType::DGRAM, destination)?;
        let connected = || {
            rustix::net::connect(&socket, &destination)?;
            match &self.1 {
                None => Ok(socket),
                Some(stand_in) => stand_in.associate(destination, socket),
            }
        };
        connected().map(TcpStream::from).map_err(DialError::Io)
    }

    /// The datagrams that the run has sent.
    fn sent(&self) -> &Sent {
        &self.0.sent
    }
}

/// A guest's socket. The kernel's comes when the destination is known.
struct Socket {
    family: IpAddressFamily,
    is_bound: bool,
    channel: Channel,
}

/// What the two streams of a socket have in common.
#[derive(Clone, Default)]
struct Channel(Arc<Mutex<Option<Open>>>);

/// A socket of the kernel's, connected. It is no TCP, but reading and writing are the same.
#[derive(Clone)]
struct Open {
    stream: Arc<TcpStream>,
    remote: SocketAddr,
}

impl Channel {
    fn with<T>(&self, question: impl FnOnce(&Open) -> T) -> Option<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(question)
    }

    /// The socket for a destination; there is one destination for each.
    fn open(&self, network: &Network, family: IpAddressFamily, remote: SocketAddr) -> Result<Open, ErrorCode> {
        if remote.is_ipv4() != (family == IpAddressFamily::Ipv4) || remote.port() == 0 {
            return Err(ErrorCode::InvalidArgument);
        }
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*open {
            Some(open) if open.remote == remote => Ok(open.clone()),
            Some(_) => Err(ErrorCode::NotSupported),
            None => {
                let stream = network.datagrams(remote).map_err(error_code)?;
                let stream = Arc::new(stream);
                Ok(open.insert(Open { stream, remote }).clone())
            }
        }
    }
}

impl Socket {
    /// Any address and any port is what every socket has; C's libraries ask for it.
    fn bind(&mut self, address: SocketAddr) -> Result<(), ErrorCode> {
        if address.is_ipv4() != (self.family == IpAddressFamily::Ipv4) {
            return Err(ErrorCode::InvalidArgument);
        }
        if !address.ip().is_unspecified() || address.port() != 0 {
            return Err(ErrorCode::AccessDenied);
        }
        self.is_bound = true;
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Socket {
    /// Nothing about it takes time.
    async fn ready(&mut self) {}
}

fn stream(state: &mut RunState, socket: &Resource<Socket>, remote: Option<SocketAddr>) -> Reply<Streams> {
    let network = network(state)?;
    let Socket { family, channel, .. } = state.table.get_mut(socket)?;
    // The streams from before are of no more use.
    *channel = Channel::default();
    let (family, channel) = (*family, channel.clone());
    if let Some(remote) = remote
        && let Err(error) = channel.open(&network, family, remote)
    {
        return Ok((Err(error),));
    }
    let incoming = Incoming {
        channel: channel.clone(),
        reader: None,
    };
    let outgoing = Outgoing { family, channel };
    let incoming = state.table.push_child(incoming, socket)?;
    let outgoing = state.table.push_child(outgoing, socket)?;
    Ok((Ok((incoming, outgoing)),))
}

/// What the other side sends.
struct Incoming {
    channel: Channel,
    reader: Option<(Half, SocketAddr)>,
}

impl Incoming {
    /// None before there is another side.
    fn reader(&mut self) -> Option<&mut (Half, SocketAddr)> {
        if self.reader.is_none() {
            let opened = self.channel.with(Open::clone)?;
            self.reader = Some((Half::reader(opened.stream), opened.remote));
        }
        self.reader.as_mut()
    }

    fn receive(&mut self, most: usize) -> Result<Vec<IncomingDatagram>, ErrorCode> {
        let Some((reader, remote)) = self.reader() else {
            return Ok(Vec::new());
        };
        let mut datagrams = Vec::new();
        // Of the largest datagram nothing is cut off.
        let mut buffer = vec![0; CHUNK];
        while datagrams.len() < most.min(AT_ONCE) {
            match reader.attempt(|mut stream| stream.read(&mut buffer)) {
                Ok(length) => datagrams.push(IncomingDatagram {
                    data: buffer[..length].to_vec(),
                    remote_address: (*remote).into(),
                }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // What came before it is not lost; the kernel tells of an error once.
                Err(error) if datagrams.is_empty() => return Err(io_code(&error)),
                Err(_) => break,
            }
        }
        Ok(datagrams)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Incoming {
    async fn ready(&mut self) {
        match self.reader() {
            // An error shows at the next `receive`.
            Some((reader, _)) => drop(reader.ready().await),
            None => pending().await,
        }
    }
}

/// What goes to the other side.
struct Outgoing {
    family: IpAddressFamily,
    channel: Channel,
}

impl Outgoing {
    /// How many were sent.
    fn send(
        &mut self,
        network: &Network,
        datagrams: Vec<OutgoingDatagram>,
    ) -> wasmtime::Result<Result<u64, ErrorCode>> {
        let mut sent = 0;
        for datagram in datagrams.into_iter().take(AT_ONCE) {
            let remote = datagram.remote_address.map(SocketAddr::from);
            let remote = remote.or_else(|| self.channel.with(|open| open.remote));
            network.sent().one_more()?;
            let result = match remote {
                Some(remote) => self.channel.open(network, self.family, remote),
                None => Err(ErrorCode::InvalidArgument),
            };
            let result = result.and_then(|open| {
                let mut stream = &*open.stream;
                stream.write(&datagram.data).map_err(|error| io_code(&error))
            });
            match result {
                Ok(_) => sent += 1,
                // The kernel's buffer is full; there is room in no time.
                Err(ErrorCode::WouldBlock) => break,
                Err(error) if sent == 0 => return Ok(Err(error)),
                Err(_) => break,
            }
        }
        Ok(Ok(sent))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Outgoing {
    /// The kernel takes a datagram at once, or drops it.
    async fn ready(&mut self) {}
}

fn io_code(error: &io::Error) -> ErrorCode {
    match ErrorCode::from(error) {
        // Not to be taken for a missing grant.
        ErrorCode::AccessDenied => ErrorCode::RemoteUnreachable,
        code => code,
    }
}
