//! The helper for HTTP of each template: a check that tells a response's status and body, and servers that answer with
//! statuses that there are not.

use std::fs;

use serde_json::json;

use crate::{config, message, page::Newcomer, server::Server};

const C: &str = r#"#include "probelet.h"

verdict *check(void) {
    char *body;
    int status = http_get(pod_address(), (uint16_t)config_number("port", 0), "/", &body);
    return status ? with_number(healthy("%s", body), "status", status) : failed();
}
"#;

const GO: &str = r#"package plugin

import "local/statuses-go/probelet"

func Check() (verdict probelet.Verdict, err error) {
	var config struct{ Port int }
	if err := probelet.Config(&config); err != nil {
		return verdict, err
	}
	status, body, err := probelet.HTTPGet(probelet.PodAddress(), config.Port, "/")
	if err != nil {
		return probelet.Failed(err)
	}
	return probelet.Healthy("%s", body).With("status", status), nil
}
"#;

const PYTHON: &str = r#"from probelet import Failed, config, healthy, http_get, pod_address, unhealthy


class Probe:
    def check(self):
        try:
            status, body = http_get(pod_address(), config()["port"], "/")
        except Failed as failure:
            return unhealthy(failure)
        return healthy(body.decode(), status=status)
"#;

const JAVASCRIPT: &str = r#"import { Failed, config, healthy, httpGet, podAddress, unhealthy } from "./probelet.js";

export const probe = {
    check() {
        try {
            const { status, body } = httpGet(podAddress(), config().port, "/");
            return healthy(body, { status });
        } catch (error) {
            if (error instanceof Failed) return unhealthy(error.message);
            throw error;
        }
    },
};
"#;

const ZIG: &str = r#"const probelet = @import("probelet.zig");

const Config = struct { port: u16 };

fn check() !*probelet.Verdict {
    const config = try probelet.config(Config);
    const response = probelet.httpGet(probelet.podAddress(), config.port, "/") catch return probelet.failed();
    return probelet.healthy("{s}", .{response.body}).with("status", response.status);
}

comptime {
    probelet.exportProbe(check);
}
"#;

fn statuses(language: &str, file: &str, source: &str) {
    let name = format!("statuses-{language}");
    let newcomer = Newcomer::new(&name);
    newcomer.type_line(&format!("probelet plugin new {name} --lang {language}"));
    let folder = newcomer.home().join(&name);
    fs::write(folder.join(file), source).expect("the project's folder can be written");
    newcomer.type_line(&format!("probelet plugin build {name}"));
    let component = folder.join(format!("build/{name}.wasm"));

    let server = Server::start("HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\nnothing");
    let run = newcomer.run_plugin(&component, &config(server.port()), server.port());
    assert_eq!(
        (&run["outcome"], message(&run)),
        (&json!("healthy"), "nothing"),
        "{run:#}"
    );
    assert_eq!(run["fields"], json!({"status": 404}), "{run:#}");

    // 65736 is 200 to who keeps 16 bits of it.
    for status in [
        "65736",
        "600",
        "99",
        "-200",
        "99999999999999999999",
        "\u{b2}\u{b2}\u{b2}",
        "OK",
    ] {
        let server = Server::start(format!("HTTP/1.0 {status} OK\r\n\r\n"));
        let run = newcomer.run_plugin(&component, &config(server.port()), server.port());
        assert_eq!(run["outcome"], "unhealthy", "{status}: {run:#}");
        assert!(message(&run).contains("reading the response"), "{status}: {run:#}");
    }
}

#[test]
fn c_takes_no_status_that_there_is_not() {
    statuses("c", "check.c", C);
}

#[test]
fn go_takes_no_status_that_there_is_not() {
    statuses("go", "check.go", GO);
}

#[test]
fn python_takes_no_status_that_there_is_not() {
    statuses("python", "check.py", PYTHON);
}

#[test]
fn javascript_takes_no_status_that_there_is_not() {
    statuses("javascript", "check.js", JAVASCRIPT);
}

#[test]
fn zig_takes_no_status_that_there_is_not() {
    statuses("zig", "check.zig", ZIG);
}
