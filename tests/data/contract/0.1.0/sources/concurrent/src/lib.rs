//! A plugin of WASI 0.3: its exports are asynchronous, and it waits for several things at once.

mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "wasi",
        generate_all,
    });
}

use bindings::{
    wasi::{
        clocks::monotonic_clock::wait_for,
        http::{
            client,
            types::{Fields, Request, Scheme},
        },
        sockets::{
            ip_name_lookup::resolve_addresses,
            types::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket, UdpSocket},
        },
    },
    wit_future,
};
use futures::future::join_all;
use probelet_plugin_sdk::{AsyncHook, AsyncProbe, Verdict, config, export_async_hook, export_async_probe, state};
use serde::Deserialize;

const MILLISECOND: u64 = 1_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
enum Deed {
    /// Wait for so many timers at once, then count the run.
    Wait { timers: usize, milliseconds: u64 },
    /// Ask these servers at once.
    Get { authorities: Vec<String> },
    /// Make a TCP connection, which is not for plugins of 0.3.
    Connect { port: u16 },
    /// Listen on a TCP port.
    Listen,
    /// Send a datagram.
    Datagram { port: u16 },
    /// Look up a name.
    Resolve { name: String },
    /// Compute without end.
    Loop,
    /// Take this much memory.
    Allocate { bytes: usize },
    /// Take handles of the host's and give none back.
    HoardHandles,
    /// Begin to wait without end and come to an end all the same.
    LeaveWaiting,
    /// Panic while something is being waited for.
    PanicWaiting,
}

struct Concurrent;

impl AsyncProbe for Concurrent {
    async fn check() -> Result<Verdict, String> {
        match config()? {
            Deed::Wait { timers, milliseconds } => {
                join_all((0..timers).map(|_| wait_for(milliseconds * MILLISECOND))).await;
                let runs = state::get().map_or(0, |kept| kept[0]) + 1;
                state::set(&[runs])?;
                Ok(Verdict::healthy().with("runs", u32::from(runs)))
            }
            Deed::Get { authorities } => {
                let answers = join_all(authorities.iter().map(|authority| get(authority))).await;
                told(answers.into_iter().collect::<Result<Vec<String>, String>>())
            }
            Deed::Connect { port } => told(connect(port).await),
            Deed::Listen => told(listen()),
            Deed::Datagram { port } => told(datagram(port).await),
            Deed::Resolve { name } => told(resolve_addresses(name).await.map_err(|error| format!("{error:?}"))),
            Deed::Loop => loop {
                std::hint::black_box(());
            },
            Deed::Allocate { bytes } => {
                drop(std::hint::black_box(vec![1_u8; bytes]));
                Ok(Verdict::healthy())
            }
            Deed::HoardHandles => loop {
                std::mem::forget(Fields::new());
            },
            Deed::LeaveWaiting => {
                let mut wait = Box::pin(wait_for(3600 * 1000 * MILLISECOND));
                let _ = futures::poll!(wait.as_mut());
                std::mem::forget(wait);
                Ok(Verdict::degraded("did not wait"))
            }
            Deed::PanicWaiting => {
                let mut wait = Box::pin(wait_for(3600 * 1000 * MILLISECOND));
                let _ = futures::poll!(wait.as_mut());
                panic!("on purpose")
            }
        }
    }
}

impl AsyncHook for Concurrent {
    async fn run() -> Result<(), String> {
        match Concurrent::check().await?.message {
            message if message.is_empty() => Ok(()),
            message => Err(message),
        }
    }
}

export_async_probe!(Concurrent);
export_async_hook!(Concurrent);

fn told<T: std::fmt::Debug>(result: Result<T, String>) -> Result<Verdict, String> {
    Ok(match result {
        Ok(found) => Verdict::degraded(format!("{found:?}")),
        Err(error) => Verdict::unhealthy(error),
    })
}

async fn get(authority: &str) -> Result<String, String> {
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (request, _) = Request::new(Fields::new(), None, no_trailers, None);
    let set = request
        .set_scheme(Some(&Scheme::Http))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some("/")));
    set.map_err(|()| "not a URL".to_owned())?;
    match client::send(request).await {
        Ok(response) => Ok(response.get_status_code().to_string()),
        Err(error) => Err(format!("{error:?}")),
    }
}

fn loopback(port: u16) -> IpSocketAddress {
    IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port,
        address: (127, 0, 0, 1),
    })
}

async fn connect(port: u16) -> Result<(), String> {
    let words = |error| format!("{error:?}");
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(words)?;
    socket.connect(loopback(port)).await.map_err(words)
}

fn listen() -> Result<(), String> {
    let words = |error| format!("{error:?}");
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(words)?;
    socket.bind(loopback(0)).map_err(words)?;
    socket.listen().map(drop).map_err(words)
}

async fn datagram(port: u16) -> Result<(), String> {
    let words = |error| format!("{error:?}");
    let socket = UdpSocket::create(IpAddressFamily::Ipv4).map_err(words)?;
    socket.send(vec![1], Some(loopback(port))).await.map_err(words)
}
