//! gRPC probes against gRPC's own library: the cases that Kubernetes' documentation teaches with, and what goes wrong.

use std::time::Duration;

use probelet_tests::{
    agent::grpc_health_image,
    finished::Finished,
    namespace::Namespace,
    pod::{addresses, is_ready, restarts, runs_instance},
    tls::Identity,
};
use serde_json::Value;

use crate::{PATIENCE, namespace};

/// A namespace on an agent that has the server's image.
fn grpc_namespace(name: &str) -> Namespace {
    let namespace = namespace(name);
    let import = &mut namespace.agent().client(&["image", "import"]);
    Finished::run(import.arg(grpc_health_image())).success();
    namespace
}

/// A pod whose server says of itself and of the service `cart` that it serves. `spec` holds further fields of the
/// container, indented by four.
fn server(name: &str, arguments: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{ name: {name} }}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: main
    image: grpc-health:latest
    command: [sh, -c, 'mkdir /health; cd /health; echo SERVING | tee server > cart; exec python3 /server.py {arguments}']
    ports: [{{ name: health, containerPort: 5000 }}]
{spec}
"
    )
}

/// Waits for a probe's failure with this text.
fn fails(namespace: &Namespace, pod: &str, text: &str) {
    let expected = format!("probe failed: {text}");
    namespace.watch_events(pod).until(text, PATIENCE, |event| {
        event["reason"] == "Unhealthy" && event["message"].as_str().is_some_and(|said| said.ends_with(&expected))
    });
}

fn says(namespace: &Namespace, pod: &str, service: &str, word: &str) {
    let command = format!("echo {word} > /health/{service}");
    namespace.exec(pod, &["sh", "-c", &command]).success();
}

/// By number and by name (F17), for the whole server and for one service.
#[test]
fn a2_25_a2_26_a_server_is_asked_for_itself_or_for_a_service_and_restarted_when_it_serves_no_more() {
    let namespace = grpc_namespace("grpc");
    let probes = "
    startupProbe: { grpc: { port: 5000 }, periodSeconds: 1, failureThreshold: 60 }
    livenessProbe: { grpc: { port: 5000, service: cart }, periodSeconds: 1, failureThreshold: 2, timeoutSeconds: 5 }
    readinessProbe: { grpc: { port: health }, periodSeconds: 1, timeoutSeconds: 5 }";
    namespace.apply(&server("shop", "", probes)).success();
    let mut watch = namespace.watch("shop");
    let (_, pod) = watch.until("it is ready", PATIENCE, is_ready);
    assert_eq!(restarts(&pod), 0);

    // Only the readiness probe asks for the whole server.
    says(&namespace, "shop", "server", "NOT_SERVING");
    watch.until("it is not ready", PATIENCE, |pod| !is_ready(pod));
    let unhealthy = "service unhealthy (responded with \"NOT_SERVING\")";
    fails(&namespace, "shop", unhealthy);
    assert!(
        runs_instance(&namespace.pod("shop"), 0),
        "nothing is restarted for that"
    );

    says(&namespace, "shop", "cart", "NOT_SERVING");
    watch.until("it is restarted and ready", PATIENCE, |pod| {
        runs_instance(pod, 1) && is_ready(pod)
    });
    let events = namespace.events("shop");
    let has = |text: &str| events.iter().any(|event| event["message"] == text);
    assert!(has(&format!("Liveness probe failed: {unhealthy}")), "{events:#?}");
    assert!(
        has("Container main failed liveness probe, will be restarted"),
        "{events:#?}"
    );
    let history = namespace.history("shop");
    let is_grpc = |run: &Value| run["component"] == "grpc";
    assert!(history.iter().all(is_grpc), "{history:#?}");
}

