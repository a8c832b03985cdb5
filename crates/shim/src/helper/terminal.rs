//! A terminal for a command, from the container's own devpts, so that it has a name there.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use probelet_shim_protocol::{ExecReply, WindowSize, socket};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

/// The device that makes terminals.
const MULTIPLEXER: (u32, u32) = (5, 2);

/// Opens a new terminal inside the container, makes it the controlling one of this process, which must lead a session,
/// and its streams, and sends the controlling side to the agent.
pub(super) fn open(size: WindowSize, owner: Uid, agent: BorrowedFd<'_>) -> io::Result<()> {
    let controller = open_multiplexer()?;
    rustix::pty::unlockpt(&controller)?;
    let size = Winsize {
        ws_col: size.columns,
        ws_row: size.rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&controller, size)?;
    let terminal = rustix::pty::ioctl_tiocgptpeer(&controller, OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    // The container's user may open it by name, as others do that they are logged in with.
    rustix::fs::fchown(&terminal, Some(owner), None::<Gid>)?;
    rustix::process::ioctl_tiocsctty(&terminal)?;
    socket::send(agent, &ExecReply::Terminal, &[controller.as_fd()]).map_err(io::Error::other)?;
    rustix::stdio::dup2_stdin(&terminal)?;
    rustix::stdio::dup2_stdout(&terminal)?;
    rustix::stdio::dup2_stderr(&terminal)?;
    Ok(())
}

/// The container may have put anything in the device's place: nothing there may block or do harm by being opened, and
/// what the agent is to talk to must be a terminal.
fn open_multiplexer() -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let controller = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty())?;
    let device = rustix::fs::fstat(&controller)?.st_rdev;
    if (rustix::fs::major(device), rustix::fs::minor(device)) != MULTIPLEXER {
        return Err(io::Error::other("/dev/pts/ptmx is no terminal multiplexer"));
    }
    Ok(controller)
}
