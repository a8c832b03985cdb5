//! `GET …/pods/NAME/exec`: a command in a container, over a WebSocket.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        Path, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use futures::{Sink, SinkExt, Stream, StreamExt};
use probelet_node::handle::{ExecOptions, ExecSession, PodKey};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use super::{Shared, refusal::Refusal, request::Parameters};
use crate::remote_command::{Frame, MAX_MESSAGE, TerminalSize, V4, V5};

/// What is read of a command's output at once. As large as a pipe holds at most by default, half of it.
const PIECE: usize = 32 * 1024;

/// Pieces of output that wait for a slow client. Then the command has to wait.
const OUTGOING: usize = 4;

/// How long output is still read once the command has ended. All of it is in the pipes by then, unless something that
/// outlived the command holds them open.
const DRAIN: Duration = Duration::from_secs(2);

/// Starts the command, then takes the connection over.
pub(super) async fn exec(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Parameters,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let upgrade = upgrade.map_err(|error| {
        Refusal::bad_request(format!(
            "exec takes a WebSocket with the protocol {V5}: {}",
            error.body_text()
        ))
    })?;
    let upgrade = upgrade.protocols([V5, V4]).max_message_size(MAX_MESSAGE);
    if upgrade.selected_protocol().is_none() {
        return Err(Refusal::bad_request(format!(
            "exec takes one of the protocols {V5}, {V4}"
        )));
    }
    let options = ExecOptions {
        container: parameters
            .text("container")
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        command: parameters.all("command").map(str::to_owned).collect(),
        stdin: parameters.flag("stdin"),
        tty: parameters.flag("tty"),
    };
    if options.command.is_empty() {
        return Err(Refusal::bad_request(
            "you must specify at least one command for the container",
        ));
    }
    let permit = shared
        .sessions
        .clone()
        .try_acquire_owned()
        .map_err(|_| Refusal::too_many("commands"))?;
    let key = PodKey { namespace, name };
    let session = shared
        .agent
        .exec(&key, options)
        .await
        .map_err(|error| Refusal::of_container(&key, error))?;
    Ok(upgrade.on_upgrade(async move |socket: WebSocket| {
        let _permit = permit;
        let (sink, stream) = socket.split();
        run(session, sink, stream).await;
    }))
}

/// Carries input and output until the command has ended or the client has gone. Dropping the session in the end ends the
/// command and all that it started.
async fn run(
    session: ExecSession,
    sink: impl Sink<Message, Error = axum::Error> + Unpin,
    stream: impl Stream<Item = Result<Message, axum::Error>> + Unpin,
) {
    let ExecSession {
        stdin,
        stdout,
        stderr,
        resize,
        exit,
    } = session;
    let (frames, outgoing) = mpsc::channel(OUTGOING);
    let output = async move {
        let pumps = async {
            let stderr = async {
                if let Some(stderr) = stderr {
                    pump(stderr, Frame::Stderr, &frames).await;
                }
            };
            tokio::join!(pump(stdout, Frame::Stdout, &frames), stderr);
        };
        tokio::pin!(pumps, exit);
        let result = tokio::select! {
            () = &mut pumps => exit.await,
            result = &mut exit => {
                let _ = tokio::time::timeout(DRAIN, pumps).await;
                result
            }
        };
        let result = result.unwrap_or_else(|_| Err("the agent has lost the command".to_owned()));
        let _ = frames.send(Frame::ended(result)).await;
    };
    tokio::select! {
        _ = async { tokio::join!(output, send(outgoing, sink)) } => {}
        () = receive(stream, stdin, &*resize) => {}
    }
}

/// Reads to the end, or until nobody wants it any more.
async fn pump(mut from: Box<dyn AsyncRead + Send + Unpin>, frame: fn(bytes::Bytes) -> Frame, to: &mpsc::Sender<Frame>) {
    loop {
        let mut piece = bytes::BytesMut::with_capacity(PIECE);
        match from.read_buf(&mut piece).await {
            // A terminal whose last program has ended reports an error instead of the end.
            Ok(0) | Err(_) => return,
            Ok(_) if to.send(frame(piece.freeze())).await.is_err() => return,
            Ok(_) => {}
        }
    }
}

async fn send(mut frames: mpsc::Receiver<Frame>, mut sink: impl Sink<Message, Error = axum::Error> + Unpin) {
    while let Some(frame) = frames.recv().await {
        if sink.send(Message::Binary(frame.encode())).await.is_err() {
            return;
        }
    }
    // kubectl takes anything but a regular end for a failure of the connection.
    let end = CloseFrame {
        code: close_code::NORMAL,
        reason: "".into(),
    };
    let _ = sink.send(Message::Close(Some(end))).await;
}

/// Hands the client's messages on until it is gone.
async fn receive(
    mut stream: impl Stream<Item = Result<Message, axum::Error>> + Unpin,
    mut stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    resize: &(dyn Fn(u16, u16) + Send + Sync),
) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Binary(message) = message else { continue };
        match Frame::decode(message) {
            Some(Frame::Stdin(input)) => {
                if let Some(open) = &mut stdin
                    && open.write_all(&input).await.is_err()
                {
                    // The command reads no more; it may go on all the same.
                    stdin = None;
                }
            }
            Some(Frame::Close(Frame::STDIN)) => {
                if let Some(mut open) = stdin.take() {
                    let _ = open.shutdown().await;
                }
            }
            Some(Frame::Resize(size)) => {
                if let Ok(TerminalSize { width, height }) = serde_json::from_slice(&size) {
                    resize(width, height);
                }
            }
            _ => {}
        }
    }
}
