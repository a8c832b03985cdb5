//! Looking at the files of containers, which are hostile.

#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::*;
use probelet_container::{Container, FileKind, Files, FilesError, Mount, MountKind, READ_BYTES_MAX};

fn files(container: &Container, granted: &[&str]) -> Files {
    container.files(granted.iter().map(PathBuf::from).collect())
}

async fn read(files: &Files, path: &str) -> Result<String, FilesError> {
    let content = files.read(path, 0, READ_BYTES_MAX).await?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}

fn is_not_granted<T: std::fmt::Debug>(path: &str, result: Result<T, FilesError>) {
    assert!(
        matches!(result, Err(FilesError::NotGranted { .. })),
        "{path}: {result:?}"
    );
}

fn is_wrong_kind<T: std::fmt::Debug>(path: &str, result: Result<T, FilesError>) {
    assert!(
        matches!(result, Err(FilesError::WrongKind { .. })),
        "{path}: {result:?}"
    );
}

fn is_not_running<T: std::fmt::Debug>(result: Result<T, FilesError>) {
    assert!(matches!(result, Err(FilesError::NotRunning { .. })), "{result:?}");
}

#[tokio::test]
async fn files_and_volumes_are_as_the_container_sees_them() {
    let world = World::new();
    let volume = world.directory.path().join("volume");
    std::fs::create_dir_all(volume.join("sub")).unwrap();
    std::fs::write(volume.join("file"), "of the volume").unwrap();
    let mut spec = world.shell("a", IDLE);
    std::fs::create_dir(spec.root.join("data")).unwrap();
    std::fs::write(spec.root.join("data/hidden"), "below the volume").unwrap();
    spec.mounts.push(Mount {
        destination: "/data".into(),
        read_only: true,
        kind: MountKind::Bind { source: volume.clone() },
    });
    let container = world.runtime.start(spec).await.expect("it starts");
    let data = files(&container, &["/data", "/etc/passwd", "/dev/shm"]);
    assert_eq!(data.list("/data").await.unwrap(), ["file", "sub"]);
    assert_eq!(read(&data, "/data/file").await.unwrap(), "of the volume");
    assert_eq!(data.read("/data/file", 3, 3).await.unwrap(), b"the");
    let found = data.metadata("/data/file").await.unwrap();
    let modified = volume.join("file").metadata().unwrap().modified().unwrap();
    assert_eq!((found.kind, found.size, found.modified), (FileKind::File, 13, modified));
    assert_eq!(data.metadata("/data").await.unwrap().kind, FileKind::Directory);
    assert!(read(&data, "/etc/passwd").await.unwrap().starts_with("root:"));
    is_not_granted("/etc", data.list("/etc").await);
    exec(&container, &["sh", "-c", "echo later >/dev/shm/file"]).await;
    assert_eq!(read(&data, "/dev/shm/file").await.unwrap(), "later\n");
    let space = data.space("/dev/shm").await.unwrap();
    assert!(
        space.total == 64 << 20 && (1..space.total).contains(&space.available),
        "{space:?}"
    );
    let all = files(&container, &["/"]);
    assert!(all.list("/").await.unwrap().contains(&"data".to_owned()));
    assert_eq!(read(&all, "/data/file").await.unwrap(), "of the volume");
    is_not_granted("/data", files(&container, &[]).list("/data").await);
}

