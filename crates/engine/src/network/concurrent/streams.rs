//! A connection's two directions as streams of the component model, without a task or a copy of their own: what comes
//! goes into the guest's memory, and what is sent is taken from there.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::{net::TcpStream, sync::oneshot};
use wasmtime::{
    StoreContextMut,
    component::{Destination, Source, StreamConsumer, StreamProducer, StreamResult},
};
use wasmtime_wasi::p3::bindings::sockets::types::ErrorCode;

use super::io_error;
use crate::{
    network::{Place, stream::CHUNK},
    state::RunState,
};

/// What becomes of a direction, once it has ended.
pub(super) type End = oneshot::Receiver<Ended>;
type Ended = Result<(), ErrorCode>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Receive,
    Send,
}

/// A socket that is connected. It is closed when neither the guest's handle nor a stream of it is left.
pub(super) struct Connection {
    stream: TcpStream,
    _place: Place,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, place: Place) -> Self {
        Self { stream, _place: place }
    }

    pub(super) fn address(&self, of: impl Fn(&TcpStream) -> io::Result<SocketAddr>) -> io::Result<SocketAddr> {
        of(&self.stream)
    }

    /// Whether something can be read or written now. Each question is counted by tokio, which has a task that asks for
    /// ever let others run: streams that are piped into each other never come to the guest's fuel.
    fn poll_ready(&self, direction: Direction, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match direction {
            Direction::Receive => self.stream.poll_read_ready(context),
            Direction::Send => self.stream.poll_write_ready(context),
        }
    }

    /// Reads or writes once it can be done.
    fn poll(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
        mut transfer: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_ready(direction, context))?;
            match transfer(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

/// One direction of a connection, until it ends.
pub(super) struct Half {
    direction: Direction,
    open: Option<(Arc<Connection>, oneshot::Sender<Ended>)>,
}

impl Half {
    pub(super) fn new(connection: Arc<Connection>, direction: Direction) -> (Self, End) {
        let (sender, end) = oneshot::channel();
        let half = Self {
            direction,
            open: Some((connection, sender)),
        };
        (half, end)
    }

    /// The other side is told, as WASI has it, and the guest.
    fn end(&mut self, result: Ended) {
        let Some((connection, sender)) = self.open.take() else {
            return;
        };
        let how = match self.direction {
            Direction::Receive => rustix::net::Shutdown::Read,
            Direction::Send => rustix::net::Shutdown::Write,
        };
        // It may be broken already, and the guest may not care.
        let _ = rustix::net::shutdown(&connection.stream, how);
        let _ = sender.send(result);
    }

    /// Moves some bytes, or only sees whether any could be moved if there are none. `finish`: the guest does not want to
    /// wait any more.
    fn step(
        &mut self,
        context: &mut Context<'_>,
        finish: bool,
        is_empty: bool,
        transfer: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<Result<usize, StreamResult>> {
        let Some((connection, _)) = &self.open else {
            return Poll::Ready(Err(StreamResult::Dropped));
        };
        let moved = if is_empty {
            // An error shows at the next attempt.
            connection.poll_ready(self.direction, context).map(|_| Ok(None))
        } else {
            connection.poll(self.direction, context, transfer).map_ok(Some)
        };
        let result = match moved {
            Poll::Pending if finish => Err(StreamResult::Cancelled),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(None)) => Ok(0),
            Poll::Ready(Ok(Some(length))) if length > 0 => Ok(length),
            Poll::Ready(Ok(Some(_))) => {
                self.end(Ok(()));
                Err(StreamResult::Dropped)
            }
            Poll::Ready(Err(error)) => {
                self.end(Err(io_error(&error)));
                Err(StreamResult::Dropped)
            }
        };
        Poll::Ready(result)
    }
}

/// The guest has dropped its end, or the run is over.
impl Drop for Half {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}

/// What the other side sends.
pub(super) struct Receiver(pub(super) Half);

impl StreamProducer<RunState> for Receiver {
    type Item = u8;
    /// Never used: everything goes straight to its destination.
    type Buffer = BytesMut;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, RunState>,
        destination: Destination<'a, u8, BytesMut>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let is_empty = destination.remaining(&mut store) == Some(0);
        let mut destination = destination.as_direct(store, CHUNK);
        let room = destination.remaining();
        let length = room.len().min(CHUNK);
        let room = &mut room[..length];
        let moved = ready!(self.0.step(context, finish, is_empty, |stream| stream.try_read(room)));
        Poll::Ready(Ok(moved.map_or_else(
            |ended| ended,
            |length| {
                destination.mark_written(length);
                StreamResult::Completed
            },
        )))
    }
}

/// What goes to the other side.
pub(super) struct Sender(pub(super) Half);

impl StreamConsumer<RunState> for Sender {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'_, RunState>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let bytes = &bytes[..bytes.len().min(CHUNK)];
        let transfer = |stream: &TcpStream| stream.try_write(bytes);
        let moved = ready!(self.0.step(context, finish, bytes.is_empty(), transfer));
        Poll::Ready(Ok(moved.map_or_else(
            |ended| ended,
            |length| {
                source.mark_read(length);
                StreamResult::Completed
            },
        )))
    }
}
