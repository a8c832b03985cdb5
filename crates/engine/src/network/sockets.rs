//! wasi:sockets for TCP clients, over our own sockets: WASI's make theirs before the destination is known, in whatever
//! namespace the thread is in.
//!
//! Connecting and looking up names is all there is. Listening is denied, and socket options are not supported.

use std::{
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    vec,
};

use wasmtime::{
    component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType},
    format_err,
};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, Pollable,
    bindings::sockets::{
        network::{ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Network as NetworkResource},
        tcp::ShutdownType,
    },
    subscribe,
};

use super::{
    DialError, Network, Store,
    operation::Operation,
    stream::{Reader, Writer},
};
use crate::state::RunState;

/// What a host function gives the guest, or a trap.
type Reply<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

/// Links `tcp`, `tcp-create-socket` and `ip-name-lookup`. Guests of other 0.2 versions find them as well.
pub(crate) fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    let mut create = linker.instance("wasi:sockets/tcp-create-socket@0.2.12")?;
    create.func_wrap(
        "create-tcp-socket",
        |mut store: Store<'_>, (family,): (IpAddressFamily,)| {
            let socket = Socket {
                family,
                state: State::Fresh,
            };
            let socket = store.data_mut().called().table.push(socket)?;
            Ok((Ok::<_, ErrorCode>(socket),))
        },
    )?;
    link_tcp(&mut linker.instance("wasi:sockets/tcp@0.2.12")?)?;
    link_lookup(&mut linker.instance("wasi:sockets/ip-name-lookup@0.2.12")?)
}

fn link_tcp(tcp: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    tcp.resource("tcp-socket", ResourceType::host::<Socket>(), |mut store, socket| {
        store
            .data_mut()
            .called()
            .table
            .delete(Resource::<Socket>::new_own(socket))?;
        Ok(())
    })?;
    tcp.func_wrap(
        "[method]tcp-socket.start-connect",
        |mut store: Store<'_>, (socket, _, address): (Resource<Socket>, Resource<NetworkResource>, IpSocketAddress)| {
            let state = store.data_mut().called();
            let network = network(state)?;
            Ok((state.table.get_mut(&socket)?.start_connect(&network, address.into()),))
        },
    )?;
    tcp.func_wrap(
        "[method]tcp-socket.finish-connect",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| finish_connect(store.data_mut().called(), &socket),
    )?;
    tcp.func_wrap(
        "[method]tcp-socket.subscribe",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| {
            Ok((subscribe(&mut store.data_mut().called().table, socket)?,))
        },
    )?;
    tcp.func_wrap(
        "[method]tcp-socket.shutdown",
        |mut store: Store<'_>, (socket, direction): (Resource<Socket>, ShutdownType)| {
            Ok((store.data_mut().called().table.get(&socket)?.shutdown(direction),))
        },
    )?;
    tcp.func_wrap(
        "[method]tcp-socket.address-family",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| {
            Ok((store.data_mut().called().table.get(&socket)?.family,))
        },
    )?;
    tcp.func_wrap(
        "[method]tcp-socket.local-address",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| {
            Ok((store
                .data_mut()
                .called()
                .table
                .get(&socket)?
                .address(TcpStream::local_addr),))
        },
    )?;
    tcp.func_wrap(
        "[method]tcp-socket.remote-address",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| {
            Ok((store
                .data_mut()
                .called()
                .table
                .get(&socket)?
                .address(TcpStream::peer_addr),))
        },
    )?;
    link_listening(tcp)?;
    link_options(tcp)
}

