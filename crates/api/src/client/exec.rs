//! The client's side of a command in a container.

use bytes::Bytes;
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use http::header;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use tokio::net::UnixStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

use super::{ClientError, path::Target, unexpected};
use crate::remote_command::{Frame, MAX_MESSAGE, TerminalSize, V5};

type Socket = WebSocketStream<UnixStream>;

/// What goes to the command.
pub struct ExecInput(SplitSink<Socket, Message>);

/// What comes from the command.
pub struct ExecOutput(SplitStream<Socket>);

impl ExecInput {
    /// Input. The caller cuts it into pieces of at most 32 KiB.
    pub async fn write(&mut self, input: Bytes) -> Result<(), ClientError> {
        self.send(Frame::Stdin(input)).await
    }

    /// The end of the input.
    pub async fn close(&mut self) -> Result<(), ClientError> {
        self.send(Frame::Close(Frame::STDIN)).await
    }

    /// The size of the terminal.
    pub async fn resize(&mut self, size: TerminalSize) -> Result<(), ClientError> {
        let size = serde_json::to_vec(&size).expect("two numbers are JSON");
        self.send(Frame::Resize(size.into())).await
    }

    async fn send(&mut self, frame: Frame) -> Result<(), ClientError> {
        self.0.send(Message::Binary(frame.encode())).await.map_err(broken)
    }
}

impl ExecOutput {
    /// The next message; an error if the connection ends before the command does.
    pub async fn next(&mut self) -> Result<Frame, ClientError> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(message))) => {
                    let frame = Frame::decode(message);
                    return frame.ok_or_else(|| ClientError::Answer("an unknown channel".to_owned()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(error)),
                None => return Err(ClientError::Broken("the agent has ended the command".to_owned())),
            }
        }
    }
}

/// Starts a command on a fresh connection.
pub(super) async fn start(stream: UnixStream, target: &Target) -> Result<(ExecInput, ExecOutput), ClientError> {
    // The host is only a form: the connection is there already.
    let mut request = format!("ws://probelet{target}").into_client_request().map_err(broken)?;
    request
        .headers_mut()
        .insert(header::SEC_WEBSOCKET_PROTOCOL, http::HeaderValue::from_static(V5));
    let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE));
    match tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => {
            let (input, output) = socket.split();
            Ok((ExecInput(input), ExecOutput(output)))
        }
        Err(tungstenite::Error::Http(response)) => Err(refusal(*response)),
        Err(error) => Err(broken(error)),
    }
}

/// Why the agent did not start the command.
fn refusal(response: http::Response<Option<Vec<u8>>>) -> ClientError {
    let code = response.status();
    let status: Option<Status> = response.into_body().and_then(|body| serde_json::from_slice(&body).ok());
    status.map_or_else(|| unexpected(code), |status| ClientError::Refused(Box::new(status)))
}

fn broken(error: tungstenite::Error) -> ClientError {
    ClientError::Broken(error.to_string())
}
