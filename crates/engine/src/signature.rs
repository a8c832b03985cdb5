//! The types of what a component exports by our names: compared when it is loaded, since wasmtime looks only when a
//! function is called, and a component that cannot be run is better refused than errored at every run.

use wasmtime::component::{
    Component, Type,
    types::{ComponentFunc, ComponentItem},
};

/// Longer than any type of ours: of others the beginning tells enough.
const MAX_TEXT: usize = 400;

/// The contract's functions, each with its interface and its type.
const FUNCTIONS: [(&str, &str, &str); 8] = [
    ("probelet:plugin/probe@0.1.0", "check", CHECK),
    ("probelet:plugin/async-probe@0.1.0", "check", CHECK),
    ("probelet:plugin/hook@0.1.0", "run", "func() -> result<_, string>"),
    ("probelet:plugin/async-hook@0.1.0", "run", "func() -> result<_, string>"),
    ("probelet:plugin/describe@0.1.0", "name", "func() -> string"),
    ("probelet:plugin/describe@0.1.0", "version", "func() -> string"),
    (
        "probelet:plugin/describe@0.1.0",
        "config-schema",
        "func() -> option<string>",
    ),
    ("probelet:plugin/describe@0.1.0", "grants", "func() -> list<string>"),
];

/// `check`'s type, its records and variants written out.
const CHECK: &str = "func() -> result<record { health: enum { healthy, degraded, unhealthy }, message: string, \
                     fields: list<record { name: string, value: variant { text(string), number(f64), flag(bool) } }> }, \
                     string>";

/// The first function that has another type than the contract's, in words.
pub(crate) fn fault(component: &Component) -> Option<String> {
    FUNCTIONS.into_iter().find_map(|(interface, name, expected)| {
        let instance = component.get_export_index(None, interface)?;
        let (ComponentItem::ComponentFunc(function), _) = component.get_export(Some(&instance), name)? else {
            return Some(format!("`{name}` of `{interface}` is no function"));
        };
        let found = signature(&function);
        (found != expected).then(|| format!("`{name}` of `{interface}` is `{found}` and not `{expected}`"))
    })
}

fn signature(function: &ComponentFunc) -> String {
    let mut text = String::from("func(");
    for (name, parameter) in function.params() {
        text += name;
        text += ": ";
        write(&mut text, &parameter);
    }
    text += ")";
    for result in function.results() {
        text += " -> ";
        write(&mut text, &result);
    }
    text
}

/// As in WIT, with what has a name there written out.
fn write(text: &mut String, found: &Type) {
    if text.len() > MAX_TEXT {
        return;
    }
    match found {
        Type::String => *text += "string",
        Type::Bool => *text += "bool",
        Type::Float64 => *text += "f64",
        Type::List(list) => wrapped(text, "list<", &[Some(list.ty())], ">"),
        Type::Option(option) => wrapped(text, "option<", &[Some(option.ty())], ">"),
        Type::Result(result) => wrapped(text, "result<", &[result.ok(), result.err()], ">"),
        Type::Enum(cases) => {
            let names: Vec<&str> = cases.names().collect();
            *text += &format!("enum {{ {} }}", names.join(", "));
        }
        Type::Record(record) => {
            *text += "record { ";
            for (number, field) in record.fields().enumerate() {
                *text += if number > 0 { ", " } else { "" };
                *text += &format!("{}: ", field.name);
                write(text, &field.ty);
            }
            *text += " }";
        }
        Type::Variant(variant) => {
            *text += "variant { ";
            for (number, case) in variant.cases().enumerate() {
                *text += if number > 0 { ", " } else { "" };
                *text += case.name;
                if let Some(payload) = case.ty {
                    wrapped(text, "(", &[Some(payload)], ")");
                }
            }
            *text += " }";
        }
        // The contract has no others.
        _ => *text += "…",
    }
}

fn wrapped(text: &mut String, open: &str, inner: &[Option<Type>], close: &str) {
    *text += open;
    for (number, one) in inner.iter().enumerate() {
        *text += if number > 0 { ", " } else { "" };
        match one {
            Some(one) => write(text, one),
            None => *text += "_",
        }
    }
    *text += close;
}
