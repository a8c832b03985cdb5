//! wasi:sockets of WASI 0.3 for TCP clients: for components with asynchronous exports what [`sockets`](super::sockets)
//! is for the others, with the same rules.
//!
//! Connecting and looking up names is all there is. The kernel's socket is made when `connect` says where to, in the
//! namespace that the destination belongs to. Listening and datagrams are denied, socket options are not supported.

mod datagrams;
mod streams;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::net::TcpStream;
use wasmtime::component::{
    Accessor, ComponentType, FutureReader, Lift, Linker, LinkerInstance, Lower, Resource, ResourceTableError,
    ResourceType, StreamReader,
};
use wasmtime_wasi::p3::bindings::sockets::{
    ip_name_lookup::ErrorCode as LookupError,
    types::{Duration, ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress},
};

use super::{DialError, Network, Store, sockets::network, stand_in::Opening};
use crate::state::RunState;
use streams::{Connection, Direction, Half, Receiver, Sender};

/// What a host function gives the guest, or a trap.
type Reply<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;
/// How one direction of a connection ended, once it has.
type End = FutureReader<Result<(), ErrorCode>>;

/// Links `types` and `ip-name-lookup`. Guests of later 0.3 versions find them as well.
pub(crate) fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    let mut types = linker.instance("wasi:sockets/types@0.3.0")?;
    link_tcp(&mut types)?;
    types.func_wrap("[method]tcp-socket.send", send)?;
    types.func_wrap("[method]tcp-socket.receive", receive)?;
    link_listening(&mut types)?;
    link_options(&mut types)?;
    datagrams::link(&mut types)?;
    let mut lookup = linker.instance("wasi:sockets/ip-name-lookup@0.3.0")?;
    lookup.func_wrap_concurrent("resolve-addresses", |accessor, (name,): (String,)| {
        Box::pin(resolve(accessor, name))
    })
}

fn link_tcp(types: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    types.resource("tcp-socket", ResourceType::host::<Socket>(), |mut store, socket| {
        let table = &mut store.data_mut().called().table;
        table.delete(Resource::<Socket>::new_own(socket))?;
        Ok(())
    })?;
    types.func_wrap(
        "[static]tcp-socket.create",
        |mut store: Store<'_>, (family,): (IpAddressFamily,)| {
            let socket = Socket {
                family,
                state: State::Fresh,
            };
            Reply::Ok((Ok(store.data_mut().called().table.push(socket)?),))
        },
    )?;
    types.func_wrap_concurrent(
        "[method]tcp-socket.connect",
        |accessor, (socket, address): (Resource<Socket>, IpSocketAddress)| {
            Box::pin(connect_to(accessor, socket, address.into()))
        },
    )?;
    types.func_wrap(
        "[method]tcp-socket.get-address-family",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| Ok((get(&mut store, &socket)?.family,)),
    )?;
    types.func_wrap(
        "[method]tcp-socket.get-local-address",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| {
            Ok((get(&mut store, &socket)?.address(TcpStream::local_addr),))
        },
    )?;
    types.func_wrap(
        "[method]tcp-socket.get-remote-address",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| {
            Ok((get(&mut store, &socket)?.address(TcpStream::peer_addr),))
        },
    )
}

fn send(mut store: Store<'_>, (socket, mut data): (Resource<Socket>, StreamReader<u8>)) -> wasmtime::Result<(End,)> {
    match get(&mut store, &socket)?.take(Direction::Send) {
        Ok((half, end)) => {
            data.pipe(&mut store, Sender(half))?;
            Ok((FutureReader::new(store, end)?,))
        }
        Err(error) => {
            data.close(&mut store)?;
            Ok((ended(store, error)?,))
        }
    }
}

fn receive(mut store: Store<'_>, (socket,): (Resource<Socket>,)) -> wasmtime::Result<((StreamReader<u8>, End),)> {
    let received = match get(&mut store, &socket)?.take(Direction::Receive) {
        Ok((half, end)) => (
            StreamReader::new(&mut store, Receiver(half))?,
            FutureReader::new(store, end)?,
        ),
        Err(error) => (StreamReader::new(&mut store, std::iter::empty())?, ended(store, error)?),
    };
    Ok((received,))
}

/// The end of what could not begin.
fn ended(store: Store<'_>, error: ErrorCode) -> wasmtime::Result<End> {
    FutureReader::new(store, async move { wasmtime::error::Ok(Err(error)) })
}

/// A run connects; nothing can connect to it.
fn link_listening(types: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    const DENIED: ErrorCode = ErrorCode::AccessDenied;
    types.func_wrap(
        "[method]tcp-socket.bind",
        |_: Store<'_>, _: (Resource<Socket>, IpSocketAddress)| Reply::<()>::Ok((Err(DENIED),)),
    )?;
    types.func_wrap("[method]tcp-socket.listen", |_: Store<'_>, _: (Resource<Socket>,)| {
        Reply::<StreamReader<Resource<Socket>>>::Ok((Err(DENIED),))
    })?;
    types.func_wrap(
        "[method]tcp-socket.get-is-listening",
        |_: Store<'_>, _: (Resource<Socket>,)| Ok((false,)),
    )
}

fn link_options(types: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    link_setter::<u64>(types, "listen-backlog-size")?;
    link_option::<bool>(types, "keep-alive-enabled")?;
    link_option::<Duration>(types, "keep-alive-idle-time")?;
    link_option::<Duration>(types, "keep-alive-interval")?;
    link_option::<u32>(types, "keep-alive-count")?;
    link_option::<u8>(types, "hop-limit")?;
    link_option::<u64>(types, "receive-buffer-size")?;
    link_option::<u64>(types, "send-buffer-size")
}

