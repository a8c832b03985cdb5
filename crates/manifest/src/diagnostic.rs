//! What is said about a manifest.

use std::fmt;

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The manifest is accepted, but something of it has no effect or will hurt.
    Warning,
    /// The manifest is refused.
    Error,
}

/// One thing to say about a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// The field, such as `spec.containers[0].image`; empty for the document as a whole.
    pub path: String,
    /// The file, if the manifest came from one.
    pub file: Option<String>,
    /// The line in the file, from 1.
    pub line: Option<usize>,
    /// The column in the line, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A fault of the field `path`, such as `spec.containers[0].image`, or with an empty one of the document as a whole;
    /// in no file. [`Pod::locate`](crate::Pod::locate) adds its line.
    pub fn error(path: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, path, message)
    }

    /// A warning at this field.
    pub fn warning(path: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, path, message)
    }

    pub(crate) fn new(severity: Severity, path: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            severity,
            path: path.to_owned(),
            file: None,
            line: None,
            column: None,
            message,
            help: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    /// `pod.yaml:14:9: error: spec.containers[0].image: Required value; name an image`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(formatter, "{file}:")?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(formatter, "{line}:{column}:")?;
            }
            let severity = if self.severity == Severity::Error {
                "error"
            } else {
                "warning"
            };
            write!(formatter, " {severity}: ")?;
        }
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(formatter, "; {help}"),
            None => Ok(()),
        }
    }
}
