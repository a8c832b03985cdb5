//! Where the handlers stand, and what is relative to where they stand.

use std::path::Path;

use probelet_manifest::{Diagnostic, Pod, Severity, parse_json, parse_yaml};

use crate::{BOTH, read};

#[test]
fn every_check_is_listed_with_its_place_and_its_place_is_found_in_the_file() {
    let pod = read(BOTH);
    let found: Vec<_> = pod
        .wasm_checks()
        .into_iter()
        .map(|check| {
            let component = check.wasm.component.to_string();
            (
                check.container,
                check.role.name(),
                pod.position(&check.path),
                check.path,
                component,
            )
        })
        .collect();
    let expected = [
        (
            0,
            "liveness",
            Some((18, 7)),
            "spec.containers[0].livenessProbe.wasm",
            "./ping.wasm",
        ),
        (
            0,
            "readiness",
            Some((25, 22)),
            "spec.containers[0].readinessProbe.wasm",
            "builtin:tcp",
        ),
        (
            0,
            "startup",
            Some((26, 20)),
            "spec.containers[0].startupProbe.wasm",
            "ghcr.io/a/b:1",
        ),
        (
            0,
            "postStart",
            Some((28, 19)),
            "spec.containers[0].lifecycle.postStart.wasm",
            "../warm.wasm",
        ),
        (
            0,
            "preStop",
            Some((29, 17)),
            "spec.containers[0].lifecycle.preStop.wasm",
            "/opt/drain.wasm",
        ),
        (
            1,
            "liveness",
            Some((7, 5)),
            "metadata.annotations[probelet.dev/b.liveness]",
            "./ping.wasm",
        ),
        (
            1,
            "readiness",
            Some((9, 5)),
            "metadata.annotations[probelet.dev/b.readiness]",
            "builtin:tcp",
        ),
        (
            1,
            "startup",
            Some((10, 5)),
            "metadata.annotations[probelet.dev/b.startup]",
            "ghcr.io/a/b:1",
        ),
        (
            1,
            "postStart",
            Some((11, 5)),
            "metadata.annotations[probelet.dev/b.postStart]",
            "../warm.wasm",
        ),
        (
            1,
            "preStop",
            Some((12, 5)),
            "metadata.annotations[probelet.dev/b.preStop]",
            "/opt/drain.wasm",
        ),
    ];
    let expected = expected
        .map(|(container, role, at, path, component)| (container, role, at, path.to_owned(), component.to_owned()));
    assert_eq!(found, expected);
    for (path, position) in [
        ("spec.containers[0].livenessProbe.wasm.config.port", (21, 11)),
        ("spec.containers[0].livenessProbe.wasm.config.port[3].x", (21, 11)),
        ("spec.containers[0].livenessProbe.wasm.config[no.such/key]", (20, 9)),
        ("metadata.annotations[probelet.dev/b.liveness].config.port", (7, 5)),
        ("metadata.annotations[a", (5, 3)),
    ] {
        assert_eq!(pod.position(path), Some(position), "{path}");
    }
    assert_eq!(parse_json(pod.document).unwrap().position("spec"), None);
}

#[test]
fn what_an_agent_finds_later_is_located_in_a_list_too() {
    let pods = "apiVersion: v1\nkind: List\nitems:\n\
        - {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: b}]}}\n\
        - apiVersion: v1\n  kind: Pod\n  metadata: {name: b}\n  spec:\n    containers: [{name: a, image: b}]\n";
    let pods = parse_yaml(pods, "pods.yaml").unwrap();
    assert_eq!(pods[1].position("spec.containers[0].image"), Some((9, 28)));
    assert_eq!(pods[0].position("spec.containers[0].image"), Some((4, 82)));
    assert_eq!(pods[1].position(""), Some((5, 3)));
    let mut found = [Diagnostic {
        severity: Severity::Error,
        path: "spec.containers[0].image".into(),
        file: None,
        line: None,
        column: None,
        message: "it is not there".into(),
        help: None,
    }];
    pods[1].locate(&mut found);
    assert_eq!(
        found[0].to_string(),
        "pods.yaml:9:28: error: items[1].spec.containers[0].image: it is not there"
    );
}

#[test]
fn relative_paths_become_absolute_in_both_spellings_and_in_the_document() {
    let mut pod = read(BOTH);
    pod.resolve_component_paths(Path::new("/work/pods")).unwrap();
    let components = |pod: &Pod| -> Vec<_> {
        let checks = pod.wasm_checks();
        checks.iter().map(|check| check.wasm.component.to_string()).collect()
    };
    let expected = [
        "/work/pods/ping.wasm",
        "builtin:tcp",
        "ghcr.io/a/b:1",
        "/work/pods/../warm.wasm",
        "/opt/drain.wasm",
    ];
    assert_eq!(components(&pod)[..5], expected);
    assert_eq!(components(&pod)[5..], expected);
    let again = parse_json(pod.document.clone()).unwrap();
    assert_eq!((&again.spec, &again.metadata), (&pod.spec, &pod.metadata));
    // All else stays, in its order.
    assert_eq!(
        pod.metadata.annotations["probelet.dev/b.liveness"],
        r#"{"component":"/work/pods/ping.wasm","config":{"port":6379},"onError":"Fail","reload":true,"periodMilliseconds":250}"#
    );
    let untouched = r#"{"component": "/opt/drain.wasm"}"#;
    assert_eq!(pod.metadata.annotations["probelet.dev/b.preStop"], untouched);
    let resolved = pod.clone();
    pod.resolve_component_paths(Path::new("/elsewhere")).unwrap();
    assert_eq!(pod, resolved);
}

#[test]
fn a_path_that_no_document_can_hold_is_a_fault_with_its_place() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let mut pod = read(BOTH);
    let base = Path::new(OsStr::from_bytes(b"/caf\xe9"));
    let faults = pod.resolve_component_paths(base).unwrap_err();
    let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 4, "{texts:#?}");
    assert!(
        texts[0].starts_with("pod.yaml:19:9: error: spec.containers[0].livenessProbe.wasm.component: the path /caf"),
        "{texts:#?}"
    );
    assert!(texts[2].starts_with("pod.yaml:7:5: error: metadata.annotations[probelet.dev/b.liveness].component: "));
}
