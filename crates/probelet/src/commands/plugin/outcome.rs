//! A run's outcome as text, from the document that scripts read.

use std::fmt::Write;

use serde_json::Value;

use crate::output::{
    amounts::{kibibytes, milliseconds},
    printable,
    tabs::align,
};

/// All of it, in lines.
pub(super) fn text(document: &Value) -> String {
    let word = |name: &str| document[name].as_str().unwrap_or_default();
    let mut text = format!("Outcome:\t{}\n", word("outcome"));
    // Writing to a String cannot fail.
    if !word("message").is_empty() {
        let _ = writeln!(text, "Message:\t{}", in_lines(word("message")));
    }
    let usage = &document["usage"];
    let number = |name: &str| usage[name].as_u64().unwrap_or_default();
    let _ = writeln!(text, "Time:\t{}", milliseconds(number("wallMicroseconds")));
    let _ = writeln!(text, "Fuel:\t{}", number("fuel"));
    let _ = writeln!(text, "Memory:\t{}", kibibytes(number("memoryBytes")));
    let _ = writeln!(text, "Host calls:\t{}", usage["hostCalls"]["total"]);
    let mut text = align(&text);
    text += &section("Fields", fields(&document["fields"]));
    text += &section("Grants", grants(&document["grants"]));
    text += &section("Log", word("log").lines().map(str::to_owned).collect());
    printable(&text)
}

/// Whether a run that ended with this word was well.
pub(super) fn is_good(outcome: &str) -> bool {
    matches!(outcome, "healthy" | "degraded" | "succeeded")
}

/// A text of several lines, the others below the first.
fn in_lines(text: &str) -> String {
    text.trim_end().replace('\t', " ").replace('\n', "\n\t")
}

fn section(heading: &str, lines: Vec<String>) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("{heading}:\n{}", align(&lines))
}

fn fields(fields: &Value) -> Vec<String> {
    let fields = fields.as_object().into_iter().flatten();
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields
        .map(|(name, value)| format!("{name}:\t{}", in_lines(&shown(value))))
        .collect()
}

fn grants(grants: &Value) -> Vec<String> {
    let grants = grants.as_array().into_iter().flatten();
    let line = |grant: &Value| {
        let counts = ["granted", "refused"].map(|what| (grant[what].as_u64().unwrap_or_default(), what));
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        let word = |name: &str| grant[name].as_str().unwrap_or_default();
        format!("{}\t{}\t{}", word("grant"), in_lines(word("detail")), counts.join(", "))
    };
    grants.map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_outcome_is_told_in_aligned_lines_without_control_characters() {
        let document = json!({
            "outcome": "unhealthy",
            "message": "no answer\nfrom \u{1b}[2Jdb",
            "fields": {"role": "master", "lag": 2.5},
            "log": "one\ntwo\n",
            "usage": {"fuel": 1234, "memoryBytes": 65_537, "wallMicroseconds": 1_890, "hostCalls": {"total": 3}},
            "grants": [{"grant": "network", "detail": "db:1", "granted": 2, "refused": 0}],
        });
        assert_eq!(
            text(&document),
            "\
Outcome:     unhealthy
Message:     no answer
             from \u{fffd}[2Jdb
Time:        1.8ms
Fuel:        1234
Memory:      65Ki
Host calls:  3
Fields:
  role:  master
  lag:   2.5
Grants:
  network  db:1  2 granted
Log:
  one
  two
"
        );
    }
}
