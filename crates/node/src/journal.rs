//! What a pod's machine was told, on disk, so that its life can be explained and lived again.
//!
//! `journal.jsonl` begins with a state, and has a line for each thing that the machine was told from then on. When it is
//! long it becomes `journal.old.jsonl`, and a new one begins. An agent that comes back begins a new one too: what it was
//! told last before its death may be missing.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use probelet_lifecycle::{
    State,
    action::Action,
    event::Event,
    journal::{Journal, Told, digest},
    time::Now,
};
use serde::{Deserialize, Serialize};

/// The most things that one file holds: with two files, some two to four hours of a pod with three probes every ten
/// seconds, of which each run makes two.
const MAX_TOLD: usize = 8192;

/// The most bytes of one file. Usual lines have 150; only what probes say can make them longer.
const MAX_BYTES: usize = 4 << 20;

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Beginning<S> {
    since: Now,
    state: S,
}

/// Writes the journal of one pod.
pub(crate) struct JournalFile {
    folder: PathBuf,
    file: Option<File>,
    told: usize,
    bytes: usize,
}

impl JournalFile {
    /// Begins a file of its own for this agent.
    pub(crate) fn new(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self {
            folder,
            file: None,
            told: 0,
            bytes: 0,
        }
    }

    /// Makes sure that there is a file with room, which begins with the present state. To be called before a step.
    pub(crate) fn prepare(&mut self, now: Now, state: &State) -> io::Result<()> {
        if self.file.is_some() && self.told < MAX_TOLD && self.bytes < MAX_BYTES {
            return Ok(());
        }
        let (path, old) = paths(&self.folder);
        match fs::rename(&path, old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        (self.told, self.bytes) = (0, 0);
        self.file = Some(crate::history::append(&path)?);
        self.write(&Beginning { since: now, state })
    }

    /// Adds what the machine was told, and what it asked for in return.
    pub(crate) fn record(&mut self, now: Now, event: Event, actions: &[Action]) -> io::Result<()> {
        self.told += 1;
        let actions = Some(digest(actions));
        self.write(&Told { now, event, actions })
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.bytes += bytes.len();
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(&bytes));
        // A line that is missing makes the rest worthless: the next step begins anew.
        written.inspect_err(|_| self.file = None)
    }
}

/// What is recorded of a pod, up to `now`; `None` if it is nothing. The older file is part of it if the newer one goes on
/// where it ends.
pub(crate) fn read(folder: &Path, now: Now) -> Option<Journal> {
    let (path, old) = paths(folder);
    let newer = read_file(&path, now)?;
    let Some(mut older) = read_file(&old, now) else {
        return Some(newer);
    };
    if older.since.boot > newer.since.boot || older.replay(|_, _, _| {}) != newer.state {
        return Some(newer);
    }
    older.told.extend(newer.told);
    Some(older)
}

fn read_file(path: &Path, until: Now) -> Option<Journal> {
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines();
    let Beginning { since, state } = serde_json::from_str::<Beginning<State>>(lines.next()?).ok()?;
    // A last line that is being written, or was cut off by an agent's death, is none yet.
    let told = lines.map_while(|line| serde_json::from_str(line).ok()).collect();
    Some(Journal {
        since,
        until,
        state,
        told,
    })
}

fn paths(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("journal.jsonl"), folder.join("journal.old.jsonl"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probelet_lifecycle::{
        step,
        time::{BootTime, WallTime},
    };

    use super::*;

    fn state() -> State {
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: x}]}}";
        let pods = probelet_manifest::parse_yaml(pod, "p").unwrap();
        State::new(probelet_pod_config::pod_config(&pods[0], "uid"), at(0))
    }

    fn at(milliseconds: u64) -> Now {
        let boot = BootTime(Duration::from_millis(milliseconds));
        Now {
            boot,
            wall: WallTime(i64::try_from(milliseconds).unwrap()),
        }
    }

    fn live(journal: &mut JournalFile, state: &mut State, times: std::ops::Range<u64>) {
        for time in times {
            let event = if time == 0 { Event::Begin } else { Event::Wake };
            let mut actions = Vec::new();
            journal.prepare(at(time), state).unwrap();
            step(state, at(time), event.clone(), &mut actions);
            journal.record(at(time), event, &actions).unwrap();
        }
    }

    #[test]
    fn it_holds_a_life_and_stays_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, mut state) = (JournalFile::new(folder.path()), state());
        assert_eq!(read(folder.path(), at(0)), None);
        live(&mut journal, &mut state, 0..5);
        let found = read(folder.path(), at(9)).unwrap();
        assert_eq!((found.told.len(), found.until), (5, at(9)));
        assert_eq!(found.replay(|_, _, _| {}), state);

        let many = 3 * MAX_TOLD as u64;
        live(&mut journal, &mut state, 5..many);
        let found = read(folder.path(), at(many)).unwrap();
        assert!(
            (MAX_TOLD..=2 * MAX_TOLD).contains(&found.told.len()),
            "{}",
            found.told.len()
        );
        assert_eq!(found.replay(|_, _, _| {}), state);
    }

    #[test]
    fn an_agent_that_comes_back_goes_on_and_a_gap_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, mut state) = (JournalFile::new(folder.path()), state());
        live(&mut journal, &mut state, 0..5);
        let mut journal = JournalFile::new(folder.path());
        live(&mut journal, &mut state, 5..7);
        assert_eq!(read(folder.path(), at(9)).unwrap().told.len(), 7);

        // A step of which the journal knows nothing, and a line that was cut off.
        step(&mut state, at(8), Event::Delete { grace_period: None }, &mut Vec::new());
        let mut journal = JournalFile::new(folder.path());
        live(&mut journal, &mut state, 9..12);
        crate::history::append(&folder.path().join("journal.jsonl"))
            .unwrap()
            .write_all(b"{\"now\":")
            .unwrap();
        let found = read(folder.path(), at(12)).unwrap();
        assert_eq!((found.since, found.told.len()), (at(9), 3));
        assert_eq!(found.replay(|_, _, _| {}), state);
    }
}
