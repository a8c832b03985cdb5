//! What came of a run, beside what was expected.

use serde_json::{Map, Value};

use crate::{
    file::{Expectation, Message},
    text::{diff, quoted},
};

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// `healthy` and so on.
    pub outcome: String,
    /// What was said.
    pub message: String,
    /// What was found.
    pub fields: Map<String, Value>,
    /// What the run leaves to the next one.
    pub state: Option<Vec<u8>>,
    /// Fuel.
    pub fuel: u64,
    /// The most memory, in bytes.
    pub memory: u64,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path of the expectation, such as `expect.message`.
    pub path: String,
    /// What is different, perhaps in several lines.
    pub what: String,
}

impl Difference {
    pub(crate) fn new(path: &str, what: String) -> Self {
        Self {
            path: path.to_owned(),
            what,
        }
    }
}

/// All that is not as expected.
pub fn differences(expected: &Expectation, seen: &Seen) -> Vec<Difference> {
    let mut found = Vec::new();
    if let Some(outcome) = expected.outcome.as_ref().filter(|outcome| **outcome != seen.outcome) {
        let mut what = format!("expected {outcome}, found {}", seen.outcome);
        // What was said tells why, unless it is told below.
        if !seen.message.is_empty() && expected.message.is_none() {
            what += &format!(" with the message {}", quoted(seen.message.as_bytes()));
        }
        found.push(Difference::new("expect.outcome", what));
    }
    found.extend(message(expected, seen));
    if let Some(fields) = &expected.fields {
        found.extend(all_fields(fields, &seen.fields));
    }
    if let Some(state) = &expected.state {
        let left = seen.state.as_deref();
        if left != Some(state.as_bytes()) {
            let what = match left {
                None => "nothing was left to the next run".to_owned(),
                Some(left) => format!("it differs\n{}", diff(state.as_bytes(), left).join("\n")),
            };
            found.push(Difference::new("expect.state", what));
        }
    }
    let most = [
        ("fuel", expected.most.fuel, seen.fuel),
        ("memory", expected.most.memory, seen.memory),
    ];
    for (name, most, used) in most {
        if let Some(most) = most.filter(|most| used > *most) {
            let what = format!("expected at most {most}, found {used}");
            found.push(Difference::new(&format!("expect.limits.{name}"), what));
        }
    }
    found
}

fn message(expected: &Expectation, seen: &Seen) -> Option<Difference> {
    let said = seen.message.as_str();
    let what = match expected.message.as_ref()? {
        Message::Exact(text) if text == said => return None,
        Message::Contains(part) if said.contains(part.as_str()) => return None,
        Message::Exact(text) if text.contains('\n') || said.contains('\n') => {
            format!("it differs\n{}", diff(text.as_bytes(), said.as_bytes()).join("\n"))
        }
        Message::Exact(text) => format!(
            "expected {}, found {}",
            quoted(text.as_bytes()),
            quoted(said.as_bytes())
        ),
        Message::Contains(part) => {
            format!(
                "expected a part {}, found {}",
                quoted(part.as_bytes()),
                quoted(said.as_bytes())
            )
        }
    };
    Some(Difference::new("expect.message", what))
}

/// As a field's expected value: whatever it is, but it has to be there.
pub(crate) const ANY: &str = "*";

fn all_fields(expected: &Map<String, Value>, found: &Map<String, Value>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let path = |name: &str| format!("expect.fields.{name}");
    for (name, value) in expected {
        match found.get(name) {
            None => differences.push(Difference::new(
                &path(name),
                format!("expected {value}, found no such field"),
            )),
            Some(other) if value != ANY && !is_same(value, other) => {
                differences.push(Difference::new(&path(name), format!("expected {value}, found {other}")));
            }
            Some(_) => {}
        }
    }
    for (name, value) in found.iter().filter(|(name, _)| !expected.contains_key(*name)) {
        differences.push(Difference::new(&path(name), format!("not expected, found {value}")));
    }
    differences
}

/// A plugin's numbers are all of one kind: 2 is 2.0.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(expected: Value, seen: &Seen) -> Vec<String> {
        let expected: Expectation = serde_json::from_value(expected).expect("an expectation");
        let found = differences(&expected, seen);
        found
            .into_iter()
            .map(|one| format!("{}: {}", one.path, one.what))
            .collect()
    }

    #[test]
    fn what_is_left_out_may_be_anything_and_numbers_are_numbers() {
        let seen = Seen {
            outcome: "healthy".to_owned(),
            message: "PONG".to_owned(),
            fields: serde_json::from_value(json!({"lag": 2.0})).expect("fields"),
            ..Seen::default()
        };
        assert!(of(json!({}), &seen).is_empty());
        let right = json!({"outcome": "healthy", "message": {"contains": "PO"}, "fields": {"lag": 2}});
        assert!(of(right, &seen).is_empty());
        assert!(of(json!({"fields": {"lag": "*"}}), &seen).is_empty());
        assert_eq!(of(json!({"fields": {"lag": "*", "age": "*"}}), &seen).len(), 1);
    }

    #[test]
    fn each_difference_is_told_at_its_path() {
        let seen = Seen {
            outcome: "unhealthy".to_owned(),
            message: "-ERR".to_owned(),
            fields: serde_json::from_value(json!({"role": "replica", "lag": 1})).expect("fields"),
            fuel: 10,
            ..Seen::default()
        };
        let expected = json!({
            "outcome": "healthy", "message": "PONG", "fields": {"role": "master", "size": 1}, "state": "1",
        });
        assert_eq!(
            of(expected, &seen),
            [
                "expect.outcome: expected healthy, found unhealthy",
                "expect.message: expected \"PONG\", found \"-ERR\"",
                "expect.fields.role: expected \"master\", found \"replica\"",
                "expect.fields.size: expected 1, found no such field",
                "expect.fields.lag: not expected, found 1",
                "expect.state: nothing was left to the next run",
            ]
        );
        assert_eq!(
            of(json!({"outcome": "healthy"}), &seen),
            ["expect.outcome: expected healthy, found unhealthy with the message \"-ERR\""]
        );
    }
}
