//! The shim's life: start, watch, record.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use libcontainer::oci_spec::runtime::Spec;
use probelet_shim_protocol::cgroup::{Cgroup, Hierarchies};
use probelet_shim_protocol::socket::{self, MESSAGE_BYTES_MAX};
use probelet_shim_protocol::{ControlReply, ControlRequest, ExitRecord, Running, ShimConfig, StartReport, files};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, WaitOptions, WaitStatus};

use crate::create::{self, Failed};
use crate::helper;
use crate::identity::Identity;
use crate::log::{Log, Stream};
use crate::system::{self, Forked};

/// Connections to the shim: the agent's one per container, and one more for each signal on its way. A further one
/// waits.
const CONNECTIONS_MAX: usize = 16;

/// Starts the container in `directory` and stays until its end.
pub(crate) fn run(directory: &Path) -> io::Result<()> {
    let config: ShimConfig = serde_json::from_slice(&std::fs::read(directory.join(files::SHIM_CONFIG))?)?;
    match Shim::start(directory, &config) {
        Ok(mut shim) => {
            report(&StartReport::Running(shim.running))?;
            shim.start_helper();
            let status = shim.watch()?;
            shim.record(status)
        }
        Err(Failed { stage, message }) => report(&StartReport::Failed { stage, message }),
    }
}

/// Tells the agent how the start went. The end of our standard output is the end of the report.
fn report(report: &StartReport) -> io::Result<()> {
    // An agent that is gone finds the container by its folder.
    let _ = rustix::io::write(rustix::stdio::stdout(), &serde_json::to_vec(report)?);
    let nothing = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(())
}

struct Shim {
    directory: PathBuf,
    running: Running,
    init: Pid,
    init_descriptor: OwnedFd,
    mount_namespace: OwnedFd,
    identity: Identity,
    hierarchies: Hierarchies,
    cgroup: Cgroup,
    log: Log,
    streams: [Stream; 2],
    children: OwnedFd,
    control: OwnedFd,
    connections: Vec<OwnedFd>,
    exec: OwnedFd,
    helper: Option<Pid>,
}

impl Shim {
    fn start(directory: &Path, config: &ShimConfig) -> Result<Self, Failed> {
        let hierarchies = Hierarchies::discover().map_err(Failed::create)?;
        let cgroup = hierarchies.cgroup(&config.cgroup);
        let log = Log::open(&config.log)
            .map_err(|error| Failed::create(format!("cannot open the log {}: {error}", config.log.display())))?;
        let control = socket::listen(directory, files::CONTROL_SOCKET).map_err(Failed::create)?;
        let exec = socket::listen(directory, files::EXEC_SOCKET).map_err(Failed::create)?;
        let mut created = create::create(directory, config)?;
        let init = created.init;
        if !hierarchies.is_unified() {
            join_cgroup2(&cgroup, init).map_err(Failed::create)?;
        }
        let children = system::watch_children().map_err(Failed::create)?;
        let spec = Spec::load(directory.join(files::OCI_CONFIG)).map_err(Failed::create)?;
        let identity = Identity::of(init, &spec).map_err(Failed::create)?;
        let init_descriptor =
            rustix::process::pidfd_open(init, rustix::process::PidfdFlags::empty()).map_err(Failed::create)?;
        let mount_namespace = File::open(format!("/proc/{}/ns/mnt", init.as_raw_nonzero())).map_err(Failed::create)?;
        created.start()?;
        let pid = init.as_raw_nonzero().get().unsigned_abs();
        Ok(Self {
            directory: directory.to_owned(),
            running: Running {
                pid,
                started_at: SystemTime::now(),
            },
            init,
            init_descriptor,
            mount_namespace: mount_namespace.into(),
            identity,
            hierarchies,
            cgroup,
            log,
            streams: [
                Stream::new("stdout", created.stdout),
                Stream::new("stderr", created.stderr),
            ],
            children,
            control,
            connections: Vec::new(),
            exec,
            helper: None,
        })
    }

    /// Starts the helper. If it cannot be, commands fail and it is tried again with the next.
    fn start_helper(&mut self) {
        match system::fork() {
            Ok(Forked::Child) => helper::run(&helper::Start {
                listener: self.exec.as_fd(),
                init: self.init,
                init_descriptor: self.init_descriptor.as_fd(),
                mount_namespace: self.mount_namespace.as_fd(),
                cgroup2: self.cgroup.cgroup2(),
                hierarchies: &self.hierarchies,
                identity: &self.identity,
            }),
            Ok(Forked::Parent(pid)) => self.helper = Some(pid),
            Err(error) => eprintln!("cannot fork the exec helper: {error}"),
        }
    }

    /// Serves until process 1 has ended.
    fn watch(&mut self) -> io::Result<WaitStatus> {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        // Process 1 may have ended before its signal was watched for.
        let mut ended = self.reap()?;
        while ended.is_none() {
            let ready = self.wait()?;
            for (stream, ready) in self.streams.iter_mut().zip(ready.streams) {
                if ready {
                    stream.copy(&mut self.log);
                }
            }
            self.answer(&ready.connections, &mut buffer);
            // If it cannot be accepted, for want of descriptors mostly, it waits until it can.
            if ready.control
                && let Ok(Some(connection)) = socket::accept(&self.control)
            {
                self.connections.push(connection);
            }
            if ready.exec {
                self.start_helper();
            }
            if ready.children {
                ended = self.reap()?;
            }
        }
        ended.ok_or_else(|| io::ErrorKind::Other.into())
    }

