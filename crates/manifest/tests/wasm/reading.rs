//! What is read.

use std::time::Duration;

use probelet_manifest::{
    Allow, ComponentReference, Diagnostic, ExecAllow, Handler, NetworkAllow, OnError, Probe, Wasm, WasmLimits,
    describe_probe, describe_probe_of, parse_json,
};
use serde_json::{Value, json};

use crate::{BOTH, read};

/// A pod with one probe.
fn probe(probe: Value) -> Result<Probe, Vec<Diagnostic>> {
    let pod = parse_json(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "a", "image": "b", "livenessProbe": probe}]},
    }))?;
    Ok(pod.spec.containers[0].liveness_probe.clone().unwrap())
}

fn wasm(content: Value) -> Wasm {
    match probe(json!({ "wasm": content })).unwrap().handler {
        Handler::Wasm(wasm) => *wasm,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_said_has_a_default_that_grants_nothing() {
    let expected = Wasm {
        component: ComponentReference::Path("/a.wasm".into()),
        config: json!({}),
        allow: Allow::default(),
        limits: WasmLimits {
            fuel: 100_000_000,
            memory: 32 << 20,
        },
        on_error: OnError::Ignore,
        reload: false,
    };
    assert_eq!(wasm(json!({"component": "/a.wasm"})), expected);
    let nothing = json!({
        "component": "/a.wasm", "config": null, "limits": {}, "onError": null, "reload": false,
        "allow": {"exec": false, "network": [], "stats": false, "files": null},
    });
    assert_eq!(wasm(nothing), expected);
    assert_eq!(expected.allow.exec, ExecAllow::None);
    assert_eq!(wasm(json!({"component": "/a.wasm", "allow": {"exec": []}})), expected);
}

#[test]
fn everything_that_is_said_is_read() {
    let found = wasm(json!({
        "component": "ghcr.io/a/b", "config": [1, {"a": null}], "onError": "Fail",
        "limits": {"fuel": "1.5G", "memory": "64Ki"},
        "allow": {
            "exec": true, "stats": true, "logs": true, "files": ["/", "/etc/redis.conf"], "environment": ["PATH"],
            "network": ["db.internal:5432", "[fd00::/8]:443", "10.0.0.1"],
        },
    }));
    let network = [("db.internal", Some(5432)), ("fd00::/8", Some(443)), ("10.0.0.1", None)];
    let network = network.map(|(host, port)| NetworkAllow {
        host: host.into(),
        port,
    });
    assert_eq!(
        found,
        Wasm {
            component: ComponentReference::Oci("ghcr.io/a/b".into()),
            config: json!([1, {"a": null}]),
            allow: Allow {
                exec: ExecAllow::All,
                network: network.into(),
                stats: true,
                logs: true,
                files: vec!["/".into(), "/etc/redis.conf".into()],
                environment: vec!["PATH".into()],
            },
            limits: WasmLimits {
                fuel: 1_500_000_000,
                memory: 64 << 10,
            },
            on_error: OnError::Fail,
            reload: false,
        }
    );
}

#[test]
fn both_spellings_say_the_same_and_the_document_stays_as_it_was() {
    let pod = read(BOTH);
    let [a, b] = &pod.spec.containers[..] else { panic!() };
    let all = |container: &probelet_manifest::Container| {
        (
            [
                &container.startup_probe,
                &container.liveness_probe,
                &container.readiness_probe,
            ]
            .map(Clone::clone),
            [&container.post_start, &container.pre_stop].map(Clone::clone),
        )
    };
    assert_eq!(all(a), all(b));
    let prefixes = vec![vec!["redis-cli".to_owned(), "ping".to_owned()], vec!["cat".to_owned()]];
    assert!(matches!(&a.post_start, Some(Handler::Wasm(wasm)) if wasm.allow.exec == ExecAllow::Prefixes(prefixes)));

    let document = &pod.document["spec"]["containers"];
    // What the annotation says is not filled into the field, nor the other way round.
    assert_eq!(
        document[1]["readinessProbe"],
        json!({"timeoutSeconds": 2, "periodSeconds": 10, "successThreshold": 1})
    );
    assert!(document[1].get("livenessProbe").is_none());
    let wasm = json!({"component": "./ping.wasm", "config": {"port": 6379}, "onError": "Fail", "reload": true});
    let liveness = json!({
        "wasm": wasm, "periodMilliseconds": 250, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3,
    });
    assert_eq!(document[0]["livenessProbe"], liveness);
    assert_eq!(
        pod.document["metadata"]["annotations"]["probelet.dev/b.startup"],
        r#"{"component": "ghcr.io/a/b:1"}"#
    );
    let again = parse_json(pod.document.clone()).unwrap();
    assert_eq!((&again.document, &again.spec), (&pod.document, &pod.spec));
}

#[test]
fn zero_is_the_default_in_both_spellings() {
    let pod = parse_json(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "a", "annotations": {"probelet.dev/a.liveness": json!({
            "component": "/a.wasm", "periodSeconds": 0, "initialDelaySeconds": 0, "failureThreshold": 7,
        }).to_string()}},
        "spec": {"containers": [{"name": "a", "image": "b", "livenessProbe": {
            "periodSeconds": 5, "initialDelaySeconds": 3, "failureThreshold": 0,
        }}]},
    }));
    let probe = pod.unwrap().spec.containers[0].liveness_probe.clone().unwrap();
    let (delay, period) = (probe.initial_delay.as_secs(), probe.period.as_secs());
    assert_eq!((delay, period, probe.failure_threshold), (3, 5, 7));
}

