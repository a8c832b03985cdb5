//! The last lines of a container's log, which its shim writes in the format of the CRI: `TIME STREAM P|F TEXT`, P being a
//! piece of a line that goes on.
//!
//! The file is read from its end, so that the effort depends on what is asked for and not on its size.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The most lines that are given: the contract with plugins (`container-logs` in `wit/`).
pub const LINES_MAX: usize = 1000;

/// The most text that is given, in bytes, of all lines together: the contract with plugins.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// The most that is read of the files. A thousand lines and the text that fits have a third of this, heads included; more
/// is read only in search of the beginning of a line among what was written to the other stream meanwhile.
const READ_BYTES_MAX: u64 = 1024 * 1024;

/// How much is read at once.
const CHUNK_BYTES: u64 = 64 * 1024;

/// The longest record: the shim writes none that is longer than 16 KiB and its head. A longer one is damaged.
const RECORD_BYTES_MAX: usize = 64 * 1024;

/// How many files are read, the newest first. A full one holds more than can be asked for.
const FILES_MAX: usize = 2;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When its beginning was written.
    pub time: SystemTime,
    /// Whether to standard error, and not to standard output.
    pub stderr: bool,
    /// Its text, without the line's end. What is no UTF-8 is replaced.
    pub text: String,
}

/// The last `lines` lines of the log at `path` ([`Container::log_path`](crate::Container::log_path)), oldest first; at
/// most [`LINES_MAX`], and at most [`TEXT_BYTES_MAX`] of text, of which the oldest lines are left out. A line that is longer
/// lacks its beginning, as one may that was written in pieces with very much text of the other stream between. A line whose
/// end is not written yet is given as far as it is there. Damaged records are left out.
pub async fn tail(path: &Path, lines: usize) -> io::Result<Vec<LogLine>> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut collected = Lines::new(lines.min(LINES_MAX));
        read_backwards(&path, |record| collected.add(record)).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot read the log {}: {error}", path.display()))
        })?;
        Ok(collected.finish())
    });
    read.await.map_err(io::Error::other)?
}

/// Gives the records from the last to the first, as long as `take` wants more. It is an error if there is no file.
fn read_backwards(path: &Path, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut budget = READ_BYTES_MAX;
    let mut seen = Vec::new();
    let mut missing = None;
    // A rotation in between moves a file that was read to the next name.
    for path in std::iter::once(path.to_owned()).chain((1..=FILES_MAX).map(|number| numbered(path, number))) {
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing = missing.or(Some(error));
                continue;
            }
            file => file?,
        };
        let metadata = file.metadata()?;
        let identity = (metadata.dev(), metadata.ino());
        if seen.contains(&identity) {
            continue;
        }
        seen.push(identity);
        let mut records = Backwards::new(file, metadata.len());
        while let Some(record) = records.next(&mut budget)? {
            if !take(&record) {
                return Ok(());
            }
        }
        if seen.len() == FILES_MAX {
            break;
        }
    }
    match missing {
        Some(error) if seen.is_empty() => Err(error),
        _ => Ok(()),
    }
}

/// What the shim calls a file that was put aside.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{number}"));
    name.into()
}

/// A file's lines from the last to the first.
struct Backwards {
    file: File,
    /// Where what was read of the file begins.
    position: u64,
    /// What was read and not given yet; its last line is not whole before the one before it is known to end.
    buffer: Vec<u8>,
    /// Whether the end of the buffer is the end of a record: at first it may be one that is just being written.
    whole: bool,
    done: bool,
}

impl Backwards {
    fn new(file: File, length: u64) -> Self {
        Self {
            file,
            position: length,
            buffer: Vec::new(),
            whole: false,
            done: false,
        }
    }

