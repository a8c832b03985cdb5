//! Restarts because of liveness, held back for the whole node: by a switch, when there have been too many of them, or for a
//! while when processes wait for a processor (F34).
//!
//! An overloaded node fails probes everywhere, and restarting everything makes it worse. The switch is a file, so that it
//! outlives the agent and can be thrown without one.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use probelet_lifecycle::time::BootTime;

/// The time in which the budget's restarts are counted: as long as it takes a crash loop to be forgotten (B5.6).
pub const BUDGET_WINDOW: Duration = Duration::from_secs(600);

/// How many times its threshold a container may fail in a row while processes wait for a processor. Not for ever: it may
/// be the one that they wait for.
pub const PATIENCE_UNDER_PRESSURE: u32 = 3;

/// Where the kernel tells for how much of the time processes wait for a processor.
pub(crate) const PRESSURE_FILE: &str = "/proc/pressure/cpu";

/// The file of the switch, in the state folder.
const FILE: &str = "hold-restarts";

/// Throws the switch of the node whose state folder this is: restarts because of liveness are held back, or no longer.
/// Needs no agent. Gives whether that was otherwise before.
///
/// # Errors
/// If there is no such folder, or the file of the switch cannot be made or removed.
pub fn set_hold(state_directory: &Path, held: bool) -> io::Result<bool> {
    let file = state_directory.join(FILE);
    let (done, nothing_to_do) = if held {
        // The one that is there tells since when.
        let made = fs::File::create_new(file).map(drop);
        (made, io::ErrorKind::AlreadyExists)
    } else {
        fs::read_dir(state_directory)?;
        (fs::remove_file(file), io::ErrorKind::NotFound)
    };
    match done {
        Err(error) if error.kind() == nothing_to_do => Ok(false),
        other => other.map(|()| true),
    }
}

/// Since when restarts because of liveness are held back by the switch of the node whose state folder this is; `None` if
/// they are not. Needs no agent.
///
/// # Errors
/// If there is no such folder, or it may not be read.
pub fn held_since(state_directory: &Path) -> io::Result<Option<SystemTime>> {
    fs::read_dir(state_directory)?;
    match fs::metadata(state_directory.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other?.modified().map(Some),
    }
}

/// Whether restarts because of liveness may take place.
#[derive(Debug)]
pub(crate) struct Hold {
    file: PathBuf,
    budget: Option<Mutex<Budget>>,
    pressure: Option<Pressure>,
}

/// How much a container has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failures {
    /// In a row, the next one included if it is one.
    pub(crate) in_a_row: u32,
    /// As many as its probe allows.
    pub(crate) threshold: u32,
}

impl Failures {
    /// Whether there are so many that pressure excuses no more of them.
    fn are_too_many(self) -> bool {
        self.in_a_row >= self.threshold.saturating_mul(PATIENCE_UNDER_PRESSURE)
    }
}

impl Hold {
    /// The switch of a state folder, and at most so many restarts within [`BUDGET_WINDOW`].
    pub(crate) fn new(state_directory: &Path, restarts: Option<u32>, pressure: Option<Pressure>) -> Self {
        Self {
            file: state_directory.join(FILE),
            budget: restarts.map(|most| Mutex::new(Budget::new(most))),
            pressure,
        }
    }

    /// Whether the switch holds restarts back.
    pub(crate) fn is_thrown(&self) -> bool {
        self.file.exists()
    }

    /// Asks for a restart of a container that has failed so much. One that was granted and does not take place is given
    /// back.
    pub(crate) fn ask(&self, now: BootTime, failures: Failures) -> bool {
        let is_excused = || !failures.are_too_many() && self.pressure.as_ref().is_some_and(Pressure::is_high);
        !self.is_thrown() && !is_excused() && self.budget(|budget| budget.take(now)).unwrap_or(true)
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

/// For how much of the time processes wait for a processor, and how much is too much.
#[derive(Debug)]
pub(crate) struct Pressure {
    file: PathBuf,
    /// In percent.
    limit: u8,
}

impl Pressure {
    /// The kernel's word in this file; too much is more than so many percent. An error if it cannot be had.
    pub(crate) fn open(file: impl Into<PathBuf>, limit: u8) -> io::Result<Self> {
        let pressure = Self {
            file: file.into(),
            limit,
        };
        pressure.percent().map(|_| pressure)
    }

    /// What cannot be read is no excuse.
    fn is_high(&self) -> bool {
        self.percent().is_ok_and(|percent| percent > f64::from(self.limit))
    }

    fn percent(&self) -> io::Result<f64> {
        let text = fs::read_to_string(&self.file)?;
        percent(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it has no line `some avg10=…`"))
    }
}

/// The share of the last ten seconds in which at least one process waited: `avg10` of the line `some`.
fn percent(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let average = line.split(' ').find_map(|field| field.strip_prefix("avg10="))?;
    average.parse().ok()
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

    const ONE: Failures = Failures {
        in_a_row: 1,
        threshold: 1,
    };

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
        let hold = Hold::new(folder.path(), None, None);
        assert!(hold.ask(at(0), ONE));
        for is_first in [true, false] {
            assert_eq!(set_hold(folder.path(), true).unwrap(), is_first);
            assert!(!hold.ask(at(0), ONE) && hold.is_thrown());
        }
        assert!(held_since(folder.path()).unwrap().is_some());
        for is_first in [true, false] {
            assert_eq!(set_hold(folder.path(), false).unwrap(), is_first);
            assert!(hold.ask(at(0), ONE) && !hold.is_thrown());
        }
        assert!(held_since(folder.path()).unwrap().is_none());
        let missing = folder.path().join("missing");
        for result in [
            set_hold(&missing, true).err(),
            set_hold(&missing, false).err(),
            held_since(&missing).err(),
        ] {
            assert_eq!(result.unwrap().kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn f34_under_pressure_a_container_may_fail_three_times_as_often() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cpu");
        let under = |percent: &str| {
            let text = format!("some avg10={percent} avg60=99.00 avg300=0.00 total=1\nfull avg10=99.00 total=1\n");
            fs::write(&file, text).unwrap();
        };
        under("0.00");
        let pressure = Pressure::open(&file, 80).unwrap();
        let hold = Hold::new(folder.path(), Some(2), Some(pressure));
        let granted = |in_a_row: u32| hold.ask(at(0), Failures { in_a_row, threshold: 4 });
        under("80.01");
        // What is held back does not use up the budget.
        assert_eq!([4, 5, 11].map(granted), [false; 3]);
        assert!(granted(12));
        under("80.00");
        assert!(granted(4) && !granted(4), "no more pressure, and then no more budget");
    }

    #[test]
    fn f34_a_kernel_that_tells_no_pressure_is_an_error_at_the_start_and_no_excuse_later() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cpu");
        assert_eq!(Pressure::open(&file, 80).unwrap_err().kind(), io::ErrorKind::NotFound);
        for text in ["", "full avg10=1.00", "some avg60=1.00", "some avg10=much"] {
            fs::write(&file, text).unwrap();
            assert_eq!(
                Pressure::open(&file, 80).unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
        }
        fs::write(&file, "some avg10=99.00").unwrap();
        let hold = Hold::new(folder.path(), None, Some(Pressure::open(&file, 80).unwrap()));
        assert!(!hold.ask(at(0), ONE));
        fs::remove_file(&file).unwrap();
        assert!(hold.ask(at(0), ONE));
    }
}