#[test]
fn a2_27_what_goes_wrong_is_told_in_the_kubelets_words() {
    let namespace = grpc_namespace("grpc-failures");
    let probes = "
    startupProbe: { grpc: { port: 5000 }, periodSeconds: 1, failureThreshold: 60 }
    livenessProbe: { grpc: { port: health, service: wishes }, periodSeconds: 1, failureThreshold: 1000 }
    readinessProbe: { grpc: { port: 5000, service: cart }, periodSeconds: 1 }";
    namespace.apply(&server("unwell", "", probes)).success();
    namespace.watch("unwell").until("it is ready", PATIENCE, is_ready);
    let rpc = "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service";
    fails(&namespace, "unwell", rpc);
    says(&namespace, "unwell", "cart", "HANGS");
    fails(&namespace, "unwell", "timeout: health rpc did not complete within 1s");

    let probe = "    readinessProbe: { grpc: { port: PORT }, periodSeconds: 1 }";
    let other = server("mute", "none", &probe.replace("PORT", "5000"));
    namespace.apply(&other).success();
    let unimplemented = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): \
                         Method not found!";
    fails(&namespace, "mute", unimplemented);

    // Nobody listens there.
    namespace
        .apply(&server("closed", "", &probe.replace("PORT", "5001")))
        .success();
    let (_, pod) = namespace
        .watch("closed")
        .until("it has an address", PATIENCE, |pod| pod["status"]["podIP"].is_string());
    let address = format!("{}:5001", probelet_tests::pod::address(&pod));
    let refused =
        format!("error: failed to connect service at \"{address}\": dial tcp {address}: connect: connection refused");
    fails(&namespace, "closed", &refused);

    // A server that wants no TLS is asked with it.
    let secure = "    readinessProbe: { grpc: { port: health, mode: TLS }, periodSeconds: 1, timeoutSeconds: 5 }";
    namespace.apply(&server("plain", "", secure)).success();
    namespace
        .watch_events("plain")
        .until("TLS is missed", PATIENCE, |event| {
            let said = event["message"].as_str().unwrap_or_default();
            said.contains("transport: authentication handshake failed: tls: ")
        });
    for name in ["mute", "closed", "plain"] {
        assert!(!is_ready(&namespace.pod(name)), "{name}");
    }
    let ended = namespace.find_run("unwell", Duration::ZERO, |run| run["outcome"] == "errored");
    assert!(ended.is_err(), "every problem is a failure (A2.28): {ended:#?}");
}

#[test]
fn a2_24_f17_a_server_with_tls_is_asked_with_it_where_the_manifest_says_so() {
    let (namespace, identity) = (grpc_namespace("grpc-tls"), Identity::new());
    let server = |name: &str, probes: &str| {
        let more = format!("{}\n{probes}\n{}", Identity::MOUNT, identity.volume());
        server(name, "tls", &more)
    };
    let probes = "
    startupProbe: { grpc: { port: 5000, mode: TLS }, periodSeconds: 1, failureThreshold: 60, timeoutSeconds: 5 }
    livenessProbe: { grpc: { port: 5000, service: cart, mode: TLS }, periodSeconds: 1, failureThreshold: 2, timeoutSeconds: 5 }
    readinessProbe: { grpc: { port: health, mode: TLS }, periodSeconds: 1, timeoutSeconds: 5 }";
    namespace.apply(&server("secure", probes)).success();
    let mut watch = namespace.watch("secure");
    let (_, pod) = watch.until("it is ready", PATIENCE, is_ready);
    assert_eq!(restarts(&pod), 0);
    says(&namespace, "secure", "server", "NOT_SERVING");
    watch.until("it is not ready", PATIENCE, |pod| !is_ready(pod));
    fails(
        &namespace,
        "secure",
        "service unhealthy (responded with \"NOT_SERVING\")",
    );
    says(&namespace, "secure", "cart", "NOT_SERVING");
    watch.until("it is restarted and ready", PATIENCE, |pod| {
        runs_instance(pod, 1) && is_ready(pod)
    });

    // Asked without it, as Kubernetes up to 1.36 does.
    let plain = "    readinessProbe: { grpc: { port: 5000 }, periodSeconds: 1, timeoutSeconds: 5 }";
    namespace.apply(&server("missed", plain)).success();
    namespace
        .watch_events("missed")
        .until("that nobody speaks HTTP/2 there", PATIENCE, |event| {
            let said = event["message"].as_str().unwrap_or_default();
            said.starts_with("Readiness probe failed: error: failed to connect service at")
                && said.contains("error reading server preface")
        });
    assert!(!is_ready(&namespace.pod("missed")));
}

/// gRPC's own server on the one address, and the other is not silent but closed.
#[test]
fn f20_a_server_of_grpc_is_asked_by_the_family_that_the_manifest_says() {
    let namespace = grpc_namespace("grpc-families");
    let listens = "[$(grep :.*$(hostname)$ /etc/hosts | cut -f 1)]:5000";
    for family in ["IPv6", "Any"] {
        let name = family.to_lowercase();
        let probe = format!(
            "    readinessProbe: {{ grpc: {{ port: 5000, service: cart, addressFamily: {family} }}, periodSeconds: 1, timeoutSeconds: 5 }}"
        );
        namespace.apply(&server(&name, listens, &probe)).success();
        namespace.watch(&name).until("it is ready", PATIENCE, is_ready);
    }
    let probe = "    readinessProbe: { grpc: { port: 5000, addressFamily: All }, periodSeconds: 1, timeoutSeconds: 5 }";
    namespace.apply(&server("all", listens, probe)).success();
    let (_, pod) = namespace
        .watch("all")
        .until("it has its addresses", PATIENCE, |pod| addresses(pod).len() == 2);
    let four = addresses(&pod)[0];
    let closed = format!("{four}:5000");
    let refused = format!(
        "IPv4 {four}: error: failed to connect service at \"{closed}\": dial tcp {closed}: connect: connection refused"
    );
    fails(&namespace, "all", &refused);
}