#[tokio::test]
async fn nothing_leads_out_of_what_is_granted() {
    let world = World::new();
    let outside = world.directory.path().join("outside");
    std::fs::write(&outside, "of the host").unwrap();
    let spec = world.shell("a", IDLE);
    let data = spec.root.join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(spec.root.join("secret"), "secret").unwrap();
    let links = [
        ("up", "../secret"),
        ("absolute", "/secret"),
        ("host", outside.to_str().unwrap()),
        ("beyond", "../../../../../../../../etc/hostname"),
        ("door", "/proc/1/root/secret"),
    ];
    for (name, target) in links {
        symlink(target, data.join(name)).unwrap();
    }
    symlink("/", data.join("root")).unwrap();
    symlink("/data", spec.root.join("granted")).unwrap();
    let container = world.runtime.start(spec).await.expect("it starts");
    let granted = files(&container, &["/data"]);
    for (name, _) in links {
        let path = format!("/data/{name}");
        is_not_granted(&path, read(&granted, &path).await);
        is_not_granted(&path, granted.space(&path).await);
        assert_eq!(
            granted.metadata(&path).await.unwrap().kind,
            FileKind::SymbolicLink,
            "{path}"
        );
    }
    for path in [
        "/data/../secret",
        "/data/root/secret",
        "/secret",
        "/data/up/../../secret",
        "/data/..",
    ] {
        is_not_granted(path, read(&granted, path).await);
        is_not_granted(path, granted.metadata(path).await);
        is_not_granted(path, granted.list(path).await);
    }
    // The granted path itself may be a link, to somewhere in the container.
    let by_link = files(&container, &["/granted"]);
    assert!(by_link.list("/granted").await.unwrap().contains(&"up".to_owned()));
    is_not_granted("/granted/up", read(&by_link, "/granted/up").await);
    // The container's root is where everything ends.
    let all = files(&container, &["/"]);
    assert_eq!(read(&all, "/data/up").await.unwrap(), "secret");
    for path in ["/data/host", "/data/beyond", "/../outside"] {
        is_not_granted(path, read(&all, path).await);
    }
    let beyond = files(&container, &["/data/beyond", "/data/host"]);
    for path in ["/data/beyond", "/data/host"] {
        let result = read(&beyond, path).await;
        assert!(matches!(result, Err(FilesError::NotFound { .. })), "{path}: {result:?}");
    }
}

