//! One command, from its request to the moment when nothing of it is left.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use probelet_shim_protocol::cgroup;
use probelet_shim_protocol::socket;
use probelet_shim_protocol::{ExecEnd, ExecReply, ExecRequest};
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{Signal, WaitId, WaitIdOptions, WaitIdStatus};
use rustix::thread::LinkNameSpaceType;

use super::{Leaves, Start, terminal};
use crate::program;
use crate::system::{self, Cloned};

/// When to try again to remove a leaf that has no process any more but is still busy, in nanoseconds. The kernel takes
/// a moment after the last process, and tells nobody.
const REMOVE_PAUSE: u64 = 500_000;

/// How much a child may say about a failure.
const FAILURE_BYTES_MAX: u64 = 4 * 1024;

/// One command.
pub(super) struct Command {
    /// `None` when the agent has closed it.
    connection: Option<OwnedFd>,
    deadline: Option<u64>,
    phase: Phase,
}

enum Phase {
    /// The request has not come yet.
    Connected,
    /// The command runs; `process` is readable when it has ended.
    Running {
        process: OwnedFd,
        failure: File,
        leaf: PathBuf,
        end: Option<ExecEnd>,
    },
    /// It has ended, and its leaf is being emptied. `retry_at` is set when only the kernel is waited for.
    Emptying {
        leaf: PathBuf,
        events: File,
        retry_at: Option<u64>,
        end: ExecEnd,
    },
    /// Nothing is left.
    Over,
}

impl Command {
    pub(super) fn new(connection: OwnedFd) -> Self {
        Self {
            connection: Some(connection),
            deadline: None,
            phase: Phase::Connected,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// When something is to be done although nothing happens.
    pub(super) fn wakes_at(&self) -> Option<u64> {
        match &self.phase {
            Phase::Emptying { retry_at, .. } => *retry_at,
            Phase::Running { end: None, .. } => self.deadline,
            _ => None,
        }
    }

    /// What may happen to it.
    pub(super) fn polled(&self) -> impl Iterator<Item = PollFd<'_>> {
        let connection = self
            .connection
            .as_ref()
            .map(|connection| PollFd::new(connection, PollFlags::IN));
        let progress = match &self.phase {
            Phase::Running { process, .. } => Some(PollFd::new(process, PollFlags::IN)),
            Phase::Emptying { events, .. } => Some(PollFd::new(events, PollFlags::PRI)),
            Phase::Connected | Phase::Over => None,
        };
        connection.into_iter().chain(progress)
    }

    /// Does what has become possible.
    pub(super) fn advance(&mut self, ready: bool, now: u64, start: &Start<'_>, leaves: &mut Leaves, buffer: &mut [u8]) {
        if !ready {
            return;
        }
        if matches!(self.phase, Phase::Connected) {
            self.receive(start, leaves, buffer);
            return;
        }
        self.notice_hangup(buffer);
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.kill(ExecEnd::DeadlinePassed);
        }
        self.reap();
        self.remove_leaf(now);
    }

