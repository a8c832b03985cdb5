//! A command in a container with which somebody talks while it runs.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use probelet_shim_protocol::{self as protocol, ExecReply, WindowSize};
use rustix::io::Errno;
use rustix::termios::Winsize;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;

use crate::socket::{Connection, watch};
use crate::{Container, ExecError};

/// The size of a terminal whose user has not told theirs yet.
const DEFAULT_SIZE: WindowSize = WindowSize { columns: 80, rows: 24 };

/// A command to talk with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecSessionRequest {
    /// Program and arguments; no shell is involved.
    pub command: Vec<String>,
    /// Whether its standard input is connected; it is empty otherwise.
    pub stdin: bool,
    /// Whether it gets a terminal.
    pub tty: bool,
}

/// A running command. Each part can be moved elsewhere.
#[derive(Debug)]
pub struct ExecSession {
    /// Its standard input, if it is connected.
    pub stdin: Option<SessionInput>,
    /// Its standard output; with a terminal, everything.
    pub stdout: SessionOutput,
    /// Its standard error, unless it has a terminal.
    pub stderr: Option<SessionOutput>,
    /// Its terminal, if it has one.
    pub terminal: Option<Terminal>,
    /// Its end. Dropping it kills the command and all that it started.
    pub status: SessionStatus,
}

impl Container {
    /// Executes a command as [`Container::exec`] does, without a deadline and with its streams connected. What it
    /// leaves behind ends with it, here too.
    pub async fn exec_session(&self, request: ExecSessionRequest) -> Result<ExecSession, ExecError> {
        if request.tty {
            self.terminal_session(request).await
        } else {
            self.pipe_session(request)
        }
    }

    fn pipe_session(&self, request: ExecSessionRequest) -> Result<ExecSession, ExecError> {
        let failed = |error: io::Error| self.exec_failed(error);
        let (stdin, stdin_end) = if request.stdin {
            let (sender, receiver) = pipe::pipe().map_err(failed)?;
            let sender = sender.into_nonblocking_fd().map_err(failed)?;
            let input = SessionInput(Some(Arc::new(watch(sender).map_err(failed)?)));
            (Some(input), receiver.into_blocking_fd().map_err(failed)?)
        } else {
            (None, std::fs::File::open("/dev/null").map_err(failed)?.into())
        };
        let (stdout, stdout_end) = session_output().map_err(failed)?;
        let (stderr, stderr_end) = session_output().map_err(failed)?;
        let message = protocol::ExecRequest {
            command: request.command,
            deadline: None,
            terminal: None,
        };
        let connection = self.send_exec(&message, [stdin_end, stdout_end, stderr_end].into_iter())?;
        let status = SessionStatus {
            container: self.clone(),
            connection,
        };
        Ok(ExecSession {
            stdin,
            stdout,
            stderr: Some(stderr),
            terminal: None,
            status,
        })
    }

    async fn terminal_session(&self, request: ExecSessionRequest) -> Result<ExecSession, ExecError> {
        let message = protocol::ExecRequest {
            command: request.command,
            deadline: None,
            terminal: Some(DEFAULT_SIZE),
        };
        let connection = self.send_exec(&message, std::iter::empty())?;
        let mut descriptors = match connection.receive::<ExecReply>().await {
            Ok(Some((ExecReply::Terminal, descriptors))) => descriptors,
            // The command failed before it had a terminal on which to say so.
            reply => {
                let cause = self
                    .exit_code(reply)
                    .await
                    .map(|code| format!("no terminal, exit code {code}"));
                return Err(cause.map_or_else(|error| error, |cause| self.exec_failed(cause)));
            }
        };
        let terminal = descriptors
            .pop()
            .ok_or_else(|| self.exec_failed("the terminal is missing"))?;
        let watched = rustix::io::ioctl_fionbio(&terminal, true).map_err(io::Error::from);
        let terminal = Arc::new(
            watched
                .and_then(|()| watch(terminal))
                .map_err(|error| self.exec_failed(error))?,
        );
        Ok(ExecSession {
            stdin: request.stdin.then(|| SessionInput(Some(terminal.clone()))),
            stdout: SessionOutput(terminal.clone()),
            stderr: None,
            terminal: Some(Terminal(terminal)),
            status: SessionStatus {
                container: self.clone(),
                connection,
            },
        })
    }
}

fn session_output() -> io::Result<(SessionOutput, OwnedFd)> {
    let (receiver, end) = crate::exec::output_pipe()?;
    let output = SessionOutput(Arc::new(watch(receiver.into_nonblocking_fd()?)?));
    Ok((output, end))
}

/// The end of a command.
#[derive(Debug)]
pub struct SessionStatus {
    container: Container,
    connection: Connection,
}

impl SessionStatus {
    /// Waits for it; the code is as in [`ExecOutput::exit_code`](crate::ExecOutput::exit_code). What is still in the
    /// streams can be read afterwards.
    pub async fn wait(self) -> Result<i32, ExecError> {
        self.container.exit_code(self.connection.receive().await).await
    }
}

/// The terminal of a command.
#[derive(Clone, Debug)]
pub struct Terminal(Arc<AsyncFd<OwnedFd>>);

impl Terminal {
    /// Tells it the size of the user's window.
    pub fn resize(&self, size: WindowSize) -> io::Result<()> {
        let size = Winsize {
            ws_col: size.columns,
            ws_row: size.rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(rustix::termios::tcsetwinsize(&*self.0, size)?)
    }
}

/// Where the command's standard input comes from. Shutting it down is the end of the input, but on a terminal, where
/// the user types that.
#[derive(Debug)]
pub struct SessionInput(Option<Arc<AsyncFd<OwnedFd>>>);

impl AsyncWrite for SessionInput {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(descriptor) = &self.0 else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        loop {
            let mut guard = ready!(descriptor.poll_write_ready(context))?;
            if let Ok(written) = guard.try_io(|inner| Ok(rustix::io::write(inner, bytes)?)) {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}

/// What the command writes.
#[derive(Debug)]
pub struct SessionOutput(Arc<AsyncFd<OwnedFd>>);

impl AsyncRead for SessionOutput {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(context))?;
            let read = guard.try_io(|inner| match rustix::io::read(inner, buffer.initialize_unfilled()) {
                // How a terminal that no process has open any more says so.
                Err(Errno::IO) => Ok(0),
                read => Ok(read?),
            });
            if let Ok(read) = read {
                buffer.advance(read?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}
