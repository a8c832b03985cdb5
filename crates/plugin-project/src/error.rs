//! What can go wrong, and the way out.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why there is no project or no component.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The name of a new project.
    #[error(
        "`{0}` cannot be the name of a plugin: take at most {max} lowercase letters, digits and `-`, and begin with a letter",
        max = crate::name::MAX_LENGTH
    )]
    Name(String),
    /// The folder of a new project.
    #[error("{} is there already: take another name, or remove it first", .0.display())]
    Exists(PathBuf),
    /// A file or folder.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, such as `read`.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A folder that is no project.
    #[error(
        "{} is no plugin's project, it has no plugin.yaml: make one with `probelet plugin new NAME --lang LANGUAGE`",
        .0.display()
    )]
    NoProject(PathBuf),
    /// `plugin.yaml`.
    #[error("{}: {reason}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A program that compiles is not there.
    #[error("{what} is missing, which compiles {language}. {remedy}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The project's language.
        language: &'static str,
        /// How to get it.
        remedy: String,
    },
    /// A program could not be run at all.
    #[error("cannot run `{command}`: {source}")]
    Run {
        /// As one would type it.
        command: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A program has failed.
    #[error("`{command}` in {} ended with {status}; what it says stands above", folder.display())]
    Failed {
        /// As one would type it.
        command: String,
        /// Where it ran.
        folder: PathBuf,
        /// Its exit status.
        status: std::process::ExitStatus,
    },
    /// A program has not made what it was to make.
    #[error("`{command}` said that it succeeded, but {} is not there", file.display())]
    NoOutput {
        /// As one would type it.
        command: String,
        /// What it was to make.
        file: PathBuf,
    },
    /// The folder `wit`.
    #[error("the contract in {} cannot be used: {reason}", folder.display())]
    World {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// C's side of the contract.
    #[error("cannot write the contract as a header for C: {reason}")]
    Bindings {
        /// The generator's reason.
        reason: String,
    },
    /// A component as text.
    #[error("cannot make a component of this text: {reason}")]
    Text {
        /// The parser's reason, with the place.
        reason: String,
    },
    /// What was compiled does not go with the contract.
    #[error("what was compiled cannot be made a component: {reason}")]
    Component {
        /// The encoder's reason.
        reason: String,
    },
}

impl Error {
    /// Says what was tried with a file, to be given to `map_err`.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { action, path, source }
    }
}
