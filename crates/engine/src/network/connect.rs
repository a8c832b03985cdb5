//! Connecting: at once where the other side is near, which a pod is.
//!
//! A connection on the same machine stands before `connect` returns, but the kernel says "in progress" all the same, and
//! a wait for the reactor to notice takes longer than everything else about it. So the socket is looked at once more
//! before anybody waits.

use std::{
    io,
    net::SocketAddr,
    os::fd::{FromRawFd, IntoRawFd, OwnedFd},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{connect, sockopt::socket_error},
};
use tokio::net::{TcpSocket, TcpStream};

/// Connects a socket that was made for the destination.
pub(super) async fn finish(socket: TcpSocket, destination: SocketAddr) -> io::Result<TcpStream> {
    match connect(&socket, &destination) {
        Ok(()) => return stream(socket),
        Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let is_decided = is_decided(&socket)?;
    if is_decided {
        socket_error(&socket)??;
    }
    let stream = stream(socket)?;
    if !is_decided {
        stream.writable().await?;
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
    }
    Ok(stream)
}

/// Whether the attempt has come to its end, good or bad.
fn is_decided(socket: &TcpSocket) -> io::Result<bool> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&now))? > 0)
}

#[allow(unsafe_code, reason = "tokio gives its socket away only as a number")]
fn stream(socket: TcpSocket) -> io::Result<TcpStream> {
    // SAFETY: `into_raw_fd` gives up the socket, so that this is its only owner.
    let socket = unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) };
    TcpStream::from_std(socket.into())
}
