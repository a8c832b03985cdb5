//! HTTP, and whatever speaks in texts.

use std::fs;

use serde_json::json;

use crate::{
    run,
    server::{Server, command, folder, free_port},
    silent_then_gone,
};

const SITE: &str = r#"
daemon off; master_process off; pid PID; error_log stderr notice;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER; proxy_temp_path FOLDER; fastcgi_temp_path FOLDER; uwsgi_temp_path FOLDER;
  scgi_temp_path FOLDER;
  server {
    listen 127.0.0.1:PORT;
    location = /healthz { default_type application/json; return 200 '{"status":"up","queue":{"depth":3}}'; }
    location = /sick { return 503 'no database\n'; }
    location = /metrics { return 200 'in_flight{path="/a"} 2\nin_flight{path="/b"} 1\nidle 0\ndone_total 7\n'; }
    location = /hook { if ($request_method != POST) { return 405; } return 204; }
  }
}
"#;

fn nginx() -> Server {
    let (folder, port) = (folder(), free_port());
    let site = SITE
        .replace("PORT", &port.to_string())
        .replace("PID", &format!("{}/pid", folder.path().display()));
    let path = folder.path().join("nginx.conf");
    fs::write(&path, site.replace("FOLDER", &folder.path().display().to_string())).expect("/tmp can be written");
    let mut nginx = command("nginx");
    nginx
        .arg("-p")
        .arg(folder.path())
        .arg("-c")
        .arg(path)
        .args(["-e", "stderr"]);
    Server::start(nginx, folder, port, "getrlimit(RLIMIT_NOFILE)", false)
}

#[test]
fn an_http_answer_is_what_it_should_be_or_not() {
    let server = nginx();
    let (port, address) = (server.port, server.address());
    let good = json!({
        "port": port, "path": "/healthz", "status": [200], "expectHeaders": { "content-type": "json", "server": "nginx" },
        "contains": ["up"], "json": [{ "pointer": "/status", "equals": "up" }, { "pointer": "/queue/depth", "atMost": 3 }]
    });
    let fields = run("http-assert", &good, &address, &[]).is("healthy", "");
    assert_eq!(fields["status"], 200.0);
    let deep = json!({ "port": port, "path": "/healthz", "json": [{ "pointer": "/queue/depth", "atMost": 2 }] });
    run("http-assert", &deep, &address, &[]).is("unhealthy", "`/queue/depth` is 3, above 2");
    let sick = json!({ "port": port, "path": "/sick" });
    run("http-assert", &sick, &address, &[]).is("unhealthy", "the status is 503: no database");
    silent_then_gone("http-assert", &good, server);
}

#[test]
fn metrics_say_what_is_under_way_and_what_stands_still() {
    let server = nginx();
    let (port, address) = (server.port, server.address());
    let counter = json!({ "counter": { "port": port, "metric": "done_total" }, "stuckSeconds": 60 });
    let fields = run("stuck-counter", &counter, &address, &[]).is("healthy", "");
    assert_eq!(fields["value"], 7.0);
    let missing = json!({ "counter": { "port": port, "metric": "other_total" }, "stuckSeconds": 60 });
    run("stuck-counter", &missing, &address, &[]).is("unhealthy", "there is no metric `other_total`");

    let hook = ["--kind", "preStop", "--timeout", "500ms"];
    let idle = json!({ "requests": { "port": port, "metric": "idle" } });
    run("drain", &idle, &address, &hook).is("succeeded", "");
    let busy = json!({ "requests": { "port": port, "metric": "in_flight" }, "wait": { "everyMilliseconds": 50 } });
    run("drain", &busy, &address, &hook).is("failed", "3 requests are left");
    silent_then_gone("stuck-counter", &counter, server);
    run("drain", &idle, &address, &hook).is("failed", "connection refused");
}

#[test]
fn hooks_warm_up_and_tell() {
    let server = nginx();
    let (port, address) = (server.port, server.address());
    let start = ["--kind", "postStart", "--timeout", "1s"];
    let pages = json!({ "port": port, "paths": ["/healthz", "/metrics"], "times": 3 });
    run("warm-up", &pages, &address, &start).is("succeeded", "");
    let sick = json!({ "port": port, "paths": ["/sick"] });
    run("warm-up", &sick, &address, &start).is("failed", "has the status 503");

    let stop = ["--kind", "preStop"];
    let tell = |path: &str| json!({ "url": format!("http://{address}{path}") });
    run("notify", &tell("/hook"), &address, &stop).is("succeeded", "");
    run("notify", &tell("/sick"), &address, &stop).is("failed", "answers 503: no database");
    drop(server);
    run("notify", &tell("/hook"), &address, &stop).is("failed", "connection refused");
    run("warm-up", &pages, &address, &start).is("failed", "connection refused");
}

#[test]
fn a_server_says_what_it_should_say_or_not() {
    let server = nginx();
    let asks = "GET /healthz HTTP/1.0\r\n\r\n";
    let config = json!({ "port": server.port, "steps": [{ "send": asks }, { "matches": "^HTTP/1.1 200 " }] });
    let fields = run("tcp-expect", &config, &server.address(), &[]).is("healthy", "");
    assert_eq!(fields["answer"], "HTTP/1.1 200");
    let other = json!({ "port": server.port, "steps": [{ "send": asks }, { "expect": "220 " }] });
    run("tcp-expect", &other, &server.address(), &[]).is("unhealthy", "without `220");
    silent_then_gone("tcp-expect", &config, server);
}