    /// The next record; `None` at the file's beginning, or when the budget is used up.
    fn next(&mut self, budget: &mut u64) -> io::Result<Option<Vec<u8>>> {
        while !self.done {
            let end = self.buffer.iter().rposition(|byte| *byte == b'\n');
            let record = match end {
                Some(end) => {
                    let record = self.buffer.split_off(end + 1);
                    self.buffer.truncate(end);
                    record
                }
                None if self.position > 0 => {
                    self.done = !self.fill(budget)?;
                    continue;
                }
                None => {
                    self.done = true;
                    std::mem::take(&mut self.buffer)
                }
            };
            if std::mem::replace(&mut self.whole, true) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Reads what lies before the buffer; false if that is not possible.
    fn fill(&mut self, budget: &mut u64) -> io::Result<bool> {
        if self.buffer.len() > RECORD_BYTES_MAX {
            // Its beginning alone is no record either.
            self.buffer.clear();
            self.whole = false;
        }
        let length = CHUNK_BYTES.min(self.position).min(*budget);
        if length == 0 {
            return Ok(false);
        }
        let mut chunk = vec![0; usize::try_from(length).unwrap_or(0)];
        match self.file.read_exact_at(&mut chunk, self.position - length) {
            // It was cut off meanwhile, by somebody else than the shim.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        chunk.append(&mut self.buffer);
        self.buffer = chunk;
        self.position -= length;
        *budget -= length;
        Ok(true)
    }
}

/// Puts lines together from records that come last first.
struct Lines {
    wanted: usize,
    room: usize,
    /// Oldest first.
    lines: VecDeque<Pieces>,
    /// By stream: the line that records further up may still belong to, counted from the newest.
    open: [Option<usize>; 2],
}

struct Pieces {
    time: SystemTime,
    stderr: bool,
    /// First to last.
    pieces: VecDeque<Vec<u8>>,
}

impl Lines {
    fn new(wanted: usize) -> Self {
        Self {
            wanted,
            room: TEXT_BYTES_MAX,
            lines: VecDeque::new(),
            open: [None; 2],
        }
    }

    /// Takes a record; false if no more are wanted.
    fn add(&mut self, record: &[u8]) -> bool {
        if let Some(record) = Record::parse(record)
            && !self.add_record(&record)
        {
            return false;
        }
        self.lines.len() < self.wanted || self.open.iter().any(Option::is_some)
    }

    fn add_record(&mut self, record: &Record<'_>) -> bool {
        let stream = usize::from(record.stderr);
        if record.goes_on
            && let Some(newest_first) = self.open[stream]
        {
            let index = self.lines.len() - 1 - newest_first;
            let line = &mut self.lines[index];
            // Of what is too long, the end is kept.
            let kept = &record.text[record.text.len().saturating_sub(self.room)..];
            self.room -= kept.len();
            line.pieces.push_front(kept.to_vec());
            line.time = record.time;
            return kept.len() == record.text.len();
        }
        self.open[stream] = None;
        if self.lines.len() == self.wanted {
            return true;
        }
        if record.text.len() > self.room {
            return false;
        }
        self.room -= record.text.len();
        self.open[stream] = Some(self.lines.len());
        self.lines.push_front(Pieces {
            time: record.time,
            stderr: record.stderr,
            pieces: VecDeque::from([record.text.to_vec()]),
        });
        true
    }

    /// Replacing what is no UTF-8 makes text longer, so that it is measured once more.
    fn finish(self) -> Vec<LogLine> {
        let mut room = TEXT_BYTES_MAX;
        let mut lines = VecDeque::new();
        for line in self.lines.into_iter().rev() {
            let text: Vec<u8> = line.pieces.into_iter().flatten().collect();
            let mut text = String::from_utf8_lossy(&text).into_owned();
            if text.len() > room && lines.is_empty() {
                text = text.split_off(text.ceil_char_boundary(text.len() - room));
            }
            let Some(left) = room.checked_sub(text.len()) else {
                break;
            };
            room = left;
            lines.push_front(LogLine {
                time: line.time,
                stderr: line.stderr,
                text,
            });
        }
        lines.into()
    }
}

/// `TIME STREAM TAG TEXT`.
struct Record<'a> {
    time: SystemTime,
    stderr: bool,
    goes_on: bool,
    text: &'a [u8],
}

impl<'a> Record<'a> {
    fn parse(record: &'a [u8]) -> Option<Self> {
        let mut fields = record.splitn(4, |byte| *byte == b' ');
        let (time, stream, tag, text) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let time: jiff::Timestamp = std::str::from_utf8(time).ok()?.parse().ok()?;
        Some(Self {
            time: time.into(),
            stderr: match stream {
                b"stdout" => false,
                b"stderr" => true,
                _ => return None,
            },
            // The CRI allows for further tags behind a colon.
            goes_on: match tag.split(|byte| *byte == b':').next()? {
                b"P" => true,
                b"F" => false,
                _ => return None,
            },
            text,
        })
    }
}

#[cfg(test)]
#[path = "log_tail_tests.rs"]
mod tests;
