//! How long a day of 10,000 containers takes in virtual time: `cargo xtask bench simulate`.
//!
//! Each container is a pod of its own with a probe every ten seconds, so that the machine runs 86.4 million probes. All
//! pods are well: what fails costs more, and is rare.

use std::{
    thread,
    time::{Duration, Instant},
};

use probelet_simulate::{Script, simulate};

const CONTAINERS: usize = 10_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  containers:
  - name: app
    image: app:1
    livenessProbe:
      httpGet: { path: /healthz, port: 8080 }
      periodSeconds: 10
";

fn main() {
    let pods = probelet_manifest::parse_yaml(POD, "pod.yaml").expect("the pod is valid");
    let (pod, script) = (&pods[0], Script::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let begin = Instant::now();
    let runs: u64 = thread::scope(|scope| {
        let share = |thread| (thread..CONTAINERS).step_by(threads);
        let work = |thread| {
            let script = &script;
            scope.spawn(move || {
                share(thread)
                    .map(|_| simulate(pod, script, DAY).probe_runs)
                    .sum::<u64>()
            })
        };
        let threads: Vec<_> = (0..threads).map(work).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no simulation panics"))
            .sum()
    });
    let took = begin.elapsed();
    println!(
        "{CONTAINERS} containers, a probe every 10 s, for a day: {runs} probe runs in {:.1} s on {threads} threads, {:.0} ns a run and thread",
        took.as_secs_f64(),
        took.as_nanos() as f64 * threads as f64 / runs as f64
    );
}
