//! How a command that failed ends.

use std::{fmt, io, process::ExitCode};

use probelet_api::client::ClientError;
use probelet_manifest::Diagnostic;

use crate::output::style;

/// Manifests that cannot be taken, with all that is wrong about them.
#[derive(Debug)]
pub(crate) struct Faults(pub(crate) Vec<Diagnostic>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(formatter, "{}{}", if index == 0 { "" } else { "\n" }, located(fault))?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// `pod.yaml:14:9: spec.containers[0].image: …`; how grave it is, the line says already.
pub(crate) fn located(diagnostic: &Diagnostic) -> String {
    let text = Diagnostic {
        file: None,
        ..diagnostic.clone()
    }
    .to_string();
    match (&diagnostic.file, diagnostic.line, diagnostic.column) {
        (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}: {text}"),
        (Some(file), ..) => format!("{file}: {text}"),
        (None, ..) => text,
    }
}

/// Says on stderr why a command failed, and what to do.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        // Whoever read our output has had enough of it.
        return ExitCode::SUCCESS;
    }
    if let Some(Faults(faults)) = error.downcast_ref() {
        for fault in faults {
            eprintln!("{} {}", style::error_label(), located(fault));
        }
    } else {
        eprintln!("{} {}", style::error_label(), told(error));
    }
    ExitCode::FAILURE
}

fn told(error: &anyhow::Error) -> String {
    let text = match error.downcast_ref::<ClientError>() {
        Some(ClientError::Connect { socket, error }) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => format!(
                "no agent answers on {}: start one with `sudo probelet node`, or name another one's --state-dir or --socket",
                socket.display()
            ),
            io::ErrorKind::PermissionDenied => {
                format!(
                    "only the agent's owner may use {}: run this as that user, or with sudo",
                    socket.display()
                )
            }
            _ => error.to_string(),
        },
        _ => with_causes(error),
    };
    // The lines below may be ones to copy.
    text.trim_end().replace('\n', "\n  ")
}

/// An error and its causes, but for those that it has told of itself.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(|cause| cause.to_string()) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn unreachable(kind: io::ErrorKind) -> String {
        let error = ClientError::Connect {
            socket: PathBuf::from("/s/probelet.sock"),
            error: kind.into(),
        };
        told(&anyhow::Error::new(error))
    }

    #[test]
    fn an_error_says_what_to_do() {
        let missing = unreachable(io::ErrorKind::NotFound);
        assert!(
            missing.contains("/s/probelet.sock") && missing.contains("sudo probelet node"),
            "{missing}"
        );
        let forbidden = unreachable(io::ErrorKind::PermissionDenied);
        assert!(forbidden.contains("owner") && forbidden.contains("sudo"), "{forbidden}");
        let causes = anyhow::anyhow!("no such\nfile").context("cannot read");
        assert_eq!(told(&causes), "cannot read: no such\n  file");
        let repeated = causes.context("a.yaml: cannot read: no such\nfile");
        assert_eq!(told(&repeated), "a.yaml: cannot read: no such\n  file");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert!(is_broken_pipe(
            &anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("cannot print")
        ));
        assert!(!is_broken_pipe(&anyhow::anyhow!("other")));
    }
}
