//! How a run ended, and what it used.

use std::time::Duration;

/// A run's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What is to be said about it; for a failed probe, the text behind Kubernetes' `Liveness probe failed: `. Empty
    /// where there is nothing to say.
    pub message: String,
    /// What the plugin wrote to its standard output and error.
    pub log: String,
    /// What the run used.
    pub usage: Usage,
}

/// The four outcomes, which are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The container is well, or the hook has done its work.
    Success,
    /// Counts as a success, but there is something to say.
    Warning,
    /// The container is not well, the hook failed, or the deadline passed. Counts.
    Failure,
    /// The check itself could not be done, or broke one of its limits. Says nothing of the container.
    Errored,
}

/// What a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Fuel.
    pub fuel: u64,
    /// The most linear memory that it had at once.
    pub memory_peak_bytes: u64,
    /// Time on the clock, from the call to the outcome.
    pub wall: Duration,
    /// How often the plugin called the host.
    pub host_calls: u64,
}