#[test]
fn milliseconds_go_with_every_handler_and_beside_a_zero_that_says_nothing() {
    let found = probe(json!({
        "tcpSocket": {"port": 80}, "periodMilliseconds": 10, "timeoutMilliseconds": 1500, "initialDelayMilliseconds": 0,
        "periodSeconds": 0, "timeoutSeconds": null, "initialDelaySeconds": 0,
    }))
    .unwrap();
    assert_eq!(
        (found.period, found.timeout, found.initial_delay),
        (Duration::from_millis(10), Duration::from_millis(1500), Duration::ZERO)
    );
}

#[test]
fn probes_are_described_with_their_component_and_their_milliseconds() {
    for (numbers, expected) in [
        (json!({}), "delay=0s timeout=1s period=10s"),
        (
            json!({"periodMilliseconds": 250, "timeoutMilliseconds": 2000, "initialDelayMilliseconds": 90_050}),
            "delay=1m30.05s timeout=2s period=250ms",
        ),
        (
            json!({"periodMilliseconds": 1500, "initialDelaySeconds": 90, "timeoutMilliseconds": 3_600_001}),
            "delay=90s timeout=1h0m0.001s period=1.5s",
        ),
    ] {
        let mut probe = numbers;
        probe["wasm"] = json!({"component": "./ping.wasm"});
        assert_eq!(
            describe_probe(&probe),
            format!("wasm ./ping.wasm {expected} #success=1 #failure=3")
        );
    }
    let pod = read(BOTH);
    let described = |container, role| describe_probe_of(&pod.document, container, role);
    let liveness = "wasm ./ping.wasm delay=0s timeout=1s period=250ms #success=1 #failure=3";
    let readiness = "wasm builtin:tcp delay=0s timeout=2s period=10s #success=1 #failure=5";
    for container in ["a", "b"] {
        assert_eq!(described(container, "liveness").as_deref(), Some(liveness));
        assert_eq!(described(container, "readiness").as_deref(), Some(readiness));
    }
    assert_eq!((described("c", "liveness"), described("a", "preStop")), (None, None));
    let mut document = pod.document.clone();
    document["metadata"]["annotations"]["probelet.dev/b.liveness"] = "{}".into();
    assert_eq!(
        describe_probe_of(&document, "b", "liveness").as_deref(),
        Some("unknown")
    );
    document["metadata"]["annotations"] = json!({});
    assert_eq!(describe_probe_of(&document, "b", "liveness"), None);
    let hook = pod.spec.containers[1].pre_stop.as_ref().unwrap();
    assert_eq!(hook.describe(), "wasm /opt/drain.wasm");
}

#[test]
fn reload_is_for_files_only() {
    for component in ["builtin:tcp", "ghcr.io/a/b"] {
        let faults = probe(json!({"wasm": {"component": component, "reload": true}})).unwrap_err();
        let expected = format!(
            "spec.containers[0].livenessProbe.wasm.reload: Invalid value: true: only a file can change, and \"{component}\" \
             is no path; leave reload out"
        );
        assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}
