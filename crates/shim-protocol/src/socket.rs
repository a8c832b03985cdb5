//! Sockets that carry one JSON message, and up to three descriptors, per packet.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest message. Commands are the only long ones; the kernel lets a single argument have 128 KiB, and this still
/// fits a socket's default buffer (208 KiB) as one packet.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// The most descriptors in one message: standard input, output and error.
pub const DESCRIPTORS_MAX: usize = 3;

/// Connections that wait to be accepted. Further ones are refused at once, which the agent reports as busy.
const BACKLOG: i32 = 128;

/// Why a message could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The message is longer than [`MESSAGE_BYTES_MAX`].
    #[error("a message of {bytes} bytes is longer than the {MESSAGE_BYTES_MAX} allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is no message of the expected kind; the other side is not ours, or of another version.
    #[error("not a message of this version: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The system refused.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl From<rustix::io::Errno> for SocketError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::System(error.into())
    }
}

/// Makes the socket `name` in `directory` and listens on it. Only the owner of the folder may connect.
pub fn listen(directory: &Path, name: &str) -> io::Result<OwnedFd> {
    let socket = new_socket()?;
    with_address(directory, name, |address| rustix::net::bind(&socket, address))?;
    rustix::fs::chmod(directory.join(name), Mode::RUSR | Mode::WUSR)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Accepts one connection, if one waits and comes from the user that this process runs as.
pub fn accept(listener: impl AsFd) -> io::Result<Option<OwnedFd>> {
    match rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(connection) => {
            let peer = rustix::net::sockopt::socket_peercred(&connection)?;
            Ok((peer.uid == rustix::process::geteuid()).then_some(connection))
        }
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::CONNABORTED | rustix::io::Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Connects to the socket `name` in `directory` without waiting; `WouldBlock` means that too many connections wait.
pub fn connect(directory: &Path, name: &str) -> io::Result<OwnedFd> {
    let socket = new_socket()?;
    with_address(directory, name, |address| rustix::net::connect(&socket, address))?;
    Ok(socket)
}

fn new_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
}

/// A socket's address has room for 108 bytes, which a state folder deep in a home directory exceeds; through an open
/// folder it is short.
fn with_address<T>(
    directory: &Path,
    name: &str,
    action: impl FnOnce(&SocketAddrUnix) -> rustix::io::Result<T>,
) -> io::Result<T> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))?;
    Ok(action(&address)?)
}

/// Sends one message with `descriptors` attached.
pub fn send(socket: impl AsFd, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> Result<(), SocketError> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(SocketError::TooLong { bytes: bytes.len() });
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, flags)?;
    Ok(())
}

/// Receives one message and its descriptors into `buffer`, which bounds it; `None` when the other side has closed.
/// `WouldBlock` when there is none yet.
pub fn receive<T: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> Result<Option<(T, Vec<OwnedFd>)>, SocketError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags)?;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(SocketError::TooLong { bytes: received.bytes });
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&buffer[..received.bytes])?, descriptors)))
}