/// A run connects; nothing can connect to it.
fn link_listening(tcp: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    const DENIED: ErrorCode = ErrorCode::AccessDenied;
    tcp.func_wrap(
        "[method]tcp-socket.start-bind",
        |_: Store<'_>, _: (Resource<Socket>, Resource<NetworkResource>, IpSocketAddress)| {
            Reply::<()>::Ok((Err(DENIED),))
        },
    )?;
    for name in ["finish-bind", "start-listen", "finish-listen"] {
        tcp.func_wrap(
            &format!("[method]tcp-socket.{name}"),
            |_: Store<'_>, _: (Resource<Socket>,)| Reply::<()>::Ok((Err(DENIED),)),
        )?;
    }
    tcp.func_wrap("[method]tcp-socket.accept", |_: Store<'_>, _: (Resource<Socket>,)| {
        Reply::<(Resource<Socket>, Resource<DynInputStream>, Resource<DynOutputStream>)>::Ok((Err(DENIED),))
    })?;
    tcp.func_wrap(
        "[method]tcp-socket.is-listening",
        |_: Store<'_>, _: (Resource<Socket>,)| Ok((false,)),
    )
}

fn link_options(tcp: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    link_setter::<u64>(tcp, "set-listen-backlog-size")?;
    link_option::<bool>(tcp, "keep-alive-enabled")?;
    link_option::<u64>(tcp, "keep-alive-idle-time")?;
    link_option::<u64>(tcp, "keep-alive-interval")?;
    link_option::<u32>(tcp, "keep-alive-count")?;
    link_option::<u8>(tcp, "hop-limit")?;
    link_option::<u64>(tcp, "receive-buffer-size")?;
    link_option::<u64>(tcp, "send-buffer-size")
}

fn link_option<T>(tcp: &mut LinkerInstance<'_, RunState>, name: &str) -> wasmtime::Result<()>
where
    T: ComponentType + Lift + Lower + Send + Sync + 'static,
{
    tcp.func_wrap(
        &format!("[method]tcp-socket.{name}"),
        |_: Store<'_>, _: (Resource<Socket>,)| Reply::<T>::Ok((Err(ErrorCode::NotSupported),)),
    )?;
    link_setter::<T>(tcp, &format!("set-{name}"))
}

fn link_setter<T>(tcp: &mut LinkerInstance<'_, RunState>, name: &str) -> wasmtime::Result<()>
where
    T: ComponentType + Lift + 'static,
{
    tcp.func_wrap(
        &format!("[method]tcp-socket.{name}"),
        |_: Store<'_>, _: (Resource<Socket>, T)| Reply::<()>::Ok((Err(ErrorCode::NotSupported),)),
    )
}

fn link_lookup(lookup: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    const STREAM: &str = "resolve-address-stream";
    lookup.resource(STREAM, ResourceType::host::<Lookup>(), |mut store, stream| {
        store
            .data_mut()
            .called()
            .table
            .delete(Resource::<Lookup>::new_own(stream))?;
        Ok(())
    })?;
    lookup.func_wrap(
        "resolve-addresses",
        |mut store: Store<'_>, (_, name): (Resource<NetworkResource>, String)| {
            let state = store.data_mut().called();
            let network = network(state)?;
            let future = async move { network.resolve(&name).await.map(Vec::into_iter).map_err(error_code) };
            Ok((Ok::<_, ErrorCode>(state.table.push(Lookup(Operation::start(future)))?),))
        },
    )?;
    lookup.func_wrap(
        &format!("[method]{STREAM}.resolve-next-address"),
        |mut store: Store<'_>, (stream,): (Resource<Lookup>,)| {
            Ok((store.data_mut().called().table.get_mut(&stream)?.next(),))
        },
    )?;
    lookup.func_wrap(
        &format!("[method]{STREAM}.subscribe"),
        |mut store: Store<'_>, (stream,): (Resource<Lookup>,)| -> wasmtime::Result<(Resource<DynPollable>,)> {
            Ok((subscribe(&mut store.data_mut().called().table, stream)?,))
        },
    )
}

pub(super) fn network(state: &RunState) -> wasmtime::Result<Network> {
    state
        .network
        .clone()
        .ok_or_else(|| format_err!("the network is linked without its grant"))
}

pub(super) fn error_code(error: DialError) -> ErrorCode {
    match error {
        DialError::NotGranted => ErrorCode::AccessDenied,
        DialError::NoSuchHost => ErrorCode::NameUnresolvable,
        // Not to be taken for a missing grant.
        DialError::Io(error) if ErrorCode::from(&error) == ErrorCode::AccessDenied => ErrorCode::RemoteUnreachable,
        DialError::Io(error) => ErrorCode::from(&error),
    }
}

