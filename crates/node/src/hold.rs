//! Restarts because of liveness, held back for the whole node: by a switch, or when there have been too many of them (F34).
//!
//! An overloaded node fails probes everywhere, and restarting everything makes it worse. The switch is a file, so that it
//! outlives the agent and can be thrown without one.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use probelet_lifecycle::time::BootTime;

/// The time in which the budget's restarts are counted: as long as it takes a crash loop to be forgotten (B5.6).
pub const BUDGET_WINDOW: Duration = Duration::from_secs(600);

/// The file of the switch, in the state folder.
const FILE: &str = "hold-restarts";

/// Throws the switch of the node whose state folder this is: restarts because of liveness are held back, or no longer.
/// Needs no agent.
///
/// # Errors
/// If the file of the switch cannot be made or removed.
pub fn set_hold(state_directory: &Path, held: bool) -> io::Result<()> {
    let file = state_directory.join(FILE);
    if held {
        return fs::write(file, b"");
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether restarts because of liveness may take place.
#[derive(Debug)]
pub(crate) struct Hold {
    file: PathBuf,
    budget: Option<Mutex<Budget>>,
}

impl Hold {
    /// The switch of a state folder, and at most so many restarts within [`BUDGET_WINDOW`].
    pub(crate) fn new(state_directory: &Path, restarts: Option<u32>) -> Self {
        Self {
            file: state_directory.join(FILE),
            budget: restarts.map(|most| Mutex::new(Budget::new(most))),
        }
    }

    /// Asks for a restart. One that was granted and does not take place is given back.
    pub(crate) fn ask(&self, now: BootTime) -> bool {
        !self.file.exists() && self.budget(|budget| budget.take(now)).unwrap_or(true)
    }

    /// Gives a restart back that did not take place.
    pub(crate) fn give_back(&self) {
        self.budget(Budget::give_back);
    }

    fn budget<T>(&self, change: impl FnOnce(&mut Budget) -> T) -> Option<T> {
        let budget = self.budget.as_ref()?;
        Some(change(&mut budget.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// When the last restarts were; as many as there may be.
#[derive(Debug)]
struct Budget {
    most: usize,
    restarts: VecDeque<BootTime>,
}

impl Budget {
    fn new(most: u32) -> Self {
        Self {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            restarts: VecDeque::new(),
        }
    }

    fn take(&mut self, now: BootTime) -> bool {
        while self.restarts.front().is_some_and(|at| now.since(*at) >= BUDGET_WINDOW) {
            self.restarts.pop_front();
        }
        let has_room = self.restarts.len() < self.most;
        if has_room {
            self.restarts.push_back(now);
        }
        has_room
    }

    fn give_back(&mut self) {
        self.restarts.pop_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    #[test]
    fn f34_no_more_restarts_are_granted_than_the_budget_has_within_ten_minutes() {
        let mut budget = Budget::new(2);
        assert!(budget.take(at(0)) && budget.take(at(60)) && !budget.take(at(61)));
        budget.give_back();
        assert!(budget.take(at(62)) && !budget.take(at(599)));
        // The first one is forgotten.
        assert!(budget.take(at(600)) && !budget.take(at(601)));
    }

    #[test]
    fn f34_the_switch_is_a_file_and_goes_before_the_budget() {
        let folder = tempfile::tempdir().unwrap();
        let hold = Hold::new(folder.path(), None);
        assert!(hold.ask(at(0)));
        for _ in 0..2 {
            set_hold(folder.path(), true).unwrap();
            assert!(!hold.ask(at(0)));
        }
        for _ in 0..2 {
            set_hold(folder.path(), false).unwrap();
            assert!(hold.ask(at(0)));
        }
    }
}
