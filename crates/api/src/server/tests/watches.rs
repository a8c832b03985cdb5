use futures::StreamExt;
use probelet_node::handle::Collection;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    Fake, Server,
    fake::{OLDEST, PATIENCE},
    get, pod, router,
};
use crate::{
    client::{self, ClientError, OBJECTS, TABLE, WatchEventKind},
    render::Table,
    server::MAX_WATCHES,
};

#[tokio::test]
async fn a_watch_without_a_version_begins_with_what_is_there() {
    let agent = Fake::new();
    agent.put(Collection::Pods, pod("a"));
    agent.put(Collection::Pods, pod("b"));
    let server = Server::start(&agent);
    let target = client::collection(Collection::Pods, None).with("fieldSelector", "metadata.name=b");
    let mut watch = server.client().watch::<Value>(&target, OBJECTS).await.unwrap();

    let first = timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(
        (first.kind, &first.object["metadata"]["name"]),
        (WatchEventKind::Added, &json!("b"))
    );
}

#[tokio::test]
async fn a_watch_goes_on_from_its_version_until_it_expires() {
    let agent = Fake::new();
    agent.put(Collection::Pods, pod("a"));
    agent.put(Collection::Pods, pod("a"));
    let server = Server::start(&agent);
    let target = client::collection(Collection::Pods, Some("default")).with("resourceVersion", &OLDEST.to_string());
    let mut watch = server.client().watch::<Table>(&target, TABLE).await.unwrap();

    let mut seen = Vec::new();
    for _ in 0..2 {
        let event = timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
        seen.push((
            event.kind,
            event.object.column_definitions.len(),
            event.object.metadata.resource_version,
        ));
    }
    let version = |number: u64| Some(number.to_string());
    assert_eq!(
        seen,
        [
            (WatchEventKind::Added, 9, version(OLDEST + 1)),
            // The columns are named once.
            (WatchEventKind::Modified, 0, version(OLDEST + 2)),
        ]
    );

    agent.put(Collection::Pods, pod("a"));
    let expired = timeout(PATIENCE, watch.next()).await.unwrap().unwrap();
    let Err(ClientError::Refused(status)) = expired else {
        panic!("{expired:?}")
    };
    assert_eq!((status.code, status.reason.as_deref()), (Some(410), Some("Expired")));
    assert!(watch.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_after_the_time_that_was_asked_for() {
    let router = router(Fake::new());
    let (status, body) = get(&router, "/api/v1/events?watch=true&timeoutSeconds=60").await;
    assert_eq!((status.as_u16(), body), (200, json!("")));
}

#[tokio::test]
async fn watches_are_bounded_and_their_places_are_given_back() {
    let router = router(Fake::new());
    let open = || async {
        let request = http::Request::get("/api/v1/pods?watch=true")
            .body(axum::body::Body::empty())
            .unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        hyper::service::Service::call(&service, request).await.unwrap()
    };
    let mut watches = Vec::new();
    for _ in 0..MAX_WATCHES {
        watches.push(open().await);
    }
    let refused = open().await;
    assert_eq!(
        (
            refused.status().as_u16(),
            refused.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "1")
    );
    watches.pop();
    assert_eq!(open().await.status().as_u16(), 200);
}

#[tokio::test]
async fn logs_are_read_as_they_were_asked_for() {
    let agent = Fake::new();
    agent.put(Collection::Pods, pod("a"));
    let server = Server::start(&agent);
    let target = client::pod("default", "a")
        .below("log")
        .with("follow", "true")
        .with("tailLines", "7");
    let target = target
        .with("timestamps", "true")
        .with("previous", "false")
        .with("container", "c");
    let mut log = server.client().read_text(&target).await.unwrap();
    let mut text = Vec::new();
    while text.len() < 8 {
        text.extend_from_slice(&timeout(PATIENCE, log.next()).await.unwrap().unwrap().unwrap());
    }
    assert_eq!(text, b"one\ntwo\n");
    let [options] = agent.logs().try_into().unwrap();
    assert_eq!((options.container.as_deref(), options.tail_lines), (Some("c"), Some(7)));
    assert_eq!(
        (options.follow, options.timestamps, options.previous),
        (true, true, false)
    );
}
