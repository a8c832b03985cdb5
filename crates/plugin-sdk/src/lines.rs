//! Conversations in lines and in messages of known length, with a limit on everything that the other side sends.

use std::io::{self, Read, Write};

use crate::{Failure, timeout_text};

/// How much is read at once.
const CHUNK: usize = 4 << 10;
/// No message is longer, whatever its length field says: a quarter of a plugin's usual memory.
pub const MAX_MESSAGE: usize = 8 << 20;

/// A connection with a buffer. It works on whatever can be read and written, so that a test needs no network.
///
/// ```
/// use std::io::Cursor;
/// use probelet_plugin::lines::Conversation;
///
/// let server = Cursor::new(b"+PONG\r\n".to_vec());
/// let mut conversation = Conversation::new(server, "the test");
/// assert_eq!(conversation.line(64).unwrap(), "+PONG");
/// assert!(conversation.line(64).unwrap_err().to_string().contains("closed the connection"));
/// ```
pub struct Conversation<C> {
    connection: C,
    peer: String,
    /// What has been read and not yet taken.
    buffer: Vec<u8>,
}

impl<C: Read + Write> Conversation<C> {
    /// `peer` is who is spoken to, as failures name it: `10.0.0.7:6379`.
    pub fn new(connection: C, peer: impl Into<String>) -> Self {
        Self {
            connection,
            peer: peer.into(),
            buffer: Vec::new(),
        }
    }

    /// Who is spoken to.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The connection itself; what has been read of it is in the buffer.
    pub(crate) fn connection_mut(&mut self) -> &mut C {
        &mut self.connection
    }

    /// Whether something has been read that nobody has taken.
    pub(crate) fn has_unread(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Sends it all.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        let sent = self
            .connection
            .write_all(bytes.as_ref())
            .and_then(|()| self.connection.flush());
        sent.map_err(|error| self.failed(&error))
    }

    /// The next line without its end, which is LF or CR LF; what is no UTF-8 is replaced. One that is longer than
    /// `limit` bytes is a failure.
    pub fn line(&mut self, limit: usize) -> Result<String, Failure> {
        let end = loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                break end;
            }
            if self.buffer.len() > limit {
                return Err(self.too_long("a line", limit));
            }
            self.more()?;
        };
        if end > limit {
            return Err(self.too_long("a line", limit));
        }
        let line = self.take(end + 1);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    /// Exactly so many bytes, at most [`MAX_MESSAGE`].
    pub fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        if count > MAX_MESSAGE {
            return Err(self.too_long("a message", MAX_MESSAGE));
        }
        while self.buffer.len() < count {
            self.more()?;
        }
        Ok(self.take(count))
    }

    /// Reads until `is_enough` says so of all that was read, until `limit` bytes are there, or to the end: then what
    /// was read is returned and stays to be read again. An error comes only if nothing at all was read.
    pub fn peek_until(&mut self, limit: usize, is_enough: impl Fn(&[u8]) -> bool) -> Result<&[u8], Failure> {
        while self.buffer.len() < limit && !is_enough(&self.buffer) {
            match self.more() {
                Ok(()) => {}
                Err(failure) if self.buffer.is_empty() => return Err(failure),
                Err(_) => break,
            }
        }
        Ok(&self.buffer[..self.buffer.len().min(limit)])
    }

    /// That the other side has broken the protocol.
    pub fn broken(&self, what: impl std::fmt::Display) -> Failure {
        Failure::Unhealthy(format!("{} {what}", self.peer))
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(count);
        std::mem::replace(&mut self.buffer, rest)
    }

    fn more(&mut self) -> Result<(), Failure> {
        let filled = self.buffer.len();
        self.buffer.resize(filled + CHUNK, 0);
        let read = self.connection.read(&mut self.buffer[filled..]);
        self.buffer.truncate(filled + read.as_ref().map_or(0, |&count| count));
        match read {
            Ok(0) => Err(self.broken("closed the connection")),
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn too_long(&self, what: &str, limit: usize) -> Failure {
        self.broken(format_args!("sent {what} of more than {limit} bytes"))
    }

    fn failed(&self, error: &io::Error) -> Failure {
        match error.kind() {
            // The latter is what a blocking socket says on this side of WebAssembly.
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                self.broken(format_args!("did not answer within {}", timeout_text()))
            }
            _ => Failure::Unhealthy(format!("{}: {error}", self.peer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn told(text: &[u8]) -> Conversation<Cursor<Vec<u8>>> {
        Conversation::new(Cursor::new(text.to_vec()), "peer")
    }

    #[test]
    fn lines_end_with_and_without_carriage_return() {
        let mut conversation = told(b"one\r\ntwo\n\nrest");
        assert_eq!(conversation.line(10).as_deref(), Ok("one"));
        assert_eq!(conversation.line(10).as_deref(), Ok("two"));
        assert_eq!(conversation.line(10).as_deref(), Ok(""));
        let failure = conversation.line(10).expect_err("no end");
        assert_eq!(failure, Failure::Unhealthy("peer closed the connection".to_owned()));
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        for endless in [vec![b'x'; 1 << 20], [vec![b'x'; 11], b"\n".to_vec()].concat()] {
            let failure = told(&endless).line(10).expect_err("too long");
            assert_eq!(failure.message(), "peer sent a line of more than 10 bytes");
        }
    }

    #[test]
    fn a_length_is_not_believed() {
        let failure = told(b"abc").bytes(usize::MAX).expect_err("too long");
        assert!(failure.message().starts_with("peer sent a message of more than"));
        assert_eq!(told(b"abcd").bytes(3).as_deref(), Ok(&b"abc"[..]));
    }

    #[test]
    fn peeking_takes_nothing_and_knows_its_limit() {
        let mut conversation = told(&[b'x'; 10_000]);
        assert_eq!(conversation.peek_until(5, |_| false).map(<[u8]>::len), Ok(5));
        assert_eq!(conversation.peek_until(20_000, |_| false).map(<[u8]>::len), Ok(10_000));
        assert!(told(b"").peek_until(5, |_| false).is_err());
    }
}
