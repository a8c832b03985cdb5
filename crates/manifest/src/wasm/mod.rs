//! Reading the handler `wasm`.

pub(crate) mod annotation;
mod checks;
mod component;
mod json;
mod network;
mod types;

use std::path::Component;

use serde_json::{Map, Value};

pub use checks::WasmCheck;
pub use types::{Allow, ComponentReference, ExecAllow, NetworkAllow, OnError, Wasm, WasmLimits};

use crate::{
    Diagnostic, Severity,
    check::{Object, Report, describe, no_string},
    fields, names, probe, quantity,
    role::Role,
};

/// The least and the most of `limits.fuel`: nobody waits for more than minutes of computing.
const FUEL: (u64, u64, &str) = (1, 1_000_000_000_000, "between 1 and 1000G");

/// The least and the most of `limits.memory`: one page of WebAssembly, and what a machine can spare for a check.
const MEMORY: (u64, u64, &str) = (64 << 10, 1 << 30, "between 64Ki and 1Gi");

/// Reads a handler `wasm` that stands in no pod, with the rules of one that does: for tools that run a component by
/// itself. Returns it with the warnings about it; the paths of what is said begin with the handler's own fields.
///
/// # Errors
///
/// All faults.
pub fn parse_wasm(value: &Value, role: Role) -> Result<(Wasm, Vec<Diagnostic>), Vec<Diagnostic>> {
    let report = Report::default();
    let read = Object::new(value, "", &fields::WASM, &report).and_then(|object| wasm(&object, role));
    let said = report.finish();
    match read {
        Some(wasm) if said.iter().all(|one| one.severity != Severity::Error) => Ok((wasm, said)),
        _ => Err(said.into_iter().filter(|one| one.severity == Severity::Error).collect()),
    }
}

/// Reads the content of `wasm`, or of its annotation.
pub(crate) fn wasm(object: &Object<'_>, role: Role) -> Option<Wasm> {
    let component = component(object);
    let allow = match object.get("allow") {
        None => Some(Allow::default()),
        Some(_) => object.object("allow", &fields::WASM_ALLOW).map(|object| allow(&object)),
    };
    let limits = match object.get("limits") {
        None => Some(WasmLimits::default()),
        Some(_) => object
            .object("limits", &fields::WASM_LIMITS)
            .and_then(|object| limits(&object)),
    };
    let on_error = on_error(object, role);
    let reload = object.switch("reload").unwrap_or(false);
    if let Some(other) = component.as_ref().filter(|_| reload)
        && !matches!(other, ComponentReference::Path(_))
    {
        let message =
            format!("Invalid value: true: only a file can change, and \"{other}\" is no path; leave reload out");
        object.report.error(&object.at("reload"), message);
    }
    Some(Wasm {
        component: component?,
        config: object
            .get("config")
            .cloned()
            .unwrap_or_else(|| Value::Object(Map::new())),
        allow: allow?,
        limits: limits?,
        on_error: on_error?,
        reload,
    })
}

fn component(object: &Object<'_>) -> Option<ComponentReference> {
    let text = object.required("component")?;
    let path = object.at("component");
    match component::parse(text) {
        Ok(component) => {
            if component::looks_like_a_file(&component) {
                let message =
                    format!("\"{text}\" is taken for an OCI reference, since a path begins with /, ./ or ../");
                let help = format!("if it is a file, write ./{text}");
                object.report.warn(&path, message, Some(help));
            }
            Some(component)
        }
        Err(reason) => {
            object
                .report
                .error(&path, format!("Invalid value: \"{text}\": {reason}"));
            None
        }
    }
}

fn on_error(object: &Object<'_>, role: Role) -> Option<OnError> {
    if object.get("onError").is_none() {
        return Some(OnError::Ignore);
    }
    if role.is_hook() {
        let message = "Forbidden: it is for probes only, a hook's error is a failure already; leave it out";
        object.report.error(&object.at("onError"), message);
        return None;
    }
    object.word("onError", &[("Ignore", OnError::Ignore), ("Fail", OnError::Fail)])
}

fn allow(object: &Object<'_>) -> Allow {
    Allow {
        exec: exec(object),
        network: network(object),
        stats: object.switch("stats").unwrap_or(false),
        logs: object.switch("logs").unwrap_or(false),
        files: files(object),
        environment: environment(object),
    }
}

