//! A registry that does whatever a test wants it to.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a registry does with a request.
pub(crate) enum Reply {
    /// Status and headers, each with its line's end, and the body with its length.
    Answer(String, Vec<u8>),
    /// An answer without a length or an end.
    Endless,
    /// An answer that stops before the length it has announced.
    Cut,
    /// Nothing, for ever.
    Silence,
    /// The end of the connection.
    Hangup,
}

pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Answer("200 OK\r\n".to_owned(), body.into())
}

pub(crate) fn status(status: &str) -> Reply {
    Reply::Answer(format!("{status}\r\n"), Vec::new())
}

/// A registry that answers every request, each on a connection of its own, as `reply` says to its head.
pub(crate) async fn registry(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> SocketAddr {
    registry_with_bodies(move |head, _| reply(head)).await
}

/// The same for one that looks at the requests' bodies as well.
pub(crate) async fn registry_with_bodies(reply: impl Fn(&str, &[u8]) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reply = Arc::new(reply);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let reply = Arc::clone(&reply);
            // Whoever asks may go away in the middle.
            tokio::spawn(async move { answer(stream, &*reply).await.ok() });
        }
    });
    address
}

async fn answer(mut stream: TcpStream, reply: &(dyn Fn(&str, &[u8]) -> Reply + Send + Sync)) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await?;
    let is_head = head.starts_with("head ");
    match reply(&head, &body) {
        Reply::Answer(head, body) => {
            let head = format!(
                "HTTP/1.1 {head}content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let body = if is_head { Vec::new() } else { body };
            stream.write_all(&[head.as_bytes(), &body].concat()).await
        }
        Reply::Endless => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
                .await?;
            loop {
                stream.write_all(&[b' '; 65536]).await?;
            }
        }
        Reply::Cut => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12")
                .await
        }
        Reply::Silence => std::future::pending().await,
        Reply::Hangup => Ok(()),
    }
}
