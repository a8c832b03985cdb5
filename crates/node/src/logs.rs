//! Reading containers' logs, which their shims write in the format of the CRI: `TIME STREAM P|F TEXT`.

use std::{
    collections::VecDeque,
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rustix::fs::inotify;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, BufReader, unix::AsyncFd},
    sync::watch,
};

use crate::handle::{LogOptions, LogStream};

/// The longest record that is read at once; the shim writes none that is longer than 16 KiB and its head.
const MAX_RECORD: u64 = 64 * 1024;

/// Opens the log at `path`. `ended` turns true, or is dropped, when nothing more will be written to it.
pub(crate) async fn open(path: &Path, options: &LogOptions, ended: watch::Receiver<bool>) -> io::Result<LogStream> {
    let mut reader = Reader {
        path: path.to_owned(),
        file: BufReader::new(File::open(path).await?),
        changes: if options.follow { Some(watch_file(path)?) } else { None },
        ended,
        drained: false,
        rotated: false,
        record: Vec::new(),
        timestamps: options.timestamps,
        line_starts: true,
    };
    let backlog = match options.tail_lines {
        Some(lines) => reader.last_lines(lines).await?,
        None => VecDeque::new(),
    };
    Ok(Box::pin(futures::stream::unfold(
        (reader, backlog),
        |(mut reader, mut backlog)| async move {
            if let Some(piece) = backlog.pop_front() {
                return Some((Ok(piece), (reader, backlog)));
            }
            let piece = reader.next().await.transpose()?;
            Some((piece, (reader, backlog)))
        },
    )))
}

/// Removes a log with the full ones that were moved aside. It is no error if there is none.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let of_this_log = entry
            .file_name()
            .to_str()
            .and_then(|found| found.strip_prefix(name))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if of_this_log {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    changes: Option<AsyncFd<OwnedFd>>,
    ended: watch::Receiver<bool>,
    /// Whether the log had ended before the file was last found to be read to its end.
    drained: bool,
    /// Whether a new file has taken this one's place, which is then read to its end.
    rotated: bool,
    record: Vec<u8>,
    timestamps: bool,
    line_starts: bool,
}

impl Reader {
    /// The next piece of text; `None` at the end of the log.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(piece) = self.read_record().await? {
                return Ok(Some(piece));
            }
            if self.changes.is_none() {
                return Ok(None);
            }
            if self.rotated {
                self.reopen().await?;
            } else if self.was_rotated().await? {
                // What was written before the rotation is read first.
                self.rotated = true;
            } else if self.drained {
                return Ok(None);
            } else {
                self.drained = self.wait().await?;
            }
        }
    }

    /// Waits until the file changes or its container ends; the latter gives true.
    async fn wait(&mut self) -> io::Result<bool> {
        let Some(changes) = &self.changes else { return Ok(true) };
        tokio::select! {
            ready = changes.readable() => {
                drain(&mut ready?);
                Ok(false)
            }
            _ = self.ended.wait_for(|ended| *ended) => Ok(true),
        }
    }

    /// The next complete record's text, if there is one yet.
    async fn read_record(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let room = MAX_RECORD.saturating_sub(self.record.len() as u64);
            let mut limited = tokio::io::AsyncReadExt::take(&mut self.file, room);
            limited.read_until(b'\n', &mut self.record).await?;
            if !self.record.ends_with(b"\n") && (self.record.len() as u64) < MAX_RECORD {
                return Ok(None);
            }
            let record = std::mem::take(&mut self.record);
            if let Some(piece) = self.format(&record) {
                return Ok(Some(piece));
            }
        }
    }

    /// The text of a record, with the end of the line only if it is the line's last piece. `None` if it is damaged.
    fn format(&mut self, record: &[u8]) -> Option<Bytes> {
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let mut fields = record.splitn(4, |byte| *byte == b' ');
        let (time, _stream, tag, text) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let whole = !tag.starts_with(b"P");
        let mut piece = Vec::with_capacity(record.len() + 1);
        if self.timestamps && self.line_starts {
            piece.extend_from_slice(time);
            piece.push(b' ');
        }
        piece.extend_from_slice(text);
        if whole {
            piece.push(b'\n');
        }
        self.line_starts = whole;
        Some(piece.into())
    }

    /// Reads to the present end, keeping the last lines only.
    async fn last_lines(&mut self, lines: usize) -> io::Result<VecDeque<Bytes>> {
        let (mut kept, mut complete) = (VecDeque::new(), 0);
        while let Some(piece) = self.read_record().await? {
            complete += usize::from(piece.ends_with(b"\n"));
            kept.push_back(piece);
            while complete > lines {
                complete -= usize::from(kept.pop_front().is_some_and(|piece: Bytes| piece.ends_with(b"\n")));
            }
        }
        if lines == 0 {
            kept.clear();
        }
        Ok(kept)
    }

    /// Whether the shim has moved the file aside and begun a new one.
    async fn was_rotated(&self) -> io::Result<bool> {
        let ours = self.file.get_ref().metadata().await?.ino();
        match tokio::fs::metadata(&self.path).await {
            Ok(present) => Ok(present.ino() != ours),
            // Between the two steps of a rotation, or after the pod's removal.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn reopen(&mut self) -> io::Result<()> {
        self.changes = Some(watch_file(&self.path)?);
        self.file = BufReader::new(File::open(&self.path).await?);
        self.rotated = false;
        Ok(())
    }
}

