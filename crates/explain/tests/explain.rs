//! Explanations, as they are printed and as data.
#![allow(clippy::unwrap_used)]

use k8s_openapi::{Resource, api::core::v1::Pod};
use probelet_explain::{FieldExplanation, explain};
use probelet_manifest::{Support, table};

fn text(path: &str, recursive: bool) -> String {
    explain(path, recursive).unwrap().to_string()
}

#[test]
fn a_field_is_printed_as_kubectl_does() {
    insta::assert_snapshot!(text("pod.spec.containers.livenessProbe", false));
}

#[test]
fn the_pod_is_printed_as_kubectl_does() {
    insta::assert_snapshot!(text("pods", false));
}

#[test]
fn a_tree_has_no_descriptions() {
    insta::assert_snapshot!(text("pod.spec.containers.lifecycle", true));
}

#[test]
fn fixed_words_are_listed() {
    insta::assert_snapshot!(text("pod.spec.containers.imagePullPolicy", false));
}

#[test]
fn our_own_handler_is_explained() {
    insta::assert_snapshot!(text("pod.spec.containers.readinessProbe.wasm", false));
}

#[test]
fn what_is_refused_says_why_and_so_does_what_lies_below() {
    insta::assert_snapshot!(text("pod.spec.containers.securityContext.seccompProfile", false));
    let below = explain("pod.spec.containers.securityContext.seccompProfile.type", false).unwrap();
    assert_eq!(below.field.unwrap().support, "refused");
    let below = explain("pod.spec.affinity.nodeAffinity", false).unwrap();
    assert_eq!(below.field.unwrap().support, "warned");
}

#[test]
fn the_path_of_a_message_is_taken() {
    let path = |path| explain(path, false).unwrap().path;
    assert_eq!(
        path("spec.containers[0].ports[1].containerPort"),
        "pod.spec.containers.ports.containerPort"
    );
    assert_eq!(
        path("metadata.annotations[probelet.dev/web.liveness]"),
        "pod.metadata.annotations"
    );
    assert_eq!(path("po"), "pod");
}

#[test]
fn a_path_that_leads_nowhere_says_what_there_is() {
    let error = |path: &str| explain(path, false).unwrap_err().to_string();
    let texts = [
        "deployment.spec",
        "",
        "pod..spec",
        "pod.spec.containers.livenesProbe",
        "pod.spec.containers.livenessProbe.sleep",
        "pod.spec.hostname.length",
        "pod.spec.containers.securityContext.capabilities.x",
    ];
    insta::assert_snapshot!(texts.map(|path| format!("{path:?}: {}\n", error(path))).concat());
}

#[test]
fn every_field_of_the_table_is_explained_as_the_table_says() {
    let tree = explain("pod", true).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    collect(&tree.fields, "Pod", &mut seen);
    // Kubernetes has no such field, so there is nothing to explain; and a component in an annotation is text.
    let odd = [("Probe", "sleep"), ("LifecycleHandler", "grpc")];
    for kind in table().iter().filter(|kind| kind.name != "WasmProbe") {
        for field in kind
            .fields
            .iter()
            .filter(|field| !odd.contains(&(kind.name, field.name)))
        {
            let support = match field.support {
                Support::Supported => "supported",
                Support::Own => "own",
                Support::Set => "kept",
                Support::Warned => "warned",
                Support::Refused => "refused",
            };
            let found = (kind.name.to_owned(), field.name.to_owned(), support);
            assert!(seen.contains(&found), "{found:?}");
        }
    }
}

/// The type, the name and the support of all fields, and that each says something.
fn collect(
    fields: &[FieldExplanation],
    parent: &str,
    seen: &mut std::collections::BTreeSet<(String, String, &'static str)>,
) {
    for field in fields {
        assert!(!field.description.is_empty(), "{parent}.{}", field.name);
        seen.insert((parent.to_owned(), field.name.clone(), field.support));
        let target = field
            .type_name
            .trim_start_matches("[]")
            .trim_start_matches("map[string]");
        collect(&field.fields, target, seen);
    }
}

#[test]
fn kind_and_version_are_kubernetes_own() {
    let pod = explain("pod", false).unwrap();
    assert_eq!((pod.kind, pod.version), (Pod::KIND, Pod::API_VERSION));
}
