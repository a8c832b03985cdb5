//! A plugin of WASI 0.3: its exports are asynchronous, and it waits for several things at once.

mod sockets;

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
    },
    wit_future,
};
use futures::future::join_all;
use probelet_plugin::{AsyncHook, AsyncProbe, Verdict, config, export_async_hook, export_async_probe, state};
use serde::Deserialize;

const MILLISECOND: u64 = 1_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
enum Deed {
    /// Wait for so many timers at once, then count the run.
    Wait { timers: usize, milliseconds: u64 },
    /// Ask these servers at once.
    Get { authorities: Vec<String> },
    /// Connect to an address with a port, and then do something with the connection.
    Connect { host: String, then: sockets::Then },
    /// Look a name up, connect to its addresses with this port until one answers, and send a line for another.
    ConnectByName { name: String, port: u16 },
    /// Do what can be done with a socket that has no connection.
    Misuse { host: String },
    /// Listen on a TCP port.
    Listen,
    /// Make a socket for datagrams.
    Datagram,
    /// Make something of this kind again and again, and keep it.
    Hoard { what: sockets::Kind, host: String },
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
            Deed::Connect { host, then } => told(sockets::connect(&host, then).await),
            Deed::ConnectByName { name, port } => told(sockets::connect_by_name(name, port).await),
            Deed::Misuse { host } => told(sockets::misuse(&host).await),
            Deed::Listen => told(sockets::listen()),
            Deed::Datagram => told(sockets::datagram()),
            Deed::Hoard { what, host } => told(sockets::hoard(what, &host).await),
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
