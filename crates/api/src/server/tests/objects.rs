use axum::body::Body;
use http::{Method, Request};
use probelet_lifecycle::journal::Journal;
use probelet_node::handle::{Collection, RunRecord};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Fake, Server, ask, get, pod, router, send};
use crate::{
    client::{self, ClientError, OBJECTS, TABLE, Target},
    render::Table,
};

const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::test]
async fn documents_are_handed_out_as_they_are_stored() {
    let agent = Fake::new();
    agent.put(Collection::Pods, pod("a"));
    let router = router(agent);
    let (status, found) = get(&router, &format!("{PODS}/a")).await;
    assert_eq!(
        (status.as_u16(), &found["spec"]["containers"][0]["ourOwn"]["wasm"]),
        (200, &json!(true))
    );

    let (_, list) = get(&router, "/api/v1/pods?limit=500").await;
    assert_eq!(
        (&list["kind"], &list["metadata"]["resourceVersion"]),
        (&json!("PodList"), &json!("101"))
    );
    assert_eq!(list["items"][0], found);
    let (_, elsewhere) = get(&router, "/api/v1/namespaces/other/pods").await;
    assert_eq!(elsewhere["items"], json!([]));
}

#[tokio::test]
async fn every_refusal_is_a_status() {
    let agent = Fake::new();
    agent.put(Collection::Pods, pod("a"));
    let router = router(agent);
    for (path, code, reason, message) in [
        (
            "/api/v1/namespaces/default/pods/b",
            404,
            "NotFound",
            "pods \"b\" not found",
        ),
        (
            "/api/v1/namespaces/default/events/b",
            404,
            "NotFound",
            "events \"b\" not found",
        ),
        (
            "/apis/probelet.dev/v1alpha1/namespaces/default/pods/b/history",
            404,
            "NotFound",
            "pods \"b\" not found",
        ),
        (
            "/api/v1/secrets",
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        (
            "/nothing",
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        (
            "/api/v1/pods?labelSelector=app",
            400,
            "BadRequest",
            "the parameter labelSelector is not supported yet",
        ),
        (
            "/api/v1/pods?fieldSelector=status.phase%3Dx",
            400,
            "BadRequest",
            "field label not supported: status.phase",
        ),
        (
            "/api/v1/pods?watch=1&resourceVersion=x",
            400,
            "BadRequest",
            "resourceVersion: \"x\" is no number from 0 on",
        ),
        (
            "/api/v1/pods?watch=1&resourceVersion=7",
            410,
            "Expired",
            "resource version 7 is too old; list again and watch from the list's version",
        ),
        (
            "/api/v1/namespaces/default/pods/a/log?sinceSeconds=5",
            400,
            "BadRequest",
            "the parameter sinceSeconds is not supported yet",
        ),
        (
            "/api/v1/namespaces/default/pods/a/log?container=waiting",
            400,
            "BadRequest",
            "container \"waiting\" is waiting to start",
        ),
        (
            "/api/v1/namespaces/default/pods/a/exec?command=ls",
            400,
            "BadRequest",
            "exec takes a WebSocket with the protocol v5.channel.k8s.io: Connection header did not include 'upgrade'",
        ),
    ] {
        let (status, body) = get(&router, path).await;
        assert_eq!(status.as_u16(), code, "{path}: {body}");
        let expected =
            json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message});
        for (field, expected) in expected.as_object().unwrap() {
            assert_eq!(&body[field], expected, "{path}: {body}");
        }
    }
    let (status, body) = send(&router, "DELETE", "/api/v1/pods", &json!({})).await;
    assert_eq!((status.as_u16(), &body["reason"]), (405, &json!("MethodNotAllowed")));
}

#[tokio::test]
async fn a_pod_is_created_once_and_only_if_it_is_valid() {
    let router = router(Fake::new());
    let (status, created) = send(&router, "POST", PODS, &pod("a")).await;
    assert_eq!((status.as_u16(), &created["metadata"]["name"]), (201, &json!("a")));

    let (status, again) = send(&router, "POST", PODS, &pod("a")).await;
    assert_eq!((status.as_u16(), &again["reason"]), (409, &json!("AlreadyExists")));
    assert_eq!(again["message"], "pods \"a\" already exists");

    let (status, invalid) = send(&router, "POST", PODS, &json!({"metadata": {"name": "b"}})).await;
    assert_eq!((status.as_u16(), &invalid["reason"]), (422, &json!("Invalid")));
    assert_eq!(
        invalid["message"],
        "Pod \"b\" is invalid: [spec: is required, metadata.name: is odd]"
    );
    let cause = &invalid["details"]["causes"][1];
    assert_eq!(
        (&cause["field"], &cause["message"]),
        (&json!("metadata.name"), &json!("is odd"))
    );

    let (status, elsewhere) = send(&router, "POST", "/api/v1/namespaces/other/pods", &pod("a")).await;
    assert_eq!((status.as_u16(), &elsewhere["reason"]), (400, &json!("BadRequest")));
    let (status, _) = send(&router, "POST", &format!("{PODS}?dryRun=All"), &pod("c")).await;
    assert_eq!(status.as_u16(), 400);
}

