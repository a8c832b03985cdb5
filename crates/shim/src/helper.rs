//! The helper: a process per container that executes commands in it.
//!
//! It already sits in the container's namespaces (all but mount, and for the process ids its children do) and in its
//! cgroups of version 1, so that a command costs one clone into a fresh cgroup2 leaf, one change of the mount namespace
//! and an exec. The leaf is what ends a command for sure, with all that it started: `cgroup.kill`, then `rmdir` until
//! it succeeds. It is a process apart from the shim because whatever ends the container's cgroups ends it too, and it
//! cannot be traced or read from inside the container, whose process list does not even show it.

mod command;
mod terminal;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use probelet_shim_protocol::cgroup::{self, Hierarchies};
use probelet_shim_protocol::socket::{self, MESSAGE_BYTES_MAX};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, Signal};
use rustix::thread::ThreadNameSpaceType;

use crate::identity::Identity;
use crate::system;
use command::Command;

/// Commands that one container may run at once. Further connections wait, and the agent reports a full queue as busy;
/// probes and hooks are a handful per container.
const COMMANDS_MAX: usize = 64;

/// How long process 1 may take to end from the moment when no process can be made in its namespace any more. Only when
/// that fails is it waited for; other commands wait with it.
const END_PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// What the helper is started with.
pub(crate) struct Start<'a> {
    /// Where the agent connects for a command.
    pub(crate) listener: BorrowedFd<'a>,
    /// The container's process 1 and a descriptor of it.
    pub(crate) init: Pid,
    pub(crate) init_descriptor: BorrowedFd<'a>,
    /// The container's mount namespace.
    pub(crate) mount_namespace: BorrowedFd<'a>,
    /// The container's folder in the cgroup2.
    pub(crate) cgroup2: &'a Path,
    pub(crate) hierarchies: &'a Hierarchies,
    pub(crate) identity: &'a Identity,
}

impl Start<'_> {
    /// Whether the container has ended, or does within [`END_PATIENCE`].
    fn container_ends(&self) -> bool {
        let mut ended = [PollFd::from_borrowed_fd(self.init_descriptor, PollFlags::IN)];
        rustix::event::poll(&mut ended, Some(&END_PATIENCE)).is_ok_and(|count| count > 0)
    }
}

/// Runs the helper in this process, which was forked for it. Ends with the shim or by it.
pub(crate) fn run(start: &Start<'_>) -> ! {
    let result = prepare(start).and_then(|()| serve(start));
    if let Err(error) = result {
        eprintln!("exec helper: {error}");
    }
    system::exit(1)
}

fn prepare(start: &Start<'_>) -> io::Result<()> {
    let kept = [start.listener, start.init_descriptor, start.mount_namespace].map(|descriptor| descriptor.as_raw_fd());
    system::close_all_but(&kept)?;
    let nothing = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    drop(nothing);
    // Every command inherits this.
    system::reset_signals();
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_name(c"probelet-exec")?;
    start.hierarchies.join_version1(rustix::process::getpid(), start.init)?;
    let namespaces = ThreadNameSpaceType::NETWORK
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::CONTROL_GROUP
        | ThreadNameSpaceType::PROCESS_ID;
    rustix::thread::move_into_thread_name_spaces(start.init_descriptor, namespaces)?;
    Ok(())
}

fn serve(start: &Start<'_>) -> io::Result<()> {
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    let mut leaves = Leaves::new(start.cgroup2);
    let mut commands: Vec<Command> = Vec::new();
    loop {
        let ready = wait(start.listener, &commands)?;
        let now = monotonic_now();
        for (command, ready) in commands.iter_mut().zip(&ready.commands) {
            command.advance(*ready, now, start, &mut leaves, &mut buffer);
        }
        commands.retain(|command| !command.is_over());
        if ready.listener
            && let Some(connection) = socket::accept(start.listener)?
        {
            let mut command = Command::new(connection);
            // The request is here, mostly; if not, it will be waited for.
            command.advance(true, now, start, &mut leaves, &mut buffer);
            if !command.is_over() {
                commands.push(command);
            }
        }
    }
}

/// What [`wait`] has found: one entry per command.
struct Ready {
    listener: bool,
    commands: Vec<bool>,
}

/// Waits until a connection comes, something happens to a command, or the next deadline.
fn wait(listener: BorrowedFd<'_>, commands: &[Command]) -> io::Result<Ready> {
    let mut polled = Vec::with_capacity(1 + 2 * commands.len());
    let wanted = if commands.len() < COMMANDS_MAX {
        PollFlags::IN
    } else {
        PollFlags::empty()
    };
    polled.push(PollFd::from_borrowed_fd(listener, wanted));
    let mut owners = Vec::with_capacity(2 * commands.len());
    for (index, command) in commands.iter().enumerate() {
        for descriptor in command.polled() {
            polled.push(descriptor);
            owners.push(index);
        }
    }
    let now = monotonic_now();
    let left = commands
        .iter()
        .filter_map(Command::wakes_at)
        .min()
        .map(|at| at.saturating_sub(now));
    let left = left.map(|nanoseconds| Timespec {
        tv_sec: (nanoseconds / 1_000_000_000).try_into().unwrap_or(i64::MAX),
        tv_nsec: (nanoseconds % 1_000_000_000) as _,
    });
    match rustix::event::poll(&mut polled, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let now = monotonic_now();
    let mut ready: Vec<_> = commands
        .iter()
        .map(|command| command.wakes_at().is_some_and(|at| at <= now))
        .collect();
    for (descriptor, owner) in polled[1..].iter().zip(owners) {
        ready[owner] |= !descriptor.revents().is_empty();
    }
    Ok(Ready {
        listener: !polled[0].revents().is_empty(),
        commands: ready,
    })
}

/// Nanoseconds of the clock that the agent's deadlines are on.
fn monotonic_now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Makes the cgroup2 leaves, one per command.
struct Leaves {
    parent: PathBuf,
    prefix: String,
    made: u64,
}

impl Leaves {
    fn new(parent: &Path) -> Self {
        // An earlier helper's leaves may still be there.
        let prefix = format!("exec-{}", rustix::process::getpid().as_raw_nonzero());
        Self {
            parent: parent.to_owned(),
            prefix,
            made: 0,
        }
    }

    fn make(&mut self) -> io::Result<(PathBuf, OwnedFd)> {
        self.made += 1;
        let path = self.parent.join(format!("{}-{}", self.prefix, self.made));
        std::fs::create_dir(&path)?;
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(&path, flags, rustix::fs::Mode::empty());
        Ok((path, descriptor?))
    }
}

/// Ends what a helper that was killed has left running.
pub(crate) fn end_orphans(cgroup2: &Path) {
    let entries = std::fs::read_dir(cgroup2).into_iter().flatten().flatten();
    for leaf in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("exec-")) {
        // What cannot be removed yet goes with the container's cgroup.
        let _ = cgroup::kill_tree(&leaf.path()).and_then(|()| cgroup::remove_tree(&leaf.path()));
    }
}