fn link_option<T>(types: &mut LinkerInstance<'_, RunState>, name: &str) -> wasmtime::Result<()>
where
    T: ComponentType + Lift + Lower + Send + Sync + 'static,
{
    types.func_wrap(
        &format!("[method]tcp-socket.get-{name}"),
        |_: Store<'_>, _: (Resource<Socket>,)| Reply::<T>::Ok((Err(ErrorCode::NotSupported),)),
    )?;
    link_setter::<T>(types, name)
}

fn link_setter<T>(types: &mut LinkerInstance<'_, RunState>, name: &str) -> wasmtime::Result<()>
where
    T: ComponentType + Lift + 'static,
{
    types.func_wrap(
        &format!("[method]tcp-socket.set-{name}"),
        |_: Store<'_>, _: (Resource<Socket>, T)| Reply::<()>::Ok((Err(ErrorCode::NotSupported),)),
    )
}

fn get<'a>(store: &'a mut Store<'_>, socket: &Resource<Socket>) -> Result<&'a mut Socket, ResourceTableError> {
    store.data_mut().called().table.get_mut(socket)
}

async fn connect_to(accessor: &Accessor<RunState>, socket: Resource<Socket>, destination: SocketAddr) -> Reply<()> {
    let begun = accessor.with(|mut access| {
        let state = access.data_mut().called();
        let network = network(state)?;
        // Sockets outlive their handles as long as there are streams of theirs, so the table does not bound them.
        let place = network.place().ok_or(ResourceTableError::Full)?;
        let begun = state.table.get_mut(&socket)?.begin(&network, destination);
        wasmtime::error::Ok(begun.map(|opening| (opening, place)))
    })?;
    let (opening, place) = match begun {
        Ok(begun) => begun,
        Err(error) => return Ok((Err(error),)),
    };
    // What follows are streams, which wait: the reactor has to know of it.
    let connected = opening.connect(destination).await;
    let stream = match connected.and_then(TcpStream::from_std) {
        Ok(stream) => stream,
        Err(error) => return Ok((Err(io_error(&error)),)),
    };
    accessor.with(|mut access| {
        let socket = access.data_mut().table.get_mut(&socket)?;
        socket.state = State::Connected {
            connection: Arc::new(Connection::new(stream, place)),
            taken: Vec::new(),
        };
        Ok((Ok(()),))
    })
}

async fn resolve(
    accessor: &Accessor<RunState>,
    name: String,
) -> wasmtime::Result<(Result<Vec<IpAddress>, LookupError>,)> {
    let network = accessor.with(|mut access| network(access.data_mut().called()))?;
    let found = network.resolve(&name).await;
    let found = found.map(|addresses: Vec<IpAddr>| addresses.into_iter().map(IpAddress::from).collect());
    Ok((found.map_err(|error| match error {
        DialError::NotGranted => LookupError::AccessDenied,
        DialError::NoSuchHost => LookupError::NameUnresolvable,
        DialError::Io(error) => LookupError::Other(Some(error.to_string())),
    }),))
}

/// A guest's socket. The kernel's comes when the destination is known.
struct Socket {
    family: IpAddressFamily,
    state: State,
}

enum State {
    Fresh,
    /// Being connected, or failed: of no more use either way.
    Spent,
    Connected {
        connection: Arc<Connection>,
        /// The directions that have their streams: each has one at most.
        taken: Vec<Direction>,
    },
}

impl Socket {
    fn begin(&mut self, network: &Network, destination: SocketAddr) -> Result<Opening, ErrorCode> {
        if !matches!(self.state, State::Fresh) {
            return Err(ErrorCode::InvalidState);
        }
        self.state = State::Spent;
        if destination.is_ipv4() != (self.family == IpAddressFamily::Ipv4) || destination.port() == 0 {
            return Err(ErrorCode::InvalidArgument);
        }
        network.socket(destination).map_err(|error| match error {
            DialError::NotGranted => ErrorCode::AccessDenied,
            DialError::NoSuchHost => ErrorCode::RemoteUnreachable,
            DialError::Io(error) => io_error(&error),
        })
    }

    fn take(&mut self, direction: Direction) -> Result<(Half, streams::End), ErrorCode> {
        match &mut self.state {
            State::Connected { connection, taken } if !taken.contains(&direction) => {
                taken.push(direction);
                Ok(Half::new(Arc::clone(connection), direction))
            }
            _ => Err(ErrorCode::InvalidState),
        }
    }

    fn address(&self, of: impl Fn(&TcpStream) -> io::Result<SocketAddr>) -> Result<IpSocketAddress, ErrorCode> {
        match &self.state {
            State::Connected { connection, .. } => connection
                .address(of)
                .map(IpSocketAddress::from)
                .map_err(|error| io_error(&error)),
            _ => Err(ErrorCode::InvalidState),
        }
    }
}

fn io_error(error: &io::Error) -> ErrorCode {
    match error.kind() {
        // Not to be taken for a missing grant.
        io::ErrorKind::PermissionDenied => ErrorCode::RemoteUnreachable,
        io::ErrorKind::BrokenPipe => ErrorCode::ConnectionBroken,
        _ => ErrorCode::from(error),
    }
}