#[tokio::test]
async fn bodies_are_bounded_and_of_a_known_type() {
    let router = router(Fake::new());
    let post = |content_type: &str, body: String| {
        Request::post(PODS)
            .header("Content-Type", content_type)
            .body(Body::from(body))
            .unwrap()
    };
    for (request, code) in [
        (post("application/vnd.kubernetes.protobuf", "k8s".into()), 415),
        (post("application/json", " ".repeat(4 << 20)), 413),
        (post("application/json", "{".into()), 400),
        (post("application/json", "[]".into()), 400),
        (post("application/json", String::new()), 400),
    ] {
        let (status, _, body) = ask(&router, request).await;
        assert_eq!((status.as_u16(), &body["kind"]), (code, &json!("Status")), "{body}");
    }
}

#[tokio::test]
async fn an_update_succeeds_only_if_it_changes_nothing() {
    // An update is checked as a new pod is, so it must be valid; what is there has its defaults filled in.
    let mut written = pod("a");
    written["spec"]["containers"][0] = json!({"name": "c", "image": "i"});
    let agent = Fake::new();
    agent.put(
        Collection::Pods,
        probelet_manifest::parse_json(written.clone()).unwrap().document,
    );
    let router = router(agent);
    let path = format!("{PODS}/a");
    assert_eq!(send(&router, "PUT", &path, &written).await.0.as_u16(), 200);
    assert_eq!(
        send(&router, "PATCH", &path, &json!({"spec": {}})).await.0.as_u16(),
        200
    );

    let mut changed = written;
    changed["spec"]["containers"][0]["image"] = json!("j");
    for (method, body) in [
        ("PUT", changed),
        ("PATCH", json!({"metadata": {"labels": {"app": "x"}}})),
    ] {
        let (status, body) = send(&router, method, &path, &body).await;
        assert_eq!(status.as_u16(), 422, "{method}");
        assert!(
            body["message"]
                .as_str()
                .unwrap()
                .contains("delete it, then apply it again"),
            "{body}"
        );
    }
    assert_eq!(
        send(&router, "PUT", &format!("{PODS}/b"), &pod("a")).await.0.as_u16(),
        400
    );
    assert_eq!(
        send(&router, "PUT", &format!("{PODS}/b"), &pod("b")).await.0.as_u16(),
        404
    );
}

#[tokio::test]
async fn conditions_of_others_are_set_by_a_patch_of_the_status() {
    let agent = Fake::new();
    agent.put(Collection::Pods, pod("a"));
    let router = router(agent);
    let path = format!("{PODS}/a/status");
    let conditions = json!([{"type": "example.com/warm", "status": "True"}]);
    let (status, body) = send(&router, "PATCH", &path, &json!({"status": {"conditions": conditions}})).await;
    assert_eq!((status.as_u16(), &body["status"]["conditions"]), (200, &conditions));
    let (status, body) = send(&router, "PATCH", &path, &json!({"status": {"phase": "Failed"}})).await;
    assert_eq!(status.as_u16(), 422, "{body}");
}

#[tokio::test]
async fn a_deletion_hands_its_grace_period_on() {
    let agent = Fake::new();
    let router = router(agent.clone());
    let path = format!("{PODS}/a");
    for (query, body) in [
        ("", json!({"gracePeriodSeconds": 5, "propagationPolicy": "Background"})),
        ("?gracePeriodSeconds=0", json!({})),
        ("", json!({"preconditions": {"uid": "uid-a"}})),
    ] {
        agent.put(Collection::Pods, pod("a"));
        let (status, deleted) = send(&router, "DELETE", &format!("{path}{query}"), &body).await;
        assert_eq!((status.as_u16(), &deleted["kind"]), (200, &json!("Pod")));
    }
    assert_eq!(agent.deletions(), [Some(5), Some(0), None]);

    agent.put(Collection::Pods, pod("a"));
    for (body, code) in [
        (json!({"gracePeriodSeconds": -1}), 422),
        (json!({"gracePeriodSeconds": "soon"}), 400),
        (json!({"dryRun": ["All"]}), 400),
        (json!({"preconditions": {"uid": "another"}}), 409),
    ] {
        assert_eq!(send(&router, "DELETE", &path, &body).await.0.as_u16(), code, "{body}");
    }
    assert_eq!(agent.deletions().len(), 3);
}

