//! What is found.

use std::fmt;

use probelet_manifest::{Diagnostic, Pod};
use serde::Serialize;

use crate::Fix;

/// How much it hurts; later ones are graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It works, and could be better or surprise somebody.
    Hint,
    /// It hurts when something goes wrong.
    Warning,
    /// It cannot do what it says.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Hint => "hint",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing that a rule found. As JSON it has these names, in camel case.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// How much it hurts.
    pub severity: Severity,
    /// The pod's name.
    pub pod: String,
    /// The container's name, if it is about one.
    pub container: Option<String>,
    /// The field, such as `spec.containers[0].livenessProbe`; it begins with the pod's place in a `List`.
    pub path: String,
    /// The file, if the pod came from one.
    pub file: Option<String>,
    /// The line in the file, from 1.
    pub line: Option<usize>,
    /// The column in the line, from 1.
    pub column: Option<usize>,
    /// What is wrong, with what comes of it.
    pub reason: String,
    /// What to write instead. The warnings that the manifest's reader gives may have none, but say in words what to do.
    pub fix: Option<Fix>,
}

/// What a rule says: all but its own name and the place in a file.
pub(crate) struct Found {
    /// In the pod, without its place in a `List`.
    pub(crate) path: String,
    pub(crate) reason: String,
    pub(crate) fix: Fix,
}

impl Finding {
    pub(crate) fn new(
        pod: &Pod,
        (rule, severity): (&'static str, Severity),
        container: Option<&str>,
        found: Found,
    ) -> Self {
        let mut place = [Diagnostic {
            severity: probelet_manifest::Severity::Warning,
            path: found.path,
            file: None,
            line: None,
            column: None,
            message: String::new(),
            help: None,
        }];
        pod.locate(&mut place);
        let [place] = place;
        Self {
            rule,
            severity,
            pod: pod.metadata.name.clone(),
            container: container.map(str::to_owned),
            path: place.path,
            file: place.file,
            line: place.line,
            column: place.column,
            reason: found.reason,
            fix: Some(found.fix),
        }
    }
}

impl fmt::Display for Finding {
    /// `pod.yaml:14:9: warning: spec.containers[0].livenessProbe: REASON [RULE]`, then the fix as YAML, indented.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(formatter, "{file}:")?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(formatter, "{line}:{column}:")?;
            }
            formatter.write_str(" ")?;
        }
        write!(
            formatter,
            "{}: {}: {} [{}]",
            self.severity, self.path, self.reason, self.rule
        )?;
        let fix = self.fix.as_ref().map(Fix::to_string).unwrap_or_default();
        fix.lines().try_for_each(|line| write!(formatter, "\n    {line}"))
    }
}
