//! Probes and hooks (A1, B1).

use std::time::Duration;

use serde_json::Value;

use crate::{
    AddressFamily, ContainerPort, Grpc, Handler, Header, HttpGet, PortReference, Probe, Scheme, TcpSocket,
    check::{Object, Report, describe},
    command, fields, names,
    role::Role,
    source::Source,
    wasm,
};

const MAX: i64 = i32::MAX as i64;

pub(crate) fn probe(source: &Source<'_>, ports: &[ContainerPort]) -> Option<Probe> {
    let handler = source.handler(ports);
    let (delay, period, timeout) = (
        source.duration("initialDelay"),
        source.duration("period"),
        source.duration("timeout"),
    );
    let (success, failure) = (source.count("successThreshold"), source.count("failureThreshold"));
    let grace = source
        .having("terminationGracePeriodSeconds")
        .and_then(|object| grace_period(object, source.role));
    if source.role != Role::Readiness
        && let Some(success) = success.filter(|success| *success != 1)
        && let Some(object) = source.having("successThreshold")
    {
        let message = format!("Invalid value: {success}: must be 1");
        object.report.error(&object.at("successThreshold"), message);
    }
    Some(Probe {
        handler: handler?,
        initial_delay: delay.unwrap_or_default(),
        period: period?,
        timeout: timeout?,
        success_threshold: success?,
        failure_threshold: failure?,
        termination_grace_period: grace.map(Duration::from_secs),
    })
}

fn grace_period(object: &Object<'_>, role: Role) -> Option<u64> {
    let name = "terminationGracePeriodSeconds";
    if role == Role::Readiness {
        object
            .report
            .error(&object.at(name), "Invalid value: must not be set for readinessProbes");
        return None;
    }
    let seconds = object.number(name, i64::MIN, i64::MAX)?;
    if seconds < 1 {
        object.report.error(
            &object.at(name),
            format!("Invalid value: {seconds}: must be greater than 0"),
        );
    }
    u64::try_from(seconds).ok()
}

