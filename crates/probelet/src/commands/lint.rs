//! `probelet lint`.

use std::process::ExitCode;

use probelet_lint::{Finding, Severity, lint};
use serde_json::json;

use super::manifests;
use crate::{
    arguments::{Lint, Threshold},
    failure,
    output::{documents::print_document, print, printable},
};

/// How it ends if it found something.
const FOUND: u8 = 1;

/// How it ends if there is nothing to look at.
const BAD_INPUT: u8 = 2;

/// Finds what is legal in manifests but hurts.
pub(crate) fn run(command: &Lint) -> anyhow::Result<ExitCode> {
    let pods = match manifests::parse(&command.files) {
        Ok(pods) => pods,
        Err(error) => {
            failure::report(&error);
            return Ok(BAD_INPUT.into());
        }
    };
    let findings: Vec<Finding> = pods.iter().flat_map(lint).collect();
    match command.output {
        Some(format) => print_document(&json!({"findings": findings}), format)?,
        None => {
            let lines = findings.iter().map(|finding| format!("{finding}\n"));
            print(&(printable(&lines.collect::<String>()) + &summary(&findings, pods.len())))?;
        }
    }
    let threshold = match command.fail_on {
        Threshold::Error => Severity::Error,
        Threshold::Warning => Severity::Warning,
        Threshold::Hint => Severity::Hint,
    };
    let failed = findings.iter().any(|finding| finding.severity >= threshold);
    Ok(if failed { FOUND.into() } else { ExitCode::SUCCESS })
}

/// `1 error, 2 hints in 3 pods`.
fn summary(findings: &[Finding], pods: usize) -> String {
    let counts = [Severity::Error, Severity::Warning, Severity::Hint].map(|severity| {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        (count > 0).then(|| counted(count, &severity.to_string()))
    });
    let counts: Vec<_> = counts.into_iter().flatten().collect();
    let counts = if counts.is_empty() {
        "nothing found".to_owned()
    } else {
        counts.join(", ")
    };
    format!("{counts} in {}\n", counted(pods, "pod"))
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use probelet_manifest::parse_yaml;

    use super::*;

    #[test]
    fn the_last_line_counts_what_was_found() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  terminationGracePeriodSeconds: 2\n  \
                   containers:\n  - {name: a, image: a, command: [a b]}\n  - {name: b, image: a}\n";
        let pods = parse_yaml(pod, "pod.yaml").unwrap();
        let findings: Vec<_> = pods.iter().flat_map(lint).collect();
        assert_eq!(summary(&findings, 1), "1 error, 2 warnings, 1 hint in 1 pod\n");
        assert_eq!(summary(&[], 2), "nothing found in 2 pods\n");
    }
}
