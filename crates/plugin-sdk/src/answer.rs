//! What the functions of plugins may return.

use std::fmt::{self, Display, Formatter};

use crate::Verdict;

/// Why a check found no healthy container, with the reason for people.
///
/// Which of the two it is decides whether it counts: a server that refuses a connection is unhealthy, a connection that
/// the manifest does not grant is an error of the check. With `?` a plain text becomes the latter, as in the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The container is not well.
    Unhealthy(String),
    /// The check itself could not be done.
    Errored(String),
}

impl Failure {
    /// The reason.
    pub fn message(&self) -> &str {
        match self {
            Self::Unhealthy(message) | Self::Errored(message) => message,
        }
    }

    /// A verdict, or the contract's error.
    pub fn into_result(self) -> Result<Verdict, String> {
        match self {
            Self::Unhealthy(message) => Ok(Verdict::unhealthy(message)),
            Self::Errored(message) => Err(message),
        }
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.message())
    }
}

impl std::error::Error for Failure {}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Errored(message)
    }
}

/// What a probe's function may return.
pub trait ProbeAnswer {
    /// As the contract has it.
    fn into_result(self) -> Result<Verdict, String>;
}

impl ProbeAnswer for Verdict {
    fn into_result(self) -> Result<Verdict, String> {
        Ok(self)
    }
}

impl ProbeAnswer for Result<Verdict, String> {
    fn into_result(self) -> Result<Verdict, String> {
        self
    }
}

impl ProbeAnswer for Result<Verdict, Failure> {
    fn into_result(self) -> Result<Verdict, String> {
        self.or_else(Failure::into_result)
    }
}

/// What a hook's function may return.
pub trait HookAnswer {
    /// As the contract has it.
    fn into_result(self) -> Result<(), String>;
}

impl HookAnswer for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl HookAnswer for Result<(), String> {
    fn into_result(self) -> Result<(), String> {
        self
    }
}

impl HookAnswer for Result<(), Failure> {
    fn into_result(self) -> Result<(), String> {
        self.map_err(|failure| failure.message().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_may_return_what_is_handy() {
        let unhealthy: Result<Verdict, Failure> = Err(Failure::Unhealthy("down".to_owned()));
        assert_eq!(unhealthy.into_result(), Ok(Verdict::unhealthy("down")));
        let errored: Result<Verdict, Failure> = Err("no way".to_owned().into());
        assert_eq!(errored.into_result(), Err("no way".to_owned()));
        assert_eq!(ProbeAnswer::into_result(Verdict::healthy()), Ok(Verdict::healthy()));
    }

    #[test]
    fn a_hook_that_found_something_unhealthy_has_failed() {
        let unhealthy: Result<(), Failure> = Err(Failure::Unhealthy("busy".to_owned()));
        assert_eq!(HookAnswer::into_result(unhealthy), Err("busy".to_owned()));
    }
}
