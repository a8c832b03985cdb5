//! The author's tools against a pod: a real run that is kept as a case and replayed, and a run of somebody's choice.

use std::{
    fs,
    io::Read,
    net::{TcpListener, UdpSocket},
    sync::Arc,
    thread,
};

use probelet_tests::{agent::plugin, finished::Finished, namespace::Namespace};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivateKeyDer};
use serde_json::Value;

use crate::{
    WAIT, busybox, namespace,
    plugins::{readiness_by, wait_until_ready},
    script,
};

const NAMESPACE: &str = "plugin-records";

/// A command below `plugin` about a pod.
fn plugin_command(namespace: &Namespace, arguments: &[&str]) -> Finished {
    let arguments = [&["plugin"], arguments, &["--namespace", NAMESPACE]].concat();
    Finished::run(&mut namespace.agent().client(&arguments))
}

/// Records a run, and replays it where there is no pod.
fn replayed(namespace: &Namespace, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("case.yaml").display().to_string();
    let record = [&["record"], arguments, &["--timeout", "30s", "--file", &file]].concat();
    plugin_command(namespace, &record).success();
    let replay = Finished::run(&mut namespace.agent().client(&["plugin", "test", &file]));
    let case = fs::read_to_string(&file).expect("a case");
    assert!(replay.stdout.ends_with("1 passed, 0 failed\n"), "{replay:#?}\n{case}");
    // What is there is not written over.
    plugin_command(namespace, &record).failure(1, &["cannot create"]);
    case
}

#[test]
fn a_run_is_recorded_without_its_secrets_and_replayed() {
    let namespace = namespace(NAMESPACE);
    let curious = plugin("curious").display().to_string();
    let allow = "allow: { exec: true, stats: true, logs: true, files: [/etc], environment: [SECRET] }";
    let env = "    env: [{ name: SECRET, value: hunter2-and-more }]\n";
    let start = |name: &str, config: &str| {
        let handler = format!("config: {{ {config} }}, {allow}");
        let fields = script(&format!("echo to the log; {WAIT}")) + env + &readiness_by(&curious, &handler);
        namespace.start(&busybox(name, &fields, ""), name);
    };
    start("reads", "look: variable, name: SECRET");
    let case = replayed(&namespace, &["reads", "readiness", "--outcome", "degraded"]);
    assert!(!case.contains("hunter2") && case.contains("REDACTED"), "{case}");

    start("asks", "look: exec, command: [sh, -c, 'echo $SECRET; exit 3']");
    let case = replayed(&namespace, &["asks", "readiness"]);
    assert!(!case.contains("hunter2") && case.contains("exitCode: 3"), "{case}");

    start("looks", "look: logs, lines: 5");
    assert!(replayed(&namespace, &["looks", "readiness"]).contains("to the log"));
    start("files", "look: metadata, path: /etc/hostname");
    assert!(replayed(&namespace, &["files", "readiness"]).contains("/etc/hostname"));
    start("counts", "look: state");
    replayed(&namespace, &["counts", "readiness"]);

    plugin_command(&namespace, &["record", "reads", "liveness"]).failure(1, &["no check \"liveness\"", "readiness"]);
    let never = [
        "record",
        "reads",
        "readiness",
        "--outcome",
        "errored",
        "--timeout",
        "300ms",
    ];
    plugin_command(&namespace, &never).failure(1, &["no such run within 300ms"]);
}

