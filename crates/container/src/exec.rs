//! One command, executed in a container to its end.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use probelet_shim_protocol::socket::SocketError;
use probelet_shim_protocol::{self as protocol, ExecEnd, ExecReply, files};
use tokio::net::unix::pipe;

use crate::socket::Connection;
use crate::{Container, ExecError, shim};

/// How long after the deadline the helper may still need to end everything. It needs some 10 ms; a process that hangs
/// in the kernel may take for ever, and the caller is not to.
const KILL_PATIENCE: Duration = Duration::from_secs(1);

/// How much is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How much may still be read after the command has ended: what a pipe holds at most. More can only come from a process
/// elsewhere in the container that was handed the pipe, and might never end.
const REST_BYTES_MAX: usize = 1024 * 1024;

/// A command to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRequest {
    /// Program and arguments; no shell is involved.
    pub command: Vec<String>,
    /// When it is killed, with all that it started.
    pub deadline: Instant,
    /// How much of each of standard output and standard error is kept; the rest is read and thrown away (A2.35).
    pub max_output_bytes: usize,
}

/// What a command wrote, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// 128 + the signal if one ended it; 127 or 126 if the program could not be executed.
    pub exit_code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Whether it wrote more than was kept.
    pub truncated: bool,
}

impl Container {
    /// Executes a command as the container itself runs: its user, groups, capabilities, seccomp filter, limits, working
    /// directory, environment, namespaces and cgroup. When the answer is here, nothing of the command is left, neither
    /// after a normal end nor after the deadline; dropping the future kills it too. A program that does not exist or
    /// cannot be executed is an ordinary end with code 127 or 126 and the reason in `stderr`.
    pub async fn exec(&self, request: ExecRequest) -> Result<ExecOutput, ExecError> {
        let left = request.deadline.saturating_duration_since(Instant::now());
        let (stdout, stdout_end) = output_pipe().map_err(|error| self.exec_failed(error))?;
        let (stderr, stderr_end) = output_pipe().map_err(|error| self.exec_failed(error))?;
        let stdin = std::fs::File::open("/dev/null").map_err(|error| self.exec_failed(error))?;
        let message = protocol::ExecRequest {
            command: request.command,
            deadline: Some(monotonic_after(left)),
            terminal: None,
        };
        let connection = self.send_exec(&message, [stdin.into(), stdout_end, stderr_end].into_iter())?;
        let mut stdout = Capture::new(stdout, request.max_output_bytes);
        let mut stderr = Capture::new(stderr, request.max_output_bytes);
        let give_up = tokio::time::sleep(left + KILL_PATIENCE);
        tokio::pin!(give_up);
        let reply = connection.receive::<ExecReply>();
        tokio::pin!(reply);
        let reply = loop {
            tokio::select! {
                reply = &mut reply => break reply,
                () = stdout.fill(), if stdout.is_open() => {}
                () = stderr.fill(), if stderr.is_open() => {}
                () = &mut give_up => return Err(ExecError::DeadlineExceeded),
            }
        };
        let exit_code = self.exit_code(reply).await?;
        stdout.take_rest();
        stderr.take_rest();
        let truncated = stdout.truncated || stderr.truncated;
        Ok(ExecOutput {
            exit_code,
            stdout: stdout.kept,
            stderr: stderr.kept,
            truncated,
        })
    }

