use bytes::Bytes;
use probelet_node::handle::Collection;
use tokio::time::timeout;

use super::{Fake, Server, fake::PATIENCE, pod};
use crate::{
    client::{self, ExecOutput, Target},
    remote_command::{Frame, TerminalSize, exit_code},
};

fn target(name: &str) -> Target {
    client::pod("default", name)
        .below("exec")
        .with("command", "say")
        .with("command", "a & b")
        .with("stdin", "true")
}

/// Reads to the command's end: stdout, stderr, exit code.
async fn read(output: &mut ExecOutput) -> (String, String, Result<i32, String>) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match timeout(PATIENCE, output.next()).await.unwrap().unwrap() {
            Frame::Stdout(piece) => stdout.extend_from_slice(&piece),
            Frame::Stderr(piece) => stderr.extend_from_slice(&piece),
            Frame::Error(status) => {
                let text = |bytes| String::from_utf8(bytes).unwrap();
                return (text(stdout), text(stderr), exit_code(&status));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn input_goes_in_and_output_and_the_exit_code_come_out() {
    let agent = Fake::new();
    agent.put(Collection::Pods, pod("a"));
    let server = Server::start(&agent);
    let (mut input, mut output) = server.client().exec(&target("a")).await.unwrap();
    input.resize(TerminalSize { width: 80, height: 24 }).await.unwrap();
    let resized = timeout(PATIENCE, async {
        loop {
            if let Frame::Stderr(size) = output.next().await.unwrap() {
                return size;
            }
        }
    });
    assert_eq!(resized.await.unwrap(), "80x24 ");
    // More than all buffers on the way hold: input and output have to flow at the same time.
    let piece = Bytes::from(vec![b'x'; 16 * 1024]);
    let writing = async {
        for _ in 0..64 {
            input.write(piece.clone()).await.unwrap();
        }
        input.close().await.unwrap();
    };
    let ((), (stdout, _, code)) = tokio::join!(writing, read(&mut output));
    assert_eq!(stdout.trim_start_matches("say a & b").len(), 64 * 16 * 1024);
    assert_eq!(code, Ok(3));
}

#[tokio::test]
async fn a_client_that_goes_takes_its_command_with_it() {
    let agent = Fake::new();
    agent.put(Collection::Pods, pod("a"));
    let server = Server::start(&agent);
    let mut commands = agent.commands.subscribe();
    let connection = server.client().exec(&target("a")).await.unwrap();
    timeout(PATIENCE, commands.wait_for(|count| *count == 1))
        .await
        .unwrap()
        .unwrap();
    drop(connection);
    timeout(PATIENCE, commands.wait_for(|count| *count == 0))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_command_that_cannot_start_is_refused_before_the_upgrade() {
    let server = Server::start(&Fake::new());
    let error = server.client().exec(&target("missing")).await.err().unwrap();
    assert_eq!(error.to_string(), "pods \"missing\" not found");
    assert!(error.is_not_found());
}
