//! Containers from start to end.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use common::*;
use probelet_container::{
    Attachment, ContainerSpec, ExecError, Mount, MountKind, Resources, RuntimeError, StartError, log_tail,
};

#[tokio::test]
async fn an_exit_code_is_passed_on() {
    let world = World::new();
    let begin = SystemTime::now();
    let container = world
        .runtime
        .start(world.shell("a", "exit 42"))
        .await
        .expect("it starts");
    let record = container.wait().await;
    assert_eq!(
        (record.code, record.signal, record.lost, record.oom_killed),
        (42, None, false, false)
    );
    assert_eq!(record.started_at, Some(container.started_at()));
    assert!(begin <= container.started_at() && container.started_at() <= record.finished_at);
    assert_eq!(container.exit(), Some(record));
    let error = container.signal(15, false).await.unwrap_err();
    assert!(matches!(error, RuntimeError::NotRunning { .. }), "{error}");
}

#[tokio::test]
async fn a_signal_reaches_process_1_or_all() {
    let world = World::new();
    let container = world
        .runtime
        .start(world.shell(
            "a",
            "trap 'exit 7' TERM; echo ready; while :; do sleep 1000 & wait; done",
        ))
        .await;
    let container = container.expect("it starts");
    // Before it has a trap, process 1 ignores the signal.
    eventually("the trap is set", || !log_lines(container.log_path()).is_empty()).await;
    container.signal(15, false).await.expect("a signal");
    assert_eq!(container.wait().await.code, 7);

    // A shell as process 1 without a trap ignores SIGTERM; SIGKILL cannot be.
    let container = world
        .runtime
        .start(world.shell("b", "sleep 1000; sleep 1000"))
        .await
        .expect("it starts");
    container.signal(15, false).await.expect("a signal");
    assert_eq!(exec(&container, &["true"]).await.exit_code, 0);
    container.signal(9, true).await.expect("a signal");
    let record = container.wait().await;
    assert_eq!((record.code, record.signal), (137, Some(9)));

    let script =
        "sh -c 'trap \"echo child; exit\" USR1; echo ready; while :; do :; done' & trap '' USR1; wait; echo first";
    let container = world.runtime.start(world.shell("c", script)).await.expect("it starts");
    eventually("the child is ready", || log_lines(container.log_path()).len() == 1).await;
    container.signal(10, true).await.expect("a signal");
    assert_eq!(container.wait().await.code, 0);
    assert_eq!(
        log_lines(container.log_path()),
        ["stdout F ready", "stdout F child", "stdout F first"]
    );
}

#[tokio::test]
async fn the_log_holds_both_streams_to_the_last_byte() {
    let world = World::new();
    let spec = world.shell("a", "echo one; echo two >&2; yes | head -n 100000; printf rest");
    let log_path = world.directory.path().join("elsewhere.log");
    let container = world
        .runtime
        .start(ContainerSpec {
            log_path: Some(log_path.clone()),
            ..spec
        })
        .await
        .expect("it starts");
    assert_eq!(container.wait().await.code, 0);
    let lines = log_lines(&log_path);
    assert_eq!(lines.iter().filter(|line| *line == "stderr F two").count(), 1);
    assert_eq!(lines.iter().filter(|line| *line == "stdout F y").count(), 100_000);
    assert_eq!(
        (lines.len(), lines.last().unwrap().as_str()),
        (100_003, "stdout F rest")
    );
    let tail = log_tail::tail(&log_path, 2).await.unwrap();
    let texts: Vec<_> = tail.iter().map(|line| (line.stderr, line.text.as_str())).collect();
    assert_eq!(texts, [(false, "y"), (false, "rest")]);
    assert!(container.started_at() - Duration::from_secs(1) < tail[1].time && tail[1].time <= SystemTime::now());
    let text = std::fs::read_to_string(&log_path).unwrap();
    let time = text.split(' ').next().unwrap();
    assert!(time.len() > 20 && time.contains('T') && time.ends_with('Z'), "{time}");
    world.runtime.remove("a").await.unwrap();
    assert!(log_path.exists());
}

