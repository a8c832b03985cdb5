//! `probelet exec`.

use std::{
    convert::Infallible,
    io::{IsTerminal, Write, stderr, stdin, stdout},
    process::ExitCode,
};

use anyhow::Context;
use bytes::BytesMut;
use probelet_api::{
    client::{self, Client, ClientError, ExecInput, ExecOutput},
    remote_command::{Frame, TerminalSize, exit_code},
};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::{
    io::AsyncReadExt,
    signal::unix::{Signal, SignalKind, signal},
};

use super::what::{pod_name, tell_default_container};
use crate::arguments::Exec;

/// What is read of the input at once, and so the longest message.
const PIECE: usize = 32 * 1024;

/// Runs a command, and ends as it ends.
pub(crate) async fn run(command: Exec, client: &Client) -> anyhow::Result<ExitCode> {
    let (namespace, pod) = (&command.namespace.namespace, pod_name(&command.pod)?);
    tell_default_container(client, namespace, pod, command.container.as_deref()).await;
    let mut target = client::pod(namespace, pod)
        .below("exec")
        .with_some("container", command.container.as_deref())
        .with("stdout", "true")
        .with("stderr", if command.tty { "false" } else { "true" });
    for (name, _) in [("stdin", command.stdin), ("tty", command.tty)]
        .iter()
        .filter(|(_, set)| *set)
    {
        target = target.with(name, "true");
    }
    for word in &command.command {
        target = target.with("command", word);
    }
    let (input, output) = client.exec(&target).await?;
    let terminal = if command.tty && command.stdin {
        RawTerminal::enter()?
    } else {
        None
    };
    let resizes = match &terminal {
        Some(_) => Some(signal(SignalKind::window_change()).context("cannot watch the size of the terminal")?),
        None => None,
    };
    let ended = tokio::select! {
        ended = receive(output) => ended,
        never = send(input, command.stdin, resizes) => match never {},
    };
    drop(terminal);
    match ended? {
        Ok(0) => Ok(ExitCode::SUCCESS),
        Ok(code) => {
            eprintln!("command terminated with exit code {code}");
            Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
        }
        Err(reason) => anyhow::bail!("{reason}"),
    }
}

/// Prints what the command writes, until it ends.
async fn receive(mut output: ExecOutput) -> anyhow::Result<Result<i32, String>> {
    loop {
        match output.next().await? {
            Frame::Stdout(piece) => {
                let mut stdout = stdout().lock();
                stdout.write_all(&piece)?;
                stdout.flush()?;
            }
            Frame::Stderr(piece) => stderr().lock().write_all(&piece)?,
            Frame::Error(status) => return Ok(exit_code(&status)),
            _ => {}
        }
    }
}

/// Passes input and sizes on. When the command does not take them any more, its end is on its way.
async fn send(mut input: ExecInput, with_stdin: bool, resizes: Option<Signal>) -> Infallible {
    if let Err(error) = try_send(&mut input, with_stdin, resizes).await {
        tracing::debug!(%error, "the command takes no more input");
    }
    std::future::pending().await
}

async fn try_send(input: &mut ExecInput, mut with_stdin: bool, mut resizes: Option<Signal>) -> Result<(), ClientError> {
    let mut stdin = tokio::io::stdin();
    if resizes.is_some() {
        resize(input).await?;
    }
    loop {
        let mut piece = BytesMut::with_capacity(PIECE);
        let resized = async {
            match &mut resizes {
                Some(resizes) => resizes.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = stdin.read_buf(&mut piece), if with_stdin => match read {
                Ok(1..) => input.write(piece.freeze()).await?,
                Ok(0) | Err(_) => {
                    with_stdin = false;
                    input.close().await?;
                }
            },
            _ = resized => resize(input).await?,
        }
    }
}

async fn resize(input: &mut ExecInput) -> Result<(), ClientError> {
    match tcgetwinsize(stdin()) {
        Ok(size) => {
            input
                .resize(TerminalSize {
                    width: size.ws_col,
                    height: size.ws_row,
                })
                .await
        }
        Err(_) => Ok(()),
    }
}

/// The terminal, handing everything that is typed to the command. Dropping this gives it back as it was.
struct RawTerminal(Termios);

impl RawTerminal {
    /// `None`, and a word about it, if the input is no terminal.
    fn enter() -> anyhow::Result<Option<Self>> {
        if !stdin().is_terminal() {
            eprintln!("Unable to use a TTY - input is not a terminal or the right kind of file");
            return Ok(None);
        }
        let before = tcgetattr(stdin()).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw).context("cannot change the terminal's settings")?;
        Ok(Some(Self(before)))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(stdin(), OptionalActions::Now, &self.0) {
            eprintln!("the terminal stays in raw mode ({error}): type `reset`");
        }
    }
}