#[tokio::test]
async fn links_that_are_swapped_meanwhile_lead_nowhere_else() {
    let world = World::new();
    let script = "mkdir -p /data/true /secret; echo good >/data/true/file; echo secret >/secret/file; \
                  ln -s true /data/1; ln -s ../secret /data/2; ln -s /secret /data/3; ln -s true/file /data/4; \
                  ln -s ../secret/file /data/5; echo ready; while :; do \
                  for link in 1 2 3; do cp -P /data/$link /data/next; mv -T /data/next /data/folder; done; \
                  for link in 4 5; do cp -P /data/$link /data/next; mv /data/next /data/link; done; done";
    let container = world.runtime.start(world.shell("a", script)).await.expect("it starts");
    eventually("it is ready", || !log_lines(container.log_path()).is_empty()).await;
    let granted = files(&container, &["/data"]);
    for path in ["/data/folder/file", "/data/link", "/data/folder/../true/file"] {
        let (mut good, mut refused) = (0, 0);
        while good + refused < 300 || good == 0 || refused == 0 {
            match read(&granted, path).await {
                Ok(text) => {
                    assert_eq!(text, "good\n", "{path}");
                    good += 1;
                }
                Err(FilesError::NotGranted { .. }) => refused += 1,
                // Before the first swap, and when the kernel has seen too many.
                Err(FilesError::NotFound { .. } | FilesError::Host { .. }) => {}
                Err(error) => panic!("{path}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn files_that_change_meanwhile_are_read_within_bounds() {
    let world = World::new();
    let script = "echo ready; while :; do dd if=/dev/zero of=/tmp/file bs=1M count=3; : >/tmp/file; done 2>/dev/null";
    let container = world.runtime.start(world.shell("a", script)).await.expect("it starts");
    eventually("it is ready", || !log_lines(container.log_path()).is_empty()).await;
    let granted = files(&container, &["/tmp"]);
    let (mut some, mut none) = (0, 0);
    while some + none < 200 || some == 0 || none == 0 {
        match granted.read("/tmp/file", 100, usize::MAX).await {
            Ok(content) if content.is_empty() => none += 1,
            Ok(content) => {
                assert!(content.len() <= READ_BYTES_MAX);
                some += 1;
            }
            Err(FilesError::NotFound { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn pipes_devices_and_sockets_are_not_opened() {
    let world = World::new();
    let container = world.idle("a").await;
    exec(&container, &["mkfifo", "/tmp/fifo"]).await;
    let granted = files(&container, &["/tmp", "/dev"]);
    // A pipe without a writer would keep the reader for ever, and a terminal could become the agent's own.
    for path in ["/tmp/fifo", "/dev/zero", "/dev/null", "/dev/ptmx", "/dev/tty"] {
        assert_eq!(granted.metadata(path).await.unwrap().kind, FileKind::Other, "{path}");
        is_wrong_kind(path, read(&granted, path).await);
        is_wrong_kind(path, granted.list(path).await);
    }
    is_wrong_kind("/tmp", read(&granted, "/tmp").await);
    if exec(&container, &["mknod", "/tmp/disk", "b", "254", "0"])
        .await
        .exit_code
        == 0
    {
        is_wrong_kind("/tmp/disk", read(&granted, "/tmp/disk").await);
    }
}

#[tokio::test]
async fn the_kernels_files_are_shown_with_care() {
    let world = World::new();
    let container = world.idle("a").await;
    exec(&container, &["ln", "-s", "proc/1/environ", "/environ"]).await;
    let all = files(&container, &["/"]);
    for path in [
        "/proc/1/environ",
        "/proc/1/status",
        "/proc/1/mem",
        "/environ",
        "/sys/kernel/mm",
        "/sys/fs/cgroup/cpu/cpu.stat",
    ] {
        if path.starts_with("/sys/fs") && is_unified() {
            continue;
        }
        is_not_granted(path, read(&all, path).await);
    }
    is_not_granted("/proc", all.list("/proc").await);
    let named = files(&container, &["/proc", "/sys", "/"]);
    assert!(read(&named, "/proc/1/status").await.unwrap().contains("NSpid:"));
    assert!(named.list("/proc").await.unwrap().contains(&"1".to_owned()));
    for path in [
        "/proc/1/environ",
        "/proc/1/mem",
        "/proc/1/auxv",
        "/proc/kmsg",
        "/environ",
    ] {
        is_not_granted(path, read(&named, path).await);
    }
    // The agent does not exist in there.
    let own = read(&named, "/proc/self/status").await;
    assert!(matches!(own, Err(FilesError::NotFound { .. })), "{own:?}");
    for path in ["/proc/1/root/etc/passwd", "/proc/1/cwd", "/proc/1/exe", "/proc/1/fd/1"] {
        let result = read(&named, path).await;
        assert!(matches!(result, Err(FilesError::Host { .. })), "{path}: {result:?}");
    }
    // Masked by a device.
    is_wrong_kind("/proc/keys", read(&named, "/proc/keys").await);
}

#[tokio::test]
async fn an_ended_container_shows_nothing() {
    let world = World::new();
    let container = world.idle("a").await;
    let (used, fresh) = (files(&container, &["/"]), files(&container, &["/"]));
    assert!(read(&used, "/etc/passwd").await.is_ok());
    container.signal(9, true).await.unwrap();
    // Before the end is known here, too.
    eventually("process 1 is gone", || {
        !Path::new(&format!("/proc/{}", container.pid())).exists()
    })
    .await;
    is_not_running(read(&used, "/etc/passwd").await);
    is_not_running(read(&fresh, "/etc/passwd").await);
    container.wait().await;
    world.runtime.remove("a").await.unwrap();
    for files in [used, fresh, files(&container, &["/"])] {
        is_not_running(files.metadata("/etc/passwd").await);
        is_not_running(files.list("/").await);
        is_not_running(files.space("/").await);
    }
}

#[test]
fn all_of_this_with_unified_cgroups() {
    again_with_unified_cgroups("all_of_this_with_unified_cgroups", &[]);
}