#[tokio::test]
async fn a_command_that_cannot_be_executed_leaves_nothing() {
    let world = World::new();
    let shell = world.shell("a", "");
    std::fs::write(shell.root.join("tmp/format"), "no program\n").unwrap();
    let path = shell.root.join("tmp/format");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let cases = [
        ("nosuch", r#"exec: "nosuch": executable file not found in $PATH"#),
        (
            "/no/such",
            r#"exec: "/no/such": stat /no/such: no such file or directory"#,
        ),
        ("/etc/passwd", r#"exec: "/etc/passwd": permission denied"#),
        ("/tmp/format", "exec /tmp/format: exec format error"),
    ];
    for (command, words) in cases {
        let spec = ContainerSpec {
            args: vec![command.to_owned()],
            ..shell.clone()
        };
        match world.runtime.start(spec).await.map(drop) {
            Err(StartError::Run { message }) => assert_eq!(message, words),
            other => panic!("{command}: {other:?}"),
        }
        assert_eq!(world.runtime.list(), Vec::<String>::new());
        assert_eq!(world.cgroup_folders(), Vec::<PathBuf>::new());
        assert_eq!(world.processes_named("probelet-shim"), []);
    }
}

#[tokio::test]
async fn a_specification_in_vain_is_told_from_a_failure() {
    let world = World::new();
    let bind = |source: &str, destination: &str| Mount {
        destination: destination.into(),
        read_only: false,
        kind: MountKind::Bind { source: source.into() },
    };
    let shell = world.shell("a", "true");
    let in_vain = [
        (
            ContainerSpec {
                mounts: vec![bind("/no/such", "/data")],
                ..shell.clone()
            },
            "cannot mount /no/such at /data",
        ),
        (
            ContainerSpec {
                id: "../a".to_owned(),
                ..shell.clone()
            },
            "letters",
        ),
        (
            ContainerSpec {
                args: Vec::new(),
                ..shell.clone()
            },
            "no command",
        ),
        (
            ContainerSpec {
                root: "/no/such".into(),
                ..shell.clone()
            },
            "/no/such is no folder",
        ),
        (
            ContainerSpec {
                working_directory: "/etc/passwd".into(),
                ..shell.clone()
            },
            "working directory /etc/passwd",
        ),
    ];
    for (spec, words) in in_vain {
        match world.runtime.start(spec).await.map(drop) {
            Err(StartError::Config { message }) => assert!(message.contains(words), "{message}"),
            other => panic!("{words}: {other:?}"),
        }
    }
    // A file cannot be mounted over a folder; only the kernel knows.
    let spec = ContainerSpec {
        mounts: vec![bind("/etc/passwd", "/tmp")],
        ..shell
    };
    match world.runtime.start(spec).await.map(drop) {
        Err(StartError::Create { message }) => assert!(message.contains("/tmp"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.runtime.list(), Vec::<String>::new());
    assert_eq!(world.cgroup_folders(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_id_is_used_once() {
    let world = World::new();
    let first = world.idle("a").await;
    let second = ContainerSpec {
        pod_uid: "other".to_owned(),
        ..world.shell("b", IDLE)
    };
    let error = world
        .runtime
        .start(ContainerSpec {
            id: "a".to_owned(),
            ..second
        })
        .await
        .map(drop)
        .unwrap_err();
    assert!(
        matches!(&error, StartError::Config { message } if message.contains("exists already")),
        "{error}"
    );
    assert_eq!(exec(&first, &["true"]).await.exit_code, 0);
}

#[tokio::test]
async fn removal_leaves_nothing() {
    let world = World::new();
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let neighbour = world.idle("neighbour").await;
    let container = world.idle("a").await;
    let background = container.exec_session(probelet_container::ExecSessionRequest {
        command: ["sleep", "1000"].map(str::to_owned).to_vec(),
        stdin: false,
        tty: false,
    });
    let background = background.await.expect("a session");
    assert_eq!(world.runtime.list(), ["a", "neighbour"]);
    world.runtime.remove("a").await.unwrap();
    assert!(!world.folder("a").exists());
    assert!(!PathBuf::from(format!("/proc/{}", container.pid())).exists());
    assert_eq!(container.wait().await.code, 137);
    // Which end is seen first, its own or the container's, is the kernel's to say.
    let end = background.status.wait().await;
    assert!(matches!(end, Ok(137) | Err(ExecError::NotRunning { .. })), "{end:?}");
    assert!(matches!(world.runtime.attach("a").await.unwrap(), Attachment::Unknown));
    world.runtime.remove("a").await.unwrap();
    assert_eq!(exec(&neighbour, &["true"]).await.exit_code, 0);
    world.runtime.remove("neighbour").await.unwrap();
    assert_eq!(world.cgroup_folders(), Vec::<PathBuf>::new());
    assert_eq!(world.processes_named("probelet-exec"), []);
    eventually("the shims are gone", || {
        world.processes_named("probelet-shim").is_empty()
    })
    .await;
    assert_eq!(mounts(), before);
}

#[tokio::test]
async fn mounts_are_what_the_specification_says() {
    let world = World::new();
    let host = world.directory.path().join("host");
    std::fs::create_dir(&host).unwrap();
    std::fs::write(host.join("file"), "from the host\n").unwrap();
    let mount = |destination: &str, read_only, kind| Mount {
        destination: destination.into(),
        read_only,
        kind,
    };
    let bind = |source: PathBuf| MountKind::Bind { source };
    let spec = ContainerSpec {
        mounts: vec![
            mount("/data", false, bind(host.clone())),
            mount("/read-only", true, bind(host.clone())),
            mount("/etc/hosts", true, bind(host.join("file"))),
            mount(
                "/cache",
                false,
                MountKind::Tmpfs {
                    size_bytes: Some(65_536),
                },
            ),
            mount(
                "/dev/shm",
                false,
                MountKind::Tmpfs {
                    size_bytes: Some(131_072),
                },
            ),
        ],
        working_directory: "/data/made".into(),
        read_only_root: true,
        ..world.shell("a", IDLE)
    };
    let container = world.runtime.start(spec).await.expect("it starts");
    let script = "pwd; cat /etc/hosts; echo x >/data/new; echo x >/read-only/new; echo x >/new; echo x >/cache/new; \
                  df -k /cache /dev/shm | awk 'NR > 1 { print $2 }'";
    let output = exec(&container, &["sh", "-c", script]).await;
    assert_eq!(text(&output), "/data/made\nfrom the host\n64\n128\n");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("/read-only/new: Read-only") && errors.contains("/new: Read-only"),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 2);
    assert!(host.join("new").exists() && host.join("made").is_dir());
    world.runtime.remove("a").await.unwrap();
    assert!(host.join("new").exists());
}

#[tokio::test]
async fn namespaces_are_joined() {
    let world = World::new();
    let holder = Holder::new();
    let namespace = |kind: &str| Some(PathBuf::from(format!("/proc/{}/ns/{kind}", holder.0.id())));
    let spec = ContainerSpec {
        network_namespace: namespace("net"),
        ipc_namespace: namespace("ipc"),
        uts_namespace: namespace("uts"),
        ..world.shell("a", IDLE)
    };
    let container = world.runtime.start(spec).await.expect("it starts");
    for kind in ["net", "ipc", "uts"] {
        let own = std::fs::read_link(namespace(kind).unwrap()).unwrap();
        let script = format!("readlink /proc/1/ns/{kind}; readlink /proc/self/ns/{kind}");
        let output = exec(&container, &["sh", "-c", &script]).await;
        assert_eq!(text(&output), format!("{0}\n{0}\n", own.display()));
    }
}

/// A process that keeps namespaces alive.
struct Holder(std::process::Child);

impl Holder {
    fn new() -> Self {
        let mut command = std::process::Command::new("unshare");
        let command = command.args(["--net", "--ipc", "--uts", "sh", "-c", "echo; exec sleep 1000"]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("unshare");
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).expect("it has entered them");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn limits_hold_and_cannot_be_lifted_from_inside() {
    let world = World::new();
    let resources = Resources {
        memory_limit: Some(64 << 20),
        memory_request: Some(32 << 20),
        cpu_limit_millis: Some(250),
        cpu_request_millis: Some(500),
        pids_limit: Some(50),
    };
    let container = world
        .runtime
        .start(ContainerSpec {
            resources,
            ..world.shell("a", IDLE)
        })
        .await
        .expect("it starts");
    let read = |version1: &str, version2: &str| {
        let file = world.cgroup2("a").join(version2);
        let below = format!("{}/pod/a", world.cgroup.trim_start_matches('/'));
        let (controller, name) = version1.split_once('/').unwrap();
        let file = if file.exists() {
            file
        } else {
            PathBuf::from(format!("/sys/fs/cgroup/{controller}/{below}/{name}"))
        };
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    };
    assert_eq!(read("memory/memory.limit_in_bytes", "memory.max"), "67108864");
    assert_eq!(read("pids/pids.max", "pids.max"), "50");
    assert!(read("cpu/cpu.cfs_quota_us", "cpu.max").starts_with("25000"));
    assert!(["512", "20", "59"].contains(&read("cpu/cpu.shares", "cpu.weight").as_str()));
    let script = "for file in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do \
                  echo 999999999 >$file; done; mknod /tmp/disk b 254 0; dd if=/tmp/disk of=/dev/null count=1";
    let output = exec(&container, &["sh", "-c", script]).await;
    assert_ne!(output.exit_code, 0, "{output:?}");
    assert_eq!(read("memory/memory.limit_in_bytes", "memory.max"), "67108864");
}

#[tokio::test]
async fn an_end_for_want_of_memory_is_told() {
    let world = World::new();
    let resources = Resources {
        memory_limit: Some(16 << 20),
        ..Resources::default()
    };
    let command = world.command("a", &["dd", "if=/dev/zero", "of=/dev/null", "bs=200M"]);
    let container = world
        .runtime
        .start(ContainerSpec { resources, ..command })
        .await
        .expect("it starts");
    let record = container.wait().await;
    assert_eq!((record.code, record.signal, record.oom_killed), (137, Some(9), true));
}

#[tokio::test]
async fn starts_and_removals_side_by_side() {
    let world = World::new();
    let specs: Vec<_> = (0..8).map(|number| world.shell(&format!("c{number}"), IDLE)).collect();
    let tasks = specs.into_iter().map(|spec| {
        let runtime = world.runtime.clone();
        tokio::spawn(async move {
            let id = spec.id.clone();
            let container = runtime
                .start(spec)
                .await
                .unwrap_or_else(|error| panic!("{id}: {error}"));
            assert_eq!(
                exec_within(&container, &["true"], Duration::from_secs(20))
                    .await
                    .unwrap()
                    .exit_code,
                0
            );
            runtime
                .remove(&id)
                .await
                .unwrap_or_else(|error| panic!("{id}: {error}"));
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[test]
fn all_of_this_with_unified_cgroups() {
    let need_controllers = ["limits_hold", "an_end_for_want_of_memory"];
    again_with_unified_cgroups("all_of_this_with_unified_cgroups", &need_controllers);
}
