//! What a plugin writes to its standard output and error: one bounded log per run.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// What is said of the part that was not kept.
const CUT: &str = "… (cut)";

/// A log in the making. A clone writes to the same log.
///
/// Beyond its bound it swallows what comes: a chatty plugin is not to fail because of it.
#[derive(Clone)]
pub(crate) struct Log(Arc<Mutex<Content>>);

struct Content {
    bytes: Vec<u8>,
    limit: usize,
    is_cut: bool,
}

impl Log {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Content {
            bytes: Vec::new(),
            limit,
            is_cut: false,
        })))
    }

    fn append(&self, bytes: &[u8]) {
        let mut content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = bytes.len().min(content.limit - content.bytes.len());
        content.bytes.extend_from_slice(&bytes[..kept]);
        content.is_cut |= kept < bytes.len();
    }

    /// All of it, as text.
    pub(crate) fn text(&self) -> String {
        let content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from_utf8_lossy(&content.bytes).into_owned();
        if content.is_cut {
            text.push_str(CUT);
        }
        text
    }
}

/// Cuts a text to `limit` bytes at most, between two characters, and says so after it.
pub fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push_str(CUT);
    }
    text
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Log {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Log {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        // What WASI's own helpers write at once.
        Ok(64 << 10)
    }
}

impl AsyncWrite for Log {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_beginning_and_says_that_it_was_cut() {
        let log = Log::new(5);
        log.append("ab".as_bytes());
        log.append("cdefg".as_bytes());
        log.append("h".as_bytes());
        assert_eq!(log.text(), "abcde… (cut)");
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("aä".to_owned(), 2), "a… (cut)");
        assert_eq!(cut("aä".to_owned(), 3), "aä");
    }
}