    fn receive(&mut self, start: &Start<'_>, leaves: &mut Leaves, buffer: &mut [u8]) {
        let Some(connection) = &self.connection else { return };
        match socket::receive::<ExecRequest>(connection, buffer) {
            Ok(Some((request, descriptors))) => {
                self.deadline = request.deadline;
                if let Err(error) = self.launch(&request, descriptors, start, leaves) {
                    // What fails while the container ends fails for that reason.
                    let ended = start.container_ends();
                    self.finish(if ended {
                        ExecEnd::NotRunning
                    } else {
                        ExecEnd::Failed(error.to_string())
                    });
                }
            }
            Err(socket::SocketError::System(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(None) => self.phase = Phase::Over,
            Err(error) => self.finish(ExecEnd::Failed(error.to_string())),
        }
    }

    fn launch(
        &mut self,
        request: &ExecRequest,
        descriptors: Vec<OwnedFd>,
        start: &Start<'_>,
        leaves: &mut Leaves,
    ) -> io::Result<()> {
        let connection = self
            .connection
            .as_ref()
            .map(AsFd::as_fd)
            .ok_or(io::ErrorKind::NotConnected)?;
        let (failure, failure_end) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let (leaf, folder) = leaves.make()?;
        let child = Child {
            request,
            descriptors: &descriptors,
            connection,
            failure: failure_end.as_fd(),
            start,
        };
        match system::clone_into(folder.as_fd()) {
            Ok(Cloned::Child) => child.run(),
            Ok(Cloned::Parent(process)) => {
                self.phase = Phase::Running {
                    process,
                    failure: failure.into(),
                    leaf,
                    end: None,
                };
                Ok(())
            }
            Err(error) => {
                let _ = cgroup::remove_tree(&leaf);
                Err(error)
            }
        }
    }

    /// The agent says nothing after its request; what comes is the end of the connection.
    fn notice_hangup(&mut self, buffer: &mut [u8]) {
        let Some(connection) = &self.connection else { return };
        match socket::receive::<ExecRequest>(connection, buffer) {
            Err(socket::SocketError::System(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => {
                self.connection = None;
                self.kill(ExecEnd::DeadlinePassed);
            }
        }
    }

    /// Kills the command and notes why, if it still runs.
    fn kill(&mut self, because: ExecEnd) {
        let Phase::Running {
            process,
            leaf,
            end: end @ None,
            ..
        } = &mut self.phase
        else {
            return;
        };
        *end = Some(because);
        if cgroup::kill_tree(leaf).is_err() {
            // For want of a descriptor; when the first process has ended, it is tried again for the others.
            let _ = rustix::process::pidfd_send_signal(process, Signal::KILL);
        }
    }

    fn reap(&mut self) {
        let Phase::Running { process, .. } = &self.phase else {
            return;
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let Ok(Some(status)) = rustix::process::waitid(WaitId::PidFd(process.as_fd()), options) else {
            return;
        };
        let Phase::Running { failure, leaf, end, .. } = std::mem::replace(&mut self.phase, Phase::Over) else {
            return;
        };
        let end = end
            .or_else(|| said(failure).map(ExecEnd::Failed))
            .unwrap_or_else(|| own_end(&status));
        // Without children it is empty already, and no more needs to be opened or killed.
        if std::fs::remove_dir(&leaf).is_ok() {
            self.finish(end);
            return;
        }
        let emptying = cgroup::kill_tree(&leaf).and_then(|()| cgroup::open_events(&leaf));
        match emptying {
            Ok(events) => {
                self.phase = Phase::Emptying {
                    leaf,
                    events,
                    retry_at: None,
                    end,
                }
            }
            Err(error) => self.finish(ExecEnd::Failed(format!("cannot end the command's cgroup: {error}"))),
        }
    }

    fn remove_leaf(&mut self, now: u64) {
        let Phase::Emptying {
            leaf,
            events,
            retry_at,
            end,
        } = &mut self.phase
        else {
            return;
        };
        if cgroup::is_populated(events).unwrap_or(false) {
            *retry_at = None;
        } else if cgroup::remove_tree(leaf).is_ok() {
            let end = end.clone();
            self.finish(end);
        } else {
            *retry_at = Some(now + REMOVE_PAUSE);
        }
    }

    fn finish(&mut self, end: ExecEnd) {
        if let Some(connection) = self.connection.take() {
            // An agent that is gone needs no answer.
            let _ = socket::send(connection, &ExecReply::Ended(end), &[]);
        }
        self.phase = Phase::Over;
    }
}

/// What a child had to say about a failure to get as far as executing the program.
fn said(failure: File) -> Option<String> {
    let mut text = Vec::new();
    // Nothing to read but an open end means that the program was executed and has started others: no failure.
    let _ = failure.take(FAILURE_BYTES_MAX).read_to_end(&mut text);
    (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
}

fn own_end(status: &WaitIdStatus) -> ExecEnd {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExecEnd::Exited(code),
        (None, Some(signal)) => ExecEnd::Signaled(signal),
        (None, None) => ExecEnd::Failed("the command ended in an unknown way".to_owned()),
    }
}

/// The process that becomes the command.
struct Child<'a> {
    request: &'a ExecRequest,
    descriptors: &'a [OwnedFd],
    connection: BorrowedFd<'a>,
    failure: BorrowedFd<'a>,
    start: &'a Start<'a>,
}

impl Child<'_> {
    fn run(&self) -> ! {
        let identity = self.start.identity;
        if let Err(error) = self.enter() {
            self.fail(&error);
        }
        // As root first, which may pass folders that the container's user may not; then as that user, who may pass
        // those of a network file system that root may not.
        let as_root = identity.enter_working_directory();
        if let Err(error) = identity.assume() {
            self.fail(&format!("cannot become the container's user: {error}"));
        }
        let in_place = as_root.or_else(|_| identity.enter_working_directory());
        let failure = match in_place {
            Ok(()) => program::execute(&self.request.command, &identity.search, &self.environment()),
            Err(error) => program::Failure::working_directory(&identity.working_directory, error),
        };
        let text = failure.text + "\n";
        // If nobody reads it, the code still tells.
        let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
        system::exit(failure.code)
    }

    /// The container's environment; on a terminal, programs want to know of which kind it is.
    fn environment(&self) -> Vec<CString> {
        let mut environment = self.start.identity.environment.clone();
        let known = environment
            .iter()
            .any(|variable| variable.to_bytes().starts_with(b"TERM="));
        if self.request.terminal.is_some() && !known {
            environment.push(c"TERM=xterm".to_owned());
        }
        environment
    }

    fn fail(&self, text: &str) -> ! {
        let _ = rustix::io::write(self.failure, text.as_bytes());
        system::exit(program::NOT_EXECUTABLE)
    }

    /// Goes into the container. When it is done, no descriptor of the host is open but pipes and `/dev/null`.
    fn enter(&self) -> Result<(), String> {
        let step = |what: &'static str| move |error| format!("cannot enter the container's {what}: {error}");
        let kind = Some(LinkNameSpaceType::Mount);
        let entered = rustix::thread::move_into_link_name_space(self.start.mount_namespace, kind);
        entered.map_err(io::Error::from).map_err(step("mount namespace"))?;
        rustix::process::setsid()
            .map_err(io::Error::from)
            .map_err(step("session"))?;
        match self.request.terminal {
            Some(size) => terminal::open(size, self.start.identity.uid(), self.connection).map_err(step("terminal"))?,
            None => self.take_streams().map_err(step("streams"))?,
        }
        system::close_all_but(&[self.failure.as_raw_fd()]).map_err(step("descriptors"))
    }

    fn take_streams(&self) -> io::Result<()> {
        let [stdin, stdout, stderr] = self.descriptors else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        rustix::stdio::dup2_stdin(stdin)?;
        rustix::stdio::dup2_stdout(stdout)?;
        rustix::stdio::dup2_stderr(stderr)?;
        Ok(())
    }
}
