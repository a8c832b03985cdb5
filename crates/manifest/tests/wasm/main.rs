//! The handler `wasm` in both spellings: what is read, where it stands, and how its paths become absolute.
#![allow(clippy::unwrap_used)]

mod places;
mod reading;

use probelet_manifest::{Pod, parse_yaml};

/// Every role as a field, and the same of another container as annotations.
pub(crate) const BOTH: &str = r#"apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    example.com/note: none of ours
    probelet.dev/b.liveness: |
      {"component": "./ping.wasm", "config": {"port": 6379}, "onError": "Fail", "reload": true, "periodMilliseconds": 250}
    probelet.dev/b.readiness: '{"component": "builtin:tcp", "failureThreshold": 5}'
    probelet.dev/b.startup: '{"component": "ghcr.io/a/b:1"}'
    probelet.dev/b.postStart: '{"component": "../warm.wasm", "allow": {"exec": [["redis-cli", "ping"], "cat"]}}'
    probelet.dev/b.preStop: '{"component": "/opt/drain.wasm"}'
spec:
  containers:
  - name: a
    image: a:1
    livenessProbe:
      wasm:
        component: ./ping.wasm
        config:
          port: 6379
        onError: Fail
        reload: true
      periodMilliseconds: 250
    readinessProbe: {wasm: {component: "builtin:tcp"}, failureThreshold: 5, timeoutSeconds: 2}
    startupProbe: {wasm: {component: "ghcr.io/a/b:1"}}
    lifecycle:
      postStart: {wasm: {component: ../warm.wasm, allow: {exec: [[redis-cli, ping], cat]}}}
      preStop: {wasm: {component: /opt/drain.wasm}}
  - name: b
    image: b:1
    readinessProbe: {timeoutSeconds: 2}
"#;

pub(crate) fn read(text: &str) -> Pod {
    let mut pods = parse_yaml(text, "pod.yaml").unwrap_or_else(|faults| panic!("{faults:#?}"));
    pods.remove(0)
}
