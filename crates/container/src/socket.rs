//! The shim's sockets, for tasks.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use probelet_shim_protocol::socket::{self, SocketError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The longest answer of a shim or helper: a line of text about a failure.
const REPLY_BYTES_MAX: usize = 8 * 1024;

/// Has the runtime watch a descriptor.
#[allow(unsafe_code)]
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd keeps its descriptor open, and the same, until it is dropped.
    let watched = unsafe { AsyncFd::register(descriptor) };
    watched.map_err(io::Error::from)
}

/// A connection to a shim or helper.
#[derive(Debug)]
pub(crate) struct Connection(AsyncFd<OwnedFd>);

impl Connection {
    pub(crate) fn open(directory: &Path, name: &str) -> io::Result<Self> {
        watch(socket::connect(directory, name)?).map(Self)
    }

    /// Sends one message. A fresh connection always has room for one.
    pub(crate) fn send(&self, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> Result<(), SocketError> {
        socket::send(&self.0, message, descriptors)
    }

    /// Waits for the next message; `None` when the other side has closed.
    pub(crate) async fn receive<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>, SocketError> {
        let mut buffer = vec![0; REPLY_BYTES_MAX];
        let received = self
            .0
            .async_io(Interest::READABLE, |inner| match socket::receive(inner, &mut buffer) {
                Err(SocketError::System(error)) => Err(error),
                other => Ok(other),
            });
        match received.await {
            Ok(result) => result,
            // The other side was killed with our message unread: closed, by another name.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
