//! Commands executed in containers.

mod common;

use std::time::{Duration, Instant};

use common::*;
use probelet_container::{ExecError, ExecRequest};

#[tokio::test]
async fn output_and_exit_code_come_back() {
    let world = World::new();
    let container = world.idle("a").await;
    let output = exec(&container, &["sh", "-c", "echo out; echo err >&2; exit 3"]).await;
    assert_eq!(output.exit_code, 3);
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert!(!output.truncated);
    for _ in 0..10 {
        let begin = Instant::now();
        let output = exec(&container, &["true"]).await;
        println!("{} {:?}", output.exit_code, begin.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let output = exec(&container, &["nosuch"]).await;
    println!("{output:?}");
    let output = exec(&container, &["cat", "/proc/self/status", "/proc/self/cgroup"]).await;
    println!("{}", text(&output));
    let output = exec(&container, &["cat", "/proc/1/status", "/proc/1/cgroup"]).await;
    println!("{}", text(&output));
    let output = exec(&container, &["ls", "-l", "/proc/self/fd"]).await;
    println!("{}", text(&output));
    let output = exec(&container, &["mount"]).await;
    println!("{}", text(&output));
}
