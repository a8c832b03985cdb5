//! The frames of `channel.k8s.io`, in which a command's input and output travel over a WebSocket: binary messages whose
//! first byte names the channel.

use bytes::{BufMut, Bytes, BytesMut};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause, StatusDetails};
use serde::{Deserialize, Serialize};

/// The protocol in which a client can also end the command's input.
pub const V5: &str = "v5.channel.k8s.io";

/// The same without a way to end the command's input.
pub const V4: &str = "v4.channel.k8s.io";

/// The longest message: senders cut what they read into pieces of at most 32 KiB, and a `Status` is far smaller.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// `reason` of the [`Status`] of a command that ended by itself, but not well.
const NON_ZERO_EXIT_CODE: &str = "NonZeroExitCode";

/// `reason` of the cause that has the exit code as its message.
const EXIT_CODE: &str = "ExitCode";

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Input for the command.
    Stdin(Bytes),
    /// What it wrote to its stdout, or to its terminal.
    Stdout(Bytes),
    /// What it wrote to its stderr.
    Stderr(Bytes),
    /// How it ended, as a [`Status`] in JSON; the last message.
    Error(Bytes),
    /// The size of the terminal, as a [`TerminalSize`] in JSON.
    Resize(Bytes),
    /// Nothing more will come on this channel (v5).
    Close(u8),
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Frame {
    /// The channel of the command's input.
    pub const STDIN: u8 = 0;
    const STDOUT: u8 = 1;
    const STDERR: u8 = 2;
    const ERROR: u8 = 3;
    const RESIZE: u8 = 4;
    const CLOSE: u8 = 255;

    /// The message on the wire.
    pub fn encode(&self) -> Bytes {
        let (channel, content): (u8, &[u8]) = match self {
            Self::Stdin(content) => (Self::STDIN, content),
            Self::Stdout(content) => (Self::STDOUT, content),
            Self::Stderr(content) => (Self::STDERR, content),
            Self::Error(content) => (Self::ERROR, content),
            Self::Resize(content) => (Self::RESIZE, content),
            Self::Close(channel) => (Self::CLOSE, std::slice::from_ref(channel)),
        };
        let mut message = BytesMut::with_capacity(1 + content.len());
        message.put_u8(channel);
        message.put_slice(content);
        message.freeze()
    }

    /// Reads a message; `None` if it is none of these.
    pub fn decode(mut message: Bytes) -> Option<Self> {
        if message.is_empty() {
            return None;
        }
        let channel = message.split_to(1)[0];
        match channel {
            Self::STDIN => Some(Self::Stdin(message)),
            Self::STDOUT => Some(Self::Stdout(message)),
            Self::STDERR => Some(Self::Stderr(message)),
            Self::ERROR => Some(Self::Error(message)),
            Self::RESIZE => Some(Self::Resize(message)),
            Self::CLOSE => message.first().copied().map(Self::Close),
            _ => None,
        }
    }

    /// The last message for a command that has ended with an exit code, or could not be run.
    pub fn ended(result: Result<i32, String>) -> Self {
        let status = match result {
            Ok(0) => Status {
                status: Some("Success".to_owned()),
                ..Status::default()
            },
            Ok(code) => failure(
                NON_ZERO_EXIT_CODE,
                format!("command terminated with non-zero exit code: exit status {code}"),
                StatusCause {
                    reason: Some(EXIT_CODE.to_owned()),
                    message: Some(code.to_string()),
                    ..StatusCause::default()
                },
            ),
            Err(message) => failure(
                "InternalError",
                format!("Internal error occurred: {message}"),
                StatusCause {
                    message: Some(message),
                    ..StatusCause::default()
                },
            ),
        };
        Self::Error(
            serde_json::to_vec(&status)
                .expect("a Status has string keys only")
                .into(),
        )
    }
}

/// Reads the last message: the exit code, or why there is none.
pub fn exit_code(error: &[u8]) -> Result<i32, String> {
    let status: Status =
        serde_json::from_slice(error).map_err(|error| format!("the command's status is not readable: {error}"))?;
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status
        .details
        .into_iter()
        .flat_map(|details| details.causes.unwrap_or_default());
    let code = causes
        .filter(|cause| cause.reason.as_deref() == Some(EXIT_CODE))
        .find_map(|cause| cause.message);
    code.and_then(|code| code.parse().ok())
        .ok_or_else(|| status.message.unwrap_or_default())
}

fn failure(reason: &str, message: String, cause: StatusCause) -> Status {
    Status {
        status: Some("Failure".to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message),
        details: Some(StatusDetails {
            causes: Some(vec![cause]),
            ..StatusDetails::default()
        }),
        ..Status::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_wire() {
        let content = Bytes::from_static(b"text");
        for frame in [
            Frame::Stdin(content.clone()),
            Frame::Stdout(content.clone()),
            Frame::Stderr(content.clone()),
            Frame::Error(content.clone()),
            Frame::Resize(content),
            Frame::Close(Frame::STDIN),
        ] {
            assert_eq!(Frame::decode(frame.encode()), Some(frame));
        }
    }

    #[test]
    fn messages_of_other_protocols_are_recognised() {
        for message in [&b""[..], b"\x05text", b"\xff"] {
            assert_eq!(Frame::decode(Bytes::from_static(message)), None, "{message:?}");
        }
    }

    #[test]
    fn the_end_tells_the_exit_code_or_why_there_is_none() {
        for result in [Ok(0), Ok(3), Ok(137)] {
            let Frame::Error(status) = Frame::ended(result.clone()) else {
                unreachable!("it is the error channel")
            };
            assert_eq!(exit_code(&status), result);
        }
        let Frame::Error(status) = Frame::ended(Err("no shim".to_owned())) else {
            unreachable!("as above")
        };
        assert_eq!(exit_code(&status), Err("Internal error occurred: no shim".to_owned()));
        assert!(exit_code(b"{").unwrap_err().contains("not readable"));
    }
}
