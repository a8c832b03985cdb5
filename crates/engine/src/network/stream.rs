//! A connection's two directions as WASI streams, without a task or a copy of their own.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
};

use bytes::{Buf, Bytes};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::connection::Half;

/// The most that is read or written at once, so that a guest's number does not become the host's allocation.
pub(super) const CHUNK: usize = 64 << 10;

/// What the other side sends.
pub(super) struct Reader(Half);

impl Reader {
    pub(super) fn new(stream: Arc<TcpStream>) -> Self {
        Self(Half::reader(stream))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        // An error shows at the next read.
        let _ = self.0.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = vec![0; size.min(CHUNK)];
        match self.0.attempt(|mut stream| stream.read(&mut buffer)) {
            Ok(0) => Err(StreamError::Closed),
            Ok(length) => {
                buffer.truncate(length);
                Ok(buffer.into())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Bytes::new()),
            Err(error) => Err(StreamError::LastOperationFailed(error.into())),
        }
    }
}

/// What goes to the other side.
pub(super) struct Writer {
    connection: Half,
    /// What the socket has not taken yet.
    pending: Bytes,
}

impl Writer {
    pub(super) fn new(stream: Arc<TcpStream>) -> Self {
        Self {
            connection: Half::writer(stream),
            pending: Bytes::new(),
        }
    }

    fn push(&mut self) -> StreamResult<()> {
        while !self.pending.is_empty() {
            match self.connection.attempt(|mut stream| stream.write(&self.pending)) {
                Ok(length) => self.pending.advance(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(StreamError::LastOperationFailed(error.into())),
            }
        }
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        // An error shows at the next write.
        while !self.pending.is_empty() && self.connection.ready().await.is_ok() && self.push().is_ok() {}
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if !self.pending.is_empty() || bytes.len() > CHUNK {
            return Err(StreamError::trap("more was written than check-write allowed"));
        }
        self.pending = bytes;
        self.push()
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.push()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.push()?;
        Ok(if self.pending.is_empty() { CHUNK } else { 0 })
    }
}
