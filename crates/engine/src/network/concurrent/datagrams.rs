//! `udp-socket`: toolchains import it unasked. There are none, so that nothing else of theirs can be called.

use wasmtime::{
    StoreContextMut,
    component::{LinkerInstance, Resource, ResourceType},
    format_err,
};
use wasmtime_wasi::p3::bindings::sockets::types::{ErrorCode, IpAddressFamily};

use super::Reply;
use crate::state::RunState;

/// What a socket for datagrams would be.
enum Datagrams {}

const METHODS: [&str; 12] = [
    "bind",
    "connect",
    "disconnect",
    "get-local-address",
    "get-remote-address",
    "get-address-family",
    "get-unicast-hop-limit",
    "set-unicast-hop-limit",
    "get-receive-buffer-size",
    "set-receive-buffer-size",
    "get-send-buffer-size",
    "set-send-buffer-size",
];
const CONCURRENT_METHODS: [&str; 2] = ["send", "receive"];

pub(super) fn link(types: &mut LinkerInstance<'_, RunState>) -> wasmtime::Result<()> {
    types.resource("udp-socket", ResourceType::host::<Datagrams>(), |_, _| Err(none()))?;
    types.func_wrap(
        "[static]udp-socket.create",
        |mut store: StoreContextMut<'_, RunState>, _: (IpAddressFamily,)| {
            store.data_mut().called();
            Reply::<Resource<Datagrams>>::Ok((Err(ErrorCode::AccessDenied),))
        },
    )?;
    for method in METHODS {
        types.func_new(&format!("[method]udp-socket.{method}"), |_, _, _, _| Err(none()))?;
    }
    for method in CONCURRENT_METHODS {
        types.func_new_concurrent(&format!("[method]udp-socket.{method}"), |_, _, _, _| {
            Box::pin(async { Err(none()) })
        })?;
    }
    Ok(())
}

fn none() -> wasmtime::Error {
    format_err!("there are no sockets for datagrams")
}
