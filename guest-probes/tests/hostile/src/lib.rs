//! A plugin that means harm, as its configuration says: what is too painful in WebAssembly text. The cases that drive it
//! are in `tests/hostile`.
//!
//! What it got goes into a "degraded" message, what it was refused into an "unhealthy" one.

mod flood;
mod grab;
mod network;
mod stall;

use probelet_plugin::{Probe, Verdict, config, export_probe};
use serde::Deserialize;

/// What to do.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
enum Deed {
    /// Make something of this kind again and again, and keep it.
    Hoard { what: flood::Kind, host: Option<String> },
    /// Write so many lines of so many bytes.
    Write { lines: u64, bytes: usize, to_error: bool },
    /// Ask for random bytes until the time is over.
    Random { bytes: u64 },
    /// Run a command so often.
    Exec { command: Vec<String>, times: u32 },
    /// Run a command that is one long word.
    LongWord { bytes: usize },
    /// Run a command of so many words.
    ManyWords { words: usize },
    /// Read a file.
    Read { path: String, length: u32 },
    /// Read a file with a path of so many bytes.
    LongPath { bytes: usize },
    /// Look at a file in each way there is.
    Look { path: String },
    /// Read the last lines of the container's output.
    Logs { lines: u32 },
    /// Ask for what the container uses, so often.
    Stats { times: u32 },
    /// Connect, and then do something with the connection.
    Connect { host: String, then: network::Then },
    /// Look a name up.
    Resolve { name: String },
    /// Have a socket wait for others.
    Listen,
    /// Make a socket for datagrams and send one.
    Datagram { host: String },
    /// Send a request, and then do something with the response.
    Request {
        url: network::Target,
        then: network::Reading,
    },
    /// Look for something that is there for other programs.
    Find { what: grab::Thing },
    /// Wait in a way that does not look at the clock.
    Wait { how: stall::Way },
    /// End the whole program.
    Exit { code: i32 },
}

struct Hostile;

impl Probe for Hostile {
    fn check() -> Result<Verdict, String> {
        match config()? {
            Deed::Hoard { what, host } => flood::hoard(what, host.as_deref().unwrap_or_default()),
            Deed::Write { lines, bytes, to_error } => flood::write(lines, bytes, to_error),
            Deed::Random { bytes } => flood::random(bytes),
            Deed::Exec { command, times } => Ok(grab::exec(&command, times)),
            Deed::LongWord { bytes } => Ok(grab::exec(&["x".repeat(bytes)], 1)),
            Deed::ManyWords { words } => Ok(grab::exec(&vec![String::new(); words], 1)),
            Deed::Read { path, length } => Ok(grab::read(&path, length)),
            Deed::LongPath { bytes } => Ok(grab::read(&"/x".repeat(bytes / 2), 1)),
            Deed::Look { path } => Ok(grab::look(&path)),
            Deed::Logs { lines } => Ok(grab::logs(lines)),
            Deed::Stats { times } => Ok(grab::stats(times)),
            Deed::Connect { host, then } => Ok(network::connect(&host, then)),
            Deed::Resolve { name } => Ok(network::resolve(&name)),
            Deed::Listen => Ok(network::listen()),
            Deed::Datagram { host } => Ok(network::datagram(&host)),
            Deed::Request { url, then } => Ok(network::request(&url, then)),
            Deed::Find { what } => Ok(grab::find(what)),
            Deed::Wait { how } => Ok(stall::wait(how)),
            Deed::Exit { code } => std::process::exit(code),
        }
    }
}

export_probe!(Hostile);
