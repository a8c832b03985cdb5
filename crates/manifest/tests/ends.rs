//! How a pod and its containers are ended: deadlines, stop signals, last words, gates.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use probelet_manifest::parse_yaml;
use serde_json::json;

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  activeDeadlineSeconds: 90
  readinessGates: [{ conditionType: example.com/warm }]
  os: { name: linux }
  containers:
  - name: web
    image: web:1
    lifecycle: { stopSignal: SIGRTMIN+3 }
    terminationMessagePath: /tmp/words
    terminationMessagePolicy: FallbackToLogsOnError
  - name: plain
    image: web:1
";

#[test]
fn they_are_read() {
    let spec = parse_yaml(POD, "pod.yaml").unwrap().remove(0).spec;
    assert_eq!(
        (spec.active_deadline, spec.readiness_gates),
        (Some(Duration::from_secs(90)), vec!["example.com/warm".into()])
    );
    let web = &spec.containers[0];
    assert_eq!(web.stop_signal.as_deref(), Some("SIGRTMIN+3"));
    assert_eq!(
        (web.termination_message_path.as_str(), web.falls_back_to_logs),
        ("/tmp/words", true)
    );
}

#[test]
fn b6_5_last_words_have_kubernetes_defaults() {
    let pod = parse_yaml(POD, "pod.yaml").unwrap().remove(0);
    let plain = &pod.spec.containers[1];
    assert_eq!(
        (plain.termination_message_path.as_str(), plain.falls_back_to_logs),
        ("/dev/termination-log", false)
    );
    let document = &pod.document["spec"]["containers"][1];
    assert_eq!(document["terminationMessagePolicy"], json!("File"));
    assert_eq!(document["terminationMessagePath"], json!("/dev/termination-log"));
}
