//! The functions of wasi:sockets' `udp` and `udp-create-socket`.

use std::{io, net::SocketAddr};

use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime_wasi::p2::{
    DynPollable,
    bindings::sockets::{
        network::{ErrorCode, IpAddressFamily, IpSocketAddress, Network as NetworkResource},
        udp::OutgoingDatagram,
    },
    subscribe,
};

use super::{AT_ONCE, Channel, Incoming, Outgoing, Reply, Socket, stream};
use crate::{
    network::{Store, sockets::network},
    state::RunState,
};

/// Links `udp` and `udp-create-socket`. Guests of other 0.2 versions find them as well.
pub(in crate::network) fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    let mut create = linker.instance("wasi:sockets/udp-create-socket@0.2.12")?;
    create.func_wrap(
        "create-udp-socket",
        |mut store: Store<'_>, (family,): (IpAddressFamily,)| {
            let socket = Socket {
                family,
                is_bound: false,
                channel: Channel::default(),
            };
            let socket = store.data_mut().called().table.push(socket)?;
            Ok((Ok::<_, ErrorCode>(socket),))
        },
    )?;
    let mut udp = linker.instance("wasi:sockets/udp@0.2.12")?;
    link_socket(&mut udp)?;
    link_options(&mut udp)?;
    link_incoming(&mut udp)?;
    link_outgoing(&mut udp)
}

fn link_socket(udp: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    udp.resource("udp-socket", ResourceType::host::<Socket>(), |mut store, socket| {
        let table = &mut store.data_mut().called().table;
        table.delete(Resource::<Socket>::new_own(socket))?;
        Ok(())
    })?;
    udp.func_wrap(
        "[method]udp-socket.start-bind",
        |mut store: Store<'_>, (socket, _, address): (Resource<Socket>, Resource<NetworkResource>, IpSocketAddress)| {
            let socket = store.data_mut().called().table.get_mut(&socket)?;
            Ok((socket.bind(address.into()),))
        },
    )?;
    udp.func_wrap(
        "[method]udp-socket.finish-bind",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| {
            let is_bound = store.data_mut().called().table.get(&socket)?.is_bound;
            Ok((if is_bound {
                Ok(())
            } else {
                Err(ErrorCode::NotInProgress)
            },))
        },
    )?;
    udp.func_wrap(
        "[method]udp-socket.stream",
        |mut store: Store<'_>, (socket, remote): (Resource<Socket>, Option<IpSocketAddress>)| {
            stream(store.data_mut().called(), &socket, remote.map(SocketAddr::from))
        },
    )?;
    udp.func_wrap(
        "[method]udp-socket.address-family",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| {
            Ok((store.data_mut().called().table.get(&socket)?.family,))
        },
    )?;
    udp.func_wrap(
        "[method]udp-socket.local-address",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| {
            let socket = store.data_mut().called().table.get(&socket)?;
            let address = socket.channel.with(|open| open.stream.local_addr());
            let address = address.unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()));
            Ok((address.map(IpSocketAddress::from).map_err(|_| ErrorCode::InvalidState),))
        },
    )?;
    udp.func_wrap(
        "[method]udp-socket.remote-address",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| {
            let socket = store.data_mut().called().table.get(&socket)?;
            let remote = socket.channel.with(|open| IpSocketAddress::from(open.remote));
            Ok((remote.ok_or(ErrorCode::InvalidState),))
        },
    )?;
    udp.func_wrap(
        "[method]udp-socket.subscribe",
        |mut store: Store<'_>, (socket,): (Resource<Socket>,)| -> wasmtime::Result<(Resource<DynPollable>,)> {
            Ok((subscribe(&mut store.data_mut().called().table, socket)?,))
        },
    )
}

fn link_options(udp: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    link_option::<u8>(udp, "unicast-hop-limit")?;
    link_option::<u64>(udp, "receive-buffer-size")?;
    link_option::<u64>(udp, "send-buffer-size")
}

fn link_option<T>(udp: &mut LinkerInstance<'_, RunState>, name: &str) -> wasmtime::Result<()>
where
    T: ComponentType + Lift + Lower + Send + Sync + 'static,
{
    udp.func_wrap(
        &format!("[method]udp-socket.{name}"),
        |_: Store<'_>, _: (Resource<Socket>,)| Reply::<T>::Ok((Err(ErrorCode::NotSupported),)),
    )?;
    udp.func_wrap(
        &format!("[method]udp-socket.set-{name}"),
        |_: Store<'_>, _: (Resource<Socket>, T)| Reply::<()>::Ok((Err(ErrorCode::NotSupported),)),
    )
}

fn link_incoming(udp: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    const STREAM: &str = "incoming-datagram-stream";
    udp.resource(STREAM, ResourceType::host::<Incoming>(), |mut store, stream| {
        let table = &mut store.data_mut().called().table;
        table.delete(Resource::<Incoming>::new_own(stream))?;
        Ok(())
    })?;
    udp.func_wrap(
        &format!("[method]{STREAM}.receive"),
        |mut store: Store<'_>, (stream, most): (Resource<Incoming>, u64)| {
            let stream = store.data_mut().called().table.get_mut(&stream)?;
            Ok((stream.receive(usize::try_from(most).unwrap_or(usize::MAX)),))
        },
    )?;
    udp.func_wrap(
        &format!("[method]{STREAM}.subscribe"),
        |mut store: Store<'_>, (stream,): (Resource<Incoming>,)| -> wasmtime::Result<(Resource<DynPollable>,)> {
            Ok((subscribe(&mut store.data_mut().called().table, stream)?,))
        },
    )
}

fn link_outgoing(udp: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    const STREAM: &str = "outgoing-datagram-stream";
    udp.resource(STREAM, ResourceType::host::<Outgoing>(), |mut store, stream| {
        let table = &mut store.data_mut().called().table;
        table.delete(Resource::<Outgoing>::new_own(stream))?;
        Ok(())
    })?;
    udp.func_wrap(
        &format!("[method]{STREAM}.check-send"),
        |mut store: Store<'_>, _: (Resource<Outgoing>,)| {
            store.data_mut().called();
            Ok((Ok::<_, ErrorCode>(AT_ONCE as u64),))
        },
    )?;
    udp.func_wrap(
        &format!("[method]{STREAM}.send"),
        |mut store: Store<'_>, (stream, datagrams): (Resource<Outgoing>, Vec<OutgoingDatagram>)| -> Reply<u64> {
            let state = store.data_mut().called();
            let network = network(state)?;
            Ok((state.table.get_mut(&stream)?.send(&network, datagrams)?,))
        },
    )?;
    udp.func_wrap(
        &format!("[method]{STREAM}.subscribe"),
        |mut store: Store<'_>, (stream,): (Resource<Outgoing>,)| -> wasmtime::Result<(Resource<DynPollable>,)> {
            Ok((subscribe(&mut store.data_mut().called().table, stream)?,))
        },
    )
}
