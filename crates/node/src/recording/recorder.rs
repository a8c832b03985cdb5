//! Writing down what the host answers to one run, as it answers, so that the run can be replayed elsewhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use probelet_engine::Grants;
use probelet_plugin_case::Host;
use tokio::task::JoinSet;

use super::container::{RecordedExec, RecordedFiles, RecordedLogs, RecordedStats};

/// What is kept of all that the host says to one run: a case file holds it, in base64 too.
pub(super) const MAX_BYTES: usize = 512 << 10;
/// Answers of one run, each step of a conversation one of them: an honest check has a handful.
const MAX_ANSWERS: usize = 500;
/// Writes down one run. A clone writes to the same record.
#[derive(Clone, Default)]
pub(super) struct Recorder {
    pub(super) record: Arc<Record>,
    /// Connections are passed on by tasks, which end with the last clone.
    pub(super) relays: Arc<Mutex<JoinSet<()>>>,
}

#[derive(Default)]
pub(super) struct Record(Mutex<Taken>);

#[derive(Default)]
pub(super) struct Taken {
    pub(super) host: Host,
    pub(super) bytes: usize,
    answers: usize,
}

impl Taken {
    /// Whether there is room for one more answer with so many bytes; if not, the record is of no use.
    pub(super) fn has_room(&mut self, bytes: usize) -> bool {
        self.answers += 1;
        self.has_room_for(bytes)
    }

    /// The same for so many bytes more of an answer that is there.
    pub(super) fn has_room_for(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.is_whole()
    }

    fn is_whole(&self) -> bool {
        self.bytes <= MAX_BYTES && self.answers <= MAX_ANSWERS
    }
}

impl Record {
    /// Adds an answer of which so many bytes are known, and gives its place; none if there is no room for it.
    pub(super) fn add<T>(&self, bytes: usize, list: impl FnOnce(&mut Host) -> &mut Vec<T>, answer: T) -> Option<usize> {
        let mut taken = self.lock();
        taken.has_room(bytes).then(|| {
            let list = list(&mut taken.host);
            list.push(answer);
            list.len() - 1
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Puts the recorder between a run and all that it is granted.
    pub(super) fn listen(&self, grants: &mut Grants) {
        let record = || self.record.clone();
        if let Some(exec) = &mut grants.exec {
            exec.container = Arc::new(RecordedExec(exec.container.clone(), record()));
        }
        if let Some(stats) = grants.stats.take() {
            grants.stats = Some(Arc::new(RecordedStats(stats, record())));
        }
        if let Some(logs) = grants.logs.take() {
            grants.logs = Some(Arc::new(RecordedLogs(logs, record())));
        }
        if let Some(files) = grants.files.take() {
            grants.files = Some(Arc::new(RecordedFiles(files, record())));
        }
        grants.stand_in = Some(Arc::new(self.clone()));
        self.record.lock().host.environment = grants.environment.iter().cloned().collect();
    }

    /// Ends the recording, and with it what is left of connections; none if the run was told more than a record holds.
    pub(super) async fn finish(self) -> Option<Host> {
        let mut relays = std::mem::take(&mut *self.relays.lock().unwrap_or_else(PoisonError::into_inner));
        relays.shutdown().await;
        let taken = self.record.lock();
        taken.is_whole().then(|| taken.host.clone())
    }
}
