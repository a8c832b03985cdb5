//! Where probes and hooks connect to.

use std::net::IpAddr;

use probelet_manifest::{Handler, HttpGet, PortReference, Protocol, Role, Scheme, nearest};
use serde_json::{Value, json};

use super::{
    Check, Rule,
    liveness::{patient_threshold, readiness_beside},
};
use crate::{
    Severity,
    finding::Found,
    subject::{ContainerSubject, HandlerSubject, ProbeSubject, merge},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "no-readiness-probe",
        severity: Severity::Warning,
        finds: "a container with ports and without a readiness probe",
        why: "It counts as ready as soon as it runs, so requests come before it can answer them, and go on coming when it \
              can no longer.",
        checks: &[Check::Container(no_readiness)],
    },
    Rule {
        name: "unknown-port-name",
        severity: Severity::Error,
        finds: "a port's name that no port of the container has",
        why: "The check cannot be run: its runs are errored, which counts for nothing, so a liveness probe never restarts \
              the container and a readiness probe never lets it into service.",
        checks: &[Check::Handler(unknown_name)],
    },
    Rule {
        name: "undeclared-port",
        severity: Severity::Hint,
        finds: "a port that is not among the container's ports, though it lists some",
        why: "Either the number is wrong or the list is, and people as well as tools go by the list.",
        checks: &[Check::Handler(undeclared)],
    },
    Rule {
        name: "http-on-tls-port",
        severity: Severity::Warning,
        finds: "`httpGet` without TLS on a port that by its number or name speaks it",
        why: "A server that speaks TLS answers a plain request with an error or not at all, so the check fails for ever.",
        checks: &[Check::Handler(http_on_tls)],
    },
    Rule {
        name: "tls-on-http-port",
        severity: Severity::Warning,
        finds: "`httpGet` with TLS on a port that by its number or name speaks plain HTTP",
        why: "The handshake fails, so the check fails for ever.",
        checks: &[Check::Handler(tls_on_http)],
    },
    Rule {
        name: "tcp-beside-http",
        severity: Severity::Hint,
        finds: "`tcpSocket` on a port where another probe of the container uses `httpGet`",
        why: "The kernel accepts connections as long as the process has the socket open, also when the application hangs. \
              `httpGet` asks the application.",
        checks: &[Check::Probe(tcp_beside_http)],
    },
    Rule {
        name: "loopback-host",
        severity: Severity::Hint,
        finds: "a host such as `127.0.0.1` in a check",
        why: "Here it is the pod's own, but a kubelet would ask the node itself. Without a host both ask the pod; if the \
              application listens on the loopback address only, use `exec`.",
        checks: &[Check::Handler(loopback)],
    },
];

/// Ports that speak TLS by custom: HTTPS, its usual stand-ins, and Kubernetes' API.
const TLS_PORTS: [u16; 4] = [443, 6443, 8443, 9443];

/// Ports that speak plain HTTP by custom.
const HTTP_PORTS: [u16; 4] = [80, 8000, 8008, 8080];

pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host, the port and the field of a handler that connects to one.
fn target(handler: &Handler) -> Option<(Option<&str>, &PortReference, &'static str)> {
    match handler {
        Handler::HttpGet(get) => Some((get.host.as_deref(), &get.port, "httpGet")),
        Handler::TcpSocket(socket) => Some((socket.host.as_deref(), &socket.port, "tcpSocket")),
        Handler::Grpc(grpc) => Some((None, &grpc.port, "grpc")),
        Handler::Exec { .. } | Handler::Sleep { .. } | Handler::Wasm(_) => None,
    }
}

fn no_readiness(subject: &ContainerSubject<'_>) -> Option<Found> {
    let mut ports = subject.container.ports.iter();
    let port = ports.find(|port| port.protocol == Protocol::Tcp)?;
    if subject.container.readiness_probe.is_some() || subject.ends_first() {
        return None;
    }
    let reference = match &port.name {
        Some(name) => json!(name),
        None => json!(port.container_port),
    };
    let liveness = subject.probe(Role::Liveness);
    // What asks the same as liveness, or less than it, would be found fault with.
    let path = match liveness.map(|liveness| &liveness.probe.handler) {
        Some(Handler::HttpGet(get)) if get.path == "/ready" => Some("/"),
        Some(Handler::HttpGet(_)) => Some("/ready"),
        _ => None,
    };
    let handler = match path {
        Some(path) => {
            let scheme = if speaks_tls(Some(port.container_port), port.name.as_deref()) == Some(true) {
                "HTTPS"
            } else {
                "HTTP"
            };
            json!({"httpGet": {"path": path, "port": reference, "scheme": scheme}})
        }
        None => json!({"tcpSocket": {"port": reference}}),
    };
    let reason = "it counts as ready as soon as it runs, before it can answer on its ports";
    Some(subject.found("ports", reason, &readiness_beside(liveness, handler)))
}

