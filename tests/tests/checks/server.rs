//! Servers as people run them, from Debian's packages, on a port of this machine's loopback.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take to start on a machine that runs all tests at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with a folder of its own. It ends with its owner.
pub(crate) struct Server {
    process: Child,
    _folder: TempDir,
    pub(crate) port: u16,
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A folder that servers may write to that do not run as root.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("/tmp can be written")
}

/// Where `cargo xtask setup` unpacks the servers that are not installed.
pub(crate) fn unpacked() -> PathBuf {
    Path::new(&env::var_os("HOME").unwrap_or_default()).join(".cache/probelet/tools/servers-2/root")
}

/// A server's program, and a command of it that finds its libraries.
pub(crate) fn command(name: &str) -> Command {
    let search = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&search).collect();
    for root in [Path::new("/").to_owned(), unpacked()] {
        folders.extend(["usr/sbin", "usr/bin"].map(|folder| root.join(folder)));
        // PostgreSQL has a folder for each of its versions.
        let versions = fs::read_dir(root.join("usr/lib/postgresql"))
            .into_iter()
            .flatten()
            .flatten();
        folders.extend(versions.map(|version| version.path().join("bin")));
    }
    let program = folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    let program = program.unwrap_or_else(|| panic!("there is no {name}; `cargo xtask setup` gets it"));
    let is_unpacked = program.starts_with(unpacked());
    let mut command = Command::new(program);
    if is_unpacked {
        let libraries = unpacked().join(format!("usr/lib/{}-linux-gnu", env::consts::ARCH));
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
}

impl Server {
    /// Starts a server that will listen at a port, and waits until it says that it does: `ready` is a part of that line,
    /// on its standard error or, with `by_stdout`, its standard output.
    pub(crate) fn start(mut command: Command, folder: TempDir, port: u16, ready: &str, by_stdout: bool) -> Self {
        let line = format!("{command:?}");
        command.stdin(Stdio::null());
        if by_stdout {
            command.stdout(Stdio::piped()).stderr(Stdio::null());
        } else {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
        }
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {line}: {error}"));
        let (sender, lines) = mpsc::channel();
        let read = |output: Box<dyn std::io::Read + Send>| {
            let sender = sender.clone();
            // It reads on when nobody listens any more: a full pipe would stop the server.
            thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                lines.for_each(|line| drop(sender.send(line)));
            });
        };
        match (process.stdout.take(), process.stderr.take()) {
            (Some(output), _) => read(Box::new(output)),
            (None, Some(output)) => read(Box::new(output)),
            (None, None) => {}
        }
        drop(sender);
        let server = Self {
            process,
            _folder: folder,
            port,
        };
        let deadline = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(ready) => return server,
                Ok(line) => said.push(line),
                Err(error) => panic!(
                    "{error} while waiting for `{ready}` of {line}; it said:\n{}",
                    said.join("\n")
                ),
            }
        }
    }

    /// Where it listens, as `plugin run --against` takes it.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Makes it fall silent: connections to it are still taken, by the kernel, and nobody answers.
    pub(crate) fn freeze(&self) {
        kill_process(Pid::from_child(&self.process), Signal::STOP).expect("the server is still there");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