/// A hook's handler. A sleep may not be longer than the pod's grace period (A1.17).
pub(crate) fn hook(source: &Source<'_>, ports: &[ContainerPort], grace: Option<u64>) -> Option<Handler> {
    let handler = source.handler(ports)?;
    if let (Handler::Sleep { seconds }, Some(grace)) = (&handler, grace)
        && *seconds > grace
        && let Some(object) = source.having("sleep")
    {
        let message = format!(
            "Invalid value: {seconds}: must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        );
        object.report.error(&format!("{}.seconds", object.at("sleep")), message);
    }
    Some(handler)
}

/// The one handler of a probe's or hook's field (A1.9).
pub(crate) fn handler(object: &Object<'_>, role: Role, ports: &[ContainerPort]) -> Option<Handler> {
    let kinds = role.handlers();
    let found: Vec<&str> = kinds
        .iter()
        .copied()
        .filter(|kind| object.get(kind).is_some())
        .collect();
    // Named by the table already.
    let refused = ["grpc", "sleep"]
        .iter()
        .filter(|kind| !kinds.contains(*kind))
        .any(|kind| object.get(kind).is_some());
    match found[..] {
        [] if refused => None,
        [] => {
            object
                .report
                .error(&object.path, "Required value: must specify a handler type");
            None
        }
        [kind] if !refused => one_handler(object, kind, role, ports),
        [first, ..] => {
            // Its own faults are told, too.
            one_handler(object, first, role, ports);
            let message = "Forbidden: may not specify more than 1 handler type";
            for kind in &found[1..] {
                object.report.error(&object.at(kind), message);
            }
            None
        }
    }
}

fn one_handler(object: &Object<'_>, kind: &str, role: Role, ports: &[ContainerPort]) -> Option<Handler> {
    match kind {
        "exec" => exec(&object.object("exec", &fields::EXEC)?),
        "httpGet" => http(&object.object("httpGet", &fields::HTTP_GET)?, role, ports).map(Handler::HttpGet),
        "tcpSocket" => {
            let tcp = object.object("tcpSocket", &fields::TCP_SOCKET)?;
            let (port, address_family) = (port(&tcp, ports), address_family(&tcp, role));
            Some(Handler::TcpSocket(TcpSocket {
                host: host(&tcp),
                port: port?,
                address_family: address_family?,
            }))
        }
        "grpc" => grpc(&object.object("grpc", &fields::GRPC)?, role, ports).map(Handler::Grpc),
        "wasm" => {
            let wasm = wasm::wasm(&object.object("wasm", &fields::WASM)?, role)?;
            Some(Handler::Wasm(Box::new(wasm)))
        }
        _ => sleep(&object.object("sleep", &fields::SLEEP)?),
    }
}

/// A1.13, and what F17 adds.
fn grpc(object: &Object<'_>, role: Role, ports: &[ContainerPort]) -> Option<Grpc> {
    let (port, service) = (port(object, ports), object.text("service").unwrap_or_default());
    let mode = optional_word(object, "mode", &[("Plaintext", false), ("TLS", true)]);
    let address_family = address_family(object, role);
    Some(Grpc {
        port: port?,
        service: service.to_owned(),
        tls: mode?,
        address_family: address_family?,
    })
}

/// Which of the pod's addresses are asked (F20): none is the first. A `host` is an address already, and a hook does what it
/// does once.
fn address_family(object: &Object<'_>, role: Role) -> Option<Option<AddressFamily>> {
    const NAME: &str = "addressFamily";
    const WORDS: [(&str, AddressFamily); 4] = [
        ("IPv4", AddressFamily::Ipv4),
        ("IPv6", AddressFamily::Ipv6),
        ("Any", AddressFamily::Any),
        ("All", AddressFamily::All),
    ];
    if object.get(NAME).is_none() {
        return Some(None);
    }
    let words = if role.is_hook() { &WORDS[..2] } else { &WORDS[..] };
    let family = object.word(NAME, words)?;
    if host(object).is_some() {
        let message = "Forbidden: `host` says which address is asked; one of the two can be given";
        object.report.error(&object.at(NAME), message);
    }
    Some(Some(family))
}

/// What stands in a field that may be absent, which is then as if it held the first word.
fn optional_word<T: Copy>(object: &Object<'_>, name: &str, words: &[(&str, T)]) -> Option<T> {
    match object.get(name) {
        None => words.first().map(|(_, meaning)| *meaning),
        Some(_) => object.word(name, words),
    }
}

fn sleep(object: &Object<'_>) -> Option<Handler> {
    let seconds = object.number("seconds", 0, MAX);
    if object.get("seconds").is_none() {
        object.report.error(&object.at("seconds"), "Required value");
    }
    Some(Handler::Sleep {
        seconds: u64::try_from(seconds?).ok()?,
    })
}

fn exec(object: &Object<'_>) -> Option<Handler> {
    let command = object.texts("command");
    if command.is_empty() {
        object.report.error(&object.at("command"), "Required value");
        return None;
    }
    warn_of_one_word(object.report, &object.at("command"), &command);
    Some(Handler::Exec { command })
}

pub(crate) fn warn_of_one_word(report: &Report, path: &str, words: &[String]) {
    if let Some((message, help)) = command::one_word(words) {
        report.warn(path, message, Some(help));
    }
}

fn http(object: &Object<'_>, role: Role, ports: &[ContainerPort]) -> Option<HttpGet> {
    let (port, path) = (port(object, ports), object.text("path"));
    let scheme = object.word("scheme", &[("HTTP", Scheme::Http), ("HTTPS", Scheme::Https)]);
    let http2 = optional_word(object, "protocol", &[("HTTP1", false), ("HTTP2", true)]);
    if (scheme, http2) == (Some(Scheme::Https), Some(true)) {
        let message = "Invalid value: \"HTTP2\": cannot be combined with scheme HTTPS, which agrees on HTTP/2 with a \
                       server that speaks it";
        object.report.error(&object.at("protocol"), message);
    }
    let address_family = address_family(object, role);
    let mut headers = Vec::new();
    for (path, item) in object.list("httpHeaders") {
        let Some(header) = Object::new(item, path, &fields::HTTP_HEADER, object.report) else {
            continue;
        };
        let name = header.required("name");
        if let Some(name) = name.filter(|name| {
            !name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        }) {
            let message = format!("Invalid value: \"{name}\": a header's name has letters, digits and '-' only");
            header.report.error(&header.at("name"), message);
        }
        let value = header.text("value").unwrap_or_default();
        // What no HTTP message can carry, and what would smuggle a second header in.
        if value.contains(|letter: char| letter.is_control() && letter != '\t') {
            header.report.error(
                &header.at("value"),
                "Invalid value: a header's value has no control characters",
            );
        }
        headers.extend(name.map(|name| Header {
            name: name.to_owned(),
            value: value.to_owned(),
        }));
    }
    Some(HttpGet {
        host: host(object),
        port: port?,
        path: path?.to_owned(),
        scheme: scheme?,
        headers,
        http2: http2?,
        address_family: address_family?,
    })
}

fn host(object: &Object<'_>) -> Option<String> {
    object.text("host").filter(|host| !host.is_empty()).map(str::to_owned)
}

/// A port by number or name (A1.12). A name that no port of the container has is admitted as Kubernetes does, but
/// warned of (F4).
fn port(object: &Object<'_>, ports: &[ContainerPort]) -> Option<PortReference> {
    let path = object.at("port");
    match object.get("port") {
        None => {
            object.report.error(&path, "Required value");
            None
        }
        Some(Value::Number(number)) => {
            let port = number
                .as_u64()
                .and_then(|number| u16::try_from(number).ok())
                .filter(|port| *port > 0);
            if port.is_none() {
                let message = format!("Invalid value: {number}: must be between 1 and 65535, inclusive");
                object.report.error(&path, message);
            }
            port.map(PortReference::Number)
        }
        Some(Value::String(name)) => named_port(object, &path, name, ports),
        Some(other) => {
            object.report.error(
                &path,
                format!("expected a port's number or name, found {}", describe(other)),
            );
            None
        }
    }
}

fn named_port(object: &Object<'_>, path: &str, name: &str, ports: &[ContainerPort]) -> Option<PortReference> {
    if !names::is_port_name(name) {
        let rule = "a port's name has at most 15 lower-case letters, digits and '-', and at least one letter";
        let help = if name.parse::<u16>().is_ok() {
            "; write the number without quotes"
        } else {
            ""
        };
        object
            .report
            .error(path, format!("Invalid value: \"{name}\": {rule}{help}"));
        return None;
    }
    if !ports.iter().any(|port| port.name.as_deref() == Some(name)) {
        let known: Vec<_> = ports.iter().filter_map(|port| port.name.as_deref()).collect();
        let known = if known.is_empty() {
            "none of its ports has a name".to_owned()
        } else {
            format!("its ports are named {}", known.join(", "))
        };
        let message = format!("the container has no port named \"{name}\", so the check cannot be run");
        object.report.warn(path, message, Some(known));
    }
    Some(PortReference::Name(name.to_owned()))
}
