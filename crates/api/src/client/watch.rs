//! Watches: JSON documents, one to a line.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::ClientError;

/// The longest event: twice the largest body that the server takes, since it adds a status to a pod.
const MAX_EVENT: usize = 6 * 1024 * 1024;

/// One change.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct WatchEvent<T> {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: WatchEventKind,
    /// The object after it; or the last one there was.
    pub object: T,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum WatchEventKind {
    /// It is new to the watch.
    Added,
    /// It has changed.
    Modified,
    /// It is gone.
    Deleted,
    /// The watch cannot go on; its object says why. A stream of events makes an error of it.
    Error,
}

/// The events in a text that comes in pieces.
pub(super) fn events<T, S>(pieces: S) -> impl Stream<Item = Result<WatchEvent<T>, ClientError>> + Unpin
where
    T: DeserializeOwned,
    S: Stream<Item = Result<Bytes, ClientError>> + Unpin,
{
    let lines = stream::unfold(
        (pieces, BytesMut::new(), 0),
        |(mut pieces, mut buffer, mut searched)| async move {
            loop {
                if let Some(end) = buffer[searched..].iter().position(|byte| *byte == b'\n') {
                    let line = buffer.split_to(searched + end + 1);
                    return Some((parse(&line), (pieces, buffer, 0)));
                }
                searched = buffer.len();
                if searched > MAX_EVENT {
                    buffer.clear();
                    let error = ClientError::Answer(format!("an event of more than {MAX_EVENT} bytes"));
                    return Some((Err(error), (pieces, buffer, 0)));
                }
                match pieces.next().await? {
                    Ok(piece) => buffer.extend_from_slice(&piece),
                    Err(error) => return Some((Err(error), (pieces, buffer, searched))),
                }
            }
        },
    );
    Box::pin(lines)
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<WatchEvent<T>, ClientError> {
    let invalid = |error: serde_json::Error| ClientError::Answer(error.to_string());
    let event: WatchEvent<Value> = serde_json::from_slice(line).map_err(invalid)?;
    if event.kind == WatchEventKind::Error {
        let status = Status::deserialize(event.object).map_err(invalid)?;
        return Err(ClientError::Refused(Box::new(status)));
    }
    let object = T::deserialize(event.object).map_err(invalid)?;
    Ok(WatchEvent {
        kind: event.kind,
        object,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn read(pieces: &[&'static str]) -> Vec<Result<WatchEvent<Value>, ClientError>> {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
            .collect();
        events(stream::iter(pieces)).collect().await
    }

    #[tokio::test]
    async fn events_are_whole_however_the_text_is_cut() {
        let read = read(&[
            "{\"type\":\"ADDED\",\"obj",
            "ect\":1}\n{\"type\":\"DELETED\",\"object\":2}\n{\"ty",
        ])
        .await;
        let read: Vec<_> = read.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            read,
            [
                WatchEvent {
                    kind: WatchEventKind::Added,
                    object: json!(1)
                },
                WatchEvent {
                    kind: WatchEventKind::Deleted,
                    object: json!(2)
                },
            ]
        );
    }

    #[tokio::test]
    async fn an_error_is_an_error() {
        let read = read(&["{\"type\":\"ERROR\",\"object\":{\"code\":410,\"message\":\"too old\"}}\n"]).await;
        let [Err(ClientError::Refused(status))] = read.as_slice() else {
            panic!("{read:?}")
        };
        assert_eq!((status.code, status.message.as_deref()), (Some(410), Some("too old")));
    }
}
