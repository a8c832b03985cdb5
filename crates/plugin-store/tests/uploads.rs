//! Uploads over bad lines: what arrived is not sent again, and nobody tries for ever.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex, MutexGuard};

use common::{
    component, config,
    fake::{Reply, registry_with_bodies, status},
};
use probelet_plugin_store::{Digest, Reference, Registry, RegistryError, silent};

/// A component of three pieces.
const SIZE: usize = 9 << 20;

/// What a registry has seen.
#[derive(Default)]
struct Seen {
    /// What of the component has arrived.
    arrived: Vec<u8>,
    /// Where each piece was to begin, as the requests say.
    pieces: Vec<usize>,
    begun: usize,
    finished: bool,
}

/// What a registry does with a piece, after it has put into [`Seen::arrived`] what it likes.
type OnPiece = fn(&mut Seen, &[u8]) -> Reply;

fn accepted(seen: &Seen) -> Reply {
    let last = seen.arrived.len().saturating_sub(1);
    let head = format!(
        "202 Accepted\r\nlocation: /upload/{}\r\nrange: 0-{last}\r\n",
        seen.begun
    );
    Reply::Answer(head, Vec::new())
}

/// A whole registry for one component: `on_piece` says what goes wrong.
async fn registry(digest: Digest, on_piece: OnPiece, knows_uploads: bool) -> (Registry, Reference, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = Arc::clone(&seen);
    let address = registry_with_bodies(move |head, body| {
        let mut seen: MutexGuard<'_, Seen> = shared.lock().unwrap();
        let line = head.lines().next().unwrap();
        match line.split(' ').next().unwrap() {
            "head" if seen.finished && line.contains(&digest.hex()) => status("200 OK"),
            "post" => {
                seen.begun += 1;
                let head = format!("202 Accepted\r\nlocation: /upload/{}\r\n", seen.begun);
                Reply::Answer(head, Vec::new())
            }
            "patch" => {
                let from = head.split_once("content-range: ").unwrap().1.split('-').next().unwrap();
                let from: usize = from.parse().unwrap();
                seen.pieces.push(from);
                if from != seen.arrived.len() {
                    return status("416 Range Not Satisfiable");
                }
                on_piece(&mut seen, body)
            }
            "get" if line.contains("/upload/") => {
                if !knows_uploads {
                    seen.arrived.clear();
                    return status("404 Not Found");
                }
                let last = seen.arrived.len().saturating_sub(1);
                Reply::Answer(format!("204 No Content\r\nrange: 0-{last}\r\n"), Vec::new())
            }
            "put" if line.contains("/upload/") && body.is_empty() => {
                let whole = Digest::of(&seen.arrived) == digest;
                seen.finished |= whole;
                status(if whole { "201 Created" } else { "400 Bad Request" })
            }
            "put" => status("201 Created"),
            _ => status("404 Not Found"),
        }
    })
    .await;
    let reference = format!("{address}/a:1").parse().unwrap();
    (Registry::new(config()), reference, seen)
}

#[tokio::test]
async fn an_upload_goes_on_from_where_it_broke() {
    let bytes = component("x", SIZE);
    let breaks_once: OnPiece = |seen, piece| {
        if seen.pieces.len() == 2 {
            seen.arrived.extend_from_slice(&piece[..1 << 20]);
            return Reply::Hangup;
        }
        seen.arrived.extend_from_slice(piece);
        accepted(seen)
    };
    let (client, name, seen) = registry(Digest::of(&bytes), breaks_once, true).await;
    client.push(&name, bytes.clone(), None, &silent).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.arrived == bytes && seen.finished);
    assert_eq!(
        (&seen.pieces[..], seen.begun),
        (&[0, 4 << 20, 5 << 20, 9 << 20][..], 2),
        "2: the description too"
    );
}

#[tokio::test]
async fn an_upload_that_the_registry_forgets_begins_anew() {
    let bytes = component("x", SIZE);
    let breaks_once: OnPiece = |seen, piece| {
        if seen.pieces.len() == 2 {
            return Reply::Hangup;
        }
        seen.arrived.extend_from_slice(piece);
        accepted(seen)
    };
    let (client, name, seen) = registry(Digest::of(&bytes), breaks_once, false).await;
    client.push(&name, bytes.clone(), None, &silent).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.arrived == bytes && seen.finished);
    assert_eq!(seen.pieces, [0, 4 << 20, 0, 4 << 20, 8 << 20]);
}

#[tokio::test]
async fn a_line_that_always_breaks_ends_the_upload() {
    let bytes = component("x", SIZE);
    let (client, name, seen) = registry(Digest::of(&bytes), |_, _| Reply::Hangup, true).await;
    let error = client.push(&name, bytes.clone(), None, &silent).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    assert_eq!(seen.lock().unwrap().pieces, [0, 0, 0]);

    // One that says it has more than it was sent, and one that keeps other bytes than it was sent.
    let boasts: OnPiece = |seen, piece| {
        seen.arrived.extend_from_slice(piece);
        seen.arrived.extend_from_slice(piece);
        accepted(seen)
    };
    let (client, name, seen) = registry(Digest::of(&bytes), boasts, true).await;
    let error = client.push(&name, bytes.clone(), None, &silent).await.unwrap_err();
    assert!(seen.lock().unwrap().pieces.len() <= 4, "{error}");
    let spoils: OnPiece = |seen, piece| {
        seen.arrived.extend(piece.iter().map(|byte| !byte));
        accepted(seen)
    };
    let (client, name, seen) = registry(Digest::of(&bytes), spoils, true).await;
    let error = client.push(&name, bytes, None, &silent).await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
    assert!(!seen.lock().unwrap().finished);
}
