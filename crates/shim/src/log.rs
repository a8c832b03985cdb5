//! The container's output, in CRI log format: `<time> <stdout|stderr> <F|P> <text>`, P being a line that goes on.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A longer line is written in pieces. containerd's value; readers of this format reckon with it.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// How much is read at once, hence what one stream can make the shim hold beside an unfinished line.
const CHUNK_BYTES: usize = 32 * 1024;

/// A file that would grow longer is put aside. Kubernetes' default (containerLogMaxSize).
const FILE_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// How many files there are, the current one included. Kubernetes' default (containerLogMaxFiles).
const FILES_MAX: u32 = 5;

/// What may be read after the container's end: as much as a pipe can hold. More could only come from a process that the
/// container has handed its output to, and might never end.
const REST_BYTES_MAX: usize = 1024 * 1024;

/// The file.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Log {
    /// Opens the file, and appends to one that exists.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
        })
    }

    /// Writes whole records. What cannot be written, for want of room on the disk mostly, is lost: the container is not
    /// to stand still for it.
    fn write(&mut self, records: &[u8]) {
        let length = records.len() as u64;
        if self.bytes > 0 && self.bytes + length > FILE_BYTES_MAX && self.rotate().is_err() {
            return;
        }
        if self.file.write_all(records).is_ok() {
            self.bytes += length;
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            name
        };
        for number in (1..FILES_MAX - 1).rev() {
            // There is none of this number yet, at first.
            let _ = std::fs::rename(numbered(number), numbered(number + 1));
        }
        std::fs::rename(&self.path, numbered(1))?;
        *self = Self::open(&self.path)?;
        Ok(())
    }
}

/// One of the container's two streams.
pub(crate) struct Stream {
    name: &'static str,
    pipe: Option<OwnedFd>,
    line: Vec<u8>,
}

impl Stream {
    /// `pipe` must not block.
    pub(crate) fn new(name: &'static str, pipe: OwnedFd) -> Self {
        Self {
            name,
            pipe: Some(pipe),
            line: Vec::new(),
        }
    }

    /// The pipe, until it has come to its end.
    pub(crate) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads once and writes what is complete; returns how much was read, 0 when there is nothing, now or ever.
    pub(crate) fn copy(&mut self, log: &mut Log) -> usize {
        let Some(pipe) = &self.pipe else { return 0 };
        let mut chunk = [0; CHUNK_BYTES];
        match rustix::io::read(pipe, &mut chunk) {
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Ok(0) | Err(_) => {
                self.pipe = None;
                let mut records = Vec::new();
                self.finish(&timestamp(), &mut records);
                log.write(&records);
                0
            }
            Ok(bytes) => {
                log.write(&self.records(&chunk[..bytes], &timestamp()));
                bytes
            }
        }
    }

    /// Copies what is left when the container has ended.
    pub(crate) fn copy_rest(&mut self, log: &mut Log) {
        let mut copied = 0;
        while copied < REST_BYTES_MAX {
            match self.copy(log) {
                0 => break,
                bytes => copied += bytes,
            }
        }
        let mut records = Vec::new();
        self.finish(&timestamp(), &mut records);
        log.write(&records);
    }

    fn records(&mut self, mut input: &[u8], time: &str) -> Vec<u8> {
        let mut records = Vec::with_capacity(input.len() * 2);
        while !input.is_empty() {
            let room = LINE_BYTES_MAX - self.line.len();
            let piece = &input[..input.len().min(room)];
            if let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
                self.line.extend_from_slice(&piece[..end]);
                self.record("F", time, &mut records);
                input = &input[end + 1..];
            } else {
                self.line.extend_from_slice(piece);
                input = &input[piece.len()..];
                if self.line.len() == LINE_BYTES_MAX {
                    self.record("P", time, &mut records);
                }
            }
        }
        records
    }

    fn finish(&mut self, time: &str, records: &mut Vec<u8>) {
        if !self.line.is_empty() {
            self.record("F", time, records);
        }
    }

    fn record(&mut self, tag: &str, time: &str, records: &mut Vec<u8>) {
        for part in [time, " ", self.name, " ", tag, " "] {
            records.extend_from_slice(part.as_bytes());
        }
        records.append(&mut self.line);
        records.push(b'\n');
    }
}

fn timestamp() -> String {
    jiff::Timestamp::now().to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream {
            name: "stdout",
            pipe: None,
            line: Vec::new(),
        }
    }

    fn text(records: Vec<u8>) -> String {
        String::from_utf8(records).unwrap()
    }

    #[test]
    fn a_record_is_a_line_however_it_arrives() {
        let mut stream = stream();
        assert_eq!(text(stream.records(b"one\ntw", "T")), "T stdout F one\n");
        assert_eq!(text(stream.records(b"o\n\n", "T")), "T stdout F two\nT stdout F \n");
        assert_eq!(text(stream.records(b"rest", "T")), "");
        let mut records = Vec::new();
        stream.finish("T", &mut records);
        assert_eq!(text(records), "T stdout F rest\n");
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        let mut stream = stream();
        let mut input = vec![b'x'; LINE_BYTES_MAX];
        input.extend_from_slice(b"yz\n");
        let records = text(stream.records(&input, "T"));
        assert!(
            records.starts_with("T stdout P xx") && records.ends_with("xx\nT stdout F yz\n"),
            "{records}"
        );
        let records = text(stream.records(&[b'x'; 2 * LINE_BYTES_MAX + 1], "T"));
        assert_eq!(records.matches("T stdout P ").count(), 2);
        assert_eq!(stream.line, b"x");
    }

    #[test]
    fn a_full_file_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::open(&path).unwrap();
        let half = vec![b'x'; (FILE_BYTES_MAX / 2) as usize];
        for _ in 0..2 * FILES_MAX + 4 {
            log.write(&half);
        }
        let mut files: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        files.sort_by_key(|entry| entry.file_name());
        let names: Vec<_> = files
            .iter()
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, ["log", "log.1", "log.2", "log.3", "log.4"]);
        assert!(
            files
                .iter()
                .all(|entry| entry.metadata().unwrap().len() <= FILE_BYTES_MAX)
        );
    }
}
