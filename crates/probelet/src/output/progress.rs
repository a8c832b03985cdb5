//! How far a long work has come: a line on stderr that is written over and over, and only where somebody looks at it.

use std::{
    io::{IsTerminal, Write, stderr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often the line is written: more often nobody can read it.
const EVERY: Duration = Duration::from_millis(100);

/// To the line's beginning, and what stood in it away.
const CLEAR: &str = "\r\x1b[K";

/// The line. It goes when this is dropped.
pub(crate) struct ProgressLine {
    label: String,
    is_shown: bool,
    written: Mutex<Option<Instant>>,
}

impl ProgressLine {
    /// A line that begins with this text, if stderr is a terminal.
    pub(crate) fn new(label: String) -> Self {
        Self {
            label,
            is_shown: stderr().is_terminal(),
            written: Mutex::new(None),
        }
    }

    /// Writes what stands behind the text that the line begins with, if it is time to.
    pub(crate) fn tell(&self, how_far: impl FnOnce() -> String) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_shown || written.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        *written = Some(Instant::now());
        // Nothing depends on its being seen.
        let _ = write!(stderr(), "{CLEAR}{}: {}", self.label, how_far());
    }

    /// What is to be told how many bytes of how many are done.
    pub(crate) fn watch(&self) -> impl Fn(u64, u64) + Send + Sync + '_ {
        |done, total| self.tell(|| bytes(done, total))
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        let written = self.written.get_mut().unwrap_or_else(PoisonError::into_inner);
        if written.is_some() {
            let _ = write!(stderr(), "{CLEAR}");
        }
    }
}

fn bytes(done: u64, total: u64) -> String {
    let megabytes = |bytes: u64| format!("{}.{}", bytes / 1_000_000, bytes % 1_000_000 / 100_000);
    let share = (done * 100).checked_div(total).unwrap_or(100);
    format!("{} of {} MB, {share}%", megabytes(done), megabytes(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_much_is_done() {
        assert_eq!(bytes(1_250_000, 5_000_000), "1.2 of 5.0 MB, 25%");
        assert_eq!(bytes(0, 0), "0.0 of 0.0 MB, 100%");
    }
}
