//! A command executed in a container is what the container's own process is, and may do no more.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use common::*;
use probelet_container::{Capabilities, ContainerSpec, User};

/// Prints all that makes a process what it is. The cgroup2 is left out: a command is in a leaf below the container's.
const WHO_AM_I: &str = r"
    grep -E '^(Uid|Gid|Groups|Umask|SigBlk|SigIgn|Cap...|NoNewPrivs|Seccomp|Seccomp_filters):' /proc/self/status
    cat /proc/self/limits
    grep -v '^0::' /proc/self/cgroup
    for kind in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$kind; done
    pwd
    env | sort
    cat /proc/self/mountinfo
    echo end
";

/// Runs the same script as process 1 and as a command in it, and returns what both have said.
async fn who_is_who(world: &World, mut spec: ContainerSpec, script: &str) -> (Vec<String>, Vec<String>) {
    spec.args = ["/bin/sh", "-c", &format!("{script}\n{IDLE}")]
        .map(str::to_owned)
        .to_vec();
    let container = world.runtime.start(spec).await.expect("the container starts");
    let log = container.log_path().to_owned();
    eventually("process 1 has spoken", || {
        log_lines(&log).last().is_some_and(|line| line == "stdout F end")
    })
    .await;
    let first = log_lines(&log)
        .iter()
        .map(|line| line.trim_start_matches("stdout F ").to_owned())
        .collect();
    let output = exec(&container, &["/bin/sh", "-c", script]).await;
    assert_eq!(
        (output.exit_code, String::from_utf8_lossy(&output.stderr).as_ref()),
        (0, "")
    );
    (first, text(&output).lines().map(str::to_owned).collect())
}

fn line<'a>(lines: &'a [String], name: &str) -> &'a str {
    let found = lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no line {name} in {lines:#?}")).trim()
}

/// The capabilities that containerd gives. CAP_MKNOD (bit 27) is not given on unified hosts.
fn with_mknod(capabilities: &str) -> String {
    let bits = u64::from_str_radix(capabilities, 16).unwrap();
    format!("{:016x}", if is_unified() { bits & !(1 << 27) } else { bits })
}

#[tokio::test]
async fn an_ordinary_container() {
    let world = World::new();
    let (first, command) = who_is_who(&world, world.shell("a", ""), WHO_AM_I).await;
    assert_eq!(first, command);
    assert_eq!(line(&command, "CapEff"), with_mknod("00000000a80425fb"));
    assert_eq!(
        (line(&command, "Seccomp"), line(&command, "Seccomp_filters")),
        ("2", "1")
    );
    assert_eq!(
        (line(&command, "SigIgn"), line(&command, "SigBlk")),
        ("0000000000000000", "0000000000000000")
    );
    assert_eq!(line(&command, "NoNewPrivs"), "0");
    assert!(command.contains(&"GREETING=hello world".to_owned()));
    assert!(command.contains(&"HOME=/root".to_owned()));
}

#[tokio::test]
async fn a_user_without_rights() {
    let world = World::new();
    let spec = ContainerSpec {
        user: User {
            uid: 1000,
            gid: 1001,
            additional_gids: vec![7, 8],
        },
        allow_privilege_escalation: false,
        capabilities: Capabilities {
            add: Vec::new(),
            drop: vec!["ALL".to_owned()],
        },
        working_directory: PathBuf::from("/made/for/me"),
        read_only_root: true,
        ..world.shell("a", "")
    };
    let (first, command) = who_is_who(&world, spec, WHO_AM_I).await;
    assert_eq!(first, command);
    assert_eq!(line(&command, "Uid"), "1000\t1000\t1000\t1000");
    assert_eq!(line(&command, "Groups"), "7 8");
    assert_eq!(line(&command, "CapBnd"), "0000000000000000");
    assert_eq!(line(&command, "NoNewPrivs"), "1");
    assert!(command.contains(&"/made/for/me".to_owned()));
    assert!(command.contains(&"HOME=/home/user".to_owned()));
}

#[tokio::test]
async fn a_user_who_may_regain_rights() {
    let world = World::new();
    let spec = ContainerSpec {
        user: User {
            uid: 1000,
            gid: 1000,
            additional_gids: Vec::new(),
        },
        capabilities: Capabilities {
            add: vec!["NET_ADMIN".to_owned()],
            drop: vec!["CHOWN".to_owned()],
        },
        ..world.shell("a", "")
    };
    let (first, command) = who_is_who(&world, spec, WHO_AM_I).await;
    assert_eq!(first, command);
    assert_eq!(line(&command, "CapEff"), "0000000000000000");
    assert_eq!(line(&command, "CapBnd"), with_mknod("00000000a80435fa"));
}