/// A look-up: its addresses, one after another.
struct Lookup(Operation<Result<vec::IntoIter<IpAddr>, ErrorCode>>);

impl Lookup {
    fn next(&mut self) -> Result<Option<IpAddress>, ErrorCode> {
        match self.0.poll() {
            None => Err(ErrorCode::WouldBlock),
            Some(Ok(addresses)) => Ok(addresses.next().map(IpAddress::from)),
            Some(Err(error)) => Err(*error),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        self.0.ready().await;
    }
}

/// A guest's socket. The kernel's comes when the destination is known.
struct Socket {
    family: IpAddressFamily,
    state: State,
}

enum State {
    Fresh,
    Connecting(Operation<Result<TcpStream, ErrorCode>>),
    Connected(Arc<TcpStream>),
    Failed,
}

impl Socket {
    fn start_connect(&mut self, network: &Network, destination: SocketAddr) -> Result<(), ErrorCode> {
        match self.state {
            State::Fresh => {}
            State::Connecting(_) => return Err(ErrorCode::ConcurrencyConflict),
            State::Connected(_) | State::Failed => return Err(ErrorCode::InvalidState),
        }
        if destination.is_ipv4() != (self.family == IpAddressFamily::Ipv4) || destination.port() == 0 {
            return Err(ErrorCode::InvalidArgument);
        }
        let socket = network.socket(destination).map_err(error_code)?;
        let connect = async move {
            socket
                .connect(destination)
                .await
                .map_err(|error| error_code(DialError::Io(error)))
        };
        self.state = State::Connecting(Operation::start(connect));
        Ok(())
    }

    /// The connection, once: to be called until it does not return `WouldBlock`.
    fn finish_connect(&mut self) -> Result<Arc<TcpStream>, ErrorCode> {
        let State::Connecting(operation) = &mut self.state else {
            return Err(ErrorCode::NotInProgress);
        };
        if operation.poll().is_none() {
            return Err(ErrorCode::WouldBlock);
        }
        let State::Connecting(Operation::Done(result)) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(ErrorCode::Unknown);
        };
        let stream = Arc::new(result?);
        self.state = State::Connected(Arc::clone(&stream));
        Ok(stream)
    }

    fn shutdown(&self, direction: ShutdownType) -> Result<(), ErrorCode> {
        let State::Connected(stream) = &self.state else {
            return Err(ErrorCode::InvalidState);
        };
        let how = match direction {
            ShutdownType::Receive => rustix::net::Shutdown::Read,
            ShutdownType::Send => rustix::net::Shutdown::Write,
            ShutdownType::Both => rustix::net::Shutdown::Both,
        };
        rustix::net::shutdown(stream, how).map_err(|error| ErrorCode::from(&std::io::Error::from(error)))
    }

    fn address(&self, of: impl Fn(&TcpStream) -> std::io::Result<SocketAddr>) -> Result<IpSocketAddress, ErrorCode> {
        match &self.state {
            State::Connected(stream) => of(stream)
                .map(IpSocketAddress::from)
                .map_err(|error| ErrorCode::from(&error)),
            _ => Err(ErrorCode::InvalidState),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Socket {
    async fn ready(&mut self) {
        if let State::Connecting(operation) = &mut self.state {
            operation.ready().await;
        }
    }
}

fn finish_connect(
    state: &mut RunState,
    socket: &Resource<Socket>,
) -> Reply<(Resource<DynInputStream>, Resource<DynOutputStream>)> {
    let stream = match state.table.get_mut(socket)?.finish_connect() {
        Ok(stream) => stream,
        Err(error) => return Ok((Err(error),)),
    };
    let reader: DynInputStream = Box::new(Reader::new(Arc::clone(&stream)));
    let writer: DynOutputStream = Box::new(Writer::new(stream));
    let reader = state.table.push_child(reader, socket)?;
    let writer = state.table.push_child(writer, socket)?;
    Ok((Ok((reader, writer)),))
}
