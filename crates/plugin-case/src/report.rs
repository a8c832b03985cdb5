//! The results of cases, for people.

use std::{fmt::Write, time::Duration};

use crate::compare::Difference;

/// What came of a case.
#[derive(Clone, Debug, Default)]
pub struct CaseResult {
    /// The file that it stands in.
    pub file: String,
    /// Its name.
    pub name: String,
    /// What is wrong; a case without is passed.
    pub differences: Vec<Difference>,
    /// What the plugin wrote to its standard output and error.
    pub log: String,
    /// How long it took.
    pub time: Duration,
}

impl CaseResult {
    /// Whether all was as expected.
    pub fn is_passed(&self) -> bool {
        self.differences.is_empty()
    }

    /// All that is wrong, in lines.
    pub fn explanation(&self) -> String {
        let mut text = String::new();
        for difference in &self.differences {
            let colon = if difference.path.is_empty() { "" } else { ": " };
            let mut lines = difference.what.lines();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}{colon}{}", difference.path, lines.next().unwrap_or_default());
            for line in lines {
                let _ = writeln!(text, "  {line}");
            }
        }
        text
    }
}

/// A line for each case, more for each that failed, and a last one with the counts.
pub fn report(results: &[CaseResult]) -> String {
    let mut text = String::new();
    for result in results {
        let word = if result.is_passed() { "ok  " } else { "FAIL" };
        let _ = writeln!(
            text,
            "{word}  {}: {} ({} ms)",
            result.file,
            result.name,
            result.time.as_millis()
        );
        for line in result.explanation().lines() {
            let _ = writeln!(text, "      {line}");
        }
        if !result.is_passed() && !result.log.is_empty() {
            let _ = writeln!(text, "      the plugin wrote:");
            for line in result.log.lines() {
                let _ = writeln!(text, "        {line}");
            }
        }
    }
    let failed = results.iter().filter(|result| !result.is_passed()).count();
    let _ = writeln!(text, "{} passed, {failed} failed", results.len() - failed);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Vec<CaseResult> {
        let passed = CaseResult {
            file: "cases/ping.yaml".to_owned(),
            name: "a primary answers".to_owned(),
            time: Duration::from_millis(2),
            ..CaseResult::default()
        };
        let failed = CaseResult {
            name: "a replica <lags> & \"waits\"".to_owned(),
            differences: vec![
                Difference::new("expect.outcome", "expected healthy, found unhealthy".to_owned()),
                Difference::new(
                    "",
                    "host.tcp[0].talk[0].client: something else\n- PING\\r\\n\n+ INFO\\r\\n".to_owned(),
                ),
            ],
            log: "trying\u{1b}[2J\n".to_owned(),
            ..passed.clone()
        };
        vec![passed, failed]
    }

    #[test]
    fn failures_are_told_below_their_cases() {
        assert_eq!(
            report(&results()),
            "\
ok    cases/ping.yaml: a primary answers (2 ms)
FAIL  cases/ping.yaml: a replica <lags> & \"waits\" (2 ms)
      expect.outcome: expected healthy, found unhealthy
      host.tcp[0].talk[0].client: something else
        - PING\\r\\n
        + INFO\\r\\n
      the plugin wrote:
        trying\u{1b}[2J
1 passed, 1 failed
"
        );
    }
}