fn exec(object: &Object<'_>) -> ExecAllow {
    match object.get("exec") {
        None | Some(Value::Bool(false)) => ExecAllow::None,
        Some(Value::Bool(true)) => ExecAllow::All,
        Some(Value::Array(_)) => {
            let items = object.list("exec");
            let prefixes: Vec<_> = items
                .iter()
                .filter_map(|(path, item)| prefix(object, path, item))
                .collect();
            if prefixes.is_empty() {
                ExecAllow::None
            } else {
                ExecAllow::Prefixes(prefixes)
            }
        }
        Some(other) => {
            let message = format!("expected true, false or a list of commands, found {}", describe(other));
            object.report.error(&object.at("exec"), message);
            ExecAllow::None
        }
    }
}

/// The words that a command must begin with.
fn prefix(object: &Object<'_>, path: &str, item: &Value) -> Option<Vec<String>> {
    let report = object.report;
    let words = match item {
        Value::String(word) => vec![word.clone()],
        Value::Array(items) => {
            let words: Option<Vec<_>> = items.iter().map(|word| word.as_str().map(str::to_owned)).collect();
            if words.is_none() {
                report.error(
                    path,
                    "expected a list of strings; put numbers and words like true in quotes",
                );
            }
            words?
        }
        other => {
            let message = format!("expected a command as a list of words, found {}", describe(other));
            report.error(path, message);
            return None;
        }
    };
    if words.first().is_none_or(String::is_empty) {
        let message =
            "Invalid value: every command begins with nothing; name a program, or write exec: true to allow all";
        report.error(path, message);
        return None;
    }
    probe::warn_of_one_word(report, path, &words);
    Some(words)
}

/// The texts of a list, read one by one; what is wrong with one is told at its place.
fn each<T>(object: &Object<'_>, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    let mut found = Vec::new();
    for (path, item) in object.list(name) {
        let Some(text) = item.as_str() else {
            object.report.error(&path, no_string(item));
            continue;
        };
        match read(text) {
            Ok(value) => found.push(value),
            Err(reason) => object
                .report
                .error(&path, format!("Invalid value: \"{text}\": {reason}")),
        }
    }
    found
}

fn network(object: &Object<'_>) -> Vec<NetworkAllow> {
    each(object, "network", network::parse)
}

/// Paths are compared as texts, so that each has one spelling only.
fn files(object: &Object<'_>) -> Vec<String> {
    each(object, "files", |text| {
        if !text.starts_with('/') || text.contains('\0') {
            return Err("must be an absolute path in the container's root".to_owned());
        }
        let mut plain = std::path::PathBuf::new();
        for component in std::path::Path::new(text).components() {
            if component == Component::ParentDir {
                return Err("must not contain \"..\"; write the path that is meant".to_owned());
            }
            plain.push(component);
        }
        match plain.to_str() {
            Some(plain) if plain == text => Ok(text.to_owned()),
            plain => Err(format!(
                "must be in its shortest form; write {}",
                plain.unwrap_or_default()
            )),
        }
    })
}

fn environment(object: &Object<'_>) -> Vec<String> {
    each(object, "environment", |text| {
        if names::is_variable(text) {
            Ok(text.to_owned())
        } else {
            Err("a variable's name has printable characters but '='".to_owned())
        }
    })
}

fn limits(object: &Object<'_>) -> Option<WasmLimits> {
    let default = WasmLimits::default();
    let (fuel, memory) = (
        limit(object, "fuel", default.fuel, FUEL),
        limit(object, "memory", default.memory, MEMORY),
    );
    Some(WasmLimits {
        fuel: fuel?,
        memory: memory?,
    })
}

fn limit(object: &Object<'_>, name: &str, default: u64, (least, most, bounds): (u64, u64, &str)) -> Option<u64> {
    let Some(value) = object.get(name) else {
        return Some(default);
    };
    let error = |message: String| {
        object.report.error(&object.at(name), message);
        None
    };
    let thousandths = match quantity::from_json(value) {
        Ok(thousandths) => thousandths,
        Err(message) => return error(message),
    };
    if (least * 1000..=most * 1000).contains(&thousandths) {
        return Some(thousandths.div_ceil(1000));
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    // Next to M on the keyboard and in mind.
    let help = if text.ends_with('m') {
        "; m is a thousandth, and M a million"
    } else {
        ""
    };
    error(format!("Invalid value: \"{text}\": must be {bounds}{help}"))
}