#[tokio::test]
async fn a_table_is_served_to_those_who_ask_for_it() {
    let agent = Fake::new();
    agent.put(Collection::Pods, pod("a"));
    let router = router(agent);
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    for (path, name) in [("/api/v1/pods", "a"), ("/api/v1/namespaces/default/pods/a", "a")] {
        let request = Request::get(path).header("Accept", accept).body(Body::empty()).unwrap();
        let (_, _, body) = ask(&router, request).await;
        let table = Table::deserialize(&body).unwrap();
        assert_eq!(table.rows[0].cells[0], name);
        assert_eq!(table.column_definitions.len(), table.rows[0].cells.len());
        assert_eq!(body["rows"][0]["object"]["metadata"]["uid"], "uid-a");
        assert_eq!(body["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    }
    let request = Request::get("/api/v1/pods?includeObject=Object")
        .header("Accept", accept)
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        ask(&router, request).await.2["rows"][0]["object"]["status"]["phase"],
        "Running"
    );
    let request = Request::get("/api/v1/events")
        .header("Accept", accept)
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        ask(&router, request).await.2["columnDefinitions"][0]["name"],
        "Last Seen"
    );
}

#[tokio::test]
async fn a5_3_metrics_of_probes_have_the_kubelets_path() {
    let router = router(Fake::new());
    for (path, text) in [
        ("/metrics", "probelet_fake 1\n"),
        ("/metrics/probes", "prober_fake 1\n"),
    ] {
        let (status, headers, body) = ask(&router, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((status.as_u16(), body), (200, json!(text)), "{path}");
        assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    }
}

#[tokio::test]
async fn what_kubectl_discovers() {
    let router = router(Fake::new());
    let mut found = Vec::new();
    for path in [
        "/healthz",
        "/version",
        "/api",
        "/apis",
        "/apis/probelet.dev",
        "/api/v1",
        "/apis/probelet.dev/v1alpha1",
    ] {
        let (status, body) = get(&router, path).await;
        assert_eq!(status.as_u16(), 200, "{path}");
        found.push(json!({ path: body }));
    }
    let text = serde_json::to_string_pretty(&found).unwrap();
    insta::assert_snapshot!(text.replace(std::env::consts::ARCH, "ARCHITECTURE"));
}

#[tokio::test]
async fn our_client_reads_what_the_server_says() {
    let agent = Fake::new();
    let server = Server::start(&agent);
    let client = server.client();
    let pods = client::collection(Collection::Pods, Some("default"));

    let created = client.change(Method::POST, &pods, &pod("a")).await.unwrap();
    assert_eq!(created.object["metadata"]["name"], "a");
    assert_eq!(created.warnings, ["did you mean [\"cat\", \"a\\b\"]? surely"]);

    let table: Table = client.get(&pods, TABLE).await.unwrap();
    assert_eq!(table.rows.len(), 1);
    let version: Value = client.get(&Target::fixed("/version"), OBJECTS).await.unwrap();
    assert_eq!(version["major"], "1");

    let history: Value = client.get(&client::history("default", "a"), OBJECTS).await.unwrap();
    let run = RunRecord::deserialize(&history["items"][0]).unwrap();
    assert_eq!((run.component.as_str(), run.fuel), ("exec", 12_345));

    let usage: Value = client.get(&client::usage("default", "a"), OBJECTS).await.unwrap();
    assert_eq!(usage["items"][0]["runs"], 7);

    let journal: Value = client.get(&client::journal("default", "a"), OBJECTS).await.unwrap();
    let journal = Journal::deserialize(&journal["journal"]).unwrap();
    assert_eq!(journal.config().name, "a");

    let body = json!({"kind": "liveness", "handler": {"component": "/a.wasm"}, "timeoutMilliseconds": 1000});
    let check = client::check("default", "a");
    let checked = client.change(Method::POST, &check, &body).await.unwrap();
    assert_eq!(checked.object["outcome"]["message"], "liveness");
    let wrong = client
        .change(Method::POST, &check, &json!({"kind": "liveness", "more": 1}))
        .await
        .unwrap_err();
    assert!(wrong.to_string().contains("unknown field `more`"), "{wrong}");
    let record = client::record("default", "a");
    let missing = client.get::<Value>(&record, OBJECTS).await.unwrap_err();
    assert!(missing.to_string().contains("check=liveness"), "{missing}");
    let record = record.with("check", "preStop").with("outcome", "failed");
    let recorded: Value = client.get(&record, OBJECTS).await.unwrap();
    assert_eq!(recorded["case"], "kind: preStop, outcome: Some(\"failed\")");

    let missing = client
        .get::<Value>(&client::pod("default", "b"), OBJECTS)
        .await
        .unwrap_err();
    assert!(missing.is_not_found());
    assert_eq!(missing.to_string(), "pods \"b\" not found");
    let nobody = client::Client::new(std::path::Path::new("/nowhere/agent.sock"));
    let unreachable = nobody.get::<Value>(&pods, OBJECTS).await.unwrap_err();
    assert!(matches!(&unreachable, ClientError::Connect { error, .. } if error.kind() == std::io::ErrorKind::NotFound));
}
