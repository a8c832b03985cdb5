//! Connections: from a listener, whichever it is, to the router.

use std::{sync::Arc, time::Duration};

use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// Connections at one time: all watches and sessions, and as many short requests again. Others wait to be accepted.
const MAX_CONNECTIONS: usize = 640;

/// The largest head of a request, request line included. A long command in an exec is the largest there is; Linux itself
/// takes no argument above 128 KiB.
const MAX_HEAD: usize = 160 * 1024;

/// Header fields of a request; kubectl sends ten.
const MAX_HEADERS: usize = 64;

/// A client that does not finish the head of its request in this time is gone, or means ill.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long requests may take to end once the server is to; watches never end by themselves.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// Serves connections until `shutdown`, then finishes what can be finished in a second.
pub async fn serve<L>(mut listener: L, router: Router, shutdown: impl Future<Output = ()>)
where
    L: Listener,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (ending, ends) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (listener.accept().await.0, place)
        };
        tokio::select! {
            (stream, place) = next => {
                let connection = serve_one(stream, router.clone(), ends.clone());
                connections.spawn(async move {
                    let _place = place;
                    connection.await;
                });
            }
            Some(_) = connections.join_next() => {}
            () = &mut shutdown => break,
        }
    }
    drop(listener);
    ending.send_replace(true);
    let _ = tokio::time::timeout(LAST_REQUESTS, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

async fn serve_one<S>(stream: S, router: Router, mut ends: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    let connection = builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        () = async { drop(ends.wait_for(|ending| *ending).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended badly");
    }
}
