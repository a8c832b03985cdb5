//! The pages in `docs/checks`: each check has one, its tables are made from the schema, and its manifest is one that the
//! check takes. `UPDATE_DOCS=1` writes the tables anew.
#![allow(clippy::unwrap_used)]

use std::{env, fs, path::PathBuf};

use probelet_plugin::{schema, serde::de::DeserializeOwned};
use serde_json::Value;

/// What is behind this line is made.
const MARK: &str = "<!-- Made from the schema by `UPDATE_DOCS=1 cargo test -p probelet-checks` in guest-probes. -->\n";

/// A check, its schema, and whether it takes a configuration.
struct Check {
    name: &'static str,
    schema: Value,
    takes: fn(Value) -> Result<(), String>,
}

fn takes<T: DeserializeOwned>(config: Value) -> Result<(), String> {
    serde_json::from_value::<T>(config)
        .map(drop)
        .map_err(|error| error.to_string())
}

macro_rules! checks {
    ($($name:literal $module:ident),* $(,)?) => {
        [$(Check {
            name: $name,
            schema: serde_json::from_str(&schema::<probelet_checks::$module::Config>()).unwrap(),
            takes: takes::<probelet_checks::$module::Config>,
        }),*]
    };
}

fn checks() -> impl IntoIterator<Item = Check> {
    checks![
        "combine" combine, "disk-space" disk_space, "dns" dns, "drain" drain, "drain-connections" drain_connections,
        "file-freshness" file_freshness, "http-assert" http_assert, "log-pattern" log_pattern,
        "memory-trend" memory_trend, "mysql" mysql, "nats" nats, "notify" notify, "postgres" postgres, "redis" redis,
        "stuck-counter" stuck_counter, "tcp-expect" tcp_expect, "tls-expiry" tls_expiry, "warm-up" warm_up,
    ]
}

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/checks/{name}.md"))
}

/// The tables of all objects in a schema.
fn tables(schema: &Value) -> String {
    let mut text = format!("## `config`\n\n{}", table(schema, schema));
    for (name, part) in schema["$defs"].as_object().into_iter().flatten() {
        if part["properties"].is_object() {
            text += &format!(
                "\n## {name}\n\n{}\n\n{}",
                line(&part["description"]),
                table(part, schema)
            );
        }
    }
    text
}

fn table(object: &Value, schema: &Value) -> String {
    let mut text = "| field | is | |\n| --- | --- | --- |\n".to_owned();
    let required = object["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in object["properties"].as_object().into_iter().flatten() {
        let needed = if required.contains(&Value::from(name.as_str())) {
            "; required"
        } else {
            ""
        };
        let default = &field["default"];
        let default = match default {
            Value::Null | Value::Object(_) => String::new(),
            Value::Array(values) if values.is_empty() => String::new(),
            Value::String(text) if text.is_empty() => String::new(),
            value => format!("; `{value}`"),
        };
        text += &format!(
            "| `{name}` | {}{needed}{default} | {} |\n",
            kind(field, schema),
            line(&field["description"])
        );
    }
    text
}

/// What a value is, in words.
fn kind(field: &Value, schema: &Value) -> String {
    if let Some(reference) = field["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        let part = &schema["$defs"][name];
        return if part["properties"].is_object() {
            format!("[{name}](#{})", name.to_lowercase())
        } else {
            kind(part, schema)
        };
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(cases) = field[several].as_array() {
            let kinds = cases
                .iter()
                .filter(|case| case["type"] != "null")
                .map(|case| kind(case, schema));
            return kinds.collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(value) = field.get("const") {
        return format!("`{}`", value.as_str().unwrap());
    }
    let kind_of = |name: &str| match name {
        "array" => format!("list of {}", kind(&field["items"], schema)),
        "object" => "object".to_owned(),
        "integer" | "number" => "number".to_owned(),
        "boolean" => "flag".to_owned(),
        _ => "text".to_owned(),
    };
    match &field["type"] {
        Value::String(name) => kind_of(name),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .map_or_else(String::new, kind_of),
        _ => "any".to_owned(),
    }
}

fn line(description: &Value) -> String {
    description
        .as_str()
        .unwrap_or_default()
        .replace('\n', " ")
        .replace('|', "\\|")
}

#[test]
fn the_tables_are_those_of_the_schemas() {
    for check in checks() {
        let path = page(check.name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (written, _) = text.split_once(MARK).unwrap_or((&text, ""));
        let current = format!("{}\n\n{MARK}\n{}", written.trim_end(), tables(&check.schema));
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, current).unwrap();
        } else {
            assert_eq!(
                text,
                current,
                "{} is stale: UPDATE_DOCS=1 writes it anew",
                path.display()
            );
        }
    }
}

#[test]
fn the_manifests_hold_what_the_checks_take() {
    for check in checks() {
        let text = fs::read_to_string(page(check.name)).unwrap();
        let block = text.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
        let manifest: Value = serde_yaml::from_str(block).unwrap();
        let mut found = Vec::new();
        handlers(&manifest, &mut found);
        let component = format!("builtin:{}", check.name);
        let own = found
            .iter()
            .filter(|handler| handler["component"] == component.as_str());
        let mut count = 0;
        for handler in own {
            let config = handler
                .get("config")
                .cloned()
                .unwrap_or_else(|| Value::Object(Default::default()));
            (check.takes)(config).unwrap_or_else(|error| panic!("{}: {error}", check.name));
            count += 1;
        }
        assert!(count > 0, "the page of {} does not show it", check.name);
    }
}

/// Every `wasm` in a manifest.
fn handlers<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("wasm"));
            fields.values().for_each(|field| handlers(field, found));
        }
        Value::Array(values) => values.iter().for_each(|value| handlers(value, found)),
        _ => {}
    }
}

#[test]
fn every_check_stands_in_the_overview() {
    let overview = fs::read_to_string(page("README")).unwrap();
    for check in checks() {
        let link = format!("[{0}]({0}.md)", check.name);
        assert!(overview.contains(&link), "{link} is missing");
    }
}
