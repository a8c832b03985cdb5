//! Reading a JSON document against the table of fields, collecting every fault.

use std::cell::RefCell;

use serde_json::{Map, Value};

use crate::{
    Diagnostic, Severity,
    fields::{Kind, Support},
    names,
};

/// What fields have to be, in the words of messages.
const WHOLE_NUMBER: &str = "a whole number";
const TRUTH: &str = "true or false";

/// Faults kept of one document; more would help nobody.
const MAX_DIAGNOSTICS: usize = 100;

/// Everything said of one document so far.
#[derive(Default)]
pub(crate) struct Report(RefCell<Vec<Diagnostic>>);

impl Report {
    pub(crate) fn error(&self, path: &str, message: impl Into<String>) {
        self.add(Diagnostic::new(Severity::Error, path, message));
    }

    pub(crate) fn warn(&self, path: &str, message: impl Into<String>, help: Option<String>) {
        self.add(Diagnostic {
            help,
            ..Diagnostic::new(Severity::Warning, path, message)
        });
    }

    fn add(&self, diagnostic: Diagnostic) {
        let mut diagnostics = self.0.borrow_mut();
        if diagnostics.len() < MAX_DIAGNOSTICS {
            diagnostics.push(diagnostic);
        }
    }

    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        self.0.into_inner()
    }
}

/// A JSON object of a known kind, at a known place.
pub(crate) struct Object<'a> {
    pub(crate) path: String,
    map: &'a Map<String, Value>,
    pub(crate) report: &'a Report,
}

impl<'a> Object<'a> {
    /// Takes a value that must be an object, and judges each of its fields by the table.
    pub(crate) fn new(value: &'a Value, path: impl Into<String>, kind: &Kind, report: &'a Report) -> Option<Self> {
        let path = path.into();
        let Some(map) = value.as_object() else {
            report.error(&path, format!("expected an object, found {}", describe(value)));
            return None;
        };
        let object = Self { path, map, report };
        for (name, value) in map {
            object.judge(name, value, kind);
        }
        Some(object)
    }

    fn judge(&self, name: &str, value: &Value, kind: &Kind) {
        let path = self.at(name);
        let Some(field) = kind.fields.iter().find(|field| field.name == name) else {
            let near = names::nearest(name, kind.fields.iter().map(|field| field.name));
            let help = near.map(|near| format!("did you mean \"{near}\"?"));
            let message = "unknown field";
            return self.report.add(Diagnostic {
                help,
                ..Diagnostic::new(Severity::Error, &path, message)
            });
        };
        // Whatever says only what is so anyway harms nobody. An empty object may be a volume's or handler's type.
        let says_nothing = match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(map) if map.is_empty() => field.support == Support::Warned,
            Value::String(text) if text.is_empty() => true,
            value => {
                let json = value.to_string();
                json == field.default
            }
        };
        match field.support {
            Support::Warned if !says_nothing => {
                self.report.warn(
                    &path,
                    format!("not supported yet and without effect: {}", field.note),
                    None,
                );
            }
            Support::Refused if !says_nothing => {
                self.report.error(&path, format!("not supported yet: {}", field.note));
            }
            Support::Supported | Support::Own | Support::Set | Support::Warned | Support::Refused => {}
        }
    }

    /// The path of a field.
    pub(crate) fn at(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A field, unless it is not there or null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn typed<T>(&self, name: &str, wanted: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.get(name)?;
        let found = read(value);
        if found.is_none() {
            let bare = value.as_str().and_then(|text| serde_json::from_str(text).ok());
            let help = match bare {
                Some(Value::Number(_)) if wanted == WHOLE_NUMBER => "; take it out of its quotes",
                Some(Value::Bool(_)) if wanted == TRUTH => "; take it out of its quotes",
                _ => "",
            };
            let message = format!("expected {wanted}, found {}{help}", describe(value));
            self.report.error(&self.at(name), message);
        }
        found
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        let value = self.get(name)?;
        if value.is_string() {
            return value.as_str();
        }
        self.report.error(&self.at(name), no_string(value));
        None
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required(&self, name: &str) -> Option<&'a str> {
        match self.get(name) {
            None | Some(Value::String(_)) if self.get(name).and_then(Value::as_str).unwrap_or_default().is_empty() => {
                self.report.error(&self.at(name), "Required value");
                None
            }
            _ => self.text(name),
        }
    }

    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        self.typed(name, TRUTH, Value::as_bool)
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn number(&self, name: &str, least: i64, most: i64) -> Option<i64> {
        let number = self.typed(name, WHOLE_NUMBER, Value::as_i64)?;
        if (least..=most).contains(&number) {
            return Some(number);
        }
        let bounds = if number < least && most == i64::from(i32::MAX) {
            format!("must be greater than or equal to {least}")
        } else {
            format!("must be between {least} and {most}, inclusive")
        };
        self.report
            .error(&self.at(name), format!("Invalid value: {number}: {bounds}"));
        None
    }

    /// The elements of a list with their paths.
    pub(crate) fn list(&self, name: &str) -> Vec<(String, &'a Value)> {
        let items = self
            .typed(name, "a list", Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        items
            .iter()
            .enumerate()
            .map(|(at, item)| (format!("{}[{at}]", self.at(name)), item))
            .collect()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for (path, item) in self.list(name) {
            match item.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.report.error(&path, no_string(item)),
            }
        }
        texts
    }

    /// A list of whole numbers.
    pub(crate) fn whole_numbers(&self, name: &str) -> Vec<i32> {
        let mut numbers = Vec::new();
        for (path, item) in self.list(name) {
            match item.as_i64().and_then(|number| i32::try_from(number).ok()) {
                Some(number) => numbers.push(number),
                None => self
                    .report
                    .error(&path, format!("expected a whole number, found {}", describe(item))),
            }
        }
        numbers
    }

    pub(crate) fn object(&self, name: &str, kind: &Kind) -> Option<Object<'a>> {
        Object::new(self.get(name)?, self.at(name), kind, self.report)
    }

    /// Names and texts, such as labels.
    pub(crate) fn text_map(&self, name: &str) -> std::collections::BTreeMap<String, String> {
        let map = self.typed(name, "an object", Value::as_object);
        let entries = map.into_iter().flatten().filter_map(|(key, value)| match value {
            Value::String(text) => Some((key.clone(), text.clone())),
            other => {
                self.report.error(&format!("{}.{key}", self.at(name)), no_string(other));
                None
            }
        });
        entries.collect()
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let known = known.join(", ");
            self.report.error(
                &self.at(name),
                format!("Unsupported value: \"{text}\": supported values: {known}"),
            );
        }
        found
    }
}

/// What to say of a value where a string is due. YAML takes `5` and `true` for something else.
pub(crate) fn no_string(value: &Value) -> String {
    let help = match value {
        Value::Bool(_) | Value::Number(_) => "; put it in quotes",
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => "",
    };
    format!("expected a string, found {}{help}", describe(value))
}

/// What a value is, for people.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