#[expect(
    deprecated,
    reason = "an OwnedFd cannot change its descriptor, which is what `new` leaves unchecked"
)]
/// Watches the folder as well as the file, so that the new file of a rotation is noticed.
fn watch_file(path: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watch, path, inotify::WatchFlags::MODIFY)?;
    if let Some(folder) = path.parent() {
        inotify::add_watch(
            &watch,
            folder,
            inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO,
        )?;
    }
    AsyncFd::new(watch)
}

fn drain(ready: &mut tokio::io::unix::AsyncFdReadyGuard<'_, OwnedFd>) {
    let mut buffer = [0; 4096];
    while matches!(rustix::io::read(ready.get_inner(), &mut buffer), Ok(1..)) {}
    ready.clear_ready();
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use futures::StreamExt;

    use super::*;

    fn log(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    async fn text(mut stream: LogStream) -> String {
        let mut text = Vec::new();
        while let Some(piece) = stream.next().await {
            text.extend_from_slice(&piece.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    const THREE: &str = "T1 stdout F one\nT2 stderr P tw\nT3 stderr F o\nT4 stdout F three\n";

    #[tokio::test]
    async fn pieces_of_a_line_are_joined() {
        let (_folder, path) = log(THREE);
        let (_ended, receiver) = watch::channel(true);
        let plain = open(&path, &LogOptions::default(), receiver.clone()).await.unwrap();
        assert_eq!(text(plain).await, "one\ntwo\nthree\n");
        let options = LogOptions {
            timestamps: true,
            ..LogOptions::default()
        };
        assert_eq!(
            text(open(&path, &options, receiver).await.unwrap()).await,
            "T1 one\nT2 two\nT4 three\n"
        );
    }

    #[tokio::test]
    async fn the_tail_counts_lines_and_not_pieces() {
        let (_folder, path) = log(THREE);
        let (_ended, receiver) = watch::channel(true);
        for (lines, expected) in [(0, ""), (1, "three\n"), (2, "two\nthree\n"), (9, "one\ntwo\nthree\n")] {
            let options = LogOptions {
                tail_lines: Some(lines),
                ..LogOptions::default()
            };
            assert_eq!(
                text(open(&path, &options, receiver.clone()).await.unwrap()).await,
                expected,
                "tail {lines}"
            );
        }
    }

    #[tokio::test]
    async fn following_goes_through_a_rotation_and_ends_with_the_container() {
        let (folder, path) = log("T1 stdout F one\n");
        let (ended, receiver) = watch::channel(false);
        let options = LogOptions {
            follow: true,
            ..LogOptions::default()
        };
        let mut stream = open(&path, &options, receiver).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), "one\n");

        std::fs::rename(&path, folder.path().join("log.1")).unwrap();
        std::fs::File::create(&path)
            .unwrap()
            .write_all(b"T2 stdout F two\n")
            .unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), "two\n");

        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"T3 stdout F last\n")
            .unwrap();
        ended.send(true).unwrap();
        assert_eq!(text(stream).await, "last\n");
    }
}
