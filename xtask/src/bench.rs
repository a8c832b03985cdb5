//! `cargo xtask bench`: what plugins cost, beside the same checks done natively; how long a simulated day takes; and what
//! an exec probe costs, beside `crun exec` and `runc exec` in the same run.
//!
//! These three run `/bin/true` of the same busybox in a container that is otherwise idle. Ours is what the history
//! recorded, from the time a run was due to the time its outcome was known. Machines are noisy: the ratios count.

mod processor;
pub(crate) mod runtimes;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{build, guests, images, process, setup};
use runtimes::Sample;

/// The hidden command by which the measurement of the other runtimes gets a process, and so a mount namespace, of its
/// own.
pub(crate) const RUNTIMES: &str = "bench-runtimes";

/// Idle time between two runs. Back-to-back runs would hide what a probe pays for coming out of the blue.
pub(crate) const IDLE: Duration = Duration::from_millis(100);

/// Runs of each kind: enough for a steady median, few enough to take half a minute.
const SAMPLES: usize = 200;

/// A probe's shortest period is a second, so ten pods, started [`IDLE`] apart, make a run each 100 ms.
const PODS: usize = 10;

const BRIDGE: &str = "probelet-bench";
const POD_RANGE: &str = "10.89.241.0/24";

/// What plugins cost, beside the same checks done natively.
pub(crate) fn plugin(root: &Path) -> anyhow::Result<()> {
    setup::run(root, setup::Options::BENCH)?;
    guests::run(root)?;
    release_example(root, "probelet-engine", "cost")
}

/// A day of 10,000 containers in virtual time.
pub(crate) fn simulate(root: &Path) -> anyhow::Result<()> {
    release_example(root, "probelet-simulate", "day")
}

/// Runs an example that measures something.
fn release_example(root: &Path, package: &str, example: &str) -> anyhow::Result<()> {
    let arguments = [
        "run",
        "--release",
        "--locked",
        "--package",
        package,
        "--example",
        example,
    ];
    process::run(process::cargo(root).args(arguments))
}

