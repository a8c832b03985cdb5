//! `cargo xtask demo`: a liveness probe restarts a real container while one watches.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use crate::{build, images, process, setup};

/// The demo is to show its restart within a minute of the pod's start.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent of its own: the demo disturbs no other one on this machine.
const BRIDGE: &str = "probelet-demo";
const POD_RANGE: &str = "10.89.240.0/24";

/// Sets up, builds, runs the pod until its restart has been seen, and cleans up.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    setup::run(root, setup::Options::BUILD)?;
    let binaries = build::run(root, build::Profile::Dev)?;
    let images = images::run(root)?;
    let demo = Demo {
        prefix: process::as_root()
            .map_err(anyhow::Error::msg)
            .context("probelet makes containers and networks")?,
        probelet: binaries.join("probelet"),
        state: std::env::temp_dir().join(format!("probelet-demo-{}", std::process::id())),
    };
    for archive in images.archives() {
        process::run(demo.command("image").arg("import").arg(archive))?;
    }
    let manifest = root.join("xtask/demo.yaml");
    println!("\n{}", std::fs::read_to_string(&manifest)?);
    say("the probe runs every 2 s; after 8 s the file that it reads is gone; three failures restart the container");
    let mut agent = demo
        .command("run")
        .arg(&manifest)
        .args(["--bridge", BRIDGE, "--pod-cidr", POD_RANGE])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the agent")?;
    let shown = demo.show(&mut agent);
    let ended = demo.end(&mut agent);
    process::output(&mut demo.root_command("rm", &["-rf".as_ref(), demo.state.as_os_str()]))?;
    shown?;
    ended?;
    say("cleaned up: no container, no network, no file is left");
    Ok(())
}

/// Shows the agent's output as it comes, until its end, and passes the lines on for as long as somebody reads them.
fn live_table(agent: &mut Child) -> anyhow::Result<Receiver<String>> {
    let table = BufReader::new(agent.stdout.take().context("stdout was asked for as a pipe")?);
    let (lines, receiver) = mpsc::channel();
    let begin = Instant::now();
    std::thread::spawn(move || {
        for line in table.lines().map_while(Result::ok) {
            println!("{:>5.1}s  {line}", begin.elapsed().as_secs_f32());
            let _ = lines.send(line);
        }
    });
    Ok(receiver)
}

fn say(text: &str) {
    println!("demo: {text}");
}

struct Demo {
    /// What to put before a command that needs root.
    prefix: Vec<&'static str>,
    probelet: PathBuf,
    /// The agent's folder, removed in the end.
    state: PathBuf,
}

impl Demo {
    /// Waits until the agent's live table shows a restarted container that runs.
    fn show(&self, agent: &mut Child) -> anyhow::Result<()> {
        let begin = Instant::now();
        let table = live_table(agent)?;
        while let Ok(line) = table.recv_timeout(PATIENCE.saturating_sub(begin.elapsed())) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            if let ["demo", "1/1", "Running", restarts, ..] = columns[..]
                && restarts != "0"
            {
                say(&format!(
                    "the container was restarted, {} s after the pod's start",
                    begin.elapsed().as_secs()
                ));
                say("what the agent recorded:");
                process::run(&mut self.command("events"))?;
                process::run(self.command("history").arg("demo"))?;
                return Ok(());
            }
        }
        bail!("the agent ended, or showed no restart within {} s", PATIENCE.as_secs())
    }

    /// Ends the agent as Ctrl-C does: it deletes its pods first.
    fn end(&self, agent: &mut Child) -> anyhow::Result<()> {
        say("Ctrl-C: the agent deletes the pod and ends");
        process::output(&mut self.root_command("kill", &["-INT".as_ref(), agent.id().to_string().as_ref()]))?;
        let status = agent.wait()?;
        ensure!(status.success(), "the agent ended with {status}");
        Ok(())
    }

    fn command(&self, name: &str) -> Command {
        self.root_command(
            &self.probelet,
            &[name.as_ref(), "--state-dir".as_ref(), self.state.as_os_str()],
        )
    }

    fn root_command(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&std::ffi::OsStr]) -> Command {
        let program = program.as_ref();
        let mut command = match self.prefix.split_first() {
            Some((sudo, options)) => {
                let mut command = Command::new(sudo);
                command.args(options).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(arguments);
        command
    }
}