    fn wait(&self) -> io::Result<Ready> {
        let nothing = || PollFd::from_borrowed_fd(self.children.as_fd(), PollFlags::empty());
        let input = |descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN);
        let mut polled = vec![input(self.children.as_fd())];
        let room = self.connections.len() < CONNECTIONS_MAX;
        polled.push(if room { input(self.control.as_fd()) } else { nothing() });
        // While a helper lives, it accepts its connections itself.
        polled.push(if self.helper.is_none() {
            input(self.exec.as_fd())
        } else {
            nothing()
        });
        polled.extend(
            self.streams
                .iter()
                .map(|stream| stream.pipe().map_or_else(nothing, input)),
        );
        polled.extend(self.connections.iter().map(|connection| input(connection.as_fd())));
        match rustix::event::poll(&mut polled, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<_> = polled
            .iter()
            .map(|descriptor| !descriptor.revents().is_empty())
            .collect();
        Ok(Ready {
            children: ready[0],
            control: ready[1],
            exec: ready[2],
            streams: [ready[3], ready[4]],
            connections: ready[5..].to_vec(),
        })
    }

    /// Takes leave of all children that have ended; the status if process 1 was among them.
    fn reap(&mut self) -> io::Result<Option<WaitStatus>> {
        let mut signals = [0; 4096];
        // Only their arrival matters.
        let _ = rustix::io::read(&self.children, &mut signals);
        let mut ended = None;
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.init => ended = Some(status),
                Ok(Some((pid, _))) if Some(pid) == self.helper => {
                    self.helper = None;
                    helper::end_orphans(self.cgroup.cgroup2());
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(ended),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn answer(&mut self, ready: &[bool], buffer: &mut [u8]) {
        let mut ready = ready.iter();
        let connections = std::mem::take(&mut self.connections);
        let keep = |connection: &OwnedFd| !ready.next().is_some_and(|ready| *ready) || self.serve(connection, buffer);
        self.connections = connections.into_iter().filter(keep).collect();
    }

    /// Answers one request; `false` when the connection is of no more use.
    fn serve(&self, connection: &OwnedFd, buffer: &mut [u8]) -> bool {
        let reply = match socket::receive(connection, buffer) {
            Ok(Some((ControlRequest::Status, _))) => ControlReply::Status(self.running),
            Ok(Some((ControlRequest::Signal { signal, all }, _))) => match self.signal(signal, all) {
                Ok(()) => ControlReply::Done,
                Err(error) => ControlReply::Failed(error.to_string()),
            },
            Err(socket::SocketError::System(error)) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Ok(None) | Err(_) => return false,
        };
        socket::send(connection, &reply, &[]).is_ok()
    }

    fn signal(&self, signal: i32, all: bool) -> io::Result<()> {
        if !all {
            return system::kill(self.init, signal);
        }
        if signal == libc::SIGKILL {
            self.cgroup.kill()?;
            // A privileged process 1 may have left its cgroup.
            return system::kill(self.init, signal);
        }
        for process in self.cgroup.processes() {
            // It may have ended by itself.
            let _ = system::kill(process, signal);
        }
        Ok(())
    }

    /// Ends what is left of the container and records how it ended.
    fn record(&mut self, status: WaitStatus) -> io::Result<()> {
        let finished_at = SystemTime::now();
        let signal = status.terminating_signal();
        let code = signal.map_or_else(|| status.exit_status().unwrap_or(0), |signal| 128 + signal);
        // All others in the container's process id namespace are gone with process 1, but it may have had another; what
        // cannot be killed here is when the container is removed. The helper is outside.
        let _ = self.cgroup.kill();
        if let Some(helper) = self.helper.take() {
            let _ = system::kill(helper, libc::SIGKILL);
            let _ = rustix::process::waitpid(Some(helper), WaitOptions::empty());
        }
        for stream in &mut self.streams {
            stream.copy_rest(&mut self.log);
        }
        let record = ExitRecord {
            code,
            signal,
            oom_killed: code != 0 && self.cgroup.oom_kills() > 0,
            lost: false,
            started_at: Some(self.running.started_at),
            finished_at,
        };
        write_durably(&self.directory, files::EXIT_RECORD, &serde_json::to_vec(&record)?)
    }
}

/// What [`Shim::wait`] has found.
struct Ready {
    children: bool,
    control: bool,
    exec: bool,
    streams: [bool; 2],
    connections: Vec<bool>,
}

/// On a hybrid host libcontainer knows nothing of the cgroup2.
fn join_cgroup2(cgroup: &Cgroup, process: Pid) -> io::Result<()> {
    std::fs::create_dir_all(cgroup.cgroup2())?;
    std::fs::write(
        cgroup.cgroup2().join("cgroup.procs"),
        process.as_raw_nonzero().to_string(),
    )
}

/// Writes a file that is there whole, or not at all, even if the power fails.
fn write_durably(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = directory.join(format!("{name}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(temporary, directory.join(name))?;
    File::open(directory)?.sync_all()
}
