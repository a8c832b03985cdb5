//! `probelet-shim`: the process that stays with one container from before its first to after its last moment.
//!
//! It creates the container with libcontainer, owns its output and writes it to a log, sends it signals, keeps the
//! helper that executes commands in it, and records its end in a file. The agent may be killed meanwhile; it finds
//! the shim again by the socket in the container's folder (`probelet_shim_protocol::files`).
//!
//! Invariants:
//! - One thread, no asynchronous runtime: libcontainer clones this process and changes its directory and rights, and
//!   the helper is forked from it.
//! - It runs from a sealed copy in memory, which no container can write to (CVE-2019-5736).
//! - The exit record appears whole or not at all, and before the shim ends.
//! - Every buffer is bounded, whatever the container writes.
//!
//! It decides nothing: no restarts, no deadlines but those of commands.

mod create;
mod filter;
mod helper;
mod identity;
mod log;
mod program;
mod shim;
mod system;

use std::path::PathBuf;
use std::process::ExitCode;

use probelet_shim_protocol::sealed;

/// Signals that may be meant for the agent's whole session, and must not end a container's shim.
const NOT_MEANT: [i32; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: probelet-shim CONTAINER-FOLDER (it is started by the agent, not by hand)");
        return ExitCode::FAILURE;
    };
    match prepare().and_then(|()| shim::run(&PathBuf::from(directory))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("probelet-shim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prepare() -> std::io::Result<()> {
    if !sealed::runs_from_copy()? {
        return Err(std::io::Error::other(
            "not started from a sealed copy; the agent's container runtime makes one",
        ));
    }
    system::close_all_but(&[])?;
    for signal in NOT_MEANT {
        system::ignore_signal(signal);
    }
    // A Ctrl-C for the agent is none for its containers.
    rustix::process::setsid()?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::thread::set_name(c"probelet-shim")?;
    Ok(())
}
