//! What the API has to offer, as kubectl asks for it: the older, unaggregated lists.

use axum::Json;
use k8s_openapi::{
    apimachinery::pkg::{
        apis::meta::v1::{
            APIGroup, APIGroupList, APIResource, APIResourceList, APIVersions, GroupVersionForDiscovery,
            ServerAddressByClientCIDR,
        },
        version::Info,
    },
    serde::Serialize,
};
use serde_json::{Value, json};

use crate::PROBELET_API;

/// The Kubernetes version whose API this is a part of.
const KUBERNETES: (&str, &str) = ("1", "36");

/// `GET /version`.
pub(super) async fn version() -> Json<Info> {
    let (major, minor) = KUBERNETES;
    Json(Info {
        major: major.to_owned(),
        minor: minor.to_owned(),
        git_version: format!("v{major}.{minor}.0+probelet-{}", env!("CARGO_PKG_VERSION")),
        platform: format!("linux/{}", std::env::consts::ARCH),
        ..Info::default()
    })
}

/// `GET /api`.
pub(super) async fn core_versions() -> Json<Value> {
    list(
        "APIVersions",
        &APIVersions {
            versions: vec!["v1".to_owned()],
            server_address_by_client_cidrs: vec![ServerAddressByClientCIDR::default()],
        },
    )
}

/// `GET /apis`.
pub(super) async fn groups() -> Json<Value> {
    list(
        "APIGroupList",
        &APIGroupList {
            groups: vec![probelet_group()],
        },
    )
}

/// `GET /apis/probelet.dev`.
pub(super) async fn group() -> Json<Value> {
    list("APIGroup", &probelet_group())
}

/// `GET /api/v1`.
pub(super) async fn core_resources() -> Json<Value> {
    let pods = APIResource {
        short_names: Some(vec!["po".to_owned()]),
        categories: Some(vec!["all".to_owned()]),
        singular_name: "pod".to_owned(),
        ..resource(
            "pods",
            "Pod",
            &["create", "delete", "get", "list", "patch", "update", "watch"],
        )
    };
    let events = APIResource {
        short_names: Some(vec!["ev".to_owned()]),
        singular_name: "event".to_owned(),
        ..resource("events", "Event", &["get", "list", "watch"])
    };
    let log = resource("pods/log", "Pod", &["get"]);
    let exec = resource("pods/exec", "PodExecOptions", &["get"]);
    let status = resource("pods/status", "Pod", &["get", "patch"]);
    let resources = vec![events, pods, exec, log, status];
    list(
        "APIResourceList",
        &APIResourceList {
            group_version: "v1".to_owned(),
            resources,
        },
    )
}

/// `GET /apis/probelet.dev/v1alpha1`.
pub(super) async fn probelet_resources() -> Json<Value> {
    let resources = vec![
        resource("pods/history", "PodHistory", &["get"]),
        resource("pods/usage", "PodUsage", &["get"]),
        resource("pods/journal", "PodJournal", &["get"]),
        resource("pods/check", "PodCheck", &["create"]),
        resource("pods/record", "PodRecord", &["get"]),
    ];
    list(
        "APIResourceList",
        &APIResourceList {
            group_version: PROBELET_API.to_owned(),
            resources,
        },
    )
}

fn probelet_group() -> APIGroup {
    let (name, version) = PROBELET_API.split_once('/').unwrap_or((PROBELET_API, ""));
    let version = GroupVersionForDiscovery {
        group_version: PROBELET_API.to_owned(),
        version: version.to_owned(),
    };
    APIGroup {
        name: name.to_owned(),
        versions: vec![version.clone()],
        preferred_version: Some(version),
        ..APIGroup::default()
    }
}

fn resource(name: &str, kind: &str, verbs: &[&str]) -> APIResource {
    APIResource {
        name: name.to_owned(),
        kind: kind.to_owned(),
        namespaced: true,
        verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
        ..APIResource::default()
    }
}

/// Some of the types write their kind themselves, some do not.
fn list(kind: &str, content: &impl Serialize) -> Json<Value> {
    let mut document = serde_json::to_value(content).expect("lists of names have string keys only");
    document["kind"] = json!(kind);
    document["apiVersion"] = json!("v1");
    Json(document)
}