/// Measures and prints the comparison.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    ensure!(
        process::is_root(),
        "run it as root (`sudo env PATH=$PATH cargo xtask bench exec`): all three need it"
    );
    setup::run(root, setup::Options::BENCH)?;
    let binaries = build::run(root, build::Profile::Release)?;
    let images = images::run(root)?;
    let folder = std::env::temp_dir().join(format!("probelet-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let agent = Agent::start(&binaries, &folder)?;
    for archive in images.archives() {
        process::output(agent.client(&["image", "import"]).arg(archive))?;
    }
    let mut samples = vec![agent.measure()?];
    let bundle = folder.join("bundle");
    agent.copy_busybox(&bundle.join("rootfs"))?;
    drop(agent);
    samples.extend(other_runtimes(&bundle)?);
    std::fs::remove_dir_all(&folder)?;
    print!("{}", table(&samples));
    Ok(())
}

/// An agent with the pods that are measured. Dropping it deletes them and ends it.
struct Agent {
    probelet: PathBuf,
    folder: PathBuf,
    process: Child,
}

impl Agent {
    fn start(binaries: &Path, folder: &Path) -> anyhow::Result<Agent> {
        let probelet = binaries.join("probelet");
        let process = Command::new(&probelet)
            .args(["node", "--bridge", BRIDGE, "--pod-cidr", POD_RANGE, "--state-dir"])
            .arg(folder.join("state"))
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the agent")?;
        let agent = Agent {
            probelet,
            folder: folder.to_owned(),
            process,
        };
        let begin = Instant::now();
        while process::output(&mut agent.client(&["get", "pods"])).is_err() {
            ensure!(begin.elapsed() < Duration::from_secs(30), "the agent does not answer");
            sleep(IDLE);
        }
        Ok(agent)
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.probelet);
        // As a variable: whatever may follow, such as a command to run, stays the last.
        command
            .args(arguments)
            .env("PROBELET_STATE_DIR", self.folder.join("state"));
        command
    }

    /// Runs the pods, and takes time and processor time of their probe runs.
    fn measure(&self) -> anyhow::Result<Sample> {
        println!("measuring {PODS} pods with an exec probe each …");
        for index in 0..PODS {
            let manifest = self.folder.join(format!("{index}.yaml"));
            std::fs::write(&manifest, pod(index))?;
            process::output(self.client(&["apply", "-f"]).arg(manifest))?;
            sleep(IDLE);
        }
        // The first runs pay for what is loaded once.
        sleep(Duration::from_secs(3));
        let (runs_before, processor_before) = (self.runs()?, processor::of_programs_named("probelet")?);
        sleep(IDLE * u32::try_from(SAMPLES)?);
        let (runs, processor_after) = (self.runs()?, processor::of_programs_named("probelet")?);
        let mut wall = Vec::new();
        for (before, after) in runs_before.iter().zip(&runs) {
            let last = before
                .last()
                .and_then(|run| run["attempt"].as_u64())
                .context("no run was recorded")?;
            for run in after.iter().filter(|run| run["attempt"].as_u64() > Some(last)) {
                ensure!(
                    run["outcome"] == "success",
                    "a probe of the benchmark did not succeed: {run}"
                );
                wall.push(Duration::from_micros(
                    run["wallMicros"].as_u64().context("a run has a wall time")?,
                ));
            }
        }
        ensure!(!wall.is_empty(), "no probe ran while it was measured");
        let processor = (processor_after - processor_before) / u32::try_from(wall.len())?;
        Ok(Sample {
            name: "probelet".to_owned(),
            wall,
            processor,
        })
    }

    /// The recorded runs of each pod.
    fn runs(&self) -> anyhow::Result<Vec<Vec<Value>>> {
        let history = |index| {
            let text = process::output(&mut self.client(&["history", &name(index), "-o", "json"]))?;
            // One document with a list, or one document for each run.
            let documents = serde_json::Deserializer::from_str(&text)
                .into_iter::<Value>()
                .collect::<Result<Vec<_>, _>>()?;
            Ok(documents
                .into_iter()
                .flat_map(|one| one.as_array().cloned().unwrap_or_else(|| vec![one]))
                .collect())
        };
        (0..PODS).map(history).collect()
    }

    /// Gives the other runtimes the very program that our probes ran.
    fn copy_busybox(&self, rootfs: &Path) -> anyhow::Result<()> {
        let folder = rootfs.join("bin");
        std::fs::create_dir_all(&folder)?;
        let binary = std::fs::File::create(folder.join("busybox"))?;
        let status = self
            .client(&["exec", &name(0), "--", "cat", "/bin/busybox"])
            .stdout(binary)
            .status()?;
        ensure!(status.success(), "cannot read busybox from the container: {status}");
        process::output(Command::new("chmod").arg("755").arg(folder.join("busybox")))?;
        for applet in ["true", "sleep"] {
            std::os::unix::fs::symlink("busybox", folder.join(applet))?;
        }
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let names = (0..PODS).map(name).collect::<Vec<_>>();
        let deletion = process::output(
            self.client(&["delete", "pod", "--grace-period=0", "--force"])
                .args(names),
        );
        let ended = process::output(Command::new("kill").arg(self.process.id().to_string()));
        for error in [deletion.err(), ended.err()].into_iter().flatten() {
            eprintln!("cannot clean up: {error:#}");
        }
        let _ = self.process.wait();
    }
}

fn name(index: usize) -> String {
    format!("bench-{index}")
}

fn pod(index: usize) -> String {
    format!(
        r#"apiVersion: v1
kind: Pod
metadata: {{ name: {} }}
spec:
  containers:
  - name: busybox
    image: busybox:latest
    command: ["sleep", "3600"]
    livenessProbe:
      exec: {{ command: ["/bin/true"] }}
      periodSeconds: 1
"#,
        name(index)
    )
}

/// Measures crun and runc in a mount namespace of their own: crun refuses a mixture of cgroup v1 and v2, so the v2
/// hierarchy is unmounted there, and stays where it is for everybody else.
fn other_runtimes(bundle: &Path) -> anyhow::Result<Vec<Sample>> {
    println!("measuring crun and runc …");
    let script = "if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi; exec \"$@\"";
    let text = process::output(
        Command::new("unshare")
            .args(["--mount", "sh", "-euc", script, "sh"])
            .arg(std::env::current_exe()?)
            .args([RUNTIMES.as_ref(), bundle.as_os_str(), SAMPLES.to_string().as_ref()]),
    )?;
    text.lines().map(Sample::parse).collect()
}

fn table(samples: &[Sample]) -> String {
    let mut text =
        String::from("\n               wall ms (median)   CPU ms (mean)   runs   wall / probelet   CPU / probelet\n");
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let ours = &samples[0];
    for sample in samples {
        text.push_str(&format!(
            "{:14} {:>16.2} {:>15.2} {:>6} {:>17.1} {:>16.1}\n",
            sample.name,
            milliseconds(sample.median()),
            milliseconds(sample.processor),
            sample.wall.len(),
            sample.median().as_secs_f64() / ours.median().as_secs_f64(),
            sample.processor.as_secs_f64() / ours.processor.as_secs_f64(),
        ));
    }
    text
}
