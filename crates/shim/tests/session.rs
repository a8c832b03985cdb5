//! Commands with which somebody talks while they run.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
use probelet_container::{Container, ContainerSpec, ExecError, ExecSession, ExecSessionRequest, User, WindowSize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn session(container: &Container, command: &[&str], tty: bool) -> ExecSession {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    container
        .exec_session(ExecSessionRequest {
            command,
            stdin: true,
            tty,
        })
        .await
        .expect("a session")
}

/// Reads until `text` has come, and returns all that has.
async fn read_until(output: &mut (impl tokio::io::AsyncRead + Unpin), text: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&read).contains(text) {
            let byte = output.read_u8().await.unwrap_or_else(|error| {
                panic!("{error} instead of {text:?} after {:?}", String::from_utf8_lossy(&read));
            });
            read.push(byte);
        }
    };
    assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok(), "no {text:?}");
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn streams_are_connected_until_the_end_of_the_input() {
    let world = World::new();
    let container = world.idle("a").await;
    let mut session = session(&container, &["sh", "-c", "cat; echo done >&2; exit 5"], false).await;
    let mut stdin = session.stdin.take().unwrap();
    let sent = "x".repeat(300_000);
    let writing = async {
        stdin.write_all(sent.as_bytes()).await.unwrap();
        stdin.shutdown().await.unwrap();
    };
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let mut errors = session.stderr.take().unwrap();
    let (_, read, read_errors) = tokio::join!(
        writing,
        session.stdout.read_to_string(&mut stdout),
        errors.read_to_string(&mut stderr)
    );
    read.unwrap();
    read_errors.unwrap();
    assert!(stdout == sent, "{} bytes came back", stdout.len());
    assert_eq!(stderr, "done\n");
    assert_eq!(session.status.wait().await.unwrap(), 5);
}

#[tokio::test]
async fn a_terminal_is_one_in_every_respect() {
    let world = World::new();
    let user = User {
        uid: 1000,
        gid: 1000,
        additional_gids: Vec::new(),
    };
    let container = world
        .runtime
        .start(ContainerSpec {
            user,
            ..world.shell("a", IDLE)
        })
        .await
        .expect("it starts");
    let mut session = session(&container, &["sh"], true).await;
    assert!(session.stderr.is_none());
    let mut stdin = session.stdin.take().unwrap();
    stdin
        .write_all(b"tty; echo by-name >/dev/pts/0; echo controlling >/dev/tty\n")
        .await
        .unwrap();
    read_until(&mut session.stdout, "/dev/pts/0\r\n").await;
    read_until(&mut session.stdout, "by-name\r\n").await;
    read_until(&mut session.stdout, "controlling\r\n").await;
    session
        .terminal
        .as_ref()
        .unwrap()
        .resize(WindowSize { columns: 123, rows: 45 })
        .unwrap();
    stdin.write_all(b"stty size\n").await.unwrap();
    read_until(&mut session.stdout, "45 123\r\n").await;
    stdin.write_all(b"echo $TERM\n").await.unwrap();
    read_until(&mut session.stdout, "\r\nxterm\r\n").await;
    // What the user types is a signal.
    stdin.write_all(b"echo ready; sleep 7781\n").await.unwrap();
    read_until(&mut session.stdout, "\r\nready\r\n").await;
    eventually("the command sleeps", || world.executes("sleep 7781")).await;
    stdin.write_all(b"\x03").await.unwrap();
    stdin.write_all(b"exit 6\n").await.unwrap();
    let mut rest = Vec::new();
    session.stdout.read_to_end(&mut rest).await.unwrap();
    assert_eq!(session.status.wait().await.unwrap(), 6);
}

#[tokio::test]
async fn who_leaves_takes_the_command_along() {
    let world = World::new();
    let container = world.idle("a").await;
    for tty in [false, true] {
        let session = session(
            &container,
            &["sh", "-c", "trap '' HUP TERM; sleep 7782; sleep 7782"],
            tty,
        )
        .await;
        eventually("the command sleeps", || world.executes("sleep 7782")).await;
        drop(session);
        eventually("the command is gone", || !world.executes("sleep 7782")).await;
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_says_so_on_the_terminal() {
    let world = World::new();
    let container = world.idle("a").await;
    let mut session = session(&container, &["nosuch"], true).await;
    read_until(&mut session.stdout, "executable file not found in $PATH").await;
    assert_eq!(session.status.wait().await.unwrap(), 127);
}

#[tokio::test]
async fn a_false_terminal_device_is_not_believed() {
    let world = World::new();
    let spec = ContainerSpec {
        privileged: true,
        ..world.shell("a", &format!("umount /dev/pts; mkfifo /dev/pts/ptmx; {IDLE}"))
    };
    let container = world.runtime.start(spec).await.expect("it starts");
    let fifo = exec(&container, &["sh", "-c", "until [ -p /dev/pts/ptmx ]; do :; done"]);
    assert_eq!(fifo.await.exit_code, 0);
    let request = ExecSessionRequest {
        command: vec!["sh".to_owned()],
        stdin: false,
        tty: true,
    };
    let refused = tokio::time::timeout(Duration::from_secs(10), container.exec_session(request))
        .await
        .expect("at once");
    let error = refused.map(drop).unwrap_err();
    assert!(
        matches!(&error, ExecError::Failed { message, .. } if message.contains("terminal")),
        "{error}"
    );
}

#[test]
fn all_of_this_with_unified_cgroups() {
    again_with_unified_cgroups("all_of_this_with_unified_cgroups", &[]);
}