#[tokio::test]
async fn a_privileged_container() {
    let world = World::new();
    let spec = ContainerSpec {
        privileged: true,
        ..world.shell("a", "")
    };
    let (first, command) = who_is_who(&world, spec, WHO_AM_I).await;
    assert_eq!(first, command);
    assert_eq!(line(&command, "Seccomp"), "0");
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .unwrap()
        .trim()
        .to_owned();
    assert_eq!(line(&command, "CapBnd"), own);
}

#[tokio::test]
async fn no_descriptor_of_the_host_is_open() {
    let world = World::new();
    let (first, command) = who_is_who(&world, world.shell("a", ""), "ls /proc/$$/fd; echo end").await;
    assert_eq!(command, ["0", "1", "2", "end"]);
    assert_eq!(first, command);
}

#[tokio::test]
async fn the_helper_cannot_be_seen_from_inside() {
    let world = World::new();
    let container = world.idle("a").await;
    let output = exec(&container, &["sh", "-c", "cat /proc/[0-9]*/comm"]).await;
    let names = text(&output);
    assert!(!names.contains("probelet"), "{names}");
}

/// Makes system calls that the default profile judges by their arguments, or that it forbids.
const CALLS: &str = r#"
    extern "C" {
        fn syscall(number: i64, ...) -> i64;
        fn fork() -> i32;
        fn _exit(code: i32) -> !;
        fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    }
    const CLONE: i64 = if cfg!(target_arch = "x86_64") { 56 } else { 220 };
    const CLONE3: i64 = 435;
    const KEYCTL: i64 = if cfg!(target_arch = "x86_64") { 250 } else { 219 };
    const MOUNT: i64 = if cfg!(target_arch = "x86_64") { 165 } else { 40 };
    const PERSONALITY: i64 = if cfg!(target_arch = "x86_64") { 135 } else { 92 };
    const SOCKET: i64 = if cfg!(target_arch = "x86_64") { 41 } else { 198 };
    const UNSHARE: i64 = if cfg!(target_arch = "x86_64") { 272 } else { 97 };
    const NEW_USER_NAMESPACE: i64 = 0x1000_0000;
    fn report(name: &str, result: i64) {
        let error = if result < 0 { std::io::Error::last_os_error().raw_os_error().unwrap() } else { 0 };
        println!("{name} {error}");
    }
    fn main() {
        unsafe {
            let child = fork();
            if child == 0 { _exit(0) }
            report("fork", child.into());
            waitpid(child, std::ptr::null_mut(), 0);
            let child = syscall(CLONE, NEW_USER_NAMESPACE | 17, 0, 0, 0, 0);
            if child == 0 { _exit(0) }
            report("clone into a new user namespace", child);
            report("clone3", syscall(CLONE3, 0, 0));
            report("unshare", syscall(UNSHARE, NEW_USER_NAMESPACE));
            report("mount", syscall(MOUNT, 0, 0, 0, 0, 0));
            report("keyctl", syscall(KEYCTL, 0, -3i64, 0));
            report("personality", syscall(PERSONALITY, 0));
            report("personality without randomisation", syscall(PERSONALITY, 0x40000));
            report("socket", syscall(SOCKET, 1, 1, 0));
            report("socket to the hypervisor", syscall(SOCKET, 40, 1, 0));
        }
    }
"#;

#[tokio::test]
async fn the_same_system_calls_are_denied() {
    let world = World::new();
    for (id, escalation) in [("a", true), ("b", false)] {
        let spec = ContainerSpec {
            allow_privilege_escalation: escalation,
            ..world.shell(id, "")
        };
        install_program(&spec.root, "calls", CALLS);
        let (first, command) = who_is_who(&world, spec, "calls; echo end").await;
        assert_eq!(first, command);
        let expected = [
            "fork 0",
            "clone into a new user namespace 1",
            "clone3 38",
            "unshare 1",
            "mount 1",
            "keyctl 1",
            "personality 0",
            "personality without randomisation 1",
            "socket 0",
            "socket to the hypervisor 1",
            "end",
        ];
        assert_eq!(command, expected);
    }
}

#[test]
fn all_of_this_with_unified_cgroups() {
    again_with_unified_cgroups("all_of_this_with_unified_cgroups", &[]);
}
