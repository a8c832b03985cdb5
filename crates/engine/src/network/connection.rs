//! A connection that the runtime's reactor learns of only when somebody has to wait for it.
//!
//! Telling the reactor takes longer than all else that a probe does with a connection: it interrupts another processor,
//! to say that the socket can be written to, which nobody asked. A TCP probe never waits.

use std::{
    io::{self, IoSlice, Read, Write},
    net::TcpStream,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::sockopt::socket_error,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd},
    task::coop,
};

/// Connects a socket, which does not block, and which was made for the destination.
///
/// A connection on the same machine stands before `connect` returns, but the kernel says "in progress" all the same: so
/// the socket is looked at once more before anybody waits.
pub(super) async fn connect(socket: OwnedFd, destination: std::net::SocketAddr) -> io::Result<TcpStream> {
    match rustix::net::connect(&socket, &destination) {
        Ok(()) => return Ok(socket.into()),
        Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let is_decided = poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&now))? > 0;
    let socket = if is_decided {
        socket
    } else {
        let socket = register(socket, Interest::WRITABLE)?;
        socket.writable().await?.retain_ready();
        socket.into_inner()
    };
    socket_error(&socket)??;
    Ok(socket.into())
}

/// Tells the reactor of a socket.
#[allow(unsafe_code, reason = "tokio has no safe way to it")]
fn register<T: AsFd + AsRawFd>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: an owner of a socket, as all are that come here, is one of the same descriptor until it is dropped, and the
    // reactor forgets it before that.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest)? })
}

/// One direction of a connection.
pub(super) struct Half {
    stream: Arc<TcpStream>,
    interest: Interest,
    /// What the reactor knows of it.
    registered: Option<AsyncFd<Arc<TcpStream>>>,
}

impl Half {
    /// For reading.
    pub(super) fn reader(stream: Arc<TcpStream>) -> Self {
        Self {
            stream,
            interest: Interest::READABLE,
            registered: None,
        }
    }

    /// For writing.
    pub(super) fn writer(stream: Arc<TcpStream>) -> Self {
        Self {
            interest: Interest::WRITABLE,
            ..Self::reader(stream)
        }
    }

    /// Reads or writes what is possible at once.
    pub(super) fn attempt<T>(&self, mut operation: impl FnMut(&TcpStream) -> io::Result<T>) -> io::Result<T> {
        loop {
            let result = match &self.registered {
                // That the reactor knows nothing of it is remembered.
                Some(registered) => registered.try_io(self.interest, |stream| operation(stream)),
                None => operation(&self.stream),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Waits until there is something to attempt.
    pub(super) async fn ready(&mut self) -> io::Result<()> {
        let interest = self.interest;
        self.registered()?.ready(interest).await?.retain_ready();
        Ok(())
    }

    fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut operation: impl FnMut(&TcpStream) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        // As with tokio's own streams: a task for which there is always something to do lets others run now and then, and
        // so meets its deadline.
        let turn = ready!(coop::poll_proceed(context));
        loop {
            match self.attempt(&mut operation) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    turn.made_progress();
                    return Poll::Ready(result);
                }
            }
            let is_reader = self.interest == Interest::READABLE;
            let registered = self.registered()?;
            let mut ready = if is_reader {
                ready!(registered.poll_read_ready(context))?
            } else {
                ready!(registered.poll_write_ready(context))?
            };
            ready.retain_ready();
        }
    }

    fn registered(&mut self) -> io::Result<&AsyncFd<Arc<TcpStream>>> {
        let registered = match self.registered.take() {
            Some(registered) => registered,
            None if self.interest == Interest::READABLE => register(Arc::clone(&self.stream), self.interest)?,
            // The reactor takes each descriptor once, and the reader may have given it this one.
            None => register(Arc::new(self.stream.try_clone()?), self.interest)?,
        };
        Ok(self.registered.insert(registered))
    }
}

/// Both directions, for those that want tokio's traits.
pub(super) struct Connection {
    reader: Half,
    writer: Half,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        let stream = Arc::new(stream);
        Self {
            reader: Half::reader(Arc::clone(&stream)),
            writer: Half::writer(stream),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unfilled = buffer.initialize_unfilled();
        let length = ready!(self.reader.poll(context, |mut stream| stream.read(unfilled)))?;
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writer.poll(context, |mut stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writer.poll(context, |mut stream| stream.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.writer.stream.shutdown(std::net::Shutdown::Write) {
            // The other side was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}
