//! HTTP/2 and TLS, with servers that others have made.

use probelet_tests::{namespace::Namespace, pod::is_ready, tls::Identity};

use crate::{PATIENCE, namespace};

/// An nginx that listens in this way on port 8080, beside plain HTTP/1.1 on port 80.
fn nginx(name: &str, identity: &Identity, listens: &str, probe: &str) -> String {
    let (volume, mount) = (identity.volume(), Identity::MOUNT);
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{ name: {name} }}
spec:
{volume}
  containers:
  - name: main
    image: ikubernetes/myapp:v1
    command:
    - sh
    - -c
    - |
      cat > /etc/nginx/conf.d/more.conf <<END
      ssl_certificate /tls/certificate.pem;
      ssl_certificate_key /tls/key.pem;
      server {{
        listen 8080 {listens};
        root /usr/share/nginx/html;
        location = /moved {{ return 302 /index.html; }}
      }}
      END
      exec nginx -g 'daemon off;'
    ports: [{{ name: web, containerPort: 8080 }}]
{mount}
    readinessProbe: {{ {probe}, periodSeconds: 1, timeoutSeconds: 5 }}
"
    )
}

/// Waits until the server has noted a request of a probe that begins so.
#[track_caller]
fn notes(namespace: &Namespace, pod: &str, request: &str) {
    let mut log = probelet_tests::stream::Stream::lines(&mut namespace.command(&["logs", "-f", pod]));
    log.until(request, PATIENCE, |line| {
        line.contains(&format!("\"{request}\" 200")) && line.contains("kube-probe/")
    });
}

#[test]
fn a2_13_f16_a_server_that_speaks_nothing_but_http2_is_asked_where_the_manifest_says_so() {
    let (namespace, identity) = (namespace("http2"), Identity::new());
    let probe = |fields: &str| format!("httpGet: {{ port: web{fields} }}");
    namespace
        .apply(&nginx(
            "two",
            &identity,
            "http2",
            &probe(", protocol: HTTP2, path: /moved"),
        ))
        .success();
    namespace.watch("two").until("it is ready", PATIENCE, is_ready);
    notes(&namespace, "two", "GET /index.html HTTP/2.0");

    // Each of the two is asked in the other's way.
    namespace
        .apply(&nginx("missed", &identity, "http2", &probe("")))
        .success();
    let other = "httpGet: { port: 80, protocol: HTTP2 }";
    namespace.apply(&nginx("plain", &identity, "http2", other)).success();
    for (name, text) in [("missed", "malformed HTTP response"), ("plain", "http2: ")] {
        namespace.watch_events(name).until(text, PATIENCE, |event| {
            let said = event["message"].as_str().unwrap_or_default();
            said.starts_with("Readiness probe failed: Get \"http://") && said.contains(text)
        });
        assert!(!is_ready(&namespace.pod(name)), "{name}");
    }
}

#[test]
fn a2_13_https_agrees_with_a_real_server_on_what_it_speaks() {
    let (namespace, identity) = (namespace("https"), Identity::new());
    let probe = "httpGet: { port: web, scheme: HTTPS }";
    for (name, listens, version) in [("one", "ssl", "1.1"), ("two", "ssl http2", "2.0")] {
        namespace.apply(&nginx(name, &identity, listens, probe)).success();
        namespace.watch(name).until("it is ready", PATIENCE, is_ready);
        notes(&namespace, name, &format!("GET / HTTP/{version}"));
    }
}