    /// Opens a connection for one command and sends the request. The descriptors are closed here afterwards.
    pub(crate) fn send_exec(
        &self,
        request: &protocol::ExecRequest,
        descriptors: impl Iterator<Item = OwnedFd>,
    ) -> Result<Connection, ExecError> {
        if request.command.first().is_none_or(String::is_empty) {
            return Err(ExecError::Command {
                message: "there is no command to execute".to_owned(),
            });
        }
        let connection = Connection::open(self.directory(), files::EXEC_SOCKET);
        let connection = connection.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => ExecError::Busy {
                id: self.id().to_owned(),
            },
            _ if shim::is_gone(&error) => self.not_running(),
            _ => self.exec_failed(error),
        })?;
        let descriptors: Vec<_> = descriptors.collect();
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        match connection.send(request, &borrowed) {
            Ok(()) => Ok(connection),
            Err(error @ SocketError::TooLong { .. }) => Err(ExecError::Command {
                message: error.to_string(),
            }),
            Err(_) => Err(self.not_running()),
        }
    }

    /// The exit code in the helper's last answer.
    pub(crate) async fn exit_code(
        &self,
        reply: Result<Option<(ExecReply, Vec<OwnedFd>)>, SocketError>,
    ) -> Result<i32, ExecError> {
        match reply {
            Ok(Some((ExecReply::Ended(end), _))) => match end {
                ExecEnd::Exited(code) => Ok(code),
                ExecEnd::Signaled(signal) => Ok(128 + signal),
                ExecEnd::DeadlinePassed => Err(ExecError::DeadlineExceeded),
                ExecEnd::NotRunning => Err(self.not_running()),
                ExecEnd::Failed(message) => Err(ExecError::Failed {
                    id: self.id().to_owned(),
                    message,
                }),
            },
            Ok(Some((ExecReply::Terminal, _))) => Err(self.exec_failed("a terminal came unasked")),
            // The helper is gone: with its container, or alone.
            Ok(None) => match shim::ask_status(self.directory()).await {
                Ok(Some(_)) => Err(self.exec_failed("the helper in the container was killed, and the command with it")),
                Ok(None) => Err(self.not_running()),
                Err(error) => Err(self.exec_failed(error)),
            },
            Err(error) => Err(self.exec_failed(error)),
        }
    }

    pub(crate) fn exec_failed(&self, cause: impl ToString) -> ExecError {
        ExecError::Failed {
            id: self.id().to_owned(),
            message: cause.to_string(),
        }
    }

    fn not_running(&self) -> ExecError {
        ExecError::NotRunning {
            id: self.id().to_owned(),
        }
    }
}

/// A pipe for output: our end, and the command's.
pub(crate) fn output_pipe() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (sender, receiver) = pipe::pipe()?;
    Ok((receiver, sender.into_blocking_fd()?))
}

/// The time `left` from now, in nanoseconds of the clock that every process of the machine shares.
fn monotonic_after(left: Duration) -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let nanoseconds = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
    u64::try_from(nanoseconds.unsigned_abs() + left.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads a pipe to its end and keeps the beginning.
struct Capture {
    pipe: Option<pipe::Receiver>,
    kept: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Capture {
    fn new(pipe: pipe::Receiver, limit: usize) -> Self {
        Self {
            pipe: Some(pipe),
            kept: Vec::new(),
            limit,
            truncated: false,
        }
    }

    fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Waits for the next piece and takes it.
    async fn fill(&mut self) {
        if let Some(pipe) = &self.pipe {
            if pipe.readable().await.is_ok() {
                self.take_piece();
            } else {
                self.pipe = None;
            }
        }
    }

    /// Takes what is there, without waiting.
    fn take_rest(&mut self) {
        let mut taken = 0;
        while taken < REST_BYTES_MAX {
            match self.take_piece() {
                0 => return,
                bytes => taken += bytes,
            }
        }
        self.truncated = true;
    }

    /// Takes one piece; 0 bytes when there is none, now or ever.
    fn take_piece(&mut self) -> usize {
        let Some(pipe) = &self.pipe else { return 0 };
        let mut chunk = [0; CHUNK_BYTES];
        match pipe.try_read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Ok(0) | Err(_) => {
                self.pipe = None;
                0
            }
            Ok(bytes) => {
                let kept = bytes.min(self.limit - self.kept.len());
                self.kept.extend_from_slice(&chunk[..kept]);
                self.truncated |= kept < bytes;
                bytes
            }
        }
    }
}
