//! Registries that do what no honest one does: everything ends, in time and with little memory.
#![allow(clippy::unwrap_used)]

mod common;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use common::{component, resolver};
use probelet_plugin_store::{Digest, Reference, Registry, RegistryConfig, RegistryError, ResolveError};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a registry does with a request.
enum Reply {
    /// Status and headers, each with its line's end, and the body with its length.
    Answer(String, Vec<u8>),
    /// An answer without a length or an end.
    Endless,
    /// An answer that stops before the length it has announced.
    Cut,
    /// Nothing, for ever.
    Silence,
}

fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Answer("200 OK\r\n".to_owned(), body.into())
}

fn status(status: &str) -> Reply {
    Reply::Answer(format!("{status}\r\n"), Vec::new())
}

/// A registry that answers every request, each on a connection of its own, as `reply` says to its head.
async fn registry(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> SocketAddr {
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

async fn answer(mut stream: TcpStream, reply: &(dyn Fn(&str) -> Reply + Send + Sync)) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    match reply(&String::from_utf8_lossy(&head)) {
        Reply::Answer(head, body) => {
            let head = format!(
                "HTTP/1.1 {head}content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
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
    }
}

fn manifest(bytes: &[u8], size: usize) -> String {
    let layer = json!({ "mediaType": "application/wasm", "digest": Digest::of(bytes), "size": size });
    json!({ "schemaVersion": 2, "layers": [layer] }).to_string()
}

async fn resolve(address: SocketAddr, config: RegistryConfig) -> Result<Digest, RegistryError> {
    let (_folder, resolver) = resolver(config);
    let reference: Reference = format!("{address}/a:1").parse().unwrap();
    match resolver.resolve(&reference).await {
        Ok(resolved) => Ok(resolved.digest),
        Err(ResolveError::Registry(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn endless_answers_are_left_at_their_limit() {
    let bytes = component("x", 100);
    let address = registry(|_| Reply::Endless).await;
    let error = resolve(address, RegistryConfig::default()).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::TooLarge { what: "manifest", .. }),
        "{error}"
    );

    let said = manifest(&bytes, bytes.len());
    let blob = move |head: &str| {
        if head.contains("/manifests/") {
            ok(said.clone())
        } else {
            Reply::Endless
        }
    };
    let error = resolve(registry(blob).await, RegistryConfig::default())
        .await
        .unwrap_err();
    let limit = bytes.len();
    assert!(
        matches!(error, RegistryError::TooLarge { what: "component", limit: found, .. } if found == limit),
        "{error}"
    );
}

#[tokio::test]
async fn a_component_other_than_announced_is_refused() {
    let bytes = component("x", 100);
    let of = |manifest: String, bytes: Vec<u8>| {
        registry(move |head| {
            ok(if head.contains("/manifests/") {
                manifest.clone().into()
            } else {
                bytes.clone()
            })
        })
    };
    let longer = of(manifest(&bytes, bytes.len() - 1), bytes.clone()).await;
    let error = resolve(longer, RegistryConfig::default()).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::TooLarge { what: "component", .. }),
        "{error}"
    );

    let shorter = of(manifest(&bytes, bytes.len()), bytes[..50].to_vec()).await;
    let error = resolve(shorter, RegistryConfig::default()).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Corrupt { what: "component", .. }),
        "{error}"
    );

    let text = of(manifest(b"text", 4), b"text".to_vec()).await;
    let error = resolve(text, RegistryConfig::default()).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotComponent { .. }), "{error}");

    let honest = of(manifest(&bytes, bytes.len()), bytes.clone()).await;
    assert_eq!(
        resolve(honest, RegistryConfig::default()).await.unwrap(),
        Digest::of(&bytes)
    );

    let other = Registry::new(RegistryConfig::default());
    let reference: Reference = format!("{honest}/a@{}", Digest::of(b"")).parse().unwrap();
    let error = other.locate(&reference).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Corrupt { what: "manifest", .. }),
        "{error}"
    );
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_a_cut_at_once() {
    let config = RegistryConfig {
        deadline: Duration::from_millis(200),
        ..RegistryConfig::default()
    };
    let error = resolve(registry(|_| Reply::Silence).await, config).await.unwrap_err();
    assert!(matches!(error, RegistryError::Deadline { .. }), "{error}");
    let error = resolve(registry(|_| Reply::Cut).await, RegistryConfig::default())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    let error = resolve(registry(|_| status("500 Oops")).await, RegistryConfig::default())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn nothing_leads_from_this_machine_to_another_in_plain() {
    for place in ["http://192.0.2.1/x", "https://192.0.2.1/x"] {
        let head = format!("307 Temporary Redirect\r\nlocation: {place}\r\n");
        let address = registry(move |_| Reply::Answer(head.clone(), Vec::new())).await;
        let error = resolve(address, RegistryConfig::default()).await.unwrap_err();
        assert!(
            matches!(&error, RegistryError::Unreachable { reason, .. } if reason.contains("another machine")),
            "{error}"
        );
    }
    let head = "401 Unauthorized\r\nwww-authenticate: Bearer realm=\"http://192.0.2.1/token\"\r\n";
    let address = registry(move |_| Reply::Answer(head.to_owned(), Vec::new())).await;
    let error = resolve(address, RegistryConfig::default()).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unreachable { reason, .. } if reason.contains("neither HTTPS")),
        "{error}"
    );

    // Round and round.
    let head = "307 Temporary Redirect\r\nlocation: /again\r\n";
    let address = registry(move |_| Reply::Answer(head.to_owned(), Vec::new())).await;
    let error = resolve(address, RegistryConfig::default()).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unreachable { reason, .. } if reason.contains("redirects")),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_is_fetched_with_the_password_and_used_for_the_rest() {
    let bytes = component("x", 100);
    let (served, said) = (bytes.clone(), manifest(&bytes, bytes.len()));
    let reply = move |head: &str| {
        let line = head.lines().next().unwrap_or_default();
        let host = head
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .unwrap_or_default();
        if line.starts_with("GET /token?service=it&scope=repository%3Aa%3Apull ") {
            // `anna:secret`
            let known = head.contains("authorization: Basic YW5uYTpzZWNyZXQ=");
            return if known {
                ok(r#"{"token": "t0k3n"}"#)
            } else {
                status("401 Unauthorized")
            };
        }
        if !head.contains("authorization: Bearer t0k3n") {
            let ask = format!("Bearer realm=\"http://{host}/token\",service=\"it\",scope=\"repository:a:pull\"");
            return Reply::Answer(format!("401 Unauthorized\r\nwww-authenticate: {ask}\r\n"), Vec::new());
        }
        ok(if line.contains("/manifests/1") {
            said.clone().into_bytes()
        } else {
            served.clone()
        })
    };
    let address = registry(reply).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let auth = json!({ "username": "anna", "password": "secret" });
    std::fs::write(&path, json!({ "auths": { address.to_string(): auth } }).to_string()).unwrap();
    let config = RegistryConfig {
        credentials: Some(path),
        ..RegistryConfig::default()
    };
    assert_eq!(resolve(address, config).await.unwrap(), Digest::of(&bytes));
    let error = resolve(address, RegistryConfig::default()).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unauthorized { reason, .. } if reason.contains("config.json")),
        "{error}"
    );
}
