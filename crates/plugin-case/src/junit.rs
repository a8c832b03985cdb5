//! The results of cases as JUnit's XML, which continuous integration reads. One element with a handful of attributes, so
//! that a library for XML would be more text than this is.

use std::fmt::Write;

use crate::report::CaseResult;

/// A document with one suite, whose cases have their files as classes.
pub fn junit(results: &[CaseResult]) -> String {
    let failed = results.iter().filter(|result| !result.is_passed()).count();
    let seconds: f64 = results.iter().map(|result| result.time.as_secs_f64()).sum();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"probelet plugin test\" \
         tests=\"{}\" failures=\"{failed}\" time=\"{seconds:.3}\">\n",
        results.len()
    );
    for result in results {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escaped(&result.file),
            escaped(&result.name),
            result.time.as_secs_f64()
        );
        if result.is_passed() && result.log.is_empty() {
            text += "/>\n";
            continue;
        }
        text += ">\n";
        if !result.is_passed() {
            let explanation = result.explanation();
            let first = explanation.lines().next().unwrap_or_default();
            let _ = writeln!(
                text,
                "      <failure message=\"{}\">{}</failure>",
                escaped(first),
                escaped(&explanation)
            );
        }
        if !result.log.is_empty() {
            let _ = writeln!(text, "      <system-out>{}</system-out>", escaped(&result.log));
        }
        text += "    </testcase>\n";
    }
    text + "  </testsuite>\n</testsuites>\n"
}

/// XML has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' | '\t' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            character if character.is_control() => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Difference;

    #[test]
    fn a_suite_has_its_cases_and_their_failures() {
        let passed = CaseResult {
            file: "a.yaml".to_owned(),
            name: "one".to_owned(),
            ..CaseResult::default()
        };
        let failed = CaseResult {
            name: "<two> & \"three\"".to_owned(),
            differences: vec![Difference::new(
                "expect.outcome",
                "expected a, found b\n- a\n+ b".to_owned(),
            )],
            log: "x\u{1b}".to_owned(),
            ..passed.clone()
        };
        assert_eq!(
            junit(&[passed, failed]),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites>
  <testsuite name=\"probelet plugin test\" tests=\"2\" failures=\"1\" time=\"0.000\">
    <testcase classname=\"a.yaml\" name=\"one\" time=\"0.000\"/>
    <testcase classname=\"a.yaml\" name=\"&lt;two&gt; &amp; &quot;three&quot;\" time=\"0.000\">
      <failure message=\"expect.outcome: expected a, found b\">expect.outcome: expected a, found b
  - a
  + b
</failure>
      <system-out>x\u{fffd}</system-out>
    </testcase>
  </testsuite>
</testsuites>
"
        );
    }
}