fn unknown_name(subject: &HandlerSubject<'_>) -> Option<Found> {
    let (_, port, field) = target(subject.handler)?;
    let PortReference::Name(name) = port else { return None };
    let ports = &subject.of.container.ports;
    let mut names = ports.iter().filter_map(|port| port.name.as_deref());
    if names.clone().any(|known| known == name) {
        return None;
    }
    let known = match nearest(name, names.clone()).or(names.next()) {
        Some(name) => json!(name),
        None => json!(ports.first().map_or(80, |port| port.container_port)),
    };
    let reason = format!("no port of the container has the name \"{name}\", so the check cannot be run");
    Some(subject.found(&format!("{field}.port"), reason, &json!({field: {"port": known}})))
}

fn undeclared(subject: &HandlerSubject<'_>) -> Option<Found> {
    let (host, port, field) = target(subject.handler)?;
    let PortReference::Number(number) = port else {
        return None;
    };
    let ports = &subject.of.container.ports;
    let mut declared = ports.iter().filter(|port| port.protocol == Protocol::Tcp).peekable();
    declared.peek()?;
    if host.is_some() || declared.any(|port| port.container_port == *number) {
        return None;
    }
    let reason = format!("port {number} is not among the container's ports");
    let mut found = subject.found(&format!("{field}.port"), reason, &Value::Null);
    found.fix = subject.of.fix(&json!({"ports": [{"containerPort": number}]}));
    Some(found)
}

/// Whether a port speaks TLS by custom, or plain HTTP; `None` if neither its name nor its number tells.
fn speaks_tls(number: Option<u16>, name: Option<&str>) -> Option<bool> {
    let first = name.and_then(|name| name.split('-').next());
    match (first, number) {
        (Some("https" | "tls" | "ssl"), _) => Some(true),
        (Some("http" | "web"), _) => Some(false),
        (_, Some(number)) if TLS_PORTS.contains(&number) => Some(true),
        (_, Some(number)) if HTTP_PORTS.contains(&number) => Some(false),
        _ => None,
    }
}

/// A request whose scheme is not what its port speaks.
fn wrong_scheme(subject: &HandlerSubject<'_>, scheme: Scheme, right: Scheme) -> Option<Found> {
    let Handler::HttpGet(get) = subject.handler else {
        return None;
    };
    let (number, name) = subject.of.port(&get.port);
    let speaks = speaks_tls(number, name)?;
    if get.scheme != scheme || speaks != (right == Scheme::Https) {
        return None;
    }
    let (place, change) = ("httpGet", json!({"httpGet": {"scheme": right.to_string()}}));
    let reason = format!(
        "port {} speaks {right} by its name or number, and is asked by {scheme}",
        get.port
    );
    Some(subject.found(place, reason, &change))
}

fn http_on_tls(subject: &HandlerSubject<'_>) -> Option<Found> {
    wrong_scheme(subject, Scheme::Http, Scheme::Https)
}

fn tls_on_http(subject: &HandlerSubject<'_>) -> Option<Found> {
    wrong_scheme(subject, Scheme::Https, Scheme::Http)
}

/// What another probe asks by HTTP on a port of this container.
fn http_on<'a>(subject: &ProbeSubject<'a>, number: u16) -> Option<(ProbeSubject<'a>, &'a HttpGet)> {
    let mut probes = subject.of.probes();
    probes.find_map(|other| match &other.probe.handler {
        Handler::HttpGet(get) if get.host.is_none() && subject.of.port(&get.port).0 == Some(number) => {
            Some((other, get))
        }
        _ => None,
    })
}

fn tcp_beside_http(subject: &ProbeSubject<'_>) -> Option<Found> {
    let Handler::TcpSocket(socket) = &subject.probe.handler else {
        return None;
    };
    let number = subject.of.port(&socket.port).0.filter(|_| socket.host.is_none())?;
    let (other, get) = http_on(subject, number)?;
    let reason = format!(
        "the kernel accepts connections for an application that hangs; {} asks the application, at {}",
        other.role.field(),
        get.path
    );
    let mut change = json!({"tcpSocket": null});
    merge(&mut change, &other.handler());
    if socket.address_family != get.address_family {
        // Which of the pod's addresses are asked stays this probe's own affair.
        change["httpGet"]["addressFamily"] = subject.handler()["tcpSocket"]["addressFamily"].clone();
    }
    let mut further = Value::Null;
    // Both then ask the same, and liveness has to wait longer.
    match (subject.role, other.role) {
        (Role::Liveness, Role::Readiness) => change["failureThreshold"] = patient_threshold(subject, &other).into(),
        (Role::Readiness, Role::Liveness) => {
            further = json!({"livenessProbe": {"failureThreshold": patient_threshold(&other, subject)}});
        }
        _ => {}
    }
    Some(subject.found_with("tcpSocket", reason, &change, &further))
}

fn loopback(subject: &HandlerSubject<'_>) -> Option<Found> {
    let (host, _, field) = target(subject.handler)?;
    let host = host.filter(|host| is_loopback(host))?;
    let reason = format!("{host} is the pod's own here, but a kubelet would ask the node itself");
    Some(subject.found(&format!("{field}.host"), reason, &json!({field: {"host": null}})))
}