#[test]
fn what_a_server_says_is_recorded_byte_by_byte() {
    let namespace = namespace(NAMESPACE);
    let server = "mkdir /www; echo well > /www/index.html; httpd -f -p 8080 -h /www & wait";
    let probes = "    livenessProbe:
      httpGet: { port: 8080, httpHeaders: [{ name: Authorization, value: Bearer sesame }] }
      periodMilliseconds: 250
    readinessProbe:
      tcpSocket: { port: 8080 }
      periodMilliseconds: 250
";
    let fields = script(server) + probes;
    namespace.start(&busybox("server", &fields, ""), "server");
    wait_until_ready(&namespace, "server");
    let case = replayed(&namespace, &["server", "liveness", "--outcome", "healthy"]);
    assert!(!case.contains("sesame") && case.contains("well"), "{case}");
    replayed(&namespace, &["server", "readiness"]);

    // The same server, asked with a component of somebody's choice.
    let address = probelet_tests::pod::address(&namespace.pod("server")).to_owned();
    let run = |arguments: &[&str]| {
        let arguments = [&["run"], arguments, &["--pod", "server", "-o", "json"]].concat();
        plugin_command(&namespace, &arguments)
    };
    let config = format!("{{ host: {address}, port: 8080 }}");
    let found: Value = serde_json::from_str(&run(&["builtin:tcp", "--config", &config]).success()).expect("JSON");
    assert_eq!(found["outcome"], "healthy");
    let ls = "{ command: [ls, /www] }";
    let refused = run(&["builtin:exec", "--config", ls]);
    assert!(
        refused.code == Some(1) && refused.stdout.contains("exec: true"),
        "{refused:#?}"
    );
    run(&["builtin:exec", "--config", ls, "--allow", "{ exec: true }"]).success();
    let curious = plugin("curious").display().to_string();
    run(&[&curious, "--config", "{}"]).failure(1, &["handler.config", "look"]);
    run(&[&curious, "--config", "{ look: state }", "--limits", "{ fuel: 0 }"]).failure(1, &["limits.fuel"]);

    let described = namespace.run(&["describe", "pod", "server"]).success();
    assert!(
        described.contains("Usage:") && described.contains(" runs; median "),
        "{described}"
    );
    let metrics = Finished::run(&mut namespace.agent().client(&["metrics"])).success();
    let line = r#"probelet_check_fuel{namespace="plugin-records",pod="server",container="main",check="liveness",quantile="0.99"}"#;
    assert!(metrics.contains(line), "{line}");
    // None of these runs is in the pod's history.
    let history = namespace.history("server");
    assert!(
        history
            .iter()
            .all(|run| run["component"] != "curious.wasm" && run["component"] != "exec")
    );
}

/// A server by TLS whose certificate is for `shop.example`. It goes on until the process ends.
fn tls_server() -> u16 {
    let certified = rcgen::generate_simple_self_signed(vec!["shop.example".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("a server's configuration");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
            // To the end of whoever comes.
            let _ = StreamOwned::new(session, stream).read(&mut [0; 16]);
        }
    });
    port
}

/// A DNS server that knows no name.
fn ignorant() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut message = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut message) {
            (message[2], message[3]) = (0x81, 3);
            let _ = socket.send_to(&message[..length], client);
        }
    });
    port
}

#[test]
fn what_goes_by_tls_and_by_udp_is_recorded_and_replayed() {
    let namespace = namespace(NAMESPACE);
    let record = |name: &str, component: &str, config: &str, port: u16| {
        let handler = format!(
            "config: {{ host: 127.0.0.1, port: {port}, {config} }}, allow: {{ network: [\"127.0.0.1:{port}\"] }}"
        );
        let fields = script(WAIT) + &readiness_by(component, &handler);
        // Else the loopback is the pod's own.
        namespace.start(&busybox(name, &fields, "  hostNetwork: true"), name);
        replayed(&namespace, &[name, "readiness", "--outcome", "healthy"])
    };
    let case = record("secure", "builtin:tls-expiry", "verify: false", tls_server());
    for part in [
        "tls:",
        "- shop.example",
        "notAfter:",
        "TLSv1.3",
        "serverName: 127.0.0.1",
    ] {
        assert!(case.contains(part), "{part} in\n{case}");
    }
    let case = record("names", "builtin:dns", "name: shop.example, code: NXDOMAIN", ignorant());
    assert!(case.contains("udp:"), "{case}");
}
