//! Looking at the files of a container whose file system hangs. It is a suite of its own, as it counts its threads.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use common::*;
use probelet_container::{Container, FileKind};

/// A file system at `/mnt` in the container that never answers, as long as it lives.
struct Hanging(Child);

impl Hanging {
    fn mount(container: &Container) -> Self {
        let script = "exec 3<>/dev/fuse; nsenter --mount=/proc/$0/ns/mnt --root=/proc/$0/root /bin/busybox mount -t fuse \
                      -o fd=3,rootmode=40000,user_id=0,group_id=0 fuse /mnt && echo mounted && exec cat";
        let mut child = Command::new("sh")
            .args(["-c", script, &container.pid().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let read = BufReader::new(child.stdout.take().unwrap()).read_line(&mut line);
        read.expect("a line");
        assert_eq!(line, "mounted\n");
        Self(child)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The threads of this process that look for a path just now.
fn hanging_threads() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let call = |path: PathBuf| std::fs::read_to_string(path.join("syscall")).unwrap_or_default();
    threads.filter(|thread| call(thread.path()).starts_with("437 ")).count()
}

#[tokio::test]
async fn a_hanging_file_system_holds_up_nobody_else() {
    let world = World::new();
    let spec = world.shell("a", IDLE);
    std::fs::create_dir(spec.root.join("mnt")).unwrap();
    let container = world.runtime.start(spec).await.expect("it starts");
    let neighbour = world.idle("neighbour").await;
    let hanging = Hanging::mount(&container);
    let look = |path: &'static str| {
        let granted = container.files(["/mnt", "/etc"].map(PathBuf::from).to_vec());
        tokio::spawn(async move { granted.metadata(path).await })
    };
    let looks: Vec<_> = (0..20).map(|_| look("/mnt/file")).collect();
    eventually("the first ones hang", || hanging_threads() == 4).await;
    // Whoever gives up leaves the thread behind, and no other takes its place.
    looks.iter().for_each(tokio::task::JoinHandle::abort);
    let after = look("/etc/passwd");
    let others = neighbour.files(vec![PathBuf::from("/etc")]);
    assert_eq!(others.metadata("/etc/passwd").await.unwrap().kind, FileKind::File);
    assert_eq!(tokio::task::spawn_blocking(|| 7).await.unwrap(), 7);
    assert_eq!((hanging_threads(), after.is_finished()), (4, false));
    drop(hanging);
    assert_eq!(after.await.unwrap().unwrap().kind, FileKind::File);
    for look in looks {
        assert!(look.await.is_err_and(|error| error.is_cancelled()));
    }
}
